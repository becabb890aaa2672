"""What a layer writes its ops into.

`TraceBuilder` collects ops, tensors and parameters and keeps two promises: a
tensor becomes a GEMM operand of a format once, however many GEMMs read it, and an
element-wise op whose input is what the op before it writes works on that
write-back (`fused`) instead of a pass of its own. `LayerScope` is one layer's view
of it: the layer's tensors, formats and names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from accelsim.errors import ShapeError
from accelsim.formats import NumberFormat, get_format
from accelsim.precision.recipe import GemmRule, Recipe
from accelsim.workload.ops import Attribute, Gemm, Op, Operand, Phase, Role, TensorInfo, VectorOp
from accelsim.workload.parameters import Preparation, TraceParameter
from accelsim.workload.vector_functions import VECTOR_FUNCTIONS
from accelsim.workload.views import MatrixView, View

Attributes = tuple[tuple[str, Attribute], ...]


@dataclass(frozen=True, slots=True)
class StoredOperand:
    """A tensor in the format of a GEMM operand, and the tensor of its scale, if any."""

    tensor: str
    format: NumberFormat
    scale: str | None


@dataclass(frozen=True, slots=True)
class WeightSource:
    """Where a GEMM's weight comes from."""

    tensor: str
    preparation: Preparation
    sources: tuple[str, ...]
    attributes: Attributes = ()


