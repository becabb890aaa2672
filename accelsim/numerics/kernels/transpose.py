"""Runs of numbers laid side by side: element i of each of many runs becomes one vector.

Squares of numbers are turned over in registers, one vector of a cache line per row, in
exchanges of ever larger blocks between pairs of rows.

References
----------
J. O. Eklundh, "A fast computer method for matrix transposing", IEEE Transactions on
Computers C-21 (1972).
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from accelsim.numerics.kernels.compile import compiled_part
from accelsim.numerics.panels import CACHE_LINE_BYTES

#: As in `accelsim.numerics.kernels.vector`: what it returns is called in compiled code only.
_operation: Any = intrinsic
_declare: Any = cgutils.get_or_insert_function


def _exchange(builder: Any, rows: list[Any], block: int) -> list[Any]:
    """Exchange the blocks beside the diagonal, of pairs of rows that are `block` apart."""
    size = len(rows)
    index = ir.VectorType(ir.IntType(32), size)
    upper = [c if not c & block else size + c - block for c in range(size)]
    lower = [c + block if not c & block else size + c for c in range(size)]
    out = list(rows)
    for i in range(size):
        if not i & block:
            pair = rows[i], rows[i | block]
            out[i] = builder.shuffle_vector(*pair, ir.Constant(index, upper))
            out[i | block] = builder.shuffle_vector(*pair, ir.Constant(index, lower))
    return out


def _fetch(builder: Any, pointer: Any) -> None:
    """Have the second-level cache read what is soon needed; an address outside does no harm."""
    byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
    function_type = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
    prefetch = _declare(builder.module, function_type, "llvm.prefetch.p0i8")
    to_read, second_level, data = number(0), number(2), number(1)
    builder.call(prefetch, [builder.bitcast(pointer, byte), to_read, second_level, data])


@_operation
def turn_square(
    _typing: Any, source: Any, start: Any, stride: Any, target: Any, at: Any, width: Any
) -> Any:
    """Write a square of `source` transposed to `target`; float32 may become float64.

    Its rows begin at `start` and every `stride` elements from there, those of the copy at
    `at` and every `width`; both are as long as a cache line has numbers of `target`. The
    rows below are read ahead: processors do not foresee reads so far apart.
    """
    size = CACHE_LINE_BYTES * 8 // target.dtype.bitwidth
    is_widened = source.dtype.bitwidth < target.dtype.bitwidth
    scalars = {32: ir.FloatType(), 64: ir.DoubleType()}

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def address(array_type: Any, array: Any, first: Any, step: Any, row: int) -> Any:
            data = context.make_array(array_type)(context, builder, array).data
            place = builder.add(first, builder.mul(step, step.type(row)))
            vector = ir.VectorType(scalars[array_type.dtype.bitwidth], size)
            return builder.bitcast(builder.gep(data, [place]), vector.as_pointer())

        rows = []
        for row in range(size):
            ahead = address(signature.args[0], args[0], args[1], args[2], row + size)
            _fetch(builder, ahead)
            pointer = address(signature.args[0], args[0], args[1], args[2], row)
            x = builder.load(pointer, align=source.dtype.bitwidth // 8)
            rows.append(builder.fpext(x, ir.VectorType(ir.DoubleType(), size)) if is_widened else x)
        block = 1
        while block < size:
            rows = _exchange(builder, rows, block)
            block *= 2
        for row, x in enumerate(rows):
            pointer = address(signature.args[3], args[3], args[4], args[5], row)
            builder.store(x, pointer, align=target.dtype.bitwidth // 8)
        return context.get_dummy_value()

    place = types.intp
    return types.void(source, place, place, target, place, place), generate


@compiled_part
def lay_side_by_side(
    source: Any, start: Any, stride: Any, count: Any, length: Any, target: Any, at: Any, lanes: Any
) -> None:
    """Write element i of `count` runs of `source`, at most as many as lanes, to vector i.

    The runs begin at `start` and every `stride` elements from there. Vector 0 begins at `at` in
    `target`. Lanes without a run, and vectors up to the next whole square, get any numbers.
    """
    size = CACHE_LINE_BYTES // target.itemsize
    for lane in range(0, count, size):
        first = start + lane * stride
        for i in range(0, length, size):
            if first + (size - 1) * stride + i + size <= source.size:
                turn_square(source, first + i, stride, target, at + i * lanes + lane, lanes)
                continue
            for run in range(min(size, count - lane)):
                for place in range(i, min(i + size, length)):
                    target[at + place * lanes + lane + run] = source[first + run * stride + place]
