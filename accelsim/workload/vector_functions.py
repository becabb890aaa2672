"""The functions of the vector unit: the contract between trace, values, time and price.

A `VectorOp` names one of these functions. Every tensor is channels-last, with
the batch first: ``(batch, height, width, channels)`` or ``(batch, features)``.
"Round" below means: round the exact result to the op's `compute_format`, to
nearest even. The finished result is then rounded once more, with the op's own
`rounding` and `overflow`, to the stored format of its output tensor, which
changes nothing where the two formats are equal. Reductions add in index order,
channels-last, from +0. NaN goes through every function; a channel-wise operand
has one element per channel (the last axis).

==================  ======================  ===============  ====================================
function            inputs                  outputs          result
==================  ======================  ===============  ====================================
``bias_add``        x, bias                 y                round(x + bias[c])
``batch_norm``      x, scale, shift         y                round(round(x * scale[c]) + shift[c])
``relu``            x                       y                x where x > 0, NaN where x is NaN,
                                                             else +0
``max_pool``        x                       y                largest element of each window;
                                                             padding never wins
``avg_pool``        x                       y                round(sum / count): the window's
                                                             elements added (ky, kx) in order,
                                                             each sum rounded; padding adds
                                                             nothing, and counts where
                                                             ``count_include_pad``
``global_avg_pool`` x                       y                as ``avg_pool`` over the whole map;
                                                             y is (batch, 1, 1, channels)
``softmax``         x                       y                over the last axis: d = round(x - max),
                                                             e = round(exp(d)), s = ordered rounded
                                                             sum of e, round(e / s)
``store``           x                       values [, scale] x in the format of ``values``; with
                                                             ``scaling: amax``, x * scale in it:
                                                             the exact product, rounded once
``unscale``         x, scale_a, scale_b     y                round(x / (scale_a * scale_b)), product
                                                             and quotient exact before the rounding;
                                                             scale_b of one element or channel-wise
==================  ======================  ===============  ====================================

``local_response_norm`` of x: s = ordered rounded sum of round(x * x) over the channels near
each, fewer at the ends, d = round((k + alpha / size * s)**beta), y = round(x / d).

Attributes, by function (all others have none):

* ``max_pool``, ``avg_pool``: ``kernel``, ``stride``, ``dilation``, ``padding`` before the first
  row and column, ``padding_end`` after the last: (vertical, horizontal).
* ``avg_pool``: ``overhang``: (vertical, horizontal), more padding at the end, which never counts;
  ``count_include_pad``: bool.
* ``local_response_norm``: ``size``: int, channels in a sum, (size - 1) // 2 of them before; and
  ``alpha``, ``beta``, ``k``: float. The power is one float64 number, rounded once.
* ``store``: ``scaling``: ``none``, ``amax``, or ``format`` where the stored format finds its
  scales in x (S2FP8, MX), with its own rounding; with ``amax`` also ``margin``: int, and
  ``power_of_two``: bool. The scale is `accelsim.precision.scaling.amax_scale` of the
  largest finite magnitude of x; it is written to ``scale``, one element, FP32.
  ``direction`` is ``amax`` of a threshold in the place of that magnitude: of the 8 that
  are each 2**-0.5 of the one before, starting with it, the first for which the cosine of
  x and the stored values is largest.

Joints of tensors and what moves elements are in `accelsim.workload.shape_functions`,
activation functions in `accelsim.workload.activation_functions`, what transformers
need in `accelsim.workload.transformer_functions`, what recurrent layers need in
`accelsim.workload.recurrent_functions`; what training needs
besides is in `accelsim.workload.training_functions`.

`softmax` at an all -infinity row, and `global_avg_pool` of no elements, are NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from accelsim.workload.activation_functions import ACTIVATION_FUNCTIONS
from accelsim.workload.recurrent_functions import RECURRENT_FUNCTIONS
from accelsim.workload.shape_functions import SHAPE_FUNCTIONS
from accelsim.workload.training_functions import TRAINING_FUNCTIONS
from accelsim.workload.transformer_functions import TRANSFORMER_FUNCTIONS
from accelsim.workload.vector_function import (
    VectorFunction,
    neighbour_passes,
    per_input,
    per_output,
    per_window_tap,
    softmax_passes,
    store_passes,
)

__all__ = ["VECTOR_FUNCTIONS", "VectorFunction"]

_POOL = ("dilation", "kernel", "padding", "padding_end", "stride")

_FUNCTIONS = (
    VectorFunction("bias_add", ("x", "bias"), ("y",), (), True, per_output),
    VectorFunction("batch_norm", ("x", "scale", "shift"), ("y",), (), True, per_output),
    VectorFunction("relu", ("x",), ("y",), (), True, per_output),
    VectorFunction("max_pool", ("x",), ("y",), _POOL, False, per_window_tap),
    VectorFunction("avg_pool", ("x",), ("y",), ("count_include_pad", "overhang", *_POOL), False,
                   per_window_tap),
    VectorFunction("global_avg_pool", ("x",), ("y",), (), False, per_input),
    VectorFunction("local_response_norm", ("x",), ("y",), ("alpha", "beta", "k", "size"), False,
                   neighbour_passes),
    VectorFunction("softmax", ("x",), ("y",), (), False, softmax_passes),
    VectorFunction("store", ("x",), ("values", "scale"), ("margin", "power_of_two", "scaling"),
                   True, store_passes),
    VectorFunction("unscale", ("x", "scale_a", "scale_b"), ("y",), (), True, per_output),
)  # fmt: skip

#: Every function of the vector unit by name.
VECTOR_FUNCTIONS: Mapping[str, VectorFunction] = MappingProxyType(
    {
        function.name: function
        for function in (
            *_FUNCTIONS,
            *ACTIVATION_FUNCTIONS,
            *RECURRENT_FUNCTIONS,
            *SHAPE_FUNCTIONS,
            *TRAINING_FUNCTIONS,
            *TRANSFORMER_FUNCTIONS,
        )
    }
)