@dataclass(slots=True)
class TraceBuilder:
    """Ops, tensors and parameters of a trace in the making."""

    recipe: Recipe
    batch: int
    ops: list[Op] = field(default_factory=list)
    tensors: dict[str, TensorInfo] = field(default_factory=dict)
    parameters: list[TraceParameter] = field(default_factory=list)
    _stored: dict[tuple[str, NumberFormat, bool], StoredOperand] = field(default_factory=dict)
    _write_back: str | None = None

    def tensor(self, info: TensorInfo) -> str:
        """Declare a tensor and return its name; ShapeError if the name is taken."""
        if info.name in self.tensors:
            raise ShapeError(f"Two tensors of the trace would be called {info.name!r}.")
        self.tensors[info.name] = info
        return info.name

    def gemm(self, op: Gemm) -> None:
        """Append a GEMM; its result can be worked on as it is written back."""
        self.ops.append(op)
        self._write_back = op.out.tensor

    def is_written_back(self, name: str) -> bool:
        """Return whether a tensor is what the array or a fused op is writing."""
        return name == self._write_back

    def vector(
        self,
        name: str,
        function: str,
        inputs: tuple[str, ...],
        output: TensorInfo,
        *,
        layer: str,
        compute_format: NumberFormat,
        phase: Phase = Phase.FORWARD,
        attributes: Attributes = (),
    ) -> str:
        """Append a vector op with one output and return the output's name."""
        entry = VECTOR_FUNCTIONS[function]
        fused = entry.elementwise and self._write_back in inputs
        self.ops.append(
            VectorOp(
                name=name,
                layer=layer,
                phase=phase,
                function=function,
                inputs=inputs,
                outputs=(self.tensor(output),),
                elements=entry.visits(
                    self.tensors[inputs[0]].shape, output.shape, dict(attributes)
                ),
                compute_format=compute_format,
                rounding=self.recipe.vector.rounding,
                attributes=tuple(sorted(attributes)),
                fused=fused,
            )  # fmt: skip
        )
        self._write_back = output.name if fused else None
        return output.name

    def store(
        self, name: str, fmt: NumberFormat, *, scaled: bool, layer: str,
        phase: Phase = Phase.FORWARD,
    ) -> StoredOperand:  # fmt: skip
        """Return a tensor as a GEMM operand, storing it in `fmt` if that has not been done.

        A scaled store reads the whole tensor for its largest magnitude before it can
        scale any of it, so it is never fused.
        """
        info = self.tensors[name]
        if info.format == fmt and not scaled:
            return StoredOperand(name, fmt, None)
        key = (name, fmt, scaled)
        if key not in self._stored:
            suffix = f"{fmt.name}{'.scaled' if scaled else ''}"
            values = self.tensor(TensorInfo(f"{name}:{suffix}", info.shape, info.role, fmt))
            scale = self._declare_scale(values) if scaled else None
            self._stored[key] = StoredOperand(values, fmt, scale)
            self._append_store(name, self._stored[key], layer=layer, phase=phase)
        return self._stored[key]

    def weight(
        self, source: WeightSource, shape: tuple[int, ...], fmt: NumberFormat, *, scaled: bool
    ) -> StoredOperand:
        """Declare a weight that is made when the weights are loaded."""
        name = self.tensor(TensorInfo(source.tensor, shape, Role.WEIGHT, fmt))
        scale = self._declare_scale(name) if scaled else None
        scaling = self.recipe.scaling
        self.parameters.append(
            TraceParameter(
                name,
                source.preparation,
                source.sources,
                source.attributes,
                scale=scale,
                power_of_two=scaling.power_of_two,
                margin=scaling.margin,
            )  # fmt: skip
        )
        return StoredOperand(name, fmt, scale)

    def _declare_scale(self, values: str) -> str:
        return self.tensor(TensorInfo(f"{values}:scale", (1,), Role.SCALE, get_format("fp32")))

    def _append_store(self, name: str, stored: StoredOperand, *, layer: str, phase: Phase) -> None:
        scaling, rule = self.recipe.scaling, self.recipe.store
        attributes: Attributes = (("scaling", "none"),)
        outputs: tuple[str, ...] = (stored.tensor,)
        if stored.scale is not None:
            outputs = (stored.tensor, stored.scale)
            attributes = (
                ("margin", scaling.margin),
                ("power_of_two", scaling.power_of_two),
                ("scaling", scaling.method.value),
            )
        shape = self.tensors[name].shape
        visits = VECTOR_FUNCTIONS["store"].visits(shape, shape, dict(attributes))
        fused = stored.scale is None and self.is_written_back(name)
        self.ops.append(
            VectorOp(
                name=f"{name}.store_{stored.tensor.rpartition(':')[2]}",
                layer=layer,
                phase=phase,
                function="store",
                inputs=(name,),
                outputs=outputs,
                elements=visits,
                compute_format=self.recipe.vector.compute,
                rounding=rule.rounding,
                overflow=rule.overflow,
                attributes=attributes,
                fused=fused,
            )  # fmt: skip
        )
        if not fused:
            self._write_back = None


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
        compute_format: NumberFormat | None = None,
        output_format: NumberFormat | None = None,
        attributes: Attributes = (),
    ) -> str:
        """Emit a vector op whose output has the layer's output shape.

        Parameters
        ----------
        function : str
            A name of `VECTOR_FUNCTIONS`.
        inputs : tuple of str
            Tensors, in the order that the function takes them.
        suffix : str
            Says which step inside the layer the output is; empty for the layer's own.
        compute_format, output_format : NumberFormat, optional
            The recipe's vector formats where they are not given.
        attributes : tuple of (name, value)
            Of the function.
        """
        compute = compute_format or self.recipe.vector.compute
        fmt = output_format
        if fmt is None:
            is_chained = VECTOR_FUNCTIONS[function].elementwise and any(
                self.builder.is_written_back(name) for name in inputs
            )
            stays = is_chained and (bool(suffix) or self.continues)
            fmt = compute if stays else self.recipe.storage_format
        shape = (self.batch, *self.output_shape)
        return self.builder.vector(
            f"{self.name}.{function}",
            function,
            inputs,
            TensorInfo(f"{self.name}{suffix}", shape, Role.ACTIVATION, fmt),
            layer=self.name,
            compute_format=compute,
            attributes=attributes,
        )

    def vector_parameter(
        self,
        local_name: str,
        preparation: Preparation,
        sources: tuple[str, ...],
        *,
        attributes: Attributes = (),
    ) -> str:
        """Declare a channel-wise parameter in the vector format and return its tensor.

        `sources` are names within the layer, or full names where they have a dot.
        """
        full = tuple(name if "." in name else f"{self.name}.{name}" for name in sources)
        shape = (self.output_shape[-1],)
        fmt = self.recipe.vector.compute
        tensor = self.builder.tensor(
            TensorInfo(f"{self.name}.{local_name}", shape, Role.PARAMETER, fmt)
        )
        self.builder.parameters.append(TraceParameter(tensor, preparation, full, attributes))
        return tensor

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
        self, *, flattened_from: tuple[int, int, int] | None, bias: bool
    ) -> tuple[WeightSource, str | None]:
        """Return the weight, and the tensor of the bias if there is one."""
        weight = f"{self.name}.weight"
        order: Attributes = () if flattened_from is None else (("flattened_from", flattened_from),)
        own = self.vector_parameter("bias", Preparation.COPY, ("bias",)) if bias else None
        return WeightSource(weight, Preparation.LINEAR_WEIGHT, (weight,), order), own

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
        rule = self.rule
        a = self.builder.store(
            self.inputs[0], rule.operands.activation, scaled=rule.scaled, layer=self.name
        )
        b = self.builder.weight(weight, weight_shape, rule.operands.weight, scaled=rule.scaled)
        steps = ["gemm"] + ["unscale"] * rule.scaled + ["bias_add"] * (bias is not None)
        storage = self.recipe.storage_format
        if steps == ["gemm"] and not self.continues and rule.output != storage:
            steps.append("store")
        info = TensorInfo(
            self.name if len(steps) == 1 else f"{self.name}:sum",
            out_view.shape, Role.ACTIVATION, rule.output,
        )  # fmt: skip
        groups, k, n = weight_shape
        self.builder.gemm(
            Gemm(
                name=f"{self.name}.forward",
                layer=self.name,
                phase=Phase.FORWARD,
                groups=groups,
                m=math.prod(out_view.shape) // (groups * n),
                n=n,
                k=k,
                a=Operand(a.tensor, view, a.format),
                b=Operand(b.tensor, MatrixView(weight_shape, groups, k, n), b.format),
                out=Operand(self.builder.tensor(info), out_view, rule.output),
                accumulator=rule.accumulator,
            )  # fmt: skip
        )
        current = info.name
        if a.scale is not None and b.scale is not None:
            suffix = ":unscaled" if bias is not None else ""
            current = self.vector("unscale", (current, a.scale, b.scale), suffix=suffix)
        if bias is not None:
            current = self.vector("bias_add", (current, bias))
        if steps[-1] == "store":
            current = self.vector(
                "store", (current,), output_format=storage, attributes=(("scaling", "none"),)
            )
        return current
