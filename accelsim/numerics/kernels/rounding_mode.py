"""The rounding of the machine's own additions, for kernels that want another than nearest."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

#: As in `accelsim.numerics.kernels.vector`: what it returns is called in compiled code only.
_operation: Any = intrinsic
_declare: Any = cgutils.get_or_insert_function
#: As LLVM numbers them.
_TOWARD_ZERO = 0
_NEAREST_EVEN = 1


def _set_mode(mode: int) -> Any:
    """Make a change of the rounding of this thread."""

    @_operation
    def operation(_typing: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, _args: Any) -> Any:
            number = ir.IntType(32)
            function_type = ir.FunctionType(ir.VoidType(), [number])
            change = _declare(builder.module, function_type, "llvm.set.rounding")
            builder.call(change, [ir.Constant(number, mode)])
            return context.get_dummy_value()

        return types.void(), generate

    return operation


#: Cut sums off from now on; a kernel that does so ends with `round_to_nearest`.
round_toward_zero = _set_mode(_TOWARD_ZERO)
#: Round as every other code expects.
round_to_nearest = _set_mode(_NEAREST_EVEN)
