"""Recurrent layers as GEMMs over time steps, with the gates on the vector unit.

What the input contributes to the gates of all steps is one GEMM with batch x steps rows.
What the state contributes can only be known step by step: one GEMM a step, with as many
rows as samples. The columns of both are ordered (unit, gate), so that the gates of a unit
leave the array together and the cell works on its write-back. The state starts at zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accelsim.formats import NumberFormat
from accelsim.workload.builder import Attributes, StoredOperand, WeightSource
from accelsim.workload.ops import Gemm, Operand, Phase, Role, TensorInfo, VectorOp
from accelsim.workload.parameters import Preparation, TraceParameter
from accelsim.workload.recurrent_functions import GRU_EARLY_GATES, GRU_GATES, LSTM_GATES
from accelsim.workload.scope import LayerScope
from accelsim.workload.vector_functions import VECTOR_FUNCTIONS
from accelsim.workload.views import MatrixView


@dataclass(frozen=True, slots=True)
class Pass:
    """One direction of one layer: a scan over the steps of a sequence.

    Parameters
    ----------
    scope : LayerScope
        The layer's view of the trace.
    tag : str
        Which pass, as in the names of its parameters: ``l0``, ``l0_reverse``, ``l1``.
    units, features, steps : int
        Of the state, of a step's input, and of the sequence.
    gates : int
        Of a unit.
    bias : bool
        The gates have biases.
    is_reverse : bool
        The last step comes first.
    """

    scope: LayerScope
    tag: str
    units: int
    features: int
    steps: int
    gates: int
    bias: bool
    is_reverse: bool

    @property
    def order(self) -> Sequence[int]:
        """Steps in the order of computation."""
        return range(self.steps)[:: -1 if self.is_reverse else 1]

    def name(self, part: str) -> str:
        """Return the name of a tensor of this pass."""
        return f"{self.scope.name}.{self.tag}.{part}"

    def input_parts(self, x: str, *, biases: tuple[str, ...]) -> tuple[str, ...]:
        """Emit what the input contributes to the gates; return one tensor for every step."""
        columns, batch = self.gates * self.units, self.scope.batch
        a = self._operand(x)
        b = self.weight("ih", self.features, "input", (0, self.gates))
        sums = self._gemm(
            "inputs", (a, MatrixView((batch, self.steps, self.features), 1, batch * self.steps,
                                     self.features)),
            b, MatrixView((batch, self.steps, columns), 1, batch * self.steps, columns),
        )  # fmt: skip
        if biases:
            sums = self.add_bias(sums, biases, "inputs")
        names = tuple(self.name(f"inputs{step}") for step in range(self.steps))
        info = self.scope.builder.tensors[sums]
        for name in names:
            self.scope.builder.tensor(
                TensorInfo(name, (batch, columns), Role.ACTIVATION, info.format)
            )
        self._ride("unstack_steps", (sums,), names)
        return names

    def state_part(self, h: str, b: StoredOperand, columns: int, part: str) -> str:
        """Emit what a state contributes to some gates."""
        batch = self.scope.batch
        return self._gemm(
            part, (self._operand(h), MatrixView((batch, self.units), 1, batch, self.units)),
            b, MatrixView((batch, columns), 1, batch, columns),
        )  # fmt: skip

    def weight(self, source: str, rows: int, part: str, gates: tuple[int, int]) -> StoredOperand:
        """Declare the weight of the gates from the first to before the second of `gates`."""
        full = f"{self.scope.name}.weight_{source}_{self.tag}"
        whole = gates == (0, self.gates)
        weight = WeightSource(
            full if whole else f"{full}.{part}", Preparation.GATED_WEIGHT, (full,),
            self._gate_attributes(gates),
        )  # fmt: skip
        rule, columns = self.scope.rule, (gates[1] - gates[0]) * self.units
        return self.scope.builder.weight(
            weight, (1, rows, columns), rule.operands.weight,
            scaled=rule.scaled, layer=self.scope.name,
        )  # fmt: skip

    def zeros(self, part: str, fmt: NumberFormat) -> str:
        """Declare a state that is zero before the first step."""
        shape, builder = (self.scope.batch, self.units), self.scope.builder
        name = builder.tensor(TensorInfo(self.name(part), shape, Role.ACTIVATION, fmt))
        builder.parameters.append(TraceParameter(name, Preparation.ZEROS, (), (("shape", shape),)))
        return name

    def bias_tensor(self, sources: tuple[str, ...], part: str) -> str:
        """Declare the sum of biases of all gates, in the vector format."""
        scope = self.scope
        full = tuple(f"{scope.name}.bias_{source}_{self.tag}" for source in sources)
        shape = (self.gates * self.units,)
        name = self.name(f"{part}.bias")
        scope.builder.parameters.append(
            TraceParameter(name, Preparation.GATED_BIAS, full, self._gate_attributes(
                (0, self.gates)))
        )  # fmt: skip
        info = TensorInfo(name, shape, Role.PARAMETER, scope.recipe.vector.compute)
        return scope.builder.tensor(info)

    def add_bias(self, sums: str, biases: tuple[str, ...], part: str) -> str:
        """Emit the addition of a bias that is declared here, or before where it is a tensor."""
        tensors = self.scope.builder.tensors
        bias = biases[0] if biases[0] in tensors else self.bias_tensor(biases, part)
        return self._vector(
            "bias_add", (sums, bias), self.name(f"{part}.biased"), tensors[sums].shape
        )

    def cell(self, function: str, inputs: tuple[str, ...], part: str, fmt: NumberFormat) -> str:
        """Emit a step of the cell on what is being written back."""
        shape = (self.scope.batch, self.units)
        info = TensorInfo(self.name(part), shape, Role.ACTIVATION, fmt)
        output = self.scope.builder.tensor(info)
        self._ride(function, inputs, (output,))
        return output

    def _operand(self, tensor: str) -> StoredOperand:
        rule = self.scope.rule
        return self.scope.builder.store(
            tensor, rule.operands.activation, scaled=rule.scaled, layer=self.scope.name
        )

    def _gemm(
        self,
        part: str,
        a: tuple[StoredOperand, MatrixView],
        b: StoredOperand,
        out: MatrixView,
    ) -> str:
        """Emit a GEMM, and divide by the scales of its operands if they have any."""
        scope, (left, view) = self.scope, a
        rule, k, n = scope.rule, view.columns, out.columns
        info = TensorInfo(self.name(f"{part}:sum"), out.shape, Role.ACTIVATION, rule.output)
        made = scope.builder.tensor(info)
        scope.builder.gemm(
            Gemm(
                name=f"{self.name(part)}.forward",
                layer=scope.name,
                phase=Phase.FORWARD,
                groups=1,
                m=out.rows,
                n=n,
                k=k,
                a=Operand(left.tensor, view, left.format),
                b=Operand(b.tensor, MatrixView((1, k, n), 1, k, n), b.format),
                out=Operand(made, out, rule.output),
                accumulator=rule.accumulator,
            )
        )
        scales = tuple(one.scale for one in (left, b) if one.scale is not None)
        if not scales:
            return made
        return self._vector("unscale", (made, *scales), self.name(f"{part}:unscaled"), out.shape)

    def _vector(
        self, function: str, inputs: tuple[str, ...], output: str, shape: tuple[int, ...]
    ) -> str:
        compute = self.scope.recipe.vector.compute
        return self.scope.builder.vector(
            f"{output}.{function}", function, inputs,
            TensorInfo(output, shape, Role.ACTIVATION, compute),
            layer=self.scope.name, compute_format=compute,
        )  # fmt: skip

    def _ride(self, function: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        """Append an op that works on what is being written back, whatever its shape."""
        builder = self.scope.builder
        shapes = [builder.tensors[name].shape for name in (inputs[0], outputs[0])]
        builder.ride(
            VectorOp(
                name=f"{outputs[0]}.{function}",
                layer=self.scope.name,
                phase=Phase.FORWARD,
                function=function,
                inputs=inputs,
                outputs=outputs,
                elements=VECTOR_FUNCTIONS[function].visits(shapes[0], shapes[1], {}),
                compute_format=self.scope.recipe.vector.compute,
                rounding=self.scope.recipe.vector.rounding,
                fused=any(builder.is_written_back(name) for name in inputs),
            )
        )

    def _gate_attributes(self, gates: tuple[int, int]) -> Attributes:
        return (("gates", self.gates), ("start", gates[0]), ("stop", gates[1]))


def lower_lstm(scan: Pass, x: str) -> tuple[str, ...]:
    """Emit an LSTM over the sequence `x`; return the output of every step."""
    recipe = scan.scope.recipe
    inputs = scan.input_parts(x, biases=("ih", "hh") if scan.bias else ())
    weight = scan.weight("hh", scan.units, "state", (0, LSTM_GATES))
    h = scan.zeros("h", recipe.storage_format)
    c = scan.zeros("c", recipe.vector.compute)
    outputs = {}
    for step in scan.order:
        s = scan.state_part(h, weight, LSTM_GATES * scan.units, f"step{step}")
        c = scan.cell("lstm_cell", (s, inputs[step], c), f"c{step}", recipe.vector.compute)
        h = scan.cell("lstm_output", (s, inputs[step], c), f"h{step}", recipe.storage_format)
        outputs[step] = h
    return tuple(outputs[step] for step in range(scan.steps))


def lower_gru(scan: Pass, x: str, *, linear_before_reset: bool) -> tuple[str, ...]:
    """Emit a GRU over the sequence `x`; return the output of every step."""
    if linear_before_reset:
        return _lower_late_reset(scan, x)
    storage, units = scan.scope.recipe.storage_format, scan.units
    inputs = scan.input_parts(x, biases=("ih", "hh") if scan.bias else ())
    early = scan.weight("hh", units, "early", (0, GRU_EARLY_GATES))
    late = scan.weight("hh", units, "late", (GRU_EARLY_GATES, GRU_GATES))
    h = scan.zeros("h", storage)
    outputs = {}
    for step in scan.order:
        s = scan.state_part(h, early, GRU_EARLY_GATES * units, f"step{step}")
        reset = scan.cell("gru_reset", (s, inputs[step], h), f"reset{step}", storage)
        new = scan.state_part(reset, late, units, f"step{step}.new")
        h = scan.cell("gru_update", (new, s, inputs[step], h), f"h{step}", storage)
        outputs[step] = h
    return tuple(outputs[step] for step in range(scan.steps))


def _lower_late_reset(scan: Pass, x: str) -> tuple[str, ...]:
    """Emit a GRU whose reset gate multiplies what the state contributes, bias included."""
    storage = scan.scope.recipe.storage_format
    inputs = scan.input_parts(x, biases=("ih",) if scan.bias else ())
    weight = scan.weight("hh", scan.units, "state", (0, GRU_GATES))
    bias = scan.bias_tensor(("hh",), "state") if scan.bias else None
    h = scan.zeros("h", storage)
    outputs = {}
    for step in scan.order:
        s = scan.state_part(h, weight, GRU_GATES * scan.units, f"step{step}")
        if bias is not None:
            s = scan.add_bias(s, (bias,), f"step{step}")
        h = scan.cell("gru_state", (s, inputs[step], h), f"h{step}", storage)
        outputs[step] = h
    return tuple(outputs[step] for step in range(scan.steps))
