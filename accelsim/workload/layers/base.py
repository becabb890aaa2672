"""What every layer is: shapes, parameters, a lowering and a float64 definition."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from accelsim.config import StrictModel
from accelsim.errors import ShapeError, UnsupportedError
from accelsim.workload.ops import Role
from accelsim.workload.parameters import Initial, ParameterSpec

if TYPE_CHECKING:
    from accelsim.workload.backward_scope import BackwardScope
    from accelsim.workload.scope import LayerScope

Shape = tuple[int, ...]
Float64Array = NDArray[np.float64]

#: What names of layers and inputs look like.
LAYER_NAME = r"^[A-Za-z_][A-Za-z0-9_./-]*$"
#: Axes that a sample may have.
MAX_AXES = 8
#: Largest extent of anything that a user may write.
MAX_EXTENT = 2**20


def _as_pair(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return (value, value)
    return tuple(value) if isinstance(value, list) else value


Extent = Annotated[int, Field(ge=1, le=MAX_EXTENT)]
Padding = Annotated[int, Field(ge=0, le=MAX_EXTENT)]
#: (vertical, horizontal); one number stands for both.
ExtentPair = Annotated[tuple[Extent, Extent], BeforeValidator(_as_pair)]
PaddingPair = Annotated[tuple[Padding, Padding], BeforeValidator(_as_pair)]


class Layer(StrictModel, ABC):
    """A layer of a network.

    Shapes leave the batch out: (height, width, channels) or (features). Arrays
    have it as their first axis. Subclasses fix `kind` and are final.
    """

    #: The layer's inputs become operands of GEMMs.
    feeds_gemm: ClassVar[bool] = False
    #: How many of them do, from the first on; None means all.
    operand_inputs: ClassVar[int | None] = None
    #: Every output element depends on one position of the inputs.
    elementwise: ClassVar[bool] = False
    #: How many inputs it reads; None where `output_shape` judges that too.
    input_count: ClassVar[int | None] = 1
    #: The layer reads nothing, whatever stands before it.
    is_source: ClassVar[bool] = False
    #: Its backward pass begins with an element-wise op on the output's error.
    passes_errors_on: ClassVar[bool] = False
    #: In training the layer measures its whole input before it makes any output.
    has_statistics: ClassVar[bool] = False
    #: The output is the input under another shape; nothing is computed.
    alias: ClassVar[bool] = False

    kind: str
    """Which layer it is."""
    name: str = Field(pattern=LAYER_NAME, max_length=200)
    """Name, unique in the network; parameters are called ``name.weight`` and so on."""
    inputs: tuple[str, ...] | None = None
    """Names of the layers whose outputs it reads, or of inputs; null means the layer before."""

    def is_alias(self, inputs: Sequence[Shape]) -> bool:
        """Return whether the output is the first input under another shape."""
        del inputs
        return self.alias

    @abstractmethod
    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the shape of the output.

        Raises
        ------
        ShapeError
            If the layer cannot take these inputs; says why and what would work.
        """

    @abstractmethod
    def lower_forward(self, scope: LayerScope) -> str:
        """Emit the forward ops into `scope` and return the name of the output tensor."""

    def lower_backward(self, scope: BackwardScope) -> tuple[str | None, ...]:
        """Emit the backward ops into `scope`: errors of the inputs, gradients of the parameters.

        Returns
        -------
        tuple of str or None
            For every input the tensor of its error, in the shape of the input's own
            tensor; None where `BackwardScope.needs` says that nobody asks.

        Raises
        ------
        UnsupportedError
            If the layer cannot be trained, as here.
        """
        raise UnsupportedError(
            f"{self.kind} {scope.name!r} has no backward pass, so a network with it cannot be"
            " trained; run it with phase inference."
        )

    @abstractmethod
    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Compute the layer in float64, independently of its lowering.

        Parameters
        ----------
        inputs : sequence of float64 arrays
            Batch first, channels last.
        parameters : mapping from str to float64 array
            By name within the layer, in PyTorch's layout.
        """

    def token_problem(self, vocabulary: int | None) -> str | None:
        """Return why the layer cannot read an input, in words that follow its name, or None.

        Parameters
        ----------
        vocabulary : int or None
            How many different tokens the input holds; None where it holds numbers.
        """
        if vocabulary is None:
            return None
        return "computes with numbers and is given tokens; an embedding turns them into numbers"

    def tied_layer(self) -> str | None:
        """Return the name of the layer whose ``weight`` this one uses; None here.

        A layer that can be tied, and one that it can be tied to, say the shape of that
        weight in their property ``table``.
        """
        return None

    def parameters(self, inputs: Sequence[Shape]) -> tuple[ParameterSpec, ...]:
        """Return what the layer learns; empty here."""
        del inputs
        return ()

    def macs(self, inputs: Sequence[Shape]) -> int:
        """Return the multiply-accumulates for one sample; 0 here."""
        del inputs
        return 0


def check_extent(given: int, taken: int, *, field: str, noun: str, hint: str = "") -> None:
    """Refuse an input whose last axis is not as long as a field of the layer says.

    Parameters
    ----------
    given : int
        Extent of the input.
    taken : int
        Value of the field.
    field : str
        Its name, such as ``in_channels``.
    noun : str
        What it counts.
    hint : str
        What else would help; comes last.

    Raises
    ------
    ShapeError
        If the two differ; says how to make them equal.
    """
    if given != taken:
        raise ShapeError(
            f"it takes {taken} {noun} and is given {given}; "
            f"set {field}: {given}, or change the layer before{hint}"
        )


def gain_and_bias(features: int) -> tuple[ParameterSpec, ParameterSpec]:
    """Return ``weight``, from 1, and ``bias``, from 0: a factor and a summand per feature."""
    return (
        ParameterSpec("weight", (features,), Role.PARAMETER, Initial.ONE),
        ParameterSpec("bias", (features,), Role.PARAMETER, Initial.ZERO),
    )
