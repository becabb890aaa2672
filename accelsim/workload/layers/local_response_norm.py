"""Normalisation by the neighbours of a channel, as in AlexNet and Inception v1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from accelsim.workload.builder import Attributes
from accelsim.workload.layers.base import Float64Array, Layer, Shape
from accelsim.workload.scope import LayerScope

_Size = Annotated[int, Field(ge=1, le=2**16)]


class LocalResponseNorm(Layer):
    """x divided by (k + alpha / size * sum of squares)**beta, over neighbouring channels.

    The sum is over the `size` channels around each, (size - 1) // 2 of them before it,
    as ONNX counts them, and fewer at the ends. The vector unit computes it, as
    ``local_response_norm`` of `accelsim.workload.vector_functions`. Only for inference.

    References
    ----------
    A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep
    Convolutional Neural Networks", NIPS 2012, section 3.3; alpha there is this one's
    alpha / size.
    """

    kind: Literal["local_response_norm"] = "local_response_norm"
    size: _Size
    """Channels in a sum."""
    alpha: float = Field(default=1e-4, ge=0)
    """Weight of the mean of squares."""
    beta: float = Field(default=0.75, ge=0)
    """Exponent."""
    k: float = Field(default=1.0, gt=0)
    """What is added to the mean."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def lower_forward(self, scope: LayerScope) -> str:
        """Emit one ``local_response_norm``."""
        attributes: Attributes = (
            ("alpha", float(self.alpha)),
            ("beta", float(self.beta)),
            ("k", float(self.k)),
            ("size", self.size),
        )
        return scope.vector("local_response_norm", scope.inputs, attributes=attributes)

    def reference(
        self, inputs: Sequence[Float64Array], parameters: Mapping[str, Float64Array]
    ) -> Float64Array:
        """Sum the squares of each channel's neighbours, channel by channel."""
        del parameters
        (x,) = inputs
        below = (self.size - 1) // 2
        out = np.empty_like(x)
        for channel in range(x.shape[-1]):
            near = x[..., max(0, channel - below) : channel - below + self.size]
            mean = np.sum(near**2, axis=-1) / self.size
            out[..., channel] = x[..., channel] / (self.k + self.alpha * mean) ** self.beta
        return out
