"""The measurements behind docs/benchmarks.md: ratios from pairs in one process, medians.

One thread is timed in CPU seconds, which other work on the machine disturbs least; two
threads need the wall clock.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from accelsim.api import sweep
from accelsim.arch import load_chip
from accelsim.formats import Rounding, get_format
from accelsim.numerics import matmul
from accelsim.precision import AccumulationMethod, Accumulator, PairRule, get_recipe
from accelsim.schedule import make_schedules
from accelsim.timing import estimate, simulate
from accelsim.workload import load_workload, lower
from tests.benchmarks.test_gemm_speed import CASES, CHUNKED, KEY, N, operands, seconds

REPEATS = 7
#: Pairs of runs by the wall clock, which scatters more: where a thread wakes up is chance.
WALL_CLOCK_REPEATS = 41
#: Elements of a quantized array: 256 KiB of float32, which stay in a second-level cache.
QUANTIZED = 1 << 16
#: Ways to sum a chunk otherwise than one product after the other, rounded at random.
GROUPED = {
    "one rounding per chunk": {"method": AccumulationMethod.ROUND_ONCE},
    "fused pairs": {"pair": PairRule.FUSED, "pair_size": 2},
    "aligned groups": {"method": AccumulationMethod.ALIGNED},
    "trees": {"method": AccumulationMethod.TREE},
}
#: Rows, length and columns of products that are bound by reading B, or have few outputs.
THIN_SHAPES = (
    (1, 2048, 1000), (4, 2048, 1000), (1, 1_000_000, 1), (4, 1_000_000, 16), (27, 100_000, 16),
)  # fmt: skip
#: First product of a process, in CPU seconds, after Numba itself was imported.
_FIRST_PRODUCT = """
import sys, time
{without}
import numba
import numpy as np
from numba.core.registry import cpu_target
from accelsim.formats import Rounding, get_format
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics import matmul
from accelsim.precision import Accumulator

fields = {fields}
x = np.asarray(get_format("fp8_e5m2").quantize(np.ones((64, 64), np.float32)))
accumulator = Accumulator(**fields)
start = time.process_time()
# What Numba does before it loads anything, whatever it is.
cpu_target.target_context.refresh()
ready = time.process_time()
matmul(x, x, accumulator, key=StreamKey())
sys.stdout.write(f"{time.process_time() - start} {ready - start}")
"""
#: Median seconds of a product on one thread; `go` on standard input starts it.
_ONE_PROCESS = """
import sys, statistics
from accelsim.numerics import matmul
from accelsim.precision import Accumulator
from tests.benchmarks.test_gemm_speed import CHUNKED, operands, seconds

a, b = operands(1.0, 0.0)
accumulator = Accumulator(**CHUNKED)
matmul(a, b, accumulator)
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.readline()
times = [seconds(lambda: matmul(a, b, accumulator)) for _ in range(15)]
sys.stdout.write(str(statistics.median(times)))
"""


def cpu_seconds(call: Callable[[], object]) -> float:
    """Return the CPU time of one call, in all threads of the process."""
    start = time.process_time()
    call()
    return time.process_time() - start


@dataclass(frozen=True)
class Speed:
    """One path against float32 BLAS, both on one thread unless said otherwise."""

    name: str
    part_of_blas: float
    lowest: float
    highest: float
    gmac_per_s: float
    target: float | None


def part_of_blas(name: str) -> Speed:
    """Alternate BLAS and one path; the figure is the median of the ratios of neighbours."""
    fields, scale, zeros, threads, target = CASES[name]
    a, b = operands(scale, zeros)
    accumulator = Accumulator(**fields)

    def ours() -> object:
        return matmul(a, b, accumulator, threads=threads, key=KEY)

    ours()
    pairs = [(cpu_seconds(lambda: a @ b), cpu_seconds(ours)) for _ in range(REPEATS)]
    ratios = sorted(blas / own for blas, own in pairs)
    own = statistics.median(own for _, own in pairs)
    return Speed(name, statistics.median(ratios), ratios[0], ratios[-1], N**3 / own * 1e-9, target)


def thin_products() -> list[tuple[str, float, float]]:
    """Return shape, CPU seconds on one thread and part of float32 BLAS of products of few rows.

    Nearest-even (1,6,9) in chunks of 64, formats given; medians of alternate runs.
    """
    rng = np.random.default_rng(0)
    fp8, accumulator = get_format("fp8_e5m2"), Accumulator(**CHUNKED)
    rows = []
    for m, k, n in THIN_SHAPES:
        a, b = (
            np.asarray(fp8.quantize(rng.standard_normal(shape, np.float32)), np.float32)
            for shape in ((m, k), (k, n))
        )
        ours = partial(matmul, a, b, accumulator, a_format=fp8, b_format=fp8)
        ours()
        pairs = [(cpu_seconds(partial(np.matmul, a, b)), cpu_seconds(ours)) for _ in range(REPEATS)]
        part = statistics.median(blas / own for blas, own in pairs)
        rows.append((f"{m} x {k:,} x {n:,}", statistics.median(own for _, own in pairs), part))
    return rows


def grouped_per_second(**fields: object) -> float:
    """Return MACs a second of a 256^3 product in groups rounded at random, one thread."""
    a, b = (matrix[:256, :256] for matrix in operands(1.0, 0.0))
    accumulator = Accumulator(**CHUNKED, rounding=Rounding.STOCHASTIC, **fields)
    run = partial(matmul, a, b, accumulator, key=KEY)
    run()
    return 256**3 / statistics.median(cpu_seconds(run) for _ in range(REPEATS))


def two_threads() -> float:
    """Return how many times faster two threads are than one: the median of alternate pairs."""
    a, b = operands(1.0, 0.0)
    accumulator = Accumulator(**CHUNKED)
    return _median_ratio(
        lambda: matmul(a, b, accumulator, threads=1), lambda: matmul(a, b, accumulator, threads=2)
    )


def resnet50_seconds(threads: int) -> tuple[int, int, float]:
    """Return GEMMs, MACs and the median wall-clock seconds of all GEMMs of ResNet-50 at batch 1.

    Random operands in the formats and shapes of the trace; compiled beforehand.
    """
    rng = np.random.default_rng(0)
    trace = lower(load_workload("resnet50"), get_recipe("wang2018"))
    work = []
    for op in trace.gemms:
        shapes = ((op.groups, op.m, op.k), (op.groups, op.k, op.n))
        pair = [
            np.asarray(fmt.quantize(rng.standard_normal(shape, np.float32)), np.float32)
            for shape, fmt in zip(shapes, (op.a.format, op.b.format), strict=True)
        ]
        work.append((op, *pair))

    def run() -> None:
        for op, a, b in work:
            matmul(
                a, b, op.accumulator, threads=threads, a_format=op.a.format, b_format=op.b.format
            )

    run()
    return len(work), trace.macs, statistics.median(seconds(run) for _ in range(REPEATS))


def two_processes() -> float:
    """Return how many times as much two processes compute as one, which bounds two threads."""
    (alone,) = _together(1)
    return sum(alone / both for both in _together(2))


def _together(count: int) -> list[float]:
    """Return the seconds of a product in each of `count` processes that start it together."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _ONE_PROCESS],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(count)
    ]  # fmt: skip
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    return [float(worker.communicate()[0]) for worker in workers]


