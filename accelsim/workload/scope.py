"""One layer's view of the trace in the making: its tensors, formats and names."""

from __future__ import annotations

import math
from dataclasses import dataclass

from accelsim.formats import NumberFormat
from accelsim.precision.recipe import GemmRule, Recipe
from accelsim.workload.builder import (
    Attributes,
    StoredOperand,
    TraceBuilder,
    WeightSource,
    store_attributes,
)
from accelsim.workload.ops import Gemm, Operand, Phase, Role, TensorInfo
from accelsim.workload.parameters import Preparation, TraceParameter
from accelsim.workload.vector_functions import VECTOR_FUNCTIONS
from accelsim.workload.views import MatrixView, View


@dataclass(frozen=True, slots=True)
class LayerScope:
    """One layer's view of the trace in the making.

    Parameters
    ----------
    builder : TraceBuilder
        What is being built.
    name : str
        The layer's name, and the name of its output tensor.
    inputs : tuple of str
        Tensors that it reads.
    input_shapes, output_shape
        Without the batch.
    rule : GemmRule
        What the recipe asks of this layer's GEMMs.
    continues : bool
        The one reader of the output is the next layer, which works on the write-back:
        the output then stays in the compute format.
    is_folded : bool
        The layer is a batch norm that has become part of the convolution before it.
    folds : (str, float) or None
        Name and eps of the batch norm that is folded into this convolution.
    """

    builder: TraceBuilder
    name: str
    inputs: tuple[str, ...]
    input_shapes: tuple[tuple[int, ...], ...]
    output_shape: tuple[int, ...]
    rule: GemmRule
    continues: bool = False
    is_folded: bool = False
    folds: tuple[str, float] | None = None

    @property
    def recipe(self) -> Recipe:
        """The recipe."""
        return self.builder.recipe

    @property
    def batch(self) -> int:
        """Samples at once."""
        return self.builder.batch

    def vector(
        self,
        function: str,
        inputs: tuple[str, ...],
        *,
        suffix: str = "",
        label: str = "",
        shape: tuple[int, ...] | None = None,
        compute_format: NumberFormat | None = None,
        output_format: NumberFormat | None = None,
        attributes: Attributes = (),
    ) -> str:
        """Emit a vector op whose output has the layer's output shape, or `shape` with the batch.

        Parameters
        ----------
        function : str
            A name of `VECTOR_FUNCTIONS`.
        inputs : tuple of str
            Tensors, in the order that the function takes them.
        suffix : str
            Says which step inside the layer the output is; empty for the layer's own.
        label : str
            Tells ops of one function in one layer apart.
        compute_format, output_format : NumberFormat, optional
            The recipe's vector formats where they are not given.
        attributes : tuple of (name, value)
            Of the function.
        """
        compute = compute_format or self.recipe.vector.compute
        fmt = output_format
        shape = shape or (self.batch, *self.output_shape)
        if fmt is None:
            is_chained = VECTOR_FUNCTIONS[function].elementwise and any(
                self.builder.is_written_back(name)
                and self.builder.tensors[name].elements == math.prod(shape)
                for name in inputs
            )
            stays = is_chained and (bool(suffix) or self.continues)
            fmt = compute if stays else self.recipe.storage_format
        return self.builder.vector(
            f"{self.name}.{function}{label}",
            function,
            inputs,
            TensorInfo(f"{self.name}{suffix}", shape, Role.ACTIVATION, fmt),
            layer=self.name,
            compute_format=compute,
            attributes=attributes,
        )

    def reshaped(self, name: str) -> str:
        """Return a tensor under the layer's output shape; nothing is computed."""
        return self.builder.reshaped(name, (self.batch, *self.output_shape))

    def constant(self, preparation: Preparation, source: str) -> str:
        """Declare the layer's output as something that comes with the weights; return it."""
        shape = (self.batch, *self.output_shape)
        fmt = self.recipe.storage_format
        tensor = self.builder.tensor(TensorInfo(self.name, shape, Role.ACTIVATION, fmt))
        attributes: Attributes = (("batch", self.batch),)
        self.builder.parameters.append(
            TraceParameter(tensor, preparation, (f"{self.name}.{source}",), attributes)
        )
        return tensor

    def vector_parameter(
        self,
        local_name: str,
        preparation: Preparation,
        sources: tuple[str, ...],
        *,
        attributes: Attributes = (),
        shape: tuple[int, ...] | None = None,
    ) -> str:
        """Declare a parameter in the vector format, channel-wise by default; return its tensor.

        `sources` are names within the layer, or full names where they have a dot. In
        training it is stored from its master copy.
        """
        full = tuple(name if "." in name else f"{self.name}.{name}" for name in sources)
        name, shape = f"{self.name}.{local_name}", shape or (self.output_shape[-1],)
        fmt = self.recipe.vector.compute
        parameter = TraceParameter(name, preparation, full, attributes)
        if self.builder.training:
            master = TensorInfo(name, shape, Role.PARAMETER, self.recipe.update.master)
            self.builder.learn(master, parameter)
            return self.builder.store(name, fmt, scaled=False, layer=self.name).tensor
        self.builder.parameters.append(parameter)
        return self.builder.tensor(TensorInfo(name, shape, Role.PARAMETER, fmt))

    def vector_constant(
        self,
        local_name: str,
        preparation: Preparation,
        shape: tuple[int, ...],
        *,
        attributes: Attributes = (),
    ) -> str:
        """Declare an operand of vector ops that is made of no parameter; return its tensor."""
        name = f"{self.name}.{local_name}"
        self.builder.parameters.append(TraceParameter(name, preparation, (), attributes))
        fmt = self.recipe.vector.compute
        return self.builder.tensor(TensorInfo(name, shape, Role.PARAMETER, fmt))

    def table_parameter(self, local_name: str, shape: tuple[int, ...]) -> str:
        """Declare a table whose rows are looked up, in the vector format; return its tensor.

        In training it is the master copy itself, of which only some rows are read.
        """
        name = f"{self.name}.{local_name}"
        parameter = TraceParameter(name, Preparation.COPY, (name,))
        fmt = self.recipe.update.master if self.builder.training else self.recipe.vector.compute
        info = TensorInfo(name, shape, Role.PARAMETER, fmt)
        if self.builder.training:
            return self.builder.learn(info, parameter)
        self.builder.parameters.append(parameter)
        return self.builder.tensor(info)

    def convolution_parameters(self, *, groups: int, bias: bool) -> tuple[WeightSource, str | None]:
        """Return the weight, and the tensor of the bias if there is one, batch norm folded in."""
        weight = f"{self.name}.weight"
        grouped: Attributes = (("groups", groups),)
        if self.folds is None:
            own = self.vector_parameter("bias", Preparation.COPY, ("bias",)) if bias else None
            return WeightSource(weight, Preparation.CONV_WEIGHT, (weight,), grouped), own
        norm, eps = self.folds
        with_eps: Attributes = (("eps", eps),)
        statistics = [f"{norm}.{part}" for part in ("weight", "bias", "running_mean")]
        sources = (*statistics, f"{norm}.running_var", *(("bias",) if bias else ()))
        folded_bias = self.vector_parameter(
            "bias", Preparation.FOLDED_BIAS, sources, attributes=with_eps
        )
        source = WeightSource(
            weight,
            Preparation.FOLDED_CONV_WEIGHT,
            (weight, f"{norm}.weight", f"{norm}.running_var"),
            with_eps + grouped,
        )
        return source, folded_bias

    def linear_parameters(
        self,
        *,
        flattened_from: tuple[int, int, int] | None,
        bias: bool,
        tied_to: str | None = None,
    ) -> tuple[WeightSource, str | None]:
        """Return the weight, or that of another layer, and the tensor of the bias if any."""
        is_tied, source = tied_to is not None, f"{tied_to or self.name}.weight"
        weight = f"{self.name}.weight"
        order: Attributes = () if flattened_from is None else (("flattened_from", flattened_from),)
        own = self.vector_parameter("bias", Preparation.COPY, ("bias",)) if bias else None
        kind = Preparation.LINEAR_WEIGHT
        return WeightSource(weight, kind, (source,), order, is_tied=is_tied), own

    def linear_map(
        self,
        view: View,
        weight: WeightSource,
        out_view: MatrixView,
        *,
        weight_shape: tuple[int, int, int],
        bias: str | None,
    ) -> str:
        """Emit ``output = input x weight + bias``: GEMM, unscaling, bias; return the output.

        Parameters
        ----------
        view, out_view : View, MatrixView
            How the input and the output are seen as (groups, m, k) and (groups, m, n).
        weight : WeightSource
            Where the weight comes from.
        weight_shape : (int, int, int)
            (groups, k, n).
        bias : str or None
            Tensor with one element per output channel.
        """
        rule, storage = self.rule, self.recipe.storage_format
        a = self.builder.store(
            self.inputs[0], rule.operands.activation, scaled=rule.scaled, layer=self.name
        )
        b, view_b = self._weight(weight, weight_shape)
        is_bare = bias is None and not rule.scaled
        needs_storing = is_bare and not self.continues and rule.output != storage
        current = self._gemm(
            a,
            b,
            (view, view_b, out_view),
            suffix="" if is_bare and not needs_storing else ":sum",
        )
        if a.scale is not None and b.scale is not None:
            suffix = ":unscaled" if bias is not None else ""
            current = self.vector("unscale", (current, a.scale, b.scale), suffix=suffix)
        if bias is not None:
            current = self.vector("bias_add", (current, bias))
        if needs_storing:
            current = self.vector(
                "store", (current,), output_format=storage, attributes=store_attributes(storage)
            )
        return current

    def _weight(
        self, weight: WeightSource, shape: tuple[int, int, int]
    ) -> tuple[StoredOperand, MatrixView]:
        """Return a weight of shape (groups, k, n) as an operand, and how it is seen."""
        fmt, scaled, (_, k, n) = self.rule.operands.weight, self.rule.scaled, shape
        if weight.is_tied and self.builder.training:
            table = self.builder.store(weight.sources[0], fmt, scaled=scaled, layer=self.name)
            return table, MatrixView((n, k), 1, k, n, transposed=True)
        operand = self.builder.weight(weight, shape, fmt, scaled=scaled, layer=self.name)
        return operand, MatrixView(shape, *shape)

    def _gemm(
        self,
        a: StoredOperand,
        b: StoredOperand,
        views: tuple[View, MatrixView, MatrixView],
        *,
        suffix: str,
    ) -> str:
        """Emit the forward GEMM over views of (a, b, out) and return the tensor it makes."""
        view_a, view_b, view_out = views
        groups, k, n = view_b.groups, view_b.rows, view_b.columns
        out = self.builder.tensor(
            TensorInfo(f"{self.name}{suffix}", view_out.shape, Role.ACTIVATION, self.rule.output)
        )
        self.builder.gemm(
            Gemm(
                name=f"{self.name}.forward",
                layer=self.name,
                phase=Phase.FORWARD,
                groups=groups,
                m=view_out.rows,
                n=n,
                k=k,
                a=Operand(a.tensor, view_a, a.format),
                b=Operand(b.tensor, view_b, b.format),
                out=Operand(out, view_out, self.rule.output),
                accumulator=self.rule.accumulator,
            )
        )
        return out
