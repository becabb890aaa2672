"""torch.export: modules of PyTorch, with their weights.

Files in this package, from the module to the network: `exporting` (the only one that
knows torch), `graph` (ATen operators as plain data), the ``ops_*`` tables (one small
function per operator, which rewrites it in the words of ONNX), `writer` (the graph in
those words), and `conversion`, which hands it to the walk that ONNX models take.
"""

from accelsim.workload.importers.torch.conversion import load_torch

__all__ = ["load_torch"]
