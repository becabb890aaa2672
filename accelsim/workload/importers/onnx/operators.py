"""What a function for an operator is."""

from __future__ import annotations

from collections.abc import Callable

from accelsim.workload.importers.onnx.context import Context, Value
from accelsim.workload.importers.onnx.model import OnnxNode

#: Adds the layers of a node and returns its output, or its outputs in order.
Operator = Callable[[Context, OnnxNode], Value | tuple[Value, ...]]
