"""LSTM and GRU: gates and states over the steps of a sequence.

Parameters have PyTorch's names, layout and gate order: ``weight_ih_l0`` (gates x units,
features), ``weight_hh_l0`` (gates x units, units), ``bias_ih_l0``, ``bias_hh_l0``, then
``l1`` and so on, with ``_reverse`` behind them for the other direction. Gates stand in
the order i, f, g, o (LSTM) and r, z, n (GRU); ONNX has i, o, f, g and z, r, n. States
start at zero. Only for inference.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from accelsim.errors import ShapeError
from accelsim.workload.layers.base import Extent, Float64Array, Layer, Shape
from accelsim.workload.ops import Role
from accelsim.workload.parameters import Initial, ParameterSpec
from accelsim.workload.recurrent_functions import GRU_GATES, LSTM_GATES
from accelsim.workload.recurrent_lowering import Pass, lower_gru, lower_lstm
from accelsim.workload.scope import LayerScope

#: Products per output that give `Initial.HE_NORMAL` the variance of PyTorch's uniform
#: numbers between -1 / sqrt(units) and 1 / sqrt(units), 1 / (3 units), times the units.
_FAN_IN_PER_UNIT = 6


class GivenOut(StrEnum):
    """What a recurrent layer gives out."""

    #: The state after every step: (steps, units of all directions).
    SEQUENCE = "sequence"
    #: The state after the last step of each direction: (units of all directions).
    LAST = "last"


class Recurrent(Layer):
    """Layers of a recurrent cell over a sequence (steps, features)."""

    feeds_gemm: ClassVar[bool] = True
    #: Gates of a unit.
    gates: ClassVar[int]

    input_size: Extent
    """Features of a step."""
    hidden_size: Extent
    """Units of the state."""
    num_layers: Annotated[int, Field(ge=1, le=64)] = 1
    """Layers; each reads the sequence that the one before gives out."""
    bidirectional: bool = False
    """A second scan of each layer goes from the last step to the first; its units follow."""
    bias: bool = True
    """Add two numbers per gate and unit, as PyTorch does."""
    output: GivenOut = GivenOut.SEQUENCE
    """What the last layer gives out."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return (steps, units of all directions), or (units of all directions)."""
        shape = inputs[0]
        if len(shape) != 2 or shape[1] != self.input_size:
            raise ShapeError(
                f"it takes a sequence (steps, {self.input_size}) and is given the shape {shape}; "
                "set input_size, or reshape or transpose the layer before"
            )
        units = self._directions * self.hidden_size
        return (shape[0], units) if self.output is GivenOut.SEQUENCE else (units,)

    def parameters(self, inputs: Sequence[Shape]) -> tuple[ParameterSpec, ...]:
        """Return weights and biases of every scan, in PyTorch's order."""
        del inputs
        rows, specs = self.gates * self.hidden_size, []
        for tag, features, _ in self._scans():
            for source, columns in (("ih", features), ("hh", self.hidden_size)):
                specs.append(
                    ParameterSpec(
                        f"weight_{source}_{tag}",
                        (rows, columns),
                        Role.WEIGHT,
                        Initial.HE_NORMAL,
                        fan_in=_FAN_IN_PER_UNIT * self.hidden_size,
                    )
                )
            if self.bias:
                for source in ("ih", "hh"):
                    name = f"bias_{source}_{tag}"
                    specs.append(ParameterSpec(name, (rows,), Role.PARAMETER, Initial.ZERO))
        return tuple(specs)

    def macs(self, inputs: Sequence[Shape]) -> int:
        """Return steps x gates x units x (features + units), summed over scans."""
        per_step = sum(features + self.hidden_size for _, features, _ in self._scans())
        return inputs[0][0] * self.gates * self.hidden_size * per_step

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit every layer's scans, each on the sequence of the layer before."""
        x, steps = scope.inputs[0], scope.input_shapes[0][0]
        for index in range(self.num_layers):
            scans = [
                (self._lower(Pass(scope, tag, self.hidden_size, features, steps, self.gates,
                                  self.bias, is_reverse), x), is_reverse)
                for tag, features, is_reverse in self._scans()
                if tag.removesuffix("_reverse") == f"l{index}"
            ]  # fmt: skip
            is_last = index == self.num_layers - 1
            if is_last and self.output is GivenOut.LAST:
                ends = tuple(states[0 if is_reverse else -1] for states, is_reverse in scans)
                return scope.vector("stack_steps", ends, attributes=(("steps", 0),))
            states = tuple(state for row in zip(*(made for made, _ in scans), strict=True)
                           for state in row)  # fmt: skip
            x = scope.vector(
                "stack_steps", states, suffix="" if is_last else f".l{index}",
                label="" if is_last else f".l{index}",
                shape=(scope.batch, steps, self._directions * self.hidden_size),
                output_format=scope.recipe.storage_format, attributes=(("steps", steps),),
            )  # fmt: skip
        return x

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Scan sample by sample and step by step."""
        x = inputs[0]
        sequences: list[Float64Array] = []
        for tag, _, is_reverse in self._scans():
            if sequences and not is_reverse:  # the next layer
                x = np.concatenate(sequences, axis=2)
                sequences = []
            states = np.zeros((len(x), x.shape[1], self.hidden_size))
            h, c = (np.zeros((len(x), self.hidden_size)) for _ in range(2))
            for step in range(x.shape[1])[:: -1 if is_reverse else 1]:
                h, c = self._step(x[:, step], h, c, _Cell(parameters, tag))
                states[:, step] = h
            sequences.append(states)
        if self.output is GivenOut.SEQUENCE:
            return np.concatenate(sequences, axis=2)
        ends = [states[:, 0 if index else -1] for index, states in enumerate(sequences)]
        return np.concatenate(ends, axis=1)

    @abstractmethod
    def _lower(self, scan: Pass, x: str) -> tuple[str, ...]:
        """Emit one scan and return the state after every step."""

    @abstractmethod
    def _step(
        self, x: Float64Array, h: Float64Array, c: Float64Array, cell: _Cell
    ) -> tuple[Float64Array, Float64Array]:
        """Return the state after a step, and the cell's inner state."""

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _scans(self) -> Iterator[tuple[str, int, bool]]:
        """Yield (tag, features, is reverse) of every scan."""
        features = self.input_size
        for index in range(self.num_layers):
            yield f"l{index}", features, False
            if self.bidirectional:
                yield f"l{index}_reverse", features, True
            features = self._directions * self.hidden_size


