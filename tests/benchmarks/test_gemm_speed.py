"""How fast each path is, as a part of float32 BLAS in the same process.

Nothing here asserts a time: it prints a table and keeps the ratios as properties
of the test report. Run it alone on a quiet machine::

    pytest tests/benchmarks/test_gemm_speed.py -m slow -s
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np
import pytest

from accelsim.formats import Rounding, get_format
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics import matmul
from accelsim.precision import Accumulator

N = 1024
REPEATS = 5
KEY = StreamKey(seed=1)
CHUNKED = {"format": "fp16_e6m9", "chunk_size": 64}
#: name: accumulator, scale of the operands, part of zeros, threads, target part of BLAS.
CASES = {
    "nearest-even": (CHUNKED, 1.0, 0.0, 1, 0.40),
    "saturating": (CHUNKED | {"saturate": True}, 2.0**10, 0.0, 1, 0.22),
    "subnormal grid": (
        {"format": "fp16_e5m10", "chunk_size": 64, "saturate": True},
        1.0, 0.0, 1, 0.18,
    ),
    "ties away": (
        {"format": "dlfloat16", "chunk_size": 64, "rounding": Rounding.NEAREST_AWAY},
        1.0, 0.0, 1, 0.18,
    ),
    "stochastic": (CHUNKED | {"rounding": Rounding.STOCHASTIC}, 1.0, 0.0, 1, 0.14),
    "float32 in order": ({"format": "fp32"}, 1.0, 0.0, 1, 0.55),
    "nearest-even, half zeros": (CHUNKED, 1.0, 0.5, 1, 0.60),
    "nearest-even, two threads": (CHUNKED, 1.0, 0.0, 2, None),
}  # fmt: skip


def operands(scale, zeros):
    rng = np.random.default_rng(0)
    fp8 = get_format("fp8_e5m2")
    a, b = (
        np.asarray(fp8.quantize((rng.standard_normal((N, N)) * scale).astype(np.float32)))
        for _ in range(2)
    )
    a[rng.random(a.shape) < zeros] = 0.0
    return a, b


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_part_of_blas(name, record_property, capsys):
    threadpoolctl = pytest.importorskip("threadpoolctl")
    fields, scale, zeros, threads, target = CASES[name]
    a, b = operands(scale, zeros)
    accumulator = Accumulator(**fields)

    def ours():
        return matmul(a, b, accumulator, threads=threads, key=KEY)

    with threadpoolctl.threadpool_limits(1):
        first = seconds(ours)
        pairs = [(seconds(lambda: a @ b), seconds(ours)) for _ in range(REPEATS)]
    ratio = statistics.median(blas / own for blas, own in pairs)
    rate = N**3 / min(own for _, own in pairs) / 1e9
    record_property("part_of_blas", ratio)
    with capsys.disabled():
        goal = f" (target {target:.0%})" if target else ""
        line = f"{name:26s} {rate:6.1f} GMAC/s {ratio:6.1%} of BLAS{goal}, first {first:.1f} s"
        sys.stdout.write(f"\n{line}")


@pytest.mark.slow
def test_times_the_tiled_twin(record_property, capsys):
    a, b = operands(1.0, 0.0)
    a = a[:128]
    accumulator = Accumulator(**CHUNKED)
    matmul(a, b, accumulator)
    kernel = min(seconds(lambda: matmul(a, b, accumulator)) for _ in range(REPEATS))
    tiled = seconds(lambda: matmul(a, b, accumulator, path="tiled"))
    record_property("times_the_tiled_twin", tiled / kernel)
    with capsys.disabled():
        sys.stdout.write(f"\nkernel over tiled NumPy twin: {tiled / kernel:.0f} times")
