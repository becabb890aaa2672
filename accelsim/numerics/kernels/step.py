"""One rounded addition on vectors, whatever the rule: the heart of every kernel.

The *type* of a rule of `accelsim.numerics.rules` chooses the code when a kernel is
compiled, so a kernel holds one way of rounding and no switch.
"""

from __future__ import annotations

from typing import Any

from numba.extending import overload

from accelsim.numerics.kernels.steps32 import STEPS_32
from accelsim.numerics.kernels.steps64 import STEPS_64

#: The code of each type of rule.
STEPS = STEPS_32 | STEPS_64


def step(rule: Any, a: Any, b: Any, total: Any) -> Any:
    """Return a * b + total, rounded by `rule`; in compiled code only."""
    raise NotImplementedError


@overload(step)
def _choose_step(rule: Any, a: Any, b: Any, total: Any) -> Any:
    return STEPS.get(rule.instance_class)
