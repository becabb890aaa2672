"""What other libraries reach, one JSON document on standard output.

It runs in an environment of its own, which has no accelsim in it::

    python peers.py

needs numpy, ml_dtypes, gfloat and apytypes. One thread each.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

import apytypes
import gfloat
import gfloat.formats
import ml_dtypes
import numpy as np

ELEMENTS = 1 << 16
N = 64
REPEATS = 5


def median_seconds(call: Callable[[], object]) -> float:
    """Return the median CPU time of a call after one that is not counted."""
    call()
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return statistics.median(times)


def main() -> None:
    """Measure rounding to FP8 (1,5,2) and a product with a (1,6,9) accumulator."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(ELEMENTS).astype(np.float32)
    wide, e5m2 = x.astype(np.float64), gfloat.formats.format_info_ocp_e5m2
    a, b = (
        apytypes.APyFloatArray.from_float(rng.standard_normal((N, N)), exp_bits=5, man_bits=2)
        for _ in range(2)
    )

    def product() -> object:
        with apytypes.APyFloatAccumulatorContext(exp_bits=6, man_bits=9):
            return a @ b

    calls: dict[str, tuple[int, Callable[[], object]]] = {
        "ml_dtypes": (ELEMENTS, lambda: x.astype(ml_dtypes.float8_e5m2).astype(np.float32)),
        "gfloat": (ELEMENTS, lambda: gfloat.round_ndarray(e5m2, wide)),
        "apytypes": (
            ELEMENTS,
            lambda: apytypes.APyFloatArray.from_float(wide, exp_bits=5, man_bits=2),
        ),
        "apytypes product": (N**3, product),
    }
    document = {
        name: {
            "version": version(name.split()[0]),
            "per_second": count / median_seconds(call),
        }
        for name, (count, call) in calls.items()
    }
    sys.stdout.write(json.dumps(document))


if __name__ == "__main__":
    main()
