"""Write docs/benchmarks.md from measurements made now.

::

    python -m tests.benchmarks.page [--peers PYTHON]

takes about two minutes. Other libraries are measured by the interpreter PYTHON, whose
environment has them; without it a temporary environment is made and thrown away.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info, threadpool_limits

from accelsim.files import atomic_write
from accelsim.formats import Rounding
from tests.benchmarks import measurements
from tests.benchmarks.measurements import Speed
from tests.benchmarks.test_gemm_speed import CASES, CHUNKED, N

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
PEERS = Path(__file__).with_name("peers.py")
PEER_PACKAGES = ("numpy", "ml_dtypes", "gfloat", "apytypes")
TWO_THREADS = "nearest-even, two threads"
MODES = {
    "nearest-even": CHUNKED,
    "subnormal grid": CASES["subnormal grid"][0],
    "stochastic": CHUNKED | {"rounding": Rounding.STOCHASTIC},
    "float32 in order": {"format": "fp32"},
}


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, help="interpreter that has the other libraries")
    interpreter = parser.parse_args().peers
    before = os.getloadavg()[0]
    with threadpool_limits(1):
        body = [
            paths([measurements.part_of_blas(name) for name in CASES if name != TWO_THREADS]),
            thin(),
            threads(),
            compilation(),
            timing(),
            peers(measure_peers(interpreter)),
        ]
    atomic_write(PAGE, "\n".join([introduction(before, os.getloadavg()[0]), *body]))


def introduction(before: float, after: float) -> str:
    """Say what was measured where."""
    blas = ", ".join(sorted({f"{pool['internal_api']} {pool['version']}" for pool in _blas()}))
    return f"""# Benchmarks

Written by `python -m tests.benchmarks.page` on {measurements.now()}; run it again for figures
of your machine. These are of {_processor()}, {os.cpu_count()} cores, {platform.system()},
Python {platform.python_version()}, NumPy {version("numpy")} with {blas},
Numba {version("numba")}.

**Load.** The load average was {before:.1f} before and {after:.1f} after. One thread is timed in
CPU seconds, and a part of BLAS is the median of {measurements.REPEATS} ratios of runs that
alternate in one process, so that other work on the machine disturbs both alike; shared caches and
clocks still show in the range. Two threads are timed by the wall clock: where the load is not well
below the number of cores, those figures say more about the other work than about accelsim.
"""


def paths(speeds: Sequence[Speed]) -> str:
    """Return the table of the paths."""
    rows = [
        (
            speed.name,
            f"{speed.gmac_per_s:.1f}",
            f"{speed.part_of_blas:.0%}",
            f"{speed.lowest:.0%} to {speed.highest:.0%}",
            "" if speed.target is None else f"{speed.target:.0%}",
        )
        for speed in speeds
    ]
    table = _table(("path", "GMAC/s", "part of BLAS", "range", "aim"), rows)
    return f"""## Matrix products against float32 BLAS

{N} x {N} x {N}, one thread, operands in FP8 (1,5,2), sums in chunks of 64 where the path has
chunks. Every addition is rounded, and the bits are those of the definition.

{table}
"""


def thin() -> str:
    """Return what products of few rows take, and groups that are rounded at random."""
    rows = [
        (shape, f"{seconds * 1e3:.2f} ms", f"{part:.0%}")
        for shape, seconds, part in measurements.thin_products()
    ]
    rates = [
        f"{name} {measurements.grouped_per_second(**fields) * 1e-9:.1f}"
        for name, fields in measurements.GROUPED.items()
    ]
    return f"""## Few rows, long sums

One thread, nearest-even, chunks of 64. Operands are read where they lie; where outputs are few,
a vector holds sums of 64 chunks, and no time is spent on a look at the operands.

{_table(("rows x length x columns", "CPU time", "part of BLAS"), rows)}

Sums of groups, rounded at random, 256 x 256 x 256: {", ".join(rates)} GMAC/s.
"""


def threads() -> str:
    """Return what two threads give, and the products of ResNet-50."""
    count, macs, one = measurements.resnet50_seconds(1)
    *_, two = measurements.resnet50_seconds(2)
    rows = [
        ("two threads over one, nearest-even", f"{measurements.two_threads():.2f} times", "1.7"),
        ("two processes over one, the same", f"{measurements.two_processes():.2f} times", ""),
        (f"the {count} products of ResNet-50, one thread", f"{one:.2f} s", ""),
        (f"the {count} products of ResNet-50, two threads", f"{two:.2f} s", "0.25 s"),
        ("float32 to FP8 (1,5,2) in cache, one thread", f"{_giga_quantized():.2f} G/s", "2 G/s"),
    ]
    return f"""## Threads, a network, rounding

