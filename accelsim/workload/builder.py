"""The trace in the making.

`TraceBuilder` collects ops, tensors and parameters and keeps two promises: a
tensor becomes a GEMM operand of a format once, however many GEMMs read it, and an
element-wise op whose input is what the op before it writes works on that
write-back (`fused`) instead of a pass of its own.

A tensor under another shape (`reshaped`) has a name while the trace is made, and is the
tensor itself in the ops: nothing moves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from accelsim.errors import ShapeError
from accelsim.formats import NumberFormat, Overflow, Rounding, get_format
from accelsim.precision import TensorStorage
from accelsim.precision.recipe import AmaxSource, ErrorClipping, Recipe
from accelsim.workload.ops import Attribute, Gemm, Op, Phase, Role, TensorInfo, VectorOp
from accelsim.workload.parameters import Preparation, TraceParameter
from accelsim.workload.vector_function import SCALED_BY_DIRECTION, SCALED_BY_FORMAT
from accelsim.workload.vector_functions import VECTOR_FUNCTIONS

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
    #: In training it is the table (n, k) of another layer, the first of `sources`.
    is_tied: bool = False


def store_attributes(fmt: NumberFormat) -> Attributes:
    """Return the attributes of a ``store`` into `fmt` without a scale of its own."""
    finds_scales = isinstance(fmt, TensorStorage)
    return (("scaling", SCALED_BY_FORMAT if finds_scales else "none"),)


@dataclass(slots=True)
class TraceBuilder:
    """Ops, tensors and parameters of a trace in the making.

    Parameters
    ----------
    recipe : Recipe
        Which number goes where.
    batch : int
        Samples at once.
    training : bool
        Weights and parameters are master copies that learn, and a GEMM's weight is
        stored from its master.
    ops, tensors, parameters
        What the finished trace will hold.
    learned : list of str
        Tensors that learn, in the order in which they were declared.
    gradients : dict from str to str
        Their gradients.
    rate_factors : dict from str to str
        Layers whose learning rate is multiplied by a tensor.
    updates : dict from str to str
        What takes the place of a parameter in the next training step.
    """

    recipe: Recipe
    batch: int
    training: bool = False
    ops: list[Op] = field(default_factory=list)
    tensors: dict[str, TensorInfo] = field(default_factory=dict)
    parameters: list[TraceParameter] = field(default_factory=list)
    learned: list[str] = field(default_factory=list)
    gradients: dict[str, str] = field(default_factory=dict)
    rate_factors: dict[str, str] = field(default_factory=dict)
    updates: dict[str, str] = field(default_factory=dict)
    _reshaped: dict[str, str] = field(default_factory=dict)
    _stored: dict[tuple[str, NumberFormat, bool], StoredOperand] = field(default_factory=dict)
    _write_back: str | None = None

    def tensor(self, info: TensorInfo) -> str:
        """Declare a tensor and return its name; ShapeError if the name is taken."""
        if info.name in self.tensors:
            raise ShapeError(f"Two tensors of the trace would be called {info.name!r}.")
        self.tensors[info.name] = info
        return info.name

    def reshaped(self, name: str, shape: tuple[int, ...]) -> str:
        """Return a name under which a tensor has another shape, with the same elements in order.

        Raises
        ------
        ShapeError
            If the shape has another number of elements.
        """
        info = self.tensors[name]
        if info.shape == shape:
            return name
        if info.elements != math.prod(shape):
            raise ShapeError(f"{name!r} has the shape {info.shape} and cannot be seen as {shape}.")
        stored = self.in_memory(name)
        if self.tensors[stored].shape == shape:
            return stored
        alias = f"{stored}@{'x'.join(map(str, shape))}"
        if alias not in self.tensors:
            self._reshaped[alias] = stored
            self.tensor(replace(info, name=alias, shape=shape))
        return alias

    def in_memory(self, name: str) -> str:
        """Return the tensor that a name stands for; itself unless it is `reshaped`."""
        return self._reshaped.get(name, name)

    @property
    def memory(self) -> dict[str, TensorInfo]:
        """The tensors of the finished trace: those in memory."""
        return {name: info for name, info in self.tensors.items() if name not in self._reshaped}

    def gemm(self, op: Gemm) -> None:
        """Append a GEMM; its result can be worked on as it is written back."""
        self.ops.append(op)
        self._write_back = op.out.tensor

    def ride(self, op: VectorOp) -> None:
        """Append a vector op that works on what is being written back, whatever its shape."""
        self.ops.append(op)
        self._write_back = op.outputs[0]

    def is_written_back(self, name: str) -> bool:
        """Return whether a tensor is what the array or a fused op is writing."""
        return self.in_memory(name) == self._write_back

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
        rounding: Rounding | None = None,
        overflow: Overflow | None = None,
    ) -> str:
        """Append a vector op with one output and return the output's name.

        `rounding` is the recipe's for vector ops where it is None.
        """
        entry = VECTOR_FUNCTIONS[function]
        finds_scales = isinstance(output.format, TensorStorage)
        stored = tuple(self.in_memory(one) for one in inputs)
        fused = (
            entry.elementwise
            and not finds_scales
            and self._write_back in stored
            and self.tensors[self._write_back].elements == output.elements
        )
        is_seen = stored != inputs
        self.ops.append(
            VectorOp(
                name=name,
                layer=layer,
                phase=phase,
                function=function,
                inputs=stored,
                outputs=(self.tensor(output),),
                elements=entry.visits(
                    self.tensors[inputs[0]].shape, output.shape, dict(attributes)
                ),
                compute_format=compute_format,
                rounding=rounding or self.recipe.vector.rounding,
                overflow=overflow,
                attributes=tuple(sorted(attributes)),
                fused=fused,
                input_shapes=tuple(self.tensors[one].shape for one in inputs) if is_seen else (),
            )
        )
        self._write_back = output.name if fused else None
        return output.name

    def store(
        self,
        name: str,
        fmt: NumberFormat,
        *,
        scaled: bool,
        layer: str,
        phase: Phase = Phase.FORWARD,
    ) -> StoredOperand:
        """Return a tensor as a GEMM operand, storing it in `fmt` if that has not been done.

        A scaled store reads the whole tensor for its largest magnitude before it can
        scale any of it, so it is never fused.
        """
        name = self.in_memory(name)
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
        self,
        source: WeightSource,
        shape: tuple[int, ...],
        fmt: NumberFormat,
        *,
        scaled: bool,
        layer: str,
    ) -> StoredOperand:
        """Declare a weight that is made when the weights are loaded.

        In training that is its master copy, and the operand is stored from it.
        """
        if self.training:
            master = TensorInfo(source.tensor, shape, Role.WEIGHT, self.recipe.update.master)
            self.learn(master, TraceParameter(
                source.tensor, source.preparation, source.sources, source.attributes
            ))  # fmt: skip
            return self.store(source.tensor, fmt, scaled=scaled, layer=layer)
        name = self.tensor(TensorInfo(source.tensor, shape, Role.WEIGHT, fmt))
        scaling = self.recipe.scaling
        per_channel = scaled and scaling.weights_per_channel
        scales = shape[0] * shape[2] if per_channel else 1
        scale = self._declare_scale(name, scales) if scaled else None
        self.parameters.append(
            TraceParameter(
                name,
                source.preparation,
                source.sources,
                source.attributes,
                scale=scale,
                power_of_two=scaling.power_of_two,
                margin=scaling.margin,
                threshold=scaling.threshold,
                percentile=scaling.percentile,
                per_channel=per_channel,
            )
        )
        return StoredOperand(name, fmt, scale)

    def learn(self, info: TensorInfo, parameter: TraceParameter) -> str:
        """Declare a tensor that training changes and return its name."""
        self.parameters.append(parameter)
        self.learned.append(self.tensor(info))
        return info.name

    def add_gradient(self, parameter: str, gradient: str, *, layer: str) -> None:
        """Note the gradient of a parameter, or a share of it: those of several layers add up.

        They are added in the order in which errors reach the layers, in the recipe's
        format for vector ops.
        """
        other = self.gradients.get(parameter)
        if other is not None:
            fmt = self.recipe.vector.compute
            shape, name = self.tensors[other].shape, f"{parameter}.gradient:{layer}"
            gradient = self.vector(
                name, "add", (other, gradient), TensorInfo(name, shape, Role.GRADIENT, fmt),
                layer=layer, compute_format=fmt, phase=Phase.GRADIENT,
            )  # fmt: skip
        self.gradients[parameter] = gradient

    def _declare_scale(self, values: str, count: int = 1) -> str:
        return self.tensor(TensorInfo(f"{values}:scale", (count,), Role.SCALE, get_format("fp32")))

    def _append_store(self, name: str, stored: StoredOperand, *, layer: str, phase: Phase) -> None:
        """Append the op, or the two ops, that make a stored operand."""
        function, attributes = "store", store_attributes(stored.format)
        inputs: tuple[str, ...] = (name,)
        outputs: tuple[str, ...] = (stored.tensor,)
        looks_first = isinstance(stored.format, TensorStorage)
        if stored.scale is not None:
            outputs = (stored.tensor, stored.scale)
            attributes = self._scaling_attributes(self.tensors[name].role)
            looks_first = True
        remembers = stored.scale is not None and self.remembers_amax
        if remembers or (stored.scale is not None and self.is_calibrated):
            length = self.recipe.scaling.history if remembers else 1
            history = self._declare_history(stored.tensor, length)
            function, inputs, looks_first = "store_delayed", (name, history), False
            attributes = (("history", length), *attributes[:2])
        fused = not looks_first and self.is_written_back(name)
        self._append_store_op(function, inputs, outputs, attributes, (layer, phase, fused))
        if remembers:
            remembered = f"{history}.updated"
            self.tensor(replace(self.tensors[history], name=remembered))
            self._append_store_op(
                "remember_amax", inputs, (remembered,), attributes[:1], (layer, phase, fused)
            )
            self.updates[history] = remembered
        if not fused:
            self._write_back = None

    @property
    def remembers_amax(self) -> bool:
        """Whether scales come from the magnitudes of earlier steps."""
        return self.training and self.recipe.scaling.amax is AmaxSource.DELAYED

    @property
    def is_calibrated(self) -> bool:
        """Whether the scales of activations are constants, found in calibration."""
        return not self.training and self.recipe.scaling.amax is AmaxSource.CALIBRATED

    @property
    def clips_errors(self) -> bool:
        """Whether errors are clipped where that changes their direction least."""
        return self.training and self.recipe.scaling.error_clipping is ErrorClipping.DIRECTION

    def _scaling_attributes(self, role: Role) -> Attributes:
        scaling = self.recipe.scaling
        clips = role is Role.ERROR and self.clips_errors
        return (
            ("margin", scaling.margin),
            ("power_of_two", scaling.power_of_two),
            ("scaling", SCALED_BY_DIRECTION if clips else scaling.method.value),
        )

    def _declare_history(self, values: str, length: int) -> str:
        """Declare the magnitudes that a tensor had in earlier steps; none before the first."""
        shape = (length,)
        name = f"{values}.amax_history"
        self.parameters.append(TraceParameter(name, Preparation.ZEROS, (), (("shape", shape),)))
        return self.tensor(TensorInfo(name, shape, Role.STATE, get_format("fp32")))

    def _append_store_op(
        self,
        function: str,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        attributes: Attributes,
        place: tuple[str, Phase, bool],
    ) -> None:
        """Append one op of a store; `place` is (layer, phase, fused)."""
        layer, phase, fused = place
        rule, shape = self.recipe.store, self.tensors[inputs[0]].shape
        self.ops.append(
            VectorOp(
                name=f"{inputs[0]}.{function}_{outputs[0].rpartition(':')[2]}",
                layer=layer,
                phase=phase,
                function=function,
                inputs=inputs,
                outputs=outputs,
                elements=VECTOR_FUNCTIONS[function].visits(shape, shape, dict(attributes)),
                compute_format=self.recipe.vector.compute,
                rounding=rule.rounding,
                overflow=rule.overflow,
                attributes=attributes,
                fused=fused,
            )
        )
