"""SqueezeNet, DenseNet-121 and an LSTM language model: counts in closed form, and as published."""

from __future__ import annotations

from accelsim.precision import get_recipe
from accelsim.workload import Conv2d, load_workload, lower


def test_squeezenet_by_hand() -> None:
    # torchvision: 1,235,496 parameters and 0.35 GFLOPS for version 1.1; ONNX's own SqueezeNet has
    # 349 million MACs. Maps: (224 - 3) // 2 + 1 = 111, then rounded up: 55, 27, 13.
    stages = [
        (55, [(64, 16, 64), (128, 16, 64)]),
        (27, [(128, 32, 128), (256, 32, 128)]),
        (13, [(256, 48, 192), (384, 48, 192), (384, 64, 256), (512, 64, 256)]),
    ]
    macs, weights = 111**2 * 27 * 64 + 13**2 * 512 * 1000, 27 * 64 + 64 + 512 * 1000 + 1000
    for extent, fires in stages:
        for channels, squeezed, expanded in fires:
            products = channels * squeezed + squeezed * expanded * (1 + 9)
            macs += extent**2 * products
            weights += products + squeezed + 2 * expanded
    network = load_workload("squeezenet")
    assert network.macs() == macs
    assert int(macs / 1e6) == 349
    assert network.parameter_count == weights == 1_235_496


def test_densenet121_by_hand() -> None:
    # torchvision: 7,978,856 parameters and 2.83 GFLOPS; ONNX's own has 2,834 million MACs.
    macs, weights, norms = 112**2 * 147 * 64, 147 * 64, 64
    extent, channels = 56, 64
    for block, layers in enumerate((6, 12, 24, 16)):
        for _ in range(layers):
            products = channels * 128 + 9 * 128 * 32
            macs += extent**2 * products
            weights += products
            norms += channels + 128
            channels += 32
        if block < 3:
            macs += extent**2 * channels * channels // 2
            weights += channels * channels // 2
            norms += channels
            extent, channels = extent // 2, channels // 2
    network = load_workload("densenet121")
    assert channels == 1024
    assert network.macs() == macs + 1024 * 1000
    assert int(network.macs() / 1e6) == 2834
    assert network.parameter_count == weights + 2 * (norms + 1024) + 1024 * 1000 + 1000 == 7_978_856
    convolutions = sum(isinstance(layer, Conv2d) for layer in network.layers)
    assert convolutions + 1 == 121


def test_lstm_by_hand() -> None:
    # Two layers of four gates over (input, state, two biases); table and projection of 10,000
    # words. The paper's medium model; with these counts it is usually quoted as 20 million.
    cell = 4 * 650 * (650 + 650)
    network = load_workload("lstm")
    assert network.parameter_count == 2 * (cell + 2 * 4 * 650) + 2 * 10_000 * 650 + 10_000
    assert round(network.parameter_count / 1e6, 1) == 19.8
    assert network.macs() == 35 * (2 * cell + 650 * 10_000)
    # Per layer one GEMM for the inputs of all steps and one a step, and the projection.
    trace = lower(network, get_recipe("fp32"), batch=20)
    assert trace.macs == 20 * network.macs()
    assert [gemm.m for gemm in trace.gemms] == ([20 * 35] + [20] * 35) * 2 + [20 * 35]
