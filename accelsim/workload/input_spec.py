"""What a network is given: pictures, numbers, or the numbers of words."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from accelsim.config import StrictModel
from accelsim.workload.layers.base import MAX_AXES, Extent

#: Format of whole numbers that name rows of a table; no recipe changes it.
TOKEN_FORMAT = "int32"


class InputKind(StrEnum):
    """What a network reads."""

    #: A picture: (height, width, channels).
    IMAGE = "image"
    #: Anything else: numbers without a picture behind them.
    FEATURES = "features"
    #: Whole numbers from 0 on that name rows of a table: words, users, articles.
    TOKENS = "tokens"


class InputSpec(StrictModel):
    """A tensor that a network is given."""

    shape: tuple[Extent, ...] = Field(min_length=1, max_length=MAX_AXES)
    """(height, width, channels), (features) or (tokens), without the batch."""
    kind: InputKind = InputKind.FEATURES
    """What it is."""
    vocabulary: Extent | None = None
    """How many different tokens there are: 0 to vocabulary - 1. For tokens only, which need it."""
    first_layer_exception: bool = True
    """Whether the recipe's exception for a first layer that reads an image applies; features
    and tokens never get it."""
    mean: tuple[float, ...] | None = None
    """Subtracted from each channel of an image of numbers from 0 to 1."""
    std: tuple[Annotated[float, Field(gt=0)], ...] | None = None
    """Each channel is divided by it, after `mean`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind is InputKind.IMAGE and len(self.shape) != 3:
            raise ValueError(
                f"an image has the shape [height, width, channels], not {list(self.shape)}"
            )
        if (self.kind is InputKind.TOKENS) != (self.vocabulary is not None):
            raise ValueError(
                "tokens need their vocabulary: how many different ones there are"
                if self.vocabulary is None
                else f"only tokens have a vocabulary; set kind: tokens, not {self.kind.value}"
            )
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is None:
                continue
            if self.kind is InputKind.TOKENS:
                raise ValueError(f"tokens are not normalised; leave {name} out")
            if len(values) != self.shape[-1]:
                raise ValueError(f"{name} has {len(values)} numbers for {self.shape[-1]} channels")
        return self