def first_product_seconds(fields: dict[str, object], *, scipy: bool) -> tuple[float, float, float]:
    """Return CPU seconds of a process's first product: nothing compiled before, then cached.

    The last figure is the part of the second that Numba takes to get ready. Without `scipy`
    the process finds none, as where accelsim is installed alone.
    """
    shown = {name: str(value) if name == "rounding" else value for name, value in fields.items()}
    text = ", ".join(
        f'"rounding": Rounding("{value}")' if name == "rounding" else f'"{name}": {value!r}'
        for name, value in shown.items()
    )
    without = "" if scipy else "sys.modules['scipy'] = None"
    script = _FIRST_PRODUCT.replace("{fields}", "{" + text + "}").replace("{without}", without)
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        runs = [
            subprocess.run(
                [sys.executable, "-c", script],
                capture_output=True, text=True, check=True, env=environment,
            ).stdout
            for _ in range(2)
        ]  # fmt: skip
    fresh, (cached, ready) = runs[0].split()[0], runs[1].split()
    return float(fresh), float(cached), float(ready)


def quantized_per_second() -> float:
    """Return elements a second of float32 to FP8 (1,5,2) and back, in cache, one thread."""
    fmt = get_format("fp8_e5m2")
    x = np.random.default_rng(0).standard_normal(QUANTIZED).astype(np.float32)
    fmt.quantize(x)
    batch = 50

    def run() -> None:
        for _ in range(batch):
            fmt.quantize(x)

    return QUANTIZED * batch / statistics.median(cpu_seconds(run) for _ in range(REPEATS))


def small_product_per_second(n: int) -> float:
    """Return MACs a second of an n x n product with a plain (1,6,9) accumulator, one thread."""
    a, b = (matrix[:n, :n] for matrix in operands(1.0, 0.0))
    accumulator = Accumulator(format="fp16_e6m9")
    matmul(a, b, accumulator)
    batch = 50

    def run() -> None:
        for _ in range(batch):
            matmul(a, b, accumulator)

    return batch * n**3 / statistics.median(cpu_seconds(run) for _ in range(REPEATS))


def timing_seconds(rows: int, *, batch: int = 1, phase: str = "inference") -> tuple[float, float]:
    """Return the median CPU seconds of ResNet-50's time: event by event, and in closed forms.

    On a square array with memories without limit; schedules are made beforehand.
    """
    size = str(rows)
    chip = load_chip("scalesim_ws_32x32", [("mac_array.rows", size), ("mac_array.cols", size)])
    recipe = get_recipe(chip.default_recipe)
    trace = lower(load_workload("resnet50"), recipe, batch=batch, phase=phase)
    schedules = make_schedules(trace.ops, chip)
    events, forms = (
        statistics.median(cpu_seconds(partial(clock, trace, chip, schedules)) for _ in range(3))
        for clock in (simulate, estimate)
    )
    return events, forms


def sweep_point_seconds() -> float:
    """Return the CPU seconds of a point of an analytic sweep of ResNet-50, in one process.

    The mean of 48 points that differ in their array, cores, bandwidth and scratchpad.
    """
    vary = (
        "arch.mac_array.rows=16,32,64,128", "arch.cores=1,4",
        "arch.dram.bandwidth_gb_per_s=100,400", "arch.scratchpad.capacity_kib=512,1024,2048",
    )  # fmt: skip
    return cpu_seconds(lambda: sweep("resnet50", vary=vary)) / 48


def _median_ratio(slow: Callable[[], object], fast: Callable[[], object]) -> float:
    slow()
    fast()
    pairs = ((seconds(slow), seconds(fast)) for _ in range(WALL_CLOCK_REPEATS))
    return statistics.median(first / second for first, second in pairs)


def now() -> str:
    """Return the date, for the page."""
    return time.strftime("%Y-%m-%d", time.gmtime())
