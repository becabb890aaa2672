"""What a Verilog unit must give: the emulator's answer, as codes."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from accelsim.cost.rtl import RtlUnit
from accelsim.cost.rtl.netlist import Netlist, elaborate, has_elaborator
from accelsim.cost.rtl.simulate import has_simulator
from accelsim.formats import FloatFormat, get_format
from accelsim.numerics import accumulate
from accelsim.precision import Accumulator, PairRule

needs_iverilog = pytest.mark.skipif(not has_simulator(), reason="needs Icarus Verilog")
needs_yosys = pytest.mark.skipif(not has_elaborator(), reason="needs Yosys")

BYTES = np.arange(256, dtype=np.uint64)
#: Every pair of 8-bit codes, on a grid.
EVERY_PAIR = tuple(np.meshgrid(BYTES, BYTES, indexing="ij"))


@cache
def gates(unit: RtlUnit) -> Netlist:
    """Return the gates of a unit; Yosys takes a second or more, so only once."""
    return elaborate(unit)


def values(codes, fmt: FloatFormat) -> np.ndarray:
    """Return the values of codes as float64."""
    kinds = {1: np.uint8, 2: np.uint16, 4: np.uint32}
    kind = kinds[-(-fmt.bits // 8)]
    return fmt.decode(np.asarray(codes).astype(kind)).astype(np.float64)


def codes(numbers, fmt: FloatFormat) -> np.ndarray:
    """Return the codes of members of a format; NaN is its one canonical code."""
    return fmt.encode(np.asarray(numbers, np.float64)).astype(np.uint64)


def round_sum(acc, terms, fmt: FloatFormat, *, saturate: bool = False) -> np.ndarray:
    """Return round(acc + sum of terms) as codes: one rounding of the exact sum.

    `acc` and `terms` are values; the terms' last axis is summed. The emulator adds the
    rounded sum to the +0 from which a reduction starts, and so has no -0. The unit
    alone has: where all addends are -0, and where a negative sum rounds to zero.
    """
    acc, terms = np.asarray(acc, np.float64), np.asarray(terms, np.float64)
    addends = np.concatenate([acc[..., None], terms], -1)
    rule = Accumulator(
        format=fmt.name, pair=PairRule.FUSED, pair_size=addends.shape[-1], saturate=saturate
    )
    with np.errstate(all="ignore"):
        total = np.asarray(accumulate(addends, rule))
        # In float64 a sum of two is zero, or negative, only where the exact one is.
        minus = np.all(np.signbit(addends) & (addends == 0), -1) | (addends.sum(-1) < 0)
    return codes(np.where((total == 0) & minus, -0.0, total), fmt)


def float_formats(*names: str) -> tuple[FloatFormat, ...]:
    """Return float formats by name."""
    found = tuple(get_format(name) for name in names)
    assert all(isinstance(fmt, FloatFormat) for fmt in found)
    return found


def edge_codes(fmt: FloatFormat) -> np.ndarray:
    """Return codes at which roundings go wrong, of both signs.

    Zero, the ends of the subnormals and of the finite numbers, infinity and NaN where
    there are, one and its neighbours, and every power of two with its neighbours.
    """
    top = 1 << (fmt.bits - 1)
    step = 1 << fmt.mantissa_bits
    picked = {0, 1, 2, 3, top - 1, top - 2}
    for field in range(1 << fmt.exponent_bits):
        picked |= {field * step + offset for offset in (-1, 0, 1, step // 2)}
    magnitudes = np.array(sorted(code for code in picked if 0 <= code < top), np.uint64)
    return np.concatenate([magnitudes, magnitudes + np.uint64(top)])


def near(numbers, fmt: FloatFormat, rng: np.random.Generator) -> np.ndarray:
    """Return codes within three places of the given numbers: sums that nearly cancel."""
    with np.errstate(all="ignore"):
        exact = codes(fmt.quantize(np.asarray(numbers, np.float64)), fmt).astype(np.int64)
    return ((exact + rng.integers(-3, 4, exact.shape)) % (1 << fmt.bits)).astype(np.uint64)


def check(got: np.ndarray, expected: np.ndarray, *inputs: np.ndarray) -> None:
    """Compare codes; where they differ, show the first inputs."""
    wrong = np.flatnonzero(got != expected)
    shown = [[hex(int(x)) for x in (*(one[at] for one in inputs), expected[at], got[at])]
             for at in wrong[:4]]  # fmt: skip
    assert wrong.size == 0, f"{wrong.size} of {got.size}: inputs, expected, got: {shown}"
