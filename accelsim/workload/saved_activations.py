"""Activations that wait for the backward pass in few bits (`Recipe.saved_activations`).

Without a format for it, the backward pass reads what the forward pass left. With one,
what the backward pass of a layer reads, such as the operands of a GEMM, the input of a
norm or of an activation function and the factors of a product, is stored in it, rounded
stochastically, as soon as the forward pass needs it no longer, and restored when the
backward pass does. Two layers keep less, exactly: a ReLU one bit an element, whether it
is above zero; max pooling the place of the largest element in each window, 2 bits for
2 x 2. A quotient keeps its operands as they are, since a divisor must not round to zero,
and class numbers, ids and parameters stay where they are.

References
----------
J. Chen et al., "ActNN: Reducing Training Memory Footprint via 2-Bit Activation
Compressed Training", ICML 2021, arXiv:2104.14129.
"""

from __future__ import annotations

from accelsim.formats import Overflow, Rounding, get_format
from accelsim.workload.builder import Attributes, StoredOperand, TraceBuilder, store_attributes
from accelsim.workload.ops import Gemm, Op, Phase, Role, TensorInfo, VectorOp
from accelsim.workload.vector_functions import VECTOR_FUNCTIONS

#: Format of one bit an element.
MASK_FORMAT = "uint1"


def saved(builder: TraceBuilder, name: str) -> str:
    """Return the tensor in which an activation waits: itself, or a copy in few bits."""
    fmt, stored = builder.recipe.saved_activations, builder.in_memory(name)
    if fmt is None or any(stored == parameter.tensor for parameter in builder.parameters):
        return name
    kept = f"{stored}:saved"
    if kept not in builder.tensors:
        info = TensorInfo(kept, builder.tensors[stored].shape, Role.ACTIVATION, fmt)
        _insert(builder, stored, info, "store", store_attributes(fmt), Rounding.STOCHASTIC)
    return builder.reshaped(kept, builder.tensors[name].shape)


def saved_mask(builder: TraceBuilder, name: str) -> str:
    """Return a tensor that is above zero where an activation is: itself, or one bit of it."""
    if builder.recipe.saved_activations is None:
        return name
    stored = builder.in_memory(name)
    kept = f"{stored}:positive"
    if kept not in builder.tensors:
        shape = builder.tensors[stored].shape
        info = TensorInfo(kept, shape, Role.ACTIVATION, get_format(MASK_FORMAT))
        _insert(builder, stored, info, "positive")
    return builder.reshaped(kept, builder.tensors[name].shape)


def saved_places(
    builder: TraceBuilder, name: str, output: str, attributes: Attributes
) -> str | None:
    """Return a tensor that says which element of each window of a map was the largest.

    `output` is the pooled map. None where the backward pass reads the map itself.
    """
    if builder.recipe.saved_activations is None:
        return None
    kernel = dict(attributes)["kernel"]
    assert isinstance(kernel, tuple), "a lowered window names both directions"
    last = int(kernel[0]) * int(kernel[1]) - 1
    fmt = get_format(f"uint{max(1, last.bit_length())}")
    kept = TensorInfo(f"{output}:places", builder.tensors[output].shape, Role.ACTIVATION, fmt)
    _insert(builder, name, kept, "largest_place", attributes)
    return kept.name


def saved_operand(builder: TraceBuilder, operand: StoredOperand, *, layer: str) -> StoredOperand:
    """Return a GEMM operand of the forward pass as the gradient GEMM gets it.

    Its scale, if any, is the one that it had.
    """
    kept = saved(builder, operand.tensor)
    if kept == operand.tensor:
        return operand
    info = builder.tensors[operand.tensor]
    restored = f"{kept}:restored"
    if restored not in builder.tensors:
        builder.vector(
            f"{restored}.store",
            "store",
            (kept,),
            TensorInfo(restored, info.shape, info.role, info.format),
            layer=layer,
            compute_format=builder.recipe.vector.compute,
            phase=Phase.GRADIENT,
            attributes=store_attributes(info.format),
            rounding=builder.recipe.store.rounding,
            overflow=Overflow.SATURATE,
        )
    return StoredOperand(restored, operand.format, operand.scale)


def _insert(
    builder: TraceBuilder,
    name: str,
    kept: TensorInfo,
    function: str,
    attributes: Attributes = (),
    rounding: Rounding = Rounding.NEAREST_EVEN,
) -> None:
    """Put an op where the forward pass needs a tensor no longer."""
    shape, stored = builder.tensors[name].shape, builder.in_memory(name)
    place = _end_of_use(builder.ops, stored)
    builder.tensor(kept)
    builder.ops.insert(
        place,
        VectorOp(
            name=f"{kept.name}.{function}",
            layer=builder.ops[place - 1].layer,
            phase=Phase.FORWARD,
            function=function,
            inputs=(stored,),
            outputs=(kept.name,),
            elements=VECTOR_FUNCTIONS[function].visits(shape, kept.shape, dict(attributes)),
            compute_format=builder.recipe.vector.compute,
            rounding=rounding,
            attributes=tuple(sorted(attributes)),
            input_shapes=() if stored == name else (shape,),
        ),
    )


def _end_of_use(ops: list[Op], name: str) -> int:
    """Return the place after the last op of the forward pass that names a tensor.

    What works on that op's write-back stays with it.
    """
    last = max(
        index for index, op in enumerate(ops) if op.phase is Phase.FORWARD and name in _names(op)
    )
    place = last + 1
    while place < len(ops) and _is_fused(ops[place]):
        place += 1
    return place


def _is_fused(op: Op) -> bool:
    return isinstance(op, VectorOp) and op.fused


def _names(op: Op) -> tuple[str, ...]:
    if isinstance(op, Gemm):
        return op.a.tensor, op.b.tensor, op.out.tensor
    return *op.inputs, *op.outputs
