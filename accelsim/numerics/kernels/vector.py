"""Fixed-width vectors inside Numba functions.

A `Vector` is a handful of machine registers that LLVM sees as one value: 256
bytes, so 64 float32 or 32 float64 lanes (four registers of AVX-512). Every
operation below is one LLVM instruction on it; LLVM splits it for the machine
at hand. This replaces hopes in the loop vectoriser by a guarantee, keeps
running sums in registers, and compiles faster.

No operation carries a fast-math flag: each rounds as IEEE 754 says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

#: Numba's decorator, without its types: what it returns is called in compiled code only.
_operation: Any = intrinsic
_declare: Any = cgutils.get_or_insert_function
#: Bytes of a vector.
VECTOR_BYTES = 256

_SCALARS: dict[str, tuple[Any, Any, int]] = {
    "f32": (types.float32, ir.FloatType(), 4),
    "f64": (types.float64, ir.DoubleType(), 8),
    "i32": (types.int32, ir.IntType(32), 4),
    "i64": (types.int64, ir.IntType(64), 8),
}
_KIND_OF = {scalar: kind for kind, (scalar, _, _) in _SCALARS.items()}
_INTEGER_TWIN = {"f32": "i32", "f64": "i64"}
_FLOAT_TWIN = {"i32": "f32", "i64": "f64"}


class Vector(types.Type):
    """Numba type of a vector of numbers."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.lanes = VECTOR_BYTES // _SCALARS[kind][2]
        super().__init__(name=f"Vector({kind})")


class Mask(types.Type):
    """Numba type of a vector of truth values."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"Mask({lanes})")


def _llvm_type(kind: str) -> Any:
    return ir.VectorType(_SCALARS[kind][1], VECTOR_BYTES // _SCALARS[kind][2])


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Vector) -> None:
        super().__init__(manager, fe_type, _llvm_type(fe_type.kind))  # type: ignore[no-untyped-call]


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Mask) -> None:
        lanes = ir.VectorType(ir.IntType(1), fe_type.lanes)
        super().__init__(manager, fe_type, lanes)  # type: ignore[no-untyped-call]


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, offset: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    kind = _KIND_OF[array_type.dtype]
    return builder.bitcast(builder.gep(data, [offset]), _llvm_type(kind).as_pointer())


@_operation
def load(_typing: Any, array: Any, offset: Any) -> Any:
    """Read a vector from a flat array, from element `offset` on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
        return builder.load(pointer, align=array.dtype.bitwidth // 8)

    return Vector(_KIND_OF[array.dtype])(array, types.intp), generate


@_operation
def store(_typing: Any, array: Any, offset: Any, vector: Any) -> Any:
    """Write a vector to a flat array, from element `offset` on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
        builder.store(args[2], pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


def _float_pointer(context: Any, builder: Any, array_type: Any, args: Any) -> Any:
    """Return the address of as many floats of an array as a float64 vector has lanes."""
    data = context.make_array(array_type)(context, builder, args[0]).data
    scalar = _SCALARS[_KIND_OF[array_type.dtype]][1]
    vector_type = ir.VectorType(scalar, _llvm_type("f64").count)
    return builder.bitcast(builder.gep(data, [args[1]]), vector_type.as_pointer())


@_operation
def load_wide(_typing: Any, array: Any, offset: Any) -> Any:
    """Read float32 or float64 elements as a float64 vector, from element `offset` on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _float_pointer(context, builder, signature.args[0], args)
        x = builder.load(pointer, align=array.dtype.bitwidth // 8)
        return x if array.dtype.bitwidth == 64 else builder.fpext(x, _llvm_type("f64"))

    return Vector("f64")(array, types.intp), generate


@_operation
def store_narrow(_typing: Any, array: Any, offset: Any, vector: Any) -> Any:
    """Write a float64 vector to a float32 or float64 array that holds its values."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _float_pointer(context, builder, signature.args[0], args)
        x = args[2]
        if array.dtype.bitwidth == 32:
            x = builder.fptrunc(x, pointer.type.pointee)
        builder.store(x, pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


@_operation
def splat(_typing: Any, scalar: Any) -> Any:
    """Return a vector with the same number in every lane."""
    kind = _KIND_OF[scalar]

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return _splat(builder, args[0], kind)

    return Vector(kind)(scalar), generate


@_operation
def splat_at(_typing: Any, array: Any, offset: Any) -> Any:
    """Return a vector with element `offset` of a flat array in every lane.

    Unlike indexing, it never counts from the end, which would cost instructions.
    """
    kind = _KIND_OF[array.dtype]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return _splat(builder, builder.load(builder.gep(data, [args[1]])), kind)

    return Vector(kind)(array, types.intp), generate


@_operation
def element(_typing: Any, array: Any, offset: Any) -> Any:
    """Return element `offset` of a flat array; like `splat_at`, it never counts from the end."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load(builder.gep(data, [args[1]]))

    return array.dtype(array, types.intp), generate


def _splat(builder: Any, scalar: Any, kind: str) -> Any:
    vector_type = _llvm_type(kind)
    undefined = ir.Constant(vector_type, ir.Undefined)
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector_type.count), None)
    one_lane = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one_lane, undefined, zeros)


