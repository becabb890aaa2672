"""Which value: narrow arithmetic, bit for bit."""

from accelsim.numerics.accumulation import accumulate, accumulate_chunked
from accelsim.numerics.gemm import matmul
from accelsim.numerics.paths import PathChoice, PathName, explain_path

__all__ = [
    "PathChoice",
    "PathName",
    "accumulate",
    "accumulate_chunked",
    "explain_path",
    "matmul",
]
