"""MACs and parameters of the networks that train, and of MiniLM, by hand from their tables."""

from __future__ import annotations

import pytest

from accelsim import load_workload


def resnet20(side: int, channels: int) -> tuple[int, int]:
    """Count ResNet-20 with projections: three stages of six 3 x 3 convolutions."""
    pixels = [side**2, (side // 2) ** 2, (side // 4) ** 2]
    stages = [
        [9 * 16 * 16] * 6,
        [9 * 16 * 32] + [9 * 32 * 32] * 5,
        [9 * 32 * 64] + [9 * 64 * 64] * 5,
    ]
    stem, projections = 9 * channels * 16, [0, 16 * 32, 32 * 64]
    macs = stem * pixels[0] + 64 * 10
    macs += sum(
        size * (sum(stage) + more)
        for size, stage, more in zip(pixels, stages, projections, strict=True)
    )
    weights = stem + sum(map(sum, stages)) + sum(projections) + 64 * 10 + 10
    norms = 2 * (16 + 6 * (16 + 32 + 64) + 32 + 64)
    return macs, weights + norms


def minilm() -> tuple[int, int]:
    """Count six encoder layers of 384 with 1,536 inside, over 128 words."""
    width, inside, words = 384, 1536, 128
    products = 4 * width**2 + 2 * width * inside
    macs = 6 * (words * products + 2 * words**2 * width)
    layer = products + 4 * width + inside + width + 2 * 2 * width
    return macs, (30522 + 512 + 2) * width + 2 * width + 6 * layer


COUNTS = {
    # 784-128-128-10 with biases.
    "mlp": (784 * 128 + 128 * 128 + 128 * 10, 784 * 128 + 128 * 128 + 128 * 10 + 128 + 128 + 10),
    # 5 x 5 convolutions on 28 x 28 and 14 x 14 pixels, then 7 x 7 x 32 to 64 to 10.
    "fashion_cnn": (
        784 * 25 * 16 + 196 * 25 * 16 * 32 + 1568 * 64 + 64 * 10,
        25 * 16 + 16 + 25 * 16 * 32 + 32 + 1568 * 64 + 64 + 64 * 10 + 10,
    ),
    "cifar10_resnet": resnet20(32, 3),
    "fashion_resnet": resnet20(28, 1),
    "minilm_l6": minilm(),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_those_of_the_table(name: str) -> None:
    network = load_workload(name)
    assert (network.macs(), network.parameter_count) == COUNTS[name]
