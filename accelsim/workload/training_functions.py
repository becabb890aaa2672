"""The functions of the vector unit that only training needs.

The conventions are those of `accelsim.workload.vector_functions`: every tensor is
channels-last, "round" is to the op's compute format, reductions add in index order
from +0, and what is finished is rounded once more to the format of its output.

Losses. `labels` has the shape of x without its last axis and holds class numbers;
`count` is the number of rows (of elements, where each has a target).

========================== ============================ ===========================================
function                   inputs                       result
========================== ============================ ===========================================
``cross_entropy``          x, labels                    d = round(x - max), s = ordered rounded sum
                                                        of round(exp(d)), l = round(round(log(s)) -
                                                        d[label]); round(ordered sum of l / count)
``cross_entropy_backward`` p, labels, loss_scale        round(round(p - [c is the label]) * f),
                                                        f = round(loss_scale / count)
``binary_cross_entropy``   x, target                    l = round(round(max(x, 0) - round(x *
                                                        target)) + round(log(1 + exp(-|x|))));
                                                        round(ordered sum of l / count)
``squared_error``          x, target                    d = round(x - target);
                                                        round(ordered sum of round(d * d) / count)
``squared_error_backward`` x, target, loss_scale        round(round(x - target) * f),
                                                        f = round(2 * loss_scale / count)
========================== ============================ ===========================================

``binary_cross_entropy_backward`` of x, target and loss_scale is round(round(s - target) * f),
with s = round(1 / (1 + exp(-x))) and f = round(loss_scale / count).

Errors. The result has the shape of the layer's input.

============================ ================= ====================================================
function                     inputs            result
============================ ================= ====================================================
``positive``                 x                 1 where x > 0, else 0: what a ReLU's error needs of
                                               its output, where activations wait in few bits
``relu_backward``            error, y          error where y > 0, else +0
``max_pool_backward``        error, windows    ``windows`` is the pooling layer's input; each
                                               window's error goes to the first of its largest
                                               elements, in (ky, kx) order, or to every NaN; an
                                               element adds what it gets in (ky, kx) order, rounding
                                               each sum
``largest_place``            x                 for each window the place of the first of its
                                               largest elements, in (ky, kx) order from 0; of its
                                               first NaN where it has one
``place_backward``           error, places     as ``max_pool_backward``, to the element at the
                                               place of each window
``avg_pool_backward``        error             share = round(error / count), one for every element
                                               of the window, added as in ``max_pool_backward``
``global_avg_pool_backward`` error             round(error / pixels) for every pixel
``batch_norm_backward``      error, x, mean,   n = round(round(x - mean) * inverse_deviation);
                             inverse_deviation, t = round(error - error_mean),
                             scale, error_mean, u = round(n * product_mean);
                             product_mean      round(round(t - u) * scale)
============================ ================= ====================================================

Statistics. The result has one element per channel, or the shape of the first input.

===================== ============================ ================================================
function              inputs                       result
===================== ============================ ================================================
``channel_sum``       x                            ordered rounded sum over all but the last axis
``channel_mean``      x                            round(channel_sum / count)
``channel_variance``  x, mean                      d = round(x - mean); round(ordered sum of
                                                   round(d * d) / count)
``normalized_sum``    error, x, mean,              n = round(round(x - mean) * inverse_deviation);
                      inverse_deviation            ordered rounded sum of round(error * n)
``inverse_deviation`` variance                     round(1 / round(sqrt(round(variance + eps))))
``subtract_product``  x, a, b                      round(x - round(a * b))
``divide_by_count``   x                            round(x / count)
``running_average``   x, statistic                 round(round(x * k) + round(statistic * t)), with
                                                   k = round(keep), t = round(take)
``all_finite``        x                            1 if no element is NaN or infinite, else 0
===================== ============================ ================================================

Scaling of stored tensors. ``h`` is the attribute ``history``.

==================== ======================== ================= ==================================
function             inputs                   outputs           result
==================== ======================== ================= ==================================
``store_delayed``    x, amax_history          values, scale     as a ``store`` with ``amax``, but
                                                                the scale is that of the largest
                                                                of the h magnitudes remembered, or
                                                                that of x where all are 0
``remember_amax``    x, amax_history          y                 largest finite magnitude of x,
                                                                then the first h - 1 remembered
``direction_factor`` x, values, scale_a       y                 max(exp(-decay * d), floor),
                                                                d = 1 - cosine(x, values), in
                                                                float64, rounded once
==================== ======================== ================= ==================================

Updates. Each is exact inside and rounded once, *directly to the format of its output*,
with the op's rounding; the random bits of a stochastic one are named by (seed, step, op,
`Site.UPDATE`, element). r = 1 / loss_scale, rounded to the compute format.

======================= ============================= =============================================
function                inputs                        result
======================= ============================= =============================================
``l2_regularize``       weight, gradient,             weight_decay * weight + r * gradient
                        weight_decay, loss_scale
``momentum_accumulate`` velocity, gradient, momentum, momentum * velocity + learning_rate * gradient
                        learning_rate
``weight_update``       weight, velocity              weight - velocity
``adam_mean``           first, gradient, beta         beta * first + round(1 - beta) * gradient
``adam_square``         second, gradient, beta        beta * second + round(1 - beta) * q,
                                                      q = round(gradient * gradient)
``adam_step``           first, second, correction     round(round(first * round(c1)) / round(round(
                                                      sqrt(round(second * round(c2)))) + epsilon)),
                                                      each one rounded to the compute format;
                                                      correction is (c1, c2)
``adam_update``         weight, step, learning_rate   weight - learning_rate * step
======================= ============================= =============================================

Attributes: windows as for ``max_pool`` and ``avg_pool``; ``extents``: (height, width) of
the layer's input, for pooling; ``eps``, ``count``, ``keep`` and ``take`` as above;
``margin`` and ``power_of_two`` as for ``store``; ``history``: int; ``decay`` and ``floor``:
float; ``random_bits``: int, for the updates; ``epsilon``: float, for ``adam_step``.
"""

