"""One layer's view of the trace while errors travel back through it."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.formats import NumberFormat, Overflow
from accelsim.precision.recipe import GemmRule, LossScalingMethod, Recipe
from accelsim.workload.builder import (
    Attributes,
    StoredOperand,
    TraceBuilder,
    store_attributes,
)
from accelsim.workload.ops import Gemm, Operand, Phase, Role, TensorInfo
from accelsim.workload.saved_activations import saved, saved_mask, saved_operand
from accelsim.workload.transposed_view import transposed
from accelsim.workload.views import ConvolutionView, MatrixView, View


@dataclass(frozen=True, slots=True)
class LinearMapViews:
    """How the two backward GEMMs of ``output = input x weight`` see its tensors.

    Parameters
    ----------
    errors : View
        The output's error as (groups, pixels of the input, k), k = (taps, output channel).
    pixels : MatrixView
        The input's error as (groups, pixels of the input, input channels).
    windows : MatrixView or ConvolutionView
        The input as in the forward GEMM, (groups, rows, taps and input channels).
    output : MatrixView
        The output as in the forward GEMM, (groups, rows, output channels).
    weight_shape : (int, int, int)
        (groups, taps and input channels, output channels).
    taps : int
        Kernel positions; 1 for a fully connected layer.
    table : str or None
        Tensor (output channels, input channels) of another layer that the weights are.
    """

    errors: View
    pixels: MatrixView
    windows: MatrixView | ConvolutionView
    output: MatrixView
    weight_shape: tuple[int, int, int]
    taps: int = 1
    table: str | None = None

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Shape of the tensor that holds the weights."""
        return self.weight_shape if self.table is None else self.weight_shape[:0:-1]

    def weights(self, *, transposed: bool, taps: int = 1) -> MatrixView:
        """Return the weights as (groups, inputs, outputs), or (groups, taps outputs, inputs)."""
        groups, rows, columns = self.weight_shape
        if transposed:
            rows, columns = columns * taps, rows // taps
        is_turned = transposed if self.table is None else not transposed
        return MatrixView(self.stored_shape, groups, rows, columns, transposed=is_turned, taps=taps)


