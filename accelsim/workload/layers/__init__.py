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
from accelsim.workload.layers.elementwise import BatchNorm2d, ReLU
from accelsim.workload.layers.embedding import Embedding
from accelsim.workload.layers.gelu import GELU
from accelsim.workload.layers.joints import Add, Divide, Multiply, Subtract
from accelsim.workload.layers.layer_norm import LayerNorm
from accelsim.workload.layers.linear import Linear
from accelsim.workload.layers.local_response_norm import LocalResponseNorm
from accelsim.workload.layers.matmul import MatMul
from accelsim.workload.layers.output import Flatten, Softmax
from accelsim.workload.layers.pooling import AvgPool2d, GlobalAvgPool, GlobalMaxPool, MaxPool2d
from accelsim.workload.layers.positions import ClassToken, Positions
from accelsim.workload.layers.recurrent import GRU, LSTM
from accelsim.workload.layers.shapes import Concat, Reshape, Slice, Transpose

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
        "concat": Concat,
        "constant": Constant,
        "conv2d": Conv2d,
        "div": Divide,
        "elu": ELU,
        "embedding": Embedding,
        "flatten": Flatten,
        "gelu": GELU,
        "global_avg_pool": GlobalAvgPool,
        "global_max_pool": GlobalMaxPool,
        "gru": GRU,
        "hard_sigmoid": HardSigmoid,
        "hard_swish": HardSwish,
        "layer_norm": LayerNorm,
        "leaky_relu": LeakyReLU,
        "linear": Linear,
        "lstm": LSTM,
        "local_response_norm": LocalResponseNorm,
        "matmul": MatMul,
        "max_pool2d": MaxPool2d,
        "mul": Multiply,
        "positions": Positions,
        "relu": ReLU,
        "reshape": Reshape,
        "sigmoid": Sigmoid,
        "slice": Slice,
        "softmax": Softmax,
        "sub": Subtract,
        "swish": Swish,
        "tanh": Tanh,
        "transpose": Transpose,
    }
)

__all__ = [
    "BUILTIN",
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "Activation",
    "Add",
    "Attention",
    "AvgPool2d",
    "BatchNorm2d",
    "CacheAppend",
    "ClassToken",
    "Clip",
    "Concat",
    "Constant",
    "Conv2d",
    "Divide",
    "Embedding",
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
    "MatMul",
    "MaxPool2d",
    "Multiply",
    "Positions",
    "ReLU",
    "Reshape",
    "Shape",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Subtract",
    "Swish",
    "Tanh",
    "Transpose",
]