class _Cell:
    """The parameters of one scan, in float64."""

    def __init__(self, parameters: Mapping[str, Float64Array], tag: str) -> None:
        self._parameters, self._tag = parameters, tag

    def part(self, source: str, values: Float64Array, gates: int) -> list[Float64Array]:
        """Return weight times values plus bias, split into gates."""
        weight = self._parameters[f"weight_{source}_{self._tag}"]
        bias = self._parameters.get(f"bias_{source}_{self._tag}", np.zeros(len(weight)))
        return np.split(values @ weight.T + bias, gates, axis=1)

    def state(self, gate: int, gates: int, values: Float64Array) -> Float64Array:
        """Return one gate of `part` for the state, from values of its own."""
        return self.part("hh", values, gates)[gate]


class LSTM(Recurrent):
    """Long short-term memory: c' = f c + i g, h' = o tanh(c'), as in PyTorch.

    i, f, o are sigmoids and g is a tangent of input x weight_ih + bias_ih + state x
    weight_hh + bias_hh. Both biases are added to each other when the weights are loaded.

    References
    ----------
    S. Hochreiter, J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997.
    """

    gates: ClassVar[int] = LSTM_GATES

    kind: Literal["lstm"] = "lstm"

    def _lower(self, scan: Pass, x: str) -> tuple[str, ...]:
        return lower_lstm(scan, x)

    def _step(
        self, x: Float64Array, h: Float64Array, c: Float64Array, cell: _Cell
    ) -> tuple[Float64Array, Float64Array]:
        from_x, from_h = cell.part("ih", x, self.gates), cell.part("hh", h, self.gates)
        i, f, g, o = (one + other for one, other in zip(from_x, from_h, strict=True))
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        return _sigmoid(o) * np.tanh(c), c


class GRU(Recurrent):
    """Gated recurrent unit: h' = (1 - z) n + z h, as in PyTorch.

    r and z are sigmoids of input x weight_ih + bias_ih + state x weight_hh + bias_hh. With
    `linear_before_reset`, n = tanh(x part + r (state part)), biases included; without it,
    n = tanh(x part + (r h) x weight_hh + bias_hh), which takes two GEMMs a step.

    References
    ----------
    K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for
    Statistical Machine Translation", EMNLP 2014.
    """

    gates: ClassVar[int] = GRU_GATES

    kind: Literal["gru"] = "gru"
    linear_before_reset: bool = True
    """The reset gate multiplies the product, as in PyTorch; false is ONNX's default."""

    def _lower(self, scan: Pass, x: str) -> tuple[str, ...]:
        return lower_gru(scan, x, linear_before_reset=self.linear_before_reset)

    def _step(
        self, x: Float64Array, h: Float64Array, c: Float64Array, cell: _Cell
    ) -> tuple[Float64Array, Float64Array]:
        x_r, x_z, x_n = cell.part("ih", x, self.gates)
        h_r, h_z, h_n = cell.part("hh", h, self.gates)
        r, z = _sigmoid(x_r + h_r), _sigmoid(x_z + h_z)
        late = r * h_n if self.linear_before_reset else cell.state(2, self.gates, r * h)
        return (1.0 - z) * np.tanh(x_n + late) + z * h, c


def _sigmoid(x: Float64Array) -> Float64Array:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))
