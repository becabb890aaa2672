"""The activation functions of the vector unit, and the errors that go back through them.

The conventions are those of `accelsim.workload.vector_functions`. Each function is
evaluated in float64 from the stored input and rounded once to the compute format, as
by a table or an iteration that is good to the last bit; where the exact value lies
within float64's error of a rounding boundary, that bit may be the other one.

================= =====================================================================
function          result, for one input x
================= =====================================================================
``clip``          ``min`` below it, ``max`` above it, else x; a zero is +0. Exact
``leaky_relu``    x where x > 0, else ``negative_slope`` * x
``elu``           x where x > 0, else ``alpha`` * (e**x - 1)
``sigmoid``       1 / (1 + e**-x)
``tanh``          (e**x - e**-x) / (e**x + e**-x)
``swish``         x / (1 + e**-x), 0 at -infinity
``hard_sigmoid``  ``alpha`` * x + ``beta``, between 0 and 1
``hard_swish``    x * (x + 3) / 6 where -3 < x < 3, 0 below and x above
================= =====================================================================

Their errors are ``clip_backward``, ``leaky_relu_backward``, ``elu_backward``,
``sigmoid_backward``, ``tanh_backward``, ``swish_backward``, ``hard_sigmoid_backward`` and
``hard_swish_backward`` of (error, x): round(error * f'(x)), the slope in float64, and +0
where the slope is 0. A slope that jumps is that of the left side for ``leaky_relu`` and
``elu``, 0 at the bounds of ``clip`` and ``hard_sigmoid``, and as in PyTorch for
``hard_swish``: -1/2 at -3 and 3/2 at 3.

Attributes: those named above, the same for a function and its error; a ``min`` or
``max`` that is ``none`` does not bound. NaN stays NaN.

Visits count the passes of a lane: comparison, product and sum, exponential, and quotient
are one each, as in ``softmax``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from accelsim.workload.ops import Attribute
from accelsim.workload.vector_function import Shape, VectorFunction

#: What ``min`` or ``max`` of a ``clip`` says where it does not bound.
UNBOUNDED = "none"
#: Name, attributes, passes over each element forward, and back.
_ACTIVATIONS: tuple[tuple[str, tuple[str, ...], int, int], ...] = (
    ("clip", ("max", "min"), 1, 1),
    ("leaky_relu", ("negative_slope",), 1, 1),
    ("elu", ("alpha",), 2, 2),  # exponential; product and choice
    ("sigmoid", (), 2, 3),  # exponential; quotient; product with the error
    ("tanh", (), 2, 3),
    ("swish", (), 2, 4),  # exponential; quotient; slope; product with the error
    ("hard_sigmoid", ("alpha", "beta"), 2, 1),  # product and sum; bounds
    ("hard_swish", (), 3, 2),  # sum; bounds; product
)


class _Passes:
    """A count of visits: so many for every element of the output."""

    def __init__(self, passes: int) -> None:
        self._passes = passes

    def __call__(self, _x: Shape, y: Shape, _attributes: Mapping[str, Attribute]) -> int:
        """Return the visits."""
        return self._passes * math.prod(y)


ACTIVATION_FUNCTIONS = tuple(
    function
    for name, attributes, forward, backward in _ACTIVATIONS
    for function in (
        VectorFunction(name, ("x",), ("y",), attributes, True, _Passes(forward)),
        VectorFunction(
            f"{name}_backward", ("error", "x"), ("y",), attributes, True, _Passes(backward)
        ),
    )
)
