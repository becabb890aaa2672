"""Operations on the 16-bit halves of 32-bit lanes: random fields, subtracted from the bits of sums.

x86 processors subtract a half of every lane in one instruction; others take three.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from accelsim.numerics.kernels.vector import VECTOR_BYTES

#: As in `accelsim.numerics.kernels.vector`: what it returns is called in compiled code only.
_operation: Any = intrinsic
_declare: Any = cgutils.get_or_insert_function
_LANES = VECTOR_BYTES // 4
#: Lanes of 32 bits that fill the widest register.
_REGISTER = 16
_HALF = ir.IntType(16)
_HALF_BITS = 16
#: What a processor has that multiplies halves and adds neighbours to 32-bit sums. LLVM would
#: take it apart again, into two instructions that are sooner done: they are many, not late.
_DOT_FEATURE = "+avx512vnni"
_DOT = "vpdpwssd $3, $2, $0"
_DOT_OPERANDS = "=v,0,v,v"


def _constant(element: Any, values: list[int]) -> Any:
    return ir.Constant(ir.VectorType(element, len(values)), values)


def _quarters(builder: Any, vector: Any) -> list[Any]:
    """Return a vector of 64 lanes in parts that fit registers."""
    places = [range(first, first + _REGISTER) for first in range(0, _LANES, _REGISTER)]
    return [
        builder.shuffle_vector(vector, vector, _constant(ir.IntType(32), list(lanes)))
        for lanes in places
    ]


def _joined(builder: Any, parts: list[Any]) -> Any:
    """Return the vector of which `_quarters` would make these parts."""
    while len(parts) > 1:
        lanes = _constant(ir.IntType(32), list(range(2 * parts[0].type.count)))
        parts = [
            builder.shuffle_vector(low, high, lanes)
            for low, high in zip(parts[::2], parts[1::2], strict=True)
        ]
    return parts[0]


@_operation
def shift_in_ones(_typing: Any, x: Any, distance: Any) -> Any:
    """Return both halves of int32 lanes shifted right, with ones from the left."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        halves = ir.VectorType(_HALF, 2 * _LANES)
        number = builder.trunc(args[1], _HALF)
        one_lane = builder.insert_element(halves(ir.Undefined), number, ir.IntType(32)(0))
        distances = builder.shuffle_vector(
            one_lane, one_lane, _constant(ir.IntType(32), [0] * (2 * _LANES))
        )
        shift = _declare(
            builder.module, ir.FunctionType(halves, [halves] * 3), f"llvm.fshr.v{2 * _LANES}i16"
        )
        ones = _constant(_HALF, [-1] * (2 * _LANES))
        shifted = builder.call(shift, [ones, builder.bitcast(args[0], halves), distances])
        return builder.bitcast(shifted, args[0].type)

    return x(x, types.int32), generate


def _minus_half(*, is_upper: bool) -> Any:
    """Make a subtraction, from int32 lanes, of one signed half of others."""

    def in_quarters(builder: Any, x: Any, fields: Any) -> Any:
        binding.initialize_native_asmparser()
        register = ir.VectorType(ir.IntType(32), _REGISTER)
        minus = builder.bitcast(
            _constant(_HALF, ([0, -1] if is_upper else [-1, 0]) * _REGISTER), register
        )
        function_type = ir.FunctionType(register, [register] * 3)
        pairs = zip(_quarters(builder, x), _quarters(builder, fields), strict=True)
        sums = [
            builder.asm(function_type, _DOT, _DOT_OPERANDS, [part, field, minus], False)
            for part, field in pairs
        ]
        return _joined(builder, sums)

    @_operation
    def operation(_typing: Any, x: Any, fields: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            bits, fields = args
            if _DOT_FEATURE in context.codegen().magic_tuple()[2]:
                return in_quarters(builder, bits, fields)
            distance = _constant(ir.IntType(32), [_HALF_BITS] * _LANES)
            if not is_upper:
                fields = builder.shl(fields, distance)
            return builder.sub(bits, builder.ashr(fields, distance))

        return x(x, fields), generate

    return operation


subtract_lower = _minus_half(is_upper=False)
subtract_upper = _minus_half(is_upper=True)


@_operation
def any_zero(_typing: Any, x0: Any, x1: Any, x2: Any, x3: Any, mask: Any) -> Any:
    """Return whether a lane of four int32 vectors has none of the bits of a mask."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        register = ir.VectorType(ir.IntType(32), _REGISTER)
        one_lane = builder.insert_element(register(ir.Undefined), args[4], ir.IntType(32)(0))
        bits = builder.shuffle_vector(
            one_lane, one_lane, _constant(ir.IntType(32), [0] * _REGISTER)
        )
        good = ir.VectorType(ir.IntType(1), _REGISTER)([1] * _REGISTER)
        columns = zip(*(_quarters(builder, vector) for vector in args[:4]), strict=True)
        for column in columns:
            one: Any = None
            for part in column:
                present = builder.icmp_unsigned("!=", builder.and_(part, bits), register(None))
                one = present if one is None else builder.and_(one, present)
            good = builder.and_(good, one)
        found = builder.bitcast(good, ir.IntType(_REGISTER))
        return builder.icmp_unsigned("!=", found, found.type(-1))

    return types.boolean(x0, x1, x2, x3, types.int32), generate