@dataclass(frozen=True, slots=True)
class BackwardScope:
    """One layer's view of the trace while errors travel back through it.

    Parameters
    ----------
    builder : TraceBuilder
        What is being built; the forward pass is in it.
    name : str
        The layer's name.
    inputs : tuple of str
        Tensors that its forward pass read.
    output : str
        Tensor that its forward pass made.
    input_shapes, output_shape
        Without the batch.
    rule : GemmRule
        What the recipe asks of this layer's GEMMs.
    error : str
        Error of the output, all readers' shares added.
    needs : tuple of bool
        Whether anything before an input learns, so that its error is asked for.
    continues : tuple of bool
        Whether an input's error is worked on by an element-wise op at once: it then
        stays in the format in which it was computed.
    """

    builder: TraceBuilder
    name: str
    inputs: tuple[str, ...]
    output: str
    input_shapes: tuple[tuple[int, ...], ...]
    output_shape: tuple[int, ...]
    rule: GemmRule
    error: str
    needs: tuple[bool, ...]
    continues: tuple[bool, ...]

    @property
    def recipe(self) -> Recipe:
        """The recipe."""
        return self.builder.recipe

    @property
    def batch(self) -> int:
        """Samples at once."""
        return self.builder.batch

    def reshaped_error(self) -> str:
        """Return the output's error under the shape of the first input; nothing is computed."""
        return self.builder.reshaped(self.error, self.input_shape())

    def input_shape(self, index: int = 0) -> tuple[int, ...]:
        """Return the shape of an input, with the batch."""
        return self.builder.tensors[self.inputs[index]].shape

    def input_error(
        self,
        function: str,
        inputs: tuple[str, ...],
        *,
        compute_format: NumberFormat | None = None,
        attributes: Attributes = (),
    ) -> str:
        """Emit a vector op that makes the error of the first input; return that."""
        is_kept = self.continues[0] and any(self.builder.is_written_back(name) for name in inputs)
        vector = self.recipe.vector
        return self.vector(
            function,
            inputs,
            f"{self.name}.error",
            shape=self.builder.tensors[self.inputs[0]].shape,
            compute_format=compute_format,
            output_format=vector.compute if is_kept else self.recipe.storage_format,
            attributes=attributes,
        )

    def vector(
        self,
        function: str,
        inputs: tuple[str, ...],
        output: str,
        *,
        shape: tuple[int, ...],
        role: Role = Role.ERROR,
        phase: Phase = Phase.BACKWARD,
        compute_format: NumberFormat | None = None,
        output_format: NumberFormat | None = None,
        attributes: Attributes = (),
        overflow: Overflow | None = None,
    ) -> str:
        """Emit a vector op whose output is called `output`, and return that.

        Formats are the recipe's for vector ops where they are not given.
        """
        return self.builder.vector(
            f"{output}.{function}",
            function,
            inputs,
            TensorInfo(output, shape, role, output_format or self.recipe.vector.compute),
            layer=self.name,
            compute_format=compute_format or self.recipe.vector.compute,
            phase=phase,
            attributes=attributes,
            overflow=overflow,
        )

    @property
    def saved_input(self) -> str:
        """What the backward pass knows of the first input; see `Recipe.saved_activations`."""
        return saved(self.builder, self.inputs[0])

    @property
    def saved_mask(self) -> str:
        """A tensor above zero where the output is."""
        return saved_mask(self.builder, self.output)

    def bias_gradient(self, parameter: str = "bias") -> str:
        """Emit the ordered sum of the error over all rows: the gradient of a summand; return it.

        The sum is computed in the recipe's format for statistics and kept in the
        format of vector operations.
        """
        return self.channel_gradient(parameter, "channel_sum", (self.error,))

    def channel_gradient(
        self,
        parameter: str,
        function: str,
        inputs: tuple[str, ...],
        *,
        attributes: Attributes = (),
    ) -> str:
        """Emit a sum that is the gradient of a channel-wise parameter; return it."""
        gradient = self.vector(
            function,
            inputs,
            f"{self.name}.{parameter}.gradient",
            shape=(self.output_shape[-1],),
            role=Role.GRADIENT,
            phase=Phase.GRADIENT,
            compute_format=self.recipe.vector.statistics,
            attributes=attributes,
        )
        self.builder.add_gradient(f"{self.name}.{parameter}", gradient, layer=self.name)
        return gradient

    def linear_map(self, views: LinearMapViews, *, bias: bool) -> str | None:
        """Emit the backward of ``output = input x weight + bias``.

        The gradient GEMM reduces over the output's rows in order, the backward GEMM
        over (taps, output channel). Returns the input's error, or None if nobody asks.
        """
        error = self.builder.store(
            self.error, self.rule.operands.error,
            scaled=self.rule.scaled, layer=self.name, phase=Phase.BACKWARD,
        )  # fmt: skip
        if error.scale is not None and self.builder.clips_errors:
            self._rate_factor(error.tensor, error.scale)
        if bias:
            self.bias_gradient()
        self._weight_gradient(views, error)
        return self._input_error(views, error) if self.needs[0] else None

    def _rate_factor(self, values: str, scale: str) -> None:
        """Emit the factor of the layer's learning rate: less where clipping turned its error."""
        scaling, fmt = self.recipe.scaling, self.recipe.update.compute
        self.builder.rate_factors[self.name] = self.vector(
            "direction_factor",
            (self.builder.in_memory(self.error), values, scale),
            f"{self.name}.rate_factor",
            shape=(1,),
            role=Role.SETTING,
            compute_format=fmt,
            output_format=fmt,
            attributes=(("decay", scaling.deviation_decay), ("floor", scaling.deviation_floor)),
        )

    def _weight_gradient(self, views: LinearMapViews, error: StoredOperand) -> None:
        _, k, n = views.weight_shape
        weight = f"{self.name}.weight"
        operands = self.rule.operands
        windows = self.builder.store(
            self.inputs[0], operands.activation, scaled=self.rule.scaled, layer=self.name
        )
        windows = saved_operand(self.builder, windows, layer=self.name)
        name, fmt = f"{weight}.gradient", self.recipe.update.gradient
        is_finished = not self.rule.scaled and self.rule.output == fmt
        info = TensorInfo(
            name if is_finished else f"{name}:sum",
            views.stored_shape,
            Role.GRADIENT,
            self.rule.output,
        )
        out = views.weights(transposed=n > k)
        left: tuple[StoredOperand, View] = (windows, transposed(views.windows))
        right: tuple[StoredOperand, View] = (error, views.output)
        if n > k:  # the longer side is streamed, whatever stays in an array
            left, right = (error, transposed(views.output)), (windows, views.windows)
        current = self._gemm(Phase.GRADIENT, left, right, out, info, k=views.output.rows)
        if not is_finished:
            current = self._finish(current, (error, windows), name, fmt, Role.GRADIENT,
                                   overflow=self._gradient_overflow())  # fmt: skip
        self.builder.add_gradient(views.table or weight, current, layer=self.name)

    def _gradient_overflow(self) -> Overflow | None:
        """Return what a gradient does beyond its range: with a dynamic loss scale it must show."""
        is_dynamic = self.recipe.loss_scaling.method is LossScalingMethod.DYNAMIC
        return None if is_dynamic else self.recipe.store.overflow

    def _input_error(self, views: LinearMapViews, error: StoredOperand) -> str:
        weight = self.builder.store(
            views.table or f"{self.name}.weight", self.rule.operands.weight,
            scaled=self.rule.scaled, layer=self.name,
        )  # fmt: skip
        pixels, name = views.pixels, f"{self.name}.error"
        stays = self.continues[0]
        storage = self.recipe.storage_format
        is_finished = not self.rule.scaled and (stays or self.rule.output == storage)
        current = self._gemm(
            Phase.BACKWARD,
            (error, views.errors),
            (weight, views.weights(transposed=True, taps=views.taps)),
            pixels,
            TensorInfo(name if is_finished else f"{name}:sum", pixels.shape, Role.ERROR,
                       self.rule.output),
            k=views.taps * views.weight_shape[2],
        )  # fmt: skip
        if is_finished:
            return current
        fmt = self.recipe.vector.compute if stays else storage
        return self._finish(current, (error, weight), name, fmt, Role.ERROR)

    def _finish(
        self,
        current: str,
        operands: tuple[StoredOperand, StoredOperand],
        name: str,
        fmt: NumberFormat,
        role: Role,
        *,
        overflow: Overflow | None = None,
    ) -> str:
        """Divide a GEMM's result by its operands' scales, if any, and store it in `fmt`."""
        shape = self.builder.tensors[current].shape
        scales = tuple(one.scale for one in operands if one.scale is not None)
        phase = Phase.GRADIENT if role is Role.GRADIENT else Phase.BACKWARD
        if scales:
            return self.vector("unscale", (current, *scales), name, shape=shape, role=role,
                               phase=phase, output_format=fmt, overflow=overflow)  # fmt: skip
        return self.vector("store", (current,), name, shape=shape, role=role, phase=phase,
                           output_format=fmt, attributes=store_attributes(fmt),
                           overflow=overflow)  # fmt: skip

    def _gemm(
        self,
        phase: Phase,
        a: tuple[StoredOperand, View],
        b: tuple[StoredOperand, View],
        view_out: MatrixView,
        out: TensorInfo,
        *,
        k: int,
    ) -> str:
        """Emit a GEMM over views of (a, b, out) and return the tensor that it makes."""
        (left, view_a), (right, view_b) = a, b
        self.builder.gemm(
            Gemm(
                name=f"{self.name}.{phase.value}",
                layer=self.name,
                phase=phase,
                groups=view_out.groups,
                m=view_out.rows,
                n=view_out.columns,
                k=k,
                a=Operand(left.tensor, view_a, left.format),
                b=Operand(right.tensor, view_b, right.format),
                out=Operand(self.builder.tensor(out), view_out, out.format),
                accumulator=self.rule.accumulator,
            )
        )
        return out.name
