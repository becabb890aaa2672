"""Which value: narrow arithmetic, bit for bit."""

from accelsim.numerics.accumulation import accumulate, accumulate_chunked
from accelsim.numerics.gemm import matmul, multiply_matrices
from accelsim.numerics.path_choice import PathChoice, PathName, Product
from accelsim.numerics.paths import explain_path

__all__ = [
    "PathChoice",
    "PathName",
    "Product",
    "accumulate",
    "accumulate_chunked",
    "explain_path",
    "matmul",
    "multiply_matrices",
]
