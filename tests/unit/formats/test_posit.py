"""Posits against the formula of the 2022 standard and against a second library."""

import math
from fractions import Fraction

import numpy as np
import pytest

from accelsim.errors import ConfigError
from accelsim.formats import PositFormat, Rounding, get_format, quantize
from tests.oracles.formats.posit_formula import posit_value, round_posit

NAMES = [f"posit{bits}_es{es}" for bits in (8, 16) for es in (0, 1, 2)]


@pytest.mark.parametrize("name", NAMES)
def test_every_code_is_the_formula_of_the_standard(name):
    fmt = get_format(name)
    codes = np.arange(1 << fmt.bits).astype(fmt.code_dtype)
    decoded = fmt.decode(codes)
    expected = [posit_value(int(code), fmt.bits, fmt.exponent_size) for code in codes]
    assert np.array_equal(decoded, expected, equal_nan=True)
    assert np.array_equal(fmt.encode(decoded), codes)


@pytest.mark.parametrize(
    ("name", "largest"),
    # maxPos = 2**(2**es * (n - 2)); SoftPosit's headers, the standard's table 1 for es = 2.
    [
        ("posit8_es0", 64.0),
        ("posit8_es1", 4096.0),
        ("posit8_es2", 2.0**24),
        ("posit16_es1", 2.0**28),
        ("posit16_es2", 2.0**56),
    ],
)
def test_range(name, largest):
    fmt = get_format(name)
    assert (fmt.max_finite, fmt.min_positive) == (largest, 1 / largest)


def test_pi_in_sixteen_bits_by_hand():
    # es = 1: pi = 2 * 1.5707963: regime 10, exponent 1, fraction 0.5707963 * 4096 = 2338 = 0x922:
    # 0 10 1 100100100010 = 0x5922.
    assert get_format("posit16_es1").encode(quantize([math.pi], "posit16_es1"))[0] == 0x5922


def test_quire_of_the_standard_is_sixteen_times_as_wide():
    assert get_format("posit16_es2").quire_bits == 256


@pytest.mark.parametrize("es", [0, 1, 2])
def test_rounding_is_the_standards_walk_over_all_codes(es):
    fmt = get_format(f"posit8_es{es}")
    finer = [posit_value(code, 10, es) for code in range(1, 1 << 9)]
    numbers = list(finer)
    numbers += [math.nextafter(v, 0.0) for v in numbers] + [5e-324, 1e300]
    numbers += [-v for v in numbers]
    expected = [float(round_posit(Fraction(v), 8, es)) for v in numbers]
    assert quantize(np.array(numbers), fmt).tolist() == expected
    assert [fmt.round_scalar(v) for v in numbers[::7]] == expected[::7]


def test_nothing_but_zero_becomes_zero_and_nothing_real_becomes_nar():
    x = np.array([5e-324, -5e-324, 1e308, -1e308, 0.0, -0.0])
    for mode in (Rounding.NEAREST_EVEN, Rounding.TOWARD_ZERO, Rounding.UP, Rounding.DOWN):
        got = quantize(x, "posit8_es2", rounding=mode)
        assert got.tolist() == [2.0**-24, -(2.0**-24), 2.0**24, -(2.0**24), 0.0, 0.0]
        assert not np.signbit(got[4:]).any()


def test_infinity_and_nan_are_nar():
    fmt = get_format("posit8_es2")
    got = fmt.quantize([np.inf, -np.inf, np.nan])
    assert np.isnan(got).all()
    assert fmt.encode(got).tolist() == [0x80] * 3


def test_stochastic_fraction_is_linear_between_neighbours():
    # posit8 es2 has 2**20 and 2**24 as its two largest: a regime step, f = 1/4 of the way.
    noise = np.arange(256, dtype=np.uint32)
    x = np.full(256, 2.0**20 + (2.0**24 - 2.0**20) / 4)
    got = quantize(
        x, "posit8_es2", rounding=Rounding.STOCHASTIC, random_bits=noise, random_bit_count=8
    )
    assert np.sum(got == 2.0**24) == 64
    with pytest.raises(ConfigError, match="at most 24"):
        quantize(
            x, "posit8_es2", rounding=Rounding.STOCHASTIC, random_bits=noise, random_bit_count=25
        )


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("posit8_es0", "posit8e0"),
        ("posit8_es1", "posit8e1"),
        ("posit8_es2", "posit8"),
        ("posit16_es1", "posit16e1"),
        ("posit16_es2", "posit16"),
    ],
)
def test_agrees_with_stillwater_universal(name, theirs):
    universal = pytest.importorskip("universal_dtypes", reason="second opinion on posits")
    number = getattr(universal, theirs)
    rng = np.random.default_rng(0)
    x = rng.standard_normal(3000) * np.exp2(rng.uniform(-60, 60, 3000))
    x[:1000] = rng.standard_normal(1000)
    assert quantize(x, name).tolist() == [float(number(float(v))) for v in x]


@pytest.mark.parametrize("fields", [(2, 0), (17, 2), (8, 5), (8, -1)])
def test_absurd_shapes_are_refused(fields):
    with pytest.raises(ConfigError, match="must be"):
        PositFormat("bad", *fields)
