"""Layers: shapes, parameters, lowering, and a float64 definition of each."""

from collections.abc import Mapping
from types import MappingProxyType

from accelsim.workload.layers.activations import (
    ELU,
    Activation,
    Clip,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    Sigmoid,
    Swish,
    Tanh,
)
from accelsim.workload.layers.attention import Attention
from accelsim.workload.layers.base import Layer, Shape
from accelsim.workload.layers.cache import CacheAppend
from accelsim.workload.layers.constant import Constant
from accelsim.workload.layers.conv2d import Conv2d
from accelsim.workload.layers.elementwise import Add, BatchNorm2d, ReLU
from accelsim.workload.layers.gelu import GELU
from accelsim.workload.layers.layer_norm import LayerNorm
from accelsim.workload.layers.linear import Linear
from accelsim.workload.layers.local_response_norm import LocalResponseNorm
from accelsim.workload.layers.output import Flatten, Softmax
from accelsim.workload.layers.pooling import AvgPool2d, GlobalAvgPool, GlobalMaxPool, MaxPool2d
from accelsim.workload.layers.positions import ClassToken, Positions

#: accelsim's own layers by kind.
BUILTIN: Mapping[str, type[Layer]] = MappingProxyType(
    {
        "add": Add,
        "attention": Attention,
        "avg_pool2d": AvgPool2d,
        "batch_norm2d": BatchNorm2d,
        "cache_append": CacheAppend,
        "class_token": ClassToken,
        "clip": Clip,
        "constant": Constant,
        "conv2d": Conv2d,
        "elu": ELU,
        "flatten": Flatten,
        "gelu": GELU,
        "global_avg_pool": GlobalAvgPool,
        "global_max_pool": GlobalMaxPool,
        "hard_sigmoid": HardSigmoid,
        "hard_swish": HardSwish,
        "layer_norm": LayerNorm,
        "leaky_relu": LeakyReLU,
        "linear": Linear,
        "local_response_norm": LocalResponseNorm,
        "max_pool2d": MaxPool2d,
        "positions": Positions,
        "relu": ReLU,
        "sigmoid": Sigmoid,
        "softmax": Softmax,
        "swish": Swish,
        "tanh": Tanh,
    }
)

__all__ = [
    "BUILTIN",
    "ELU",
    "GELU",
    "Activation",
    "Add",
    "Attention",
    "AvgPool2d",
    "BatchNorm2d",
    "CacheAppend",
    "ClassToken",
    "Clip",
    "Constant",
    "Conv2d",
    "Flatten",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "HardSigmoid",
    "HardSwish",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LocalResponseNorm",
    "MaxPool2d",
    "Positions",
    "ReLU",
    "Shape",
    "Sigmoid",
    "Softmax",
    "Swish",
    "Tanh",
]
