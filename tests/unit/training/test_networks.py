"""The networks that ship for training: parameters and MACs by hand."""

from __future__ import annotations

from accelsim.workload import load_workload


def test_mlp() -> None:
    network = load_workload("mlp")
    assert network.parameter_count == 784 * 128 + 128 + 128 * 128 + 128 + 128 * 10 + 10
    assert network.macs() == 784 * 128 + 128 * 128 + 128 * 10


def test_fashion_cnn() -> None:
    network = load_workload("fashion_cnn")
    weights = 25 * 16 + 25 * 16 * 32 + 1568 * 64 + 64 * 10
    assert network.parameter_count == weights + 16 + 32 + 64 + 10
    assert network.macs() == 28**2 * 25 * 16 + 14**2 * 400 * 32 + 1568 * 64 + 64 * 10


def test_cifar10_resnet_is_resnet_20_with_projections() -> None:
    # He et al. 2016, section 4.2: 6n + 2 layers, n = 3; 0.27 M parameters.
    network = load_workload("cifar10_resnet")
    convolutions = 9 * (3 * 16 + 6 * 16 * 16)
    convolutions += 9 * (16 * 32 + 5 * 32 * 32 + 32 * 64 + 5 * 64 * 64)
    projections = 16 * 32 + 32 * 64
    norms = 2 * (7 * 16 + (6 + 1) * 32 + (6 + 1) * 64)
    assert network.parameter_count == convolutions + projections + norms + 64 * 10 + 10
    weighted = [layer for layer in network.layers if layer.feeds_gemm]
    assert len(weighted) == 20 + 2  # the projections are not counted in the name


def test_fashion_resnet_differs_from_cifar10_resnet_in_its_image_only() -> None:
    small, large = load_workload("fashion_resnet"), load_workload("cifar10_resnet")
    assert large.parameter_count - small.parameter_count == 9 * (3 - 1) * 16
    assert small.layers[1:] == large.layers[1:]
    assert [node.output_shape[0] for node in small.graph.nodes if node.name.endswith(".add")] == [
        *(28, 28, 28), *(14, 14, 14), *(7, 7, 7),
    ]  # fmt: skip
