"""Workload: what is computed."""

from accelsim.workload.graph import Graph, Node
from accelsim.workload.layers import (
    Add,
    AvgPool2d,
    BatchNorm2d,
    Constant,
    Conv2d,
    Flatten,
    GlobalAvgPool,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    Softmax,
)
from accelsim.workload.lowering import lower
from accelsim.workload.network import InputKind, InputSpec, Workload, load_workload
from accelsim.workload.ops import Gemm, Op, Operand, Phase, Role, TensorInfo, VectorOp
from accelsim.workload.parameters import (
    Initial,
    ParameterSpec,
    Preparation,
    TraceParameter,
    prepare_parameter,
)
from accelsim.workload.trace import Trace, load_trace
from accelsim.workload.vector_functions import VECTOR_FUNCTIONS, VectorFunction
from accelsim.workload.views import ConvolutionView, MatrixView, View

__all__ = [
    "VECTOR_FUNCTIONS",
    "Add",
    "AvgPool2d",
    "BatchNorm2d",
    "Constant",
    "Conv2d",
    "ConvolutionView",
    "Flatten",
    "Gemm",
    "GlobalAvgPool",
    "Graph",
    "Initial",
    "InputKind",
    "InputSpec",
    "Layer",
    "Linear",
    "MatrixView",
    "MaxPool2d",
    "Node",
    "Op",
    "Operand",
    "ParameterSpec",
    "Phase",
    "Preparation",
    "ReLU",
    "Role",
    "Softmax",
    "TensorInfo",
    "Trace",
    "TraceParameter",
    "VectorFunction",
    "VectorOp",
    "View",
    "Workload",
    "load_trace",
    "load_workload",
    "lower",
    "prepare_parameter",
]
