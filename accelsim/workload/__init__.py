"""Workload: what is computed."""

from accelsim.workload.error_view import ErrorView
from accelsim.workload.graph import Graph, Node
from accelsim.workload.input_spec import InputKind, InputSpec
from accelsim.workload.layers import (
    ELU,
    GELU,
    Activation,
    Add,
    Attention,
    AvgPool2d,
    BatchNorm2d,
    ClassToken,
    Clip,
    Constant,
    Conv2d,
    Flatten,
    GlobalAvgPool,
    HardSigmoid,
    HardSwish,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    MaxPool2d,
    Positions,
    ReLU,
    Sigmoid,
    Softmax,
    Swish,
    Tanh,
)
from accelsim.workload.loss import Loss
from accelsim.workload.lowering import lower
from accelsim.workload.network import Workload, load_workload
from accelsim.workload.ops import Gemm, Op, Operand, Phase, Role, TensorInfo, VectorOp
from accelsim.workload.optimizer import Optimizer
from accelsim.workload.parameters import (
    Initial,
    ParameterSpec,
    Preparation,
    TraceParameter,
    prepare_parameter,
)
from accelsim.workload.settings import seeded_inputs, step_settings
from accelsim.workload.trace import Trace, load_trace
from accelsim.workload.transposed_view import TransposedView
from accelsim.workload.vector_functions import VECTOR_FUNCTIONS, VectorFunction
from accelsim.workload.views import ConvolutionView, MatrixView, View

__all__ = [
    "ELU",
    "GELU",
    "VECTOR_FUNCTIONS",
    "Activation",
    "Add",
    "Attention",
    "AvgPool2d",
    "BatchNorm2d",
    "ClassToken",
    "Clip",
    "Constant",
    "Conv2d",
    "ConvolutionView",
    "ErrorView",
    "Flatten",
    "Gemm",
    "GlobalAvgPool",
    "Graph",
    "HardSigmoid",
    "HardSwish",
    "Initial",
    "InputKind",
    "InputSpec",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "Loss",
    "MatrixView",
    "MaxPool2d",
    "Node",
    "Op",
    "Operand",
    "Optimizer",
    "ParameterSpec",
    "Phase",
    "Positions",
    "Preparation",
    "ReLU",
    "Role",
    "Sigmoid",
    "Softmax",
    "Swish",
    "Tanh",
    "TensorInfo",
    "Trace",
    "TraceParameter",
    "TransposedView",
    "VectorFunction",
    "VectorOp",
    "View",
    "Workload",
    "load_trace",
    "load_workload",
    "lower",
    "prepare_parameter",
    "seeded_inputs",
    "step_settings",
]
