"""GEMMs of two computed tensors, neither of which is a weight."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.formats import NumberFormat
from accelsim.precision.recipe import GemmRule
from accelsim.workload.builder import (
    Attributes,
    StoredOperand,
    TraceBuilder,
    store_attributes,
)
from accelsim.workload.heads_view import HeadsView
from accelsim.workload.ops import Gemm, Operand, Phase, Role, TensorInfo
from accelsim.workload.saved_activations import saved_operand
from accelsim.workload.views import MatrixView, View

#: An operand and how it is seen.
Seen = tuple[StoredOperand, View]


@dataclass(frozen=True, slots=True)
class Products:
    """Emits the GEMMs of one layer that multiplies what other layers computed.

    Parameters
    ----------
    builder : TraceBuilder
        What is being built.
    layer : str
        The layer's name.
    rule : GemmRule
        What the recipe asks of its GEMMs.
    phase : Phase
        Forward, or backward for the errors of its inputs.
    """

    builder: TraceBuilder
    layer: str
    rule: GemmRule
    phase: Phase

    def operand(self, tensor: str, fmt: NumberFormat) -> StoredOperand:
        """Return a tensor as a GEMM operand."""
        return self.builder.store(
            tensor, fmt, scaled=self.rule.scaled, layer=self.layer, phase=self.phase
        )

    def waiting(self, tensor: str, fmt: NumberFormat) -> StoredOperand:
        """Return an operand of the forward pass as it waited for the backward pass."""
        return saved_operand(self.builder, self.operand(tensor, fmt), layer=self.layer)

    def emit(self, name: str, a: Seen, b: Seen, out: View, target: NumberFormat | None) -> str:
        """Emit ``out = a x b``, stored in `target`; None leaves it as it is finished.

        Returns the tensor `name`.
        """
        rule, recipe = self.rule, self.builder.recipe
        (left, view_a), (right, view_b) = a, b
        scales = tuple(one.scale for one in (left, right) if one.scale is not None)
        is_finished = not scales and target in (None, rule.output)
        shape = out.shape  # type: ignore[attr-defined]
        role = Role.ACTIVATION if self.phase is Phase.FORWARD else Role.ERROR
        made = self.builder.tensor(
            TensorInfo(name if is_finished else f"{name}:sum", shape, role, rule.output)
        )
        groups, m, n = view_extents(out)
        self.builder.gemm(
            Gemm(
                name=f"{name}.gemm",
                layer=self.layer,
                phase=self.phase,
                groups=groups,
                m=m,
                n=n,
                k=view_extents(view_a)[2],
                a=Operand(left.tensor, view_a, left.format),
                b=Operand(right.tensor, view_b, right.format),
                out=Operand(made, out, rule.output),
                accumulator=rule.accumulator,
            )
        )
        if is_finished:
            return made
        fmt = target or recipe.vector.compute
        attributes: Attributes = () if scales else store_attributes(fmt)
        return self.builder.vector(
            f"{name}.{'unscale' if scales else 'store'}",
            "unscale" if scales else "store",
            (made, *scales),
            TensorInfo(name, shape, role, fmt),
            layer=self.layer,
            compute_format=recipe.vector.compute,
            phase=self.phase,
            attributes=attributes,
        )


def view_extents(view: View) -> tuple[int, int, int]:
    """Return (groups, rows, columns) of a matrix view or a view of heads."""
    if isinstance(view, HeadsView):
        return view.extents
    assert isinstance(view, MatrixView), "no other view is both read and written"
    return view.groups, view.rows, view.columns