from __future__ import annotations

from accelsim.workload.vector_function import (
    VectorFunction,
    logistic_passes,
    per_input,
    per_output,
    per_window_tap,
    per_window_tap_of_input,
    softmax_passes,
)

_POOL = ("dilation", "kernel", "padding", "padding_end", "stride")
_NORM = ("mean", "inverse_deviation")
_BITS = ("random_bits",)

TRAINING_FUNCTIONS = (
    VectorFunction("cross_entropy", ("x", "labels"), ("y",), (), False, softmax_passes),
    VectorFunction("cross_entropy_backward", ("p", "labels", "loss_scale"), ("y",), (), False,
                   per_output),
    VectorFunction("binary_cross_entropy", ("x", "target"), ("y",), (), False, logistic_passes),
    VectorFunction("binary_cross_entropy_backward", ("x", "target", "loss_scale"), ("y",), (),
                   False, logistic_passes),
    VectorFunction("squared_error", ("x", "target"), ("y",), (), False, per_input),
    VectorFunction("squared_error_backward", ("x", "target", "loss_scale"), ("y",), (), False,
                   per_output),
    VectorFunction("positive", ("x",), ("y",), (), True, per_output),
    VectorFunction("relu_backward", ("error", "y"), ("y",), (), True, per_output),
    VectorFunction("max_pool_backward", ("error", "windows"), ("y",),
                   ("extents", *_POOL), False, per_window_tap_of_input),
    VectorFunction("largest_place", ("x",), ("y",), _POOL, False, per_window_tap),
    VectorFunction("place_backward", ("error", "places"), ("y",),
                   ("extents", *_POOL), False, per_window_tap_of_input),
    VectorFunction("avg_pool_backward", ("error",), ("y",),
                   ("count_include_pad", "extents", "overhang", *_POOL), False,
                   per_window_tap_of_input),
    VectorFunction("global_avg_pool_backward", ("error",), ("y",), ("extents",), False, per_output),
    VectorFunction("batch_norm_backward",
                   ("error", "x", *_NORM, "scale", "error_mean", "product_mean"), ("y",), (), True,
                   per_output),
    VectorFunction("channel_sum", ("x",), ("y",), (), False, per_input),
    VectorFunction("channel_mean", ("x",), ("y",), (), False, per_input),
    VectorFunction("channel_variance", ("x", "mean"), ("y",), (), False, per_input),
    VectorFunction("normalized_sum", ("error", "x", *_NORM), ("y",), (), False, per_input),
    VectorFunction("inverse_deviation", ("variance",), ("y",), ("eps",), True, per_output),
    VectorFunction("subtract_product", ("x", "a", "b"), ("y",), (), True, per_output),
    VectorFunction("divide_by_count", ("x",), ("y",), ("count",), True, per_output),
    VectorFunction("running_average", ("x", "statistic"), ("y",), ("keep", "take"), True,
                   per_output),
    VectorFunction("all_finite", ("x",), ("y",), (), False, per_input),
    VectorFunction("store_delayed", ("x", "amax_history"), ("values", "scale"),
                   ("history", "margin", "power_of_two"), True, per_output),
    VectorFunction("remember_amax", ("x", "amax_history"), ("y",), ("history",), True, per_input),
    VectorFunction("direction_factor", ("x", "values", "scale_a"), ("y",), ("decay", "floor"),
                   False, per_input),
    VectorFunction("l2_regularize", ("weight", "gradient", "weight_decay", "loss_scale"), ("y",),
                   _BITS, True, per_output),
    VectorFunction("momentum_accumulate", ("velocity", "gradient", "momentum", "learning_rate"),
                   ("y",), _BITS, True, per_output),
    VectorFunction("weight_update", ("weight", "velocity"), ("y",), _BITS, True, per_output),
    VectorFunction("adam_mean", ("first", "gradient", "beta"), ("y",), _BITS, True, per_output),
    VectorFunction("adam_square", ("second", "gradient", "beta"), ("y",), _BITS, True, per_output),
    VectorFunction("adam_step", ("first", "second", "correction"), ("y",), ("epsilon",), True,
                   per_output),
    VectorFunction("adam_update", ("weight", "step", "learning_rate"), ("y",), _BITS, True,
                   per_output),
)  # fmt: skip

#: Functions whose result is rounded once, straight to the format of the output.
UPDATE_FUNCTIONS = frozenset(
    function.name for function in TRAINING_FUNCTIONS if function.attributes == _BITS
)
