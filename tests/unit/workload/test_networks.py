"""The networks that ship: counts against published ones or a hand count that is shown."""

from __future__ import annotations

import pytest

from accelsim.files import list_resources
from accelsim.precision import get_recipe
from accelsim.workload import Conv2d, Linear, load_workload, lower

# Parameters: torchvision's documentation of the weights. MACs: 4.09, 1.81 and 0.71 GFLOPs there,
# here to the last MAC: AlexNet by hand in `test_alexnet_by_hand`.
PUBLISHED = {
    "resnet50": (4_089_184_256, 25_557_032, 54),
    "resnet18": (1_814_073_344, 11_689_512, 21),
    "alexnet": (714_188_480, 61_100_840, 8),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_macs_and_parameters_as_published(name: str) -> None:
    macs, parameters, gemms = PUBLISHED[name]
    network = load_workload(name)
    trace = lower(network, get_recipe("wang2018"))
    assert network.macs() == macs
    assert trace.macs == macs
    assert network.parameter_count == parameters
    assert len(trace.gemms) == gemms


def test_resnet50_has_53_convolutions_and_one_classifier() -> None:
    layers = load_workload("resnet50").layers
    assert sum(isinstance(layer, Conv2d) for layer in layers) == 53
    assert sum(isinstance(layer, Linear) for layer in layers) == 1


def test_resnet50_is_version_1_5() -> None:
    layers = {layer.name: layer for layer in load_workload("resnet50").layers}
    block = [layers[f"layer2.0.conv{index}"] for index in (1, 2, 3)]
    assert [layer.stride for layer in block if isinstance(layer, Conv2d)] == [
        (1, 1),
        (2, 2),
        (1, 1),
    ]


def test_alexnet_by_hand() -> None:
    # out_height x out_width x out_channels x kernel area x in_channels, then in x out.
    convolutions = [
        55 * 55 * 64 * 11 * 11 * 3,
        27 * 27 * 192 * 5 * 5 * 64,
        13 * 13 * 384 * 3 * 3 * 192,
        13 * 13 * 256 * 3 * 3 * 384,
        13 * 13 * 256 * 3 * 3 * 256,
    ]
    classifier = [6 * 6 * 256 * 4096, 4096 * 4096, 4096 * 1000]
    counted = [node.macs for node in load_workload("alexnet").graph.nodes if node.macs]
    assert counted == convolutions + classifier


def test_vgg16_by_hand() -> None:
    # torchvision: 138,357,544 parameters and 15.47 GFLOPs. By hand: 3 x 3 windows over maps that
    # halve after every block, as (extent, channels in, channels out), then the classifier.
    blocks = [(224, 3, 64), (224, 64, 64), (112, 64, 128), (112, 128, 128), (56, 128, 256),
              (56, 256, 256), (56, 256, 256), (28, 256, 512), (28, 512, 512), (28, 512, 512),
              (14, 512, 512), (14, 512, 512), (14, 512, 512)]  # fmt: skip
    macs = sum(9 * extent**2 * inside * out for extent, inside, out in blocks)
    network = load_workload("vgg16")
    assert network.macs() == macs + 25_088 * 4096 + 4096 * 4096 + 4096 * 1000
    assert round(network.macs() / 1e9, 2) == 15.47
    assert network.parameter_count == 138_357_544


def test_cifar10_cnn_by_hand() -> None:
    # 5 x 5 kernels: 75 x 32, 800 x 32 and 800 x 64 weights; 4 x 4 x 64 = 1024 features; 89,440
    # weights, the count that IBM quotes for this network, and 32 + 32 + 64 + 10 biases.
    network = load_workload("cifar10_cnn")
    assert network.parameter_count == 75 * 32 + 800 * 32 + 800 * 64 + 1024 * 10 + 138
    assert 75 * 32 + 800 * 32 + 800 * 64 + 1024 * 10 == 89_440
    assert network.macs() == 32**2 * 75 * 32 + 16**2 * 800 * 32 + 8**2 * 800 * 64 + 10_240


def test_bn50_dnn_by_hand() -> None:
    weights = 440 * 1024 + 4 * 1024 * 1024 + 1024 * 5999
    network = load_workload("bn50_dnn")
    assert network.macs() == weights
    assert network.parameter_count == weights + 5 * 1024 + 5999


def test_tiny_by_hand() -> None:
    # 8 x 8 outputs x 16 channels x (3 x 3 x 4), and 16 x 10.
    network = load_workload("tiny")
    assert network.macs() == 8 * 8 * 16 * 36 + 160
    assert network.macs(batch=3) == 3 * network.macs()
    assert network.parameter_count == 16 * 36 + 16 + 160 + 10


@pytest.mark.parametrize("name", list_resources("workloads"))
def test_every_network_says_where_it_comes_from(name: str) -> None:
    network = load_workload(name)
    assert network.name == name
    assert network.description.endswith(".")
    assert network.source