def _call(builder: Any, name: str, kind: str, args: Any) -> Any:
    vector_type = _llvm_type(kind)
    function_type = ir.FunctionType(vector_type, [vector_type] * len(args))
    full_name = f"llvm.{name}.v{vector_type.count}{kind}"
    return builder.call(_declare(builder.module, function_type, full_name), args)


def _llvm_function(name: str, arity: int) -> Any:
    """Make an operation of one LLVM intrinsic function."""

    def generate_for(kind: str) -> Callable[..., Any]:
        return lambda _context, builder, _signature, args: _call(builder, name, kind, args)

    if arity == 1:

        @_operation
        def unary(_typing: Any, x: Any) -> Any:
            return x(x), generate_for(x.kind)

        return unary
    if arity == 2:

        @_operation
        def binary(_typing: Any, x: Any, y: Any) -> Any:
            return x(x, y), generate_for(x.kind)

        return binary

    @_operation
    def ternary(_typing: Any, x: Any, y: Any, z: Any) -> Any:
        return x(x, y, z), generate_for(x.kind)

    return ternary


#: x * y + z, fused where the machine can: for products that are exact.
multiply_add = _llvm_function("fmuladd", 3)
#: x * y + z with one rounding, always.
fused_multiply_add = _llvm_function("fma", 3)
#: |x|.
magnitude = _llvm_function("fabs", 1)
#: x without its fraction.
truncate = _llvm_function("trunc", 1)
#: |x| with the sign of y.
copy_sign = _llvm_function("copysign", 2)
#: Rotate every lane of the first operand left; give it twice, then the distance.
funnel_shift_left = _llvm_function("fshl", 3)


def _instruction(name: str, integer_name: str | None = None) -> Any:
    """Make an operation of one LLVM instruction with two operands."""

    @_operation
    def operation(_typing: Any, x: Any, y: Any) -> Any:
        chosen = integer_name if integer_name and x.kind[0] == "i" else name

        def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            return getattr(builder, chosen)(*args)

        return x(x, y), generate

    return operation


add = _instruction("fadd", "add")
subtract = _instruction("fsub", "sub")
multiply = _instruction("fmul", "mul")
bit_and = _instruction("and_")
bit_or = _instruction("or_")
bit_xor = _instruction("xor")
shift_left = _instruction("shl")
shift_right = _instruction("lshr")


def _comparison(relation: str) -> Any:
    """Make a comparison: false where a float operand is NaN; signed for integers."""

    @_operation
    def comparison(_typing: Any, x: Any, y: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            if x.kind[0] == "i":
                return builder.icmp_signed(relation, *args)
            return builder.fcmp_ordered(relation, *args)

        return Mask(x.lanes)(x, y), generate

    return comparison


less = _comparison("<")
greater = _comparison(">")
at_least = _comparison(">=")
#: x != y; false for NaN.
different = _comparison("!=")


@_operation
def select(_typing: Any, mask: Any, x: Any, y: Any) -> Any:
    """Return x where the mask is true, else y."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.select(*args)

    return x(mask, x, y), generate


def _cast(twins: dict[str, str]) -> Any:
    """Make a reinterpretation of the same bits."""

    @_operation
    def cast(_typing: Any, x: Any) -> Any:
        target = twins[x.kind]

        def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            return builder.bitcast(args[0], _llvm_type(target))

        return Vector(target)(x), generate

    return cast


#: The bits of floats as integers, and back.
as_integer = _cast(_INTEGER_TWIN)
as_float = _cast(_FLOAT_TWIN)
#: The two halves of 64-bit integers, the lower one first.
as_halves = _cast({"i64": "i32"})
