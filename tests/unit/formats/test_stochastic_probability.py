"""Stochastic rounding has exactly the probability that it states: all random words, counted.

With N bits a number a fraction f beyond its lower neighbour in magnitude grows for
``floor(f * 2**N)`` of the ``2**N`` words, whatever the format, the sign and the engine.
"""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.formats import FloatFormat, Rounding, get_format
from accelsim.formats.array import Engine, quantize
from accelsim.formats.rounding import Overflow

#: Name: a number and its neighbour further from zero.
GAPS = {
    "fp8_e5m2": (1.0, 1.25),
    "fp8_e4m3fnuz": (2.0**-10, 2.0**-9),
    "fp16_e6m9": (1024.0, 1026.0),
    "dlfloat16": (1.0, 1.0 + 2.0**-9),
    "bf16": (-1.0, -1.0078125),
    "int8": (-3.0, -4.0),
    "uint4": (0.0, 1.0),
    "mx_int8_element": (0.5, 0.515625),
    "posit8_es1": (1.0, 1.0625),
    "posit16_es2": (-1.0, -1.00048828125),
    "posit8_es0": (32.0, 64.0),
}


def _rounded(x, fmt, words, count, engine):
    options = {"rounding": Rounding.STOCHASTIC, "random_bits": words, "random_bit_count": count}
    if isinstance(fmt, FloatFormat):
        return quantize(x, fmt, overflow=Overflow.TO_INFINITY, engine=engine, **options)
    return fmt.quantize(x, **options)


@pytest.mark.parametrize("engine", [Engine.NUMPY, Engine.NUMBA])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("name", GAPS)
def test_every_word_counted_at_every_fraction(name, count, engine):
    fmt, (low, high) = get_format(name), GAPS[name]
    parts = 1 << (count + 3)  # fractions eight times finer than the words can tell apart
    fractions = np.arange(parts + 1)
    x = low + (high - low) * fractions / parts  # exact: few bits
    words = np.arange(1 << count, dtype=np.uint32)
    grid, noise = np.broadcast_arrays(x[:, None], words)
    found = _rounded(np.ascontiguousarray(grid), fmt, np.ascontiguousarray(noise), count, engine)
    assert set(np.unique(found)) <= {low, high}
    grown = (found == high).sum(axis=1)
    np.testing.assert_array_equal(grown, fractions * (1 << count) // parts)


@pytest.mark.parametrize("name", ["fp8_e5m2", "fp4_e2m1", "posit8_es1", "int4"])
def test_between_all_neighbours_the_mean_is_the_number(name):
    """At fractions that N bits tell apart the mean over all words is the number itself."""
    fmt, count = get_format(name), 4
    codes = np.arange(1 << fmt.bits, dtype=np.uint8)
    values = np.asarray(fmt.decode(codes), np.float64)
    members = np.unique(values[np.isfinite(values)] + 0.0)
    low, high = members[:-1, None], members[1:, None]
    x = low + (high - low) * (np.arange(1 << count) / (1 << count))
    if name.startswith("posit"):
        x = x[(low.ravel() != 0) & (high.ravel() != 0)]  # no real number becomes zero
    words = np.broadcast_to(np.arange(1 << count, dtype=np.uint32), (*x.shape, 1 << count))
    spread = np.repeat(x[..., None], 1 << count, axis=-1)
    found = _rounded(spread, fmt, np.ascontiguousarray(words), count, Engine.NUMPY)
    np.testing.assert_array_equal(found.mean(axis=-1), x)