ResNet-50 at batch 1 has {macs:,} MACs. The operands are random numbers without zeros, gathered
beforehand; a run with values gathers them, rounds results and measures errors besides.
Two processes with a product each bound what two threads can gain on the machine.

{_table(("what", "measured", "aim"), rows)}
"""


def compilation() -> str:
    """Return what the first product of a process costs."""
    rows = []
    for name, fields in MODES.items():
        fresh, cached, ready = measurements.first_product_seconds(fields, scipy=False)
        _, beside, _ = measurements.first_product_seconds(fields, scipy=True)
        seconds = (f"{figure:.2f} s" for figure in (cached, ready, beside))
        rows.append((name, f"{fresh:.1f} s", *seconds))
    heads = (
        "path", "nothing compiled yet", "from the cache", "of it Numba's set-up",
        "from the cache, beside SciPy",
    )  # fmt: skip
    return f"""## The first product of a process

CPU seconds of the first 64 x 64 x 64 product, self-test included and the import of
Numba not. A process compiles only the modes that it uses. The aims are 7 s and 0.5 s.
Numba's own set-up is part of all; it imports SciPy where that is installed, which accelsim
does not need, and that alone takes a quarter of a second.

{_table(heads, rows)}
"""


def timing() -> str:
    """Return how long the clock takes, and a point of a sweep."""
    rows = []
    for size, limit in ((128, 0.5), (32, 1.5), (8, 5.0)):
        once = measurements.timing_seconds(size)
        step = measurements.timing_seconds(size, batch=256, phase="training")
        figures = [f"{seconds:.2f} s" for seconds in (*once, *step)]
        rows.append((f"{size} x {size}", *figures, f"{limit:g} s and {3 * limit:g} s"))
    heads = ("array", "events", "closed forms", "step, events", "step, closed forms", "aim")
    point = measurements.sweep_point_seconds()
    return f"""## Time and sweeps

CPU seconds of ResNet-50's time, import and schedules apart: inference at batch 1, and a training
step at batch 256. The aims are for events.

{_table(heads, rows)}

A point of an analytic sweep of ResNet-50 (schedules, time, energy and area) takes {point:.3f} CPU
seconds: the aim, 1,000 points in 60 s on two cores, is 0.12.
"""


def peers(figures: dict[str, dict[str, Any]]) -> str:
    """Return what other libraries reach, beside the same work here."""
    ours = _giga_quantized() * 1e9
    versions = {name.split()[0]: entry["version"] for name, entry in figures.items()}
    named = ", ".join(f"{name} {number}" for name, number in versions.items())
    rows = [("accelsim", f"{ours * 1e-6:,.0f}", "1")]
    rows += [
        (name, f"{entry['per_second'] * 1e-6:,.1f}", f"{ours / entry['per_second']:,.0f}")
        for name, entry in figures.items()
        if "product" not in name
    ]
    product = figures["apytypes product"]["per_second"]
    own_product = measurements.small_product_per_second(64)
    return f"""## Other libraries

{named}, measured in an environment of their own
by `tests/benchmarks/peers.py` right after the figures above: medians of 5, CPU time of one thread.
Rounding {measurements.QUANTIZED:,} numbers to FP8 (1,5,2):

{_table(("library", "million a second", "accelsim is faster by"), rows)}

ml_dtypes takes float32 to the 8-bit type and back, gfloat rounds float64 to float64, apytypes makes
an array of its own.

A 64 x 64 x 64 product of FP8 (1,5,2) numbers with every addition rounded to (1,6,9): apytypes
{product * 1e-6:,.1f} million MACs a second, accelsim {own_product * 1e-6:,.0f}, faster by
{own_product / product:,.0f}. (apytypes with an accumulator of 6 exponent and 9 mantissa bits, its
defaults otherwise; the bits were not compared.)
"""


def measure_peers(interpreter: Path | None) -> dict[str, dict[str, Any]]:
    """Run peers.py in an environment that has the other libraries, a temporary one if none is."""
    if interpreter is not None:
        done = subprocess.run([interpreter, PEERS], capture_output=True, text=True, check=True)
        return dict(json.loads(done.stdout))
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder, "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEER_PACKAGES], check=True)
        return measure_peers(python)


def _giga_quantized() -> float:
    return measurements.quantized_per_second() * 1e-9


def _blas() -> list[dict[str, Any]]:
    return [pool for pool in threadpool_info() if pool["user_api"] == "blas"]


def _processor() -> str:
    """Return the processor's name where the system says it."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
