"""Activations that wait for the backward pass in few bits (`Recipe.saved_activations`).

Without a format for it, the backward pass reads what the forward pass left. With one,
a GEMM's left operand and the input of a norm are stored in it, rounded stochastically,
as soon as the forward pass needs them no longer, and restored when the backward pass
does; of a ReLU's output one bit an element is kept, exactly. Max pooling keeps its input
as it is: which element was the largest would be lost.

References
----------
J. Chen et al., "ActNN: Reducing Training Memory Footprint via 2-Bit Activation
Compressed Training", ICML 2021, arXiv:2104.14129.
"""

from __future__ import annotations

from accelsim.formats import NumberFormat, Overflow, Rounding, get_format
from accelsim.workload.builder import Attributes, StoredOperand, TraceBuilder, store_attributes
from accelsim.workload.ops import Gemm, Op, Phase, Role, TensorInfo, VectorOp
from accelsim.workload.vector_functions import VECTOR_FUNCTIONS

#: Format of one bit an element.
MASK_FORMAT = "uint1"


def saved(builder: TraceBuilder, name: str) -> str:
    """Return the tensor in which an activation waits: itself, or a copy in few bits."""
    fmt = builder.recipe.saved_activations
    if fmt is None:
        return name
    kept = f"{name}:saved"
    if kept not in builder.tensors:
        _insert(builder, name, kept, "store", fmt, store_attributes(fmt), Rounding.STOCHASTIC)
    return kept


def saved_mask(builder: TraceBuilder, name: str) -> str:
    """Return a tensor that is above zero where an activation is: itself, or one bit of it."""
    if builder.recipe.saved_activations is None:
        return name
    kept = f"{name}:positive"
    if kept not in builder.tensors:
        _insert(builder, name, kept, "positive", get_format(MASK_FORMAT))
    return kept


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
    kept: str,
    function: str,
    fmt: NumberFormat,
    attributes: Attributes = (),
    rounding: Rounding = Rounding.NEAREST_EVEN,
) -> None:
    """Put an op where the forward pass needs a tensor no longer."""
    info = builder.tensors[name]
    place = _end_of_use(builder.ops, name)
    builder.tensor(TensorInfo(kept, info.shape, Role.ACTIVATION, fmt))
    builder.ops.insert(
        place,
        VectorOp(
            name=f"{kept}.{function}",
            layer=builder.ops[place - 1].layer,
            phase=Phase.FORWARD,
            function=function,
            inputs=(name,),
            outputs=(kept,),
            elements=VECTOR_FUNCTIONS[function].visits(info.shape, info.shape, dict(attributes)),
            compute_format=builder.recipe.vector.compute,
            rounding=rounding,
            attributes=attributes,
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
