"""Operations across the lanes of vectors: halves of pairs, and lanes chosen by a mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from accelsim.numerics.kernels.vector import VECTOR_BYTES, Vector

#: As in `accelsim.numerics.kernels.vector`: what it returns is called in compiled code only.
_operation: Any = intrinsic
_declare: Any = cgutils.get_or_insert_function
#: Lanes of the vectors of 32-bit and of 64-bit numbers.
_NARROW = VECTOR_BYTES // 4
_WIDE = VECTOR_BYTES // 8
_WIDE_TYPE = ir.VectorType(ir.DoubleType(), _WIDE)
_HALF_TYPE = ir.VectorType(ir.FloatType(), _WIDE)


def _places(lanes: Sequence[int]) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), list(lanes))


def _pairing(place: Callable[[int], tuple[int, int]]) -> Any:
    """Make a merge of two vectors by pairs: for an even lane, where its pair comes from."""
    lanes = [lane for even in range(0, _NARROW, 2) for lane in place(even)]

    @_operation
    def operation(_typing: Any, x: Any, y: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            return builder.shuffle_vector(args[0], args[1], _places(lanes))

        return x(x, y), generate

    return operation


#: Pairs of an even lane of x and the odd lane of y beside it.
even_then_odd = _pairing(lambda even: (even, _NARROW + even + 1))
#: Pairs of an odd lane of x and the even lane of y beside it.
odd_then_even = _pairing(lambda even: (even + 1, _NARROW + even))


def _every_other(first: int) -> Any:
    """Make a widening of every other lane of a float32 vector, from `first` on."""

    @_operation
    def operation(_typing: Any, x: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            half = builder.shuffle_vector(args[0], args[0], _places(range(first, _NARROW, 2)))
            return builder.fpext(half, _WIDE_TYPE)

        return Vector("f64")(x), generate

    return operation


even_lanes = _every_other(0)
odd_lanes = _every_other(1)


@_operation
def join_lanes(_typing: Any, even: Any, odd: Any) -> Any:
    """Return the float32 vector of which two float64 vectors are the even and odd lanes."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        halves = [builder.fptrunc(half, _HALF_TYPE) for half in args]
        lanes = [lane for i in range(_WIDE) for lane in (i, _WIDE + i)]
        return builder.shuffle_vector(*halves, _places(lanes))

    return Vector("f32")(even, odd), generate


@_operation
def compress_store(_typing: Any, array: Any, offset: Any, mask: Any, vector: Any) -> Any:
    """Write the lanes where the mask is true one after the other, from element `offset` on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        pointer = builder.gep(data, [args[1]])
        values = args[3].type
        lanes = f"{values.count}{vector.kind}"
        types_of = [values, pointer.type, args[2].type]
        function_type = ir.FunctionType(ir.VoidType(), types_of)
        name = f"llvm.masked.compressstore.v{lanes}"
        store = _declare(builder.module, function_type, name)
        builder.call(store, [args[3], pointer, args[2]])
        return context.get_dummy_value()

    return types.void(array, types.intp, mask, vector), generate


@_operation
def count_true(_typing: Any, mask: Any) -> Any:
    """Return in how many lanes a mask of 64 is true."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.ctpop(builder.bitcast(args[0], ir.IntType(_NARROW)))

    return types.int64(mask), generate
