"""Product of two computed matrices, for every sample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from accelsim.errors import ShapeError
from accelsim.workload.backward_scope import BackwardScope
from accelsim.workload.layers.base import Float64Array, Layer, Shape
from accelsim.workload.layers.joints import share_of_input
from accelsim.workload.ops import Phase, Role, TensorInfo
from accelsim.workload.products import Products, Seen
from accelsim.workload.scope import LayerScope
from accelsim.workload.shape_functions import broadcast_shape
from accelsim.workload.transposed_view import transposed
from accelsim.workload.views import MatrixView

#: Axes of a matrix.
_MATRIX = 2


class MatMul(Layer):
    """``y = a b``, or ``a b^T``, of two inputs (..., m, k) and (..., k, n), sample by sample.

    Lowers to one `Gemm` with a group for every sample and every place of the leading axes;
    both operands have the recipe's format for activations. Leading axes broadcast: a second
    operand that is the same for all of them is multiplied as it is, all rows below each
    other; otherwise the smaller operand is repeated on the vector unit.
    """

    feeds_gemm: ClassVar[bool] = True
    input_count: ClassVar[int | None] = 2

    kind: Literal["matmul"] = "matmul"
    transpose_b: bool = False
    """Whether the second input is (..., n, k)."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (..., m, n)."""
        return self._extents(inputs).output

    def macs(self, inputs: Sequence[Shape]) -> int:
        """Return leading extents x m x k x n."""
        return math.prod(self._extents(inputs).output) * inputs[0][-1]

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit the GEMM, after an ``expand`` of what is to be repeated, and unscaling, if any."""
        extents = self._extents(scope.input_shapes)
        make = Products(scope.builder, scope.name, scope.rule, Phase.FORWARD)
        names = self._expanded(scope, extents)
        fmt = scope.rule.operands.activation
        a, b = (make.operand(name, fmt) for name in names)
        view_a, view_b, view_out = extents.views(scope.batch, transpose_b=self.transpose_b)
        target = None if scope.continues else scope.recipe.storage_format
        return make.emit(scope.name, (a, view_a), (b, view_b), view_out, target)

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit a GEMM for every input that asks: error b^T, and a^T error."""
        extents = self._extents(scope.input_shapes)
        make = Products(scope.builder, scope.name, scope.rule, Phase.BACKWARD)
        operands = scope.rule.operands
        view_a, view_b, view_out = extents.views(scope.batch, transpose_b=self.transpose_b)
        error: Seen = (make.operand(scope.error, operands.error), view_out)
        names = [_seen_name(scope, index, shape) for index, shape in enumerate(extents.seen)]
        storage = scope.recipe.storage_format
        found: list[str | None] = [None, None]
        if scope.needs[0]:
            b = make.waiting(names[1], operands.activation)
            made = make.emit(self._error_name(scope, extents, 0), error,
                             (b, transposed(view_b)), view_a, storage)  # fmt: skip
            found[0] = share_of_input(scope, 0, made)
        if scope.needs[1]:
            a = make.waiting(names[0], operands.activation)
            left: Seen = (a, transposed(view_a))
            right = error
            if self.transpose_b:  # its error is stored (n, k), as it is itself
                left, right = (error[0], transposed(view_out)), (a, view_a)
                view_b = MatrixView(view_b.shape, view_b.groups, view_b.columns, view_b.rows)
            made = make.emit(self._error_name(scope, extents, 1), left, right, view_b, storage)
            found[1] = share_of_input(scope, 1, made)
        return tuple(found)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Multiply with NumPy."""
        del parameters
        a, b = inputs
        rank = max(a.ndim, b.ndim)
        a, b = (x.reshape(len(x), *(1,) * (rank - x.ndim), *x.shape[1:]) for x in (a, b))
        return np.asarray(np.matmul(a, b.swapaxes(-1, -2) if self.transpose_b else b))

    def _extents(self, inputs: Sequence[Shape]) -> _Extents:
        a, b = inputs
        if len(a) < _MATRIX or len(b) < _MATRIX:
            raise ShapeError(f"it multiplies matrices and is given {a} and {b}; reshape them")
        k, n = (b[-1], b[-2]) if self.transpose_b else (b[-2], b[-1])
        lead = broadcast_shape([(1, *a[:-2]), (1, *b[:-2])])
        if a[-1] != k or lead is None:
            raise ShapeError(
                f"it cannot multiply {a} by {b}{' transposed' if self.transpose_b else ''}: "
                + (f"rows of {a[-1]} meet columns of {k}" if a[-1] != k
                   else "the leading extents differ where none of them is 1")
            )  # fmt: skip
        return _Extents(lead[1:], a, b, n)

    def _expanded(self, scope: LayerScope, extents: _Extents) -> list[str]:
        """Return the operands, repeated where their leading axes have to be."""
        names = []
        for index, (name, shape) in enumerate(zip(scope.inputs, extents.seen, strict=True)):
            whole = (scope.batch, *shape)
            if math.prod(shape) != math.prod(scope.input_shapes[index]):
                fmt = scope.recipe.storage_format
                name = scope.builder.vector(
                    f"{scope.name}.expand{index}", "expand", (name,),
                    TensorInfo(_expanded_name(scope.name, index), whole, Role.ACTIVATION, fmt),
                    layer=scope.name, compute_format=scope.recipe.vector.compute,
                    attributes=(("shape", whole),),
                )  # fmt: skip
            names.append(name)
        return names

    def _error_name(self, scope: BackwardScope, extents: _Extents, index: int) -> str:
        is_repeated = math.prod(extents.seen[index]) != math.prod(scope.input_shapes[index])
        return f"{scope.name}.error{index}{':copies' if is_repeated else ''}"


@dataclass(frozen=True, slots=True)
class _Extents:
    """Which extents the product of two shapes has.

    Parameters
    ----------
    lead : tuple of int
        Leading extents of the product.
    a, b : tuple of int
        Shapes of the operands.
    n : int
        Columns of the product.
    """

    lead: Shape
    a: Shape
    b: Shape
    n: int

    @property
    def output(self) -> Shape:
        """Shape of the product."""
        return (*self.lead, self.a[-2], self.n)

    @property
    def is_shared(self) -> bool:
        """Whether the second operand is the same for all leading places."""
        return math.prod(self.b[:-2]) == 1

    @property
    def seen(self) -> tuple[Shape, Shape]:
        """Shapes of the operands as they are multiplied."""
        second = self.b[-2:] if self.is_shared else (*self.lead, *self.b[-2:])
        return (*self.lead, *self.a[-2:]), second

    def views(self, batch: int, *, transpose_b: bool) -> tuple[MatrixView, MatrixView, MatrixView]:
        """Return how first operand, second operand and product are seen."""
        *lead, m, k = self.seen[0]
        groups, rows = batch * math.prod(lead), m
        if self.is_shared:
            groups, rows = batch, math.prod(lead) * m
        return (
            MatrixView((batch, *self.seen[0]), groups, rows, k),
            MatrixView((batch, *self.seen[1]), groups, k, self.n, transposed=transpose_b),
            MatrixView((batch, *self.output), groups, rows, self.n),
        )


def _expanded_name(layer: str, index: int) -> str:
    return f"{layer}:expanded{index}"


def _seen_name(scope: BackwardScope, index: int, shape: Shape) -> str:
    """Return the operand that the forward pass multiplied."""
    is_repeated = math.prod(shape) != math.prod(scope.input_shapes[index])
    return _expanded_name(scope.name, index) if is_repeated else scope.inputs[index]
