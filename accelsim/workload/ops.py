"""The two things a chip does: `Gemm` and `VectorOp`, on named tensors with formats.

A trace is a sequence of these. They carry everything that the three readings
(values, cycles, price) need, and nothing about any chip.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from accelsim.formats import NumberFormat, Overflow, Rounding
from accelsim.precision import Accumulator
from accelsim.workload.views import View

#: A value of an attribute of a `VectorOp`.
Scalar = int | float | bool | str
Attribute = Scalar | tuple[Scalar, ...]


class Phase(StrEnum):
    """Part of a training step; inference has only the forward phase."""

    FORWARD = "forward"
    BACKWARD = "backward"
    GRADIENT = "gradient"
    UPDATE = "update"


class Role(StrEnum):
    """What a tensor is to the network."""

    ACTIVATION = "activation"
    WEIGHT = "weight"
    #: Bias, batch-norm scale and shift, running mean and variance.
    PARAMETER = "parameter"
    #: Gradient with respect to an activation.
    ERROR = "error"
    #: Gradient with respect to a weight or parameter.
    GRADIENT = "gradient"
    #: Momentum and other state of the optimizer.
    STATE = "state"
    #: Per-tensor scale of a scaled format; one element.
    SCALE = "scale"
    #: Whole numbers that the network is given and that name rows of a table.
    TOKEN = "token"
    #: What the network should have said: class numbers, or target values.
    LABEL = "label"
    #: A number that each training step is given, such as the learning rate; one element.
    SETTING = "setting"


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A named tensor: shape (channels last), role and stored format."""

    name: str
    shape: tuple[int, ...]
    role: Role
    format: NumberFormat

    @property
    def elements(self) -> int:
        """Number of elements."""
        count = 1
        for extent in self.shape:
            count *= extent
        return count

    @property
    def stored_bytes(self) -> int:
        """Bytes in memory, codes packed, scales included, rounded up to a byte."""
        return math.ceil(self.elements * self.format.stored_bits / 8)


@dataclass(frozen=True, slots=True)
class Operand:
    """A tensor seen as a stack of matrices through a view."""

    tensor: str
    view: View
    format: NumberFormat


@dataclass(frozen=True, slots=True)
class Gemm:
    """``out[g, m, n] = sum over k of a[g, m, k] * b[g, k, n]``, k in order.

    Parameters
    ----------
    name : str
        Unique in a trace, such as ``layer1.0.conv2.forward``.
    layer : str
        The layer it was lowered from.
    phase : Phase
        Part of the step it belongs to.
    groups, m, n, k : int
        Extents; `groups` independent products (grouped convolution, batched matmul).
    a, b : Operand
        Left operand, viewed as (groups, m, k), and right operand, as (groups, k, n).
    out : Operand
        Result tensor; its view lays (groups, m, n) out in the tensor.
    accumulator : Accumulator
        What happens to the products, in the order that the schedule gives.
    """

    name: str
    layer: str
    phase: Phase
    groups: int
    m: int
    n: int
    k: int
    a: Operand
    b: Operand
    out: Operand
    accumulator: Accumulator

    @property
    def kind(self) -> str:
        """The word ``gemm``."""
        return "gemm"

    @property
    def macs(self) -> int:
        """Multiply-accumulates, padding zeros included."""
        return self.groups * self.m * self.n * self.k


@dataclass(frozen=True, slots=True)
class VectorOp:
    """An element-wise operation, reduction or conversion on the vector unit.

    Parameters
    ----------
    name, layer, phase
        As in `Gemm`.
    function : str
        What is computed, such as ``relu``, ``add``, ``max_pool``, ``store``; the
        registered vector functions know what it means and what it costs.
    inputs : tuple of str
        Tensor names, in the order that the function takes them.
    outputs : tuple of str
        Tensor names; one, except where a function also makes a scale or statistics.
    elements : int
        Element visits: how many element operations the vector unit performs. A
        pooling window of 9 counts 9 for every output.
    compute_format : NumberFormat
        Format to which every arithmetic result inside the op is rounded.
    rounding, overflow
        Rounding of the stored result, and what happens beyond its format's range.
    attributes : tuple of (name, value)
        Parameters of the function, sorted by name.
    input_shapes : tuple of tuple of int
        Shapes in which the op sees its inputs, where they are not those of the tensors:
        the same elements in the same order. Empty where all are.
    fused : bool
        True where the op works on its producer's write-back and needs no pass of
        its own over the scratchpad.
    """

    name: str
    layer: str
    phase: Phase
    function: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    elements: int
    compute_format: NumberFormat
    rounding: Rounding = Rounding.NEAREST_EVEN
    overflow: Overflow | None = None
    attributes: tuple[tuple[str, Attribute], ...] = ()
    fused: bool = False
    input_shapes: tuple[tuple[int, ...], ...] = ()

    @property
    def kind(self) -> str:
        """The word ``vector``."""
        return "vector"

    @property
    def macs(self) -> int:
        """Zero: a vector op makes no MAC."""
        return 0

    def attribute(self, name: str) -> Attribute:
        """Return an attribute by name; KeyError if the op has none of that name."""
        for key, value in self.attributes:
            if key == name:
                return value
        raise KeyError(name)


Op = Gemm | VectorOp
