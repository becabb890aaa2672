"""ONNX: models that other frameworks export.

`load_onnx` reads a file, folds what is constant, and turns each node into a layer.
Files in this package, from the file to the network: `reader` and `tensors` (the only
ones that know the onnx package), `model` (the graph as plain data), `patterns` and
`scalar_functions` (several nodes that are one function), `folding` (constants),
`layout` (channels first to channels last), `draft` (the network in the making), the
``ops_*`` tables (one small function per operator), and `conversion` (the walk).
"""

from accelsim.workload.importers.onnx.conversion import load_onnx

__all__ = ["load_onnx"]
