"""The functions of the vector unit that transformers need.

The conventions are those of `accelsim.workload.vector_functions`: features are the last
axis, "round" is to the op's compute format, sums add in index order from +0, and what is
finished is rounded once more to the format of its output.

============================== ====================== ===========================================
function                       inputs                 result
============================== ====================== ===========================================
``layer_norm``                 x, gain, bias          m = round(sum of x / count),
                                                      d = round(x - m), v = round(sum of
                                                      round(d * d) / count), r = round(1 /
                                                      round(sqrt(round(v + eps)))),
                                                      n = round(d * r), each sum over the last
                                                      axis; round(round(n * gain[c]) + bias[c])
``layer_norm_backward``        error, x, gain         n and r as above, g = round(error * gain),
                                                      a = round(sum of g / count), b = round(sum
                                                      of round(g * n) / count);
                                                      round(round(round(g - a) - round(n * b)) * r)
``layer_norm_weight_gradient`` error, x               n as above; sum of round(error * n) over all
                                                      but the last axis
``gelu``                       x                      x * P(x), in float64 and rounded once; P is
                                                      the normal distribution function or, with
                                                      ``approximate: tanh``, (1 + tanh(sqrt(2 / pi)
                                                      * (x + 0.044715 * x**3))) / 2
``gelu_backward``              error, x               error * (P(x) + x * P'(x)), likewise
``scaled_softmax``             x                      over the last axis: s = round(x * f),
                                                      f = round(scale), d = round(s - max),
                                                      e = round(exp(d)), round(e / sum of e);
                                                      with ``causal``, where a query (the last
                                                      axis but one) would look ahead, e = +0 and s
                                                      takes no part in the maximum: the last query
                                                      sees every key
``masked_softmax``             x, mask                as ``scaled_softmax`` of s = round(round(x *
                                                      f) + mask), the same for every head; mask is
                                                      (batch, queries or 1, keys)
``softmax_backward``           error, y               t = sum of round(error * y);
                                                      round(round(round(error - t) * y) * f)
``position_add``               x, table               round(round(x * f) + table[offset + i]), i the
                                                      last axis but one
``rescale``                    x                      round(x * f)
``position_gradient``          error                  sum over the batch, from its first sample on,
                                                      in the rows ``offset`` and following of
                                                      ``rows`` rows, +0 in the others
``prepend_row``                x, row                 x with a row before it, along the last axis
                                                      but one
``first_row_sum``              error                  sum of the first rows over the batch
``append_rows``                past, x                the rows of x behind those of past, which
                                                      stay where they are
``drop_rows``                  x                      x without its first ``count`` rows
============================== ====================== ===========================================

Attributes: ``eps``; ``approximate``: ``none`` or ``tanh``; ``causal``: bool; ``scale``:
float; ``offset``, ``rows`` and ``count``: int.

Visits: a mean, a variance, and what is made of them are a pass each over x; a softmax
takes three, and two going back. ``append_rows`` visits the new rows alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from accelsim.workload.ops import Attribute
from accelsim.workload.vector_function import (
    Shape,
    VectorFunction,
    per_input,
    per_output,
    softmax_passes,
)


def _passes(count: int) -> Callable[[Shape, Shape, Mapping[str, Attribute]], int]:
    """Return a count of visits: so many for every element of the first input."""

    def visits(x: Shape, _y: Shape, _attributes: Mapping[str, Attribute]) -> int:
        return count * math.prod(x)

    return visits


def _new_rows(past: Shape, y: Shape, _attributes: Mapping[str, Attribute]) -> int:
    """Count one visit for every element that is new."""
    return math.prod(y) - math.prod(past)


def _first_rows(x: Shape, _y: Shape, _attributes: Mapping[str, Attribute]) -> int:
    """Count one visit for every element of a first row."""
    return math.prod(x) // x[-2]


_SOFTMAX = ("causal", "scale")

TRANSFORMER_FUNCTIONS = (
    VectorFunction("layer_norm", ("x", "gain", "bias"), ("y",), ("eps",), False, _passes(3)),
    VectorFunction("layer_norm_backward", ("error", "x", "gain"), ("y",), ("eps",), False,
                   _passes(4)),
    VectorFunction("layer_norm_weight_gradient", ("error", "x"), ("y",), ("eps",), False,
                   _passes(3)),
    VectorFunction("gelu", ("x",), ("y",), ("approximate",), True, _passes(3)),
    VectorFunction("gelu_backward", ("error", "x"), ("y",), ("approximate",), True, _passes(5)),
    VectorFunction("scaled_softmax", ("x",), ("y",), _SOFTMAX, False, softmax_passes),
    VectorFunction("masked_softmax", ("x", "mask"), ("y",), _SOFTMAX, False, _passes(4)),
    VectorFunction("softmax_backward", ("error", "y"), ("y",), ("scale",), False, _passes(2)),
    VectorFunction("position_add", ("x", "table"), ("y",), ("offset", "scale"), False,
                   per_output),
    VectorFunction("rescale", ("x",), ("y",), ("scale",), True, per_output),
    VectorFunction("position_gradient", ("error",), ("y",), ("offset", "rows"), False, per_input),
    VectorFunction("prepend_row", ("x", "row"), ("y",), (), False, per_output),
    VectorFunction("first_row_sum", ("error",), ("y",), (), False, _first_rows),
    VectorFunction("append_rows", ("past", "x"), ("y",), (), False, _new_rows, extends=True),
    VectorFunction("drop_rows", ("x",), ("y",), ("count",), False, per_output),
)  # fmt: skip
