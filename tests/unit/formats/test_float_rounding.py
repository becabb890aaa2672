"""All six roundings on adversarial numbers, against lists of values and exact fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest

from accelsim.errors import ConfigError, DataError, ShapeError
from accelsim.formats import Overflow, Rounding, get_format, quantize, round_scalar
from tests.oracles.formats.float_tables import ROUNDABLE, TABLES

WIDE_AND_ROUNDABLE = (*ROUNDABLE, "fp16_e6m9", "fp16_e5m10")


def same(a, b):
    """Equal, NaN to NaN, and +0 not to -0."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return (np.isnan(a) & np.isnan(b)) | ((a == b) & (np.signbit(a) == np.signbit(b)))


def adversarial(table):
    """Ties and their neighbours, half of the smallest, the edges of the range."""
    grid = table.magnitudes
    if len(grid) > 600:
        pick = np.unique(np.r_[0:12, 505:520, 1020:1030, len(grid) - 12 : len(grid)])
        pairs = np.stack([grid[pick[:-1]], grid[np.minimum(pick[:-1] + 1, len(grid) - 1)]])
    else:
        pairs = np.stack([grid[:-1], grid[1:]])
    ties = pairs.mean(axis=0)
    largest = grid[-1]
    top = largest - grid[-2]
    edges = np.array(
        [largest + top / 4, largest + top / 2, largest + top, 3 * largest, 1e30, 1e300]
    )
    lowest_normal = 2.0 ** (1 - table.bias)
    small = np.array([grid[1] / 2, grid[1] / 4, 5e-324, 1e-300, lowest_normal])
    base = np.concatenate([pairs.reshape(-1), ties, edges, small])
    near = np.concatenate([np.nextafter(base, np.inf), np.nextafter(base, 0.0)])
    thirds = pairs[0] + (pairs[1] - pairs[0]) / 3
    numbers = np.concatenate([base, near, thirds])
    return np.concatenate([numbers, -numbers, [0.0, -0.0, np.inf, -np.inf, np.nan]])


def expected_values(name, numbers, mode, noise):
    fmt, table = get_format(name), TABLES[name]
    raw = table.round(numbers, mode, noise)
    over = np.isinf(raw)
    if not fmt.has_infinity:
        replacement = np.nan if fmt.has_nan else fmt.max_finite
        raw = np.where(over, np.copysign(replacement, raw), raw)
    return raw if fmt.signed_zero else np.where(raw == 0, 0.0, raw)


@pytest.mark.parametrize("mode", list(Rounding))
@pytest.mark.parametrize("name", WIDE_AND_ROUNDABLE)
def test_quantize_equals_a_search_in_the_list_of_values(name, mode):
    numbers = adversarial(TABLES[name])
    bits = np.random.default_rng(0).integers(0, 1 << 16, numbers.shape, dtype=np.uint32)
    noise = bits / 2.0**16
    expected = expected_values(name, numbers, mode, noise)
    random_bits = bits if mode is Rounding.STOCHASTIC else None
    got = quantize(numbers, name, rounding=mode, random_bits=random_bits)
    bad = ~same(got, expected)
    assert not bad.any(), (numbers[bad][:5], got[bad][:5], expected[bad][:5])
    scalar = [
        get_format(name).round_scalar(float(x), rounding=mode, random_bits=int(r))
        for x, r in zip(numbers[::17], bits[::17], strict=True)
    ]
    assert same(scalar, expected[::17]).all()


@pytest.mark.parametrize("name", WIDE_AND_ROUNDABLE)
def test_saturation_replaces_every_overflow_and_keeps_nan(name):
    fmt = get_format(name)
    numbers = adversarial(TABLES[name])
    plain = quantize(numbers, name, overflow=Overflow.TO_INFINITY)
    saturated = quantize(numbers, name, overflow=Overflow.SATURATE)
    inside = np.isfinite(plain)
    assert same(saturated[inside], plain[inside]).all()
    outside = ~inside & ~np.isnan(numbers)
    assert np.array_equal(saturated[outside], np.copysign(fmt.max_finite, numbers[outside]))
    assert np.isnan(saturated[np.isnan(numbers)]).all()


def test_float64_is_not_rounded_through_float32():
    # 1.125 is the tie of e5m2 between 1 and 1.25. The float32 neighbour of
    # 1.125 + 2**-40 is the tie itself, which would go to the even 1.0.
    x = np.array([1.125 + 2.0**-40, 1.125, 1.125 - 2.0**-40])
    assert quantize(x, "fp8_e5m2").tolist() == [1.25, 1.0, 1.0]
    assert quantize(x.astype(np.float32), "fp8_e5m2").tolist() == [1.0, 1.0, 1.0]


def test_subnormals_are_rounded_once():
    # e5m2 subnormals are multiples of q = 2**-16. 1.4375 q would become 1.5 q with
    # the three bits of a normal number, and then 2 q on the subnormal grid.
    q = 2.0**-16
    assert quantize([1.4375 * q, 1.5 * q, 1.5625 * q], "fp8_e5m2").tolist() == [q, 2 * q, 2 * q]


def test_half_of_the_smallest_subnormal_is_a_tie_with_zero():
    q = 2.0**-39
    x = [q / 2, math.nextafter(q / 2, 1), -q / 2, 1.5 * q]
    assert same(quantize(x, "fp16_e6m9"), [0.0, q, -0.0, 2 * q]).all()
    assert quantize([q / 2], "fp16_e6m9", rounding=Rounding.NEAREST_AWAY).tolist() == [q]


def test_just_over_the_maximum():
    # OCP OFP8: 464 is the tie above 448 and goes to the even 448; above it, NaN.
    e4m3 = quantize([448.0, 464.0, 464.0001, -464.0001], "fp8_e4m3fn")
    assert same(e4m3, [448.0, 448.0, np.nan, np.nan]).all()
    # IEEE 754: 61440 is the tie above 57344 = 0b11 * 2**k and goes to the even 2**16: infinity.
    assert quantize([61439.99, 61440.0], "fp8_e5m2").tolist() == [57344.0, np.inf]


def test_directed_modes_stop_at_the_largest_number_as_ieee_754_says():
    x = np.array([1e9, -1e9, np.inf, -np.inf])
    up = quantize(x, "fp8_e5m2", rounding=Rounding.UP)
    down = quantize(x, "fp8_e5m2", rounding=Rounding.DOWN)
    zero = quantize(x, "fp8_e5m2", rounding=Rounding.TOWARD_ZERO)
    assert up.tolist() == [np.inf, -57344.0, np.inf, -np.inf]
    assert down.tolist() == [57344.0, -np.inf, np.inf, -np.inf]
    assert zero.tolist() == [57344.0, -57344.0, np.inf, -np.inf]


class TestDlfloat16:
    """Round to ten bits, ties away, without bound on the exponent; then flush or overflow."""

    smallest = 2.0**-31 * (1 + 2.0**-9)

    def test_ties_go_away_from_zero(self):
        x = np.array([1 + 2.0**-10, -(1 + 2.0**-10), 1 + 3 * 2.0**-10])
        assert quantize(x, "dlfloat16").tolist() == [1 + 2.0**-9, -1 - 2.0**-9, 1 + 4 * 2.0**-10]

    def test_overflow_begins_half_a_step_above_the_largest_number(self):
        # 8577351680 = 2**32 * (1 + 510.5 / 512).
        x = np.array([8577351679.0, 8577351680.0, -8577351680.0, np.inf])
        assert same(quantize(x, "dlfloat16"), [8573157376.0, np.nan, np.nan, np.nan]).all()
        kept = quantize(x, "dlfloat16", overflow=Overflow.SATURATE)
        assert kept.tolist() == [8573157376.0, 8573157376.0, -8573157376.0, 8573157376.0]

    def test_what_rounds_below_the_smallest_number_becomes_zero(self):
        # 2**-31 * (1 + 2**-10) is the tie that rounds up to the smallest number.
        tie = 2.0**-31 * (1 + 2.0**-10)
        x = np.array([self.smallest, tie, math.nextafter(tie, 0), 2.0**-31, -(2.0**-32)])
        assert same(quantize(x, "dlfloat16"), [self.smallest, self.smallest, 0.0, 0.0, -0.0]).all()

    def test_products_of_e5m2_are_exact_except_two_that_vanish(self):
        e5m2 = get_format("fp8_e5m2")
        values = e5m2.decode(np.arange(124, dtype=np.uint8)).astype(np.float64)
        products = np.unique(np.outer(values, values))
        rounded = quantize(products, "dlfloat16")
        # Brute force over all pairs: only 2**-32 and 2**-31 are lost, both to zero.
        lost = products[rounded != products]
        assert lost.tolist() == [2.0**-32, 2.0**-31]
        assert not rounded[rounded != products].any()

    def test_the_8_bit_kin_has_its_published_smallest_number(self):
        x = [0.0087890625, 0.0087890625 / 1.125, 448.0, 480.0]
        assert same(quantize(x, "dl8"), [0.0087890625, 0.0, 448.0, np.nan]).all()


def test_products_of_e5m2_are_exact_in_e6m9_with_subnormals():
    values = get_format("fp8_e5m2").decode(np.arange(124, dtype=np.uint8)).astype(np.float64)
    products = np.outer(values, values)
    assert np.array_equal(quantize(products, "fp16_e6m9"), products)


class TestStochastic:
    """Away from zero iff floor(f * 2**N) + r >= 2**N."""

    def test_every_random_number_once_gives_the_stated_probability(self):
        noise = np.arange(1 << 8, dtype=np.uint32)
        for fraction in (Fraction(1, 3), Fraction(1, 256), Fraction(255, 256), Fraction(1, 512)):
            x = np.full(noise.shape, 1 + float(fraction) * 0.25)
            up = quantize(
                x,
                "fp8_e5m2",
                rounding=Rounding.STOCHASTIC,
                random_bits=noise,
                random_bit_count=8,
            )
            assert np.sum(up == 1.25) == math.floor(fraction * 256)

    def test_members_stay_whatever_the_noise(self):
        x = get_format("fp8_e5m2").decode(np.arange(124, dtype=np.uint8))
        noise = np.full(x.shape, 0xFFFFFFFF, dtype=np.uint32)
        kept = quantize(x, "fp8_e5m2", rounding=Rounding.STOCHASTIC, random_bits=noise)
        assert np.array_equal(kept, x)

    def test_only_the_lowest_bits_count(self):
        x = np.full(64, 1.1)
        low = np.arange(64, dtype=np.uint32) * 1000
        args = {"rounding": Rounding.STOCHASTIC, "random_bit_count": 16}
        high = low | np.uint32(0xABC << 20)
        assert np.array_equal(
            quantize(x, "fp8_e5m2", random_bits=low, **args),
            quantize(x, "fp8_e5m2", random_bits=high, **args),
        )

    def test_thirty_two_bits_are_exact(self):
        # f = 1/2: away iff 2**31 + r >= 2**32.
        noise = np.array([2**31 - 1, 2**31, 2**32 - 1], dtype=np.uint32)
        got = quantize(
            np.full(3, 1.125),
            "fp8_e5m2",
            rounding=Rounding.STOCHASTIC,
            random_bits=noise,
            random_bit_count=32,
        )
        assert got.tolist() == [1.0, 1.25, 1.25]

    @pytest.mark.parametrize("count", [0, 33])
    def test_an_absurd_number_of_bits_is_refused(self, count):
        with pytest.raises(ConfigError, match=f"random_bit_count is {count}"):
            quantize(
                [1.0],
                "fp8_e5m2",
                rounding=Rounding.STOCHASTIC,
                random_bits=np.zeros(1, np.uint32),
                random_bit_count=count,
            )

    def test_missing_or_misshapen_bits_are_refused(self):
        with pytest.raises(ConfigError, match="needs random_bits"):
            quantize([1.0], "fp8_e5m2", rounding=Rounding.STOCHASTIC)
        with pytest.raises(ShapeError, match=r"shape \(2,\)"):
            quantize(
                [1.0],
                "fp8_e5m2",
                rounding=Rounding.STOCHASTIC,
                random_bits=np.zeros(2, np.uint32),
            )
        with pytest.raises(DataError, match="unsigned integers"):
            quantize([1.0], "fp8_e5m2", rounding=Rounding.STOCHASTIC, random_bits=np.zeros(1))


class TestScalarDefinition:
    """`round_scalar` on exact fractions."""

    def test_a_sum_that_no_float_holds(self):
        # 1 + 2**-10 is the tie of (1, 6, 9); a residue of 2**-200 decides it.
        fmt = get_format("fp16_e6m9")
        tie = Fraction(1) + Fraction(1, 2**10)
        assert round_scalar(tie, fmt) == 1.0
        assert round_scalar(tie + Fraction(1, 2**200), fmt) == 1 + 2.0**-9

    def test_the_sign_of_a_zero_fraction_is_given(self):
        fmt = get_format("fp16_e6m9")
        assert math.copysign(1, round_scalar(Fraction(0), fmt)) == 1
        assert math.copysign(1, round_scalar(Fraction(0), fmt, negative_zero=True)) == -1
        assert math.copysign(1, round_scalar(Fraction(-1, 2**60), fmt)) == -1
        one_zero = get_format("fp8_e4m3fnuz")
        assert math.copysign(1, round_scalar(Fraction(0), one_zero, negative_zero=True)) == 1

    def test_stochastic_needs_bits(self):
        with pytest.raises(ConfigError, match="needs random_bits"):
            round_scalar(Fraction(1, 3), get_format("fp8_e5m2"), rounding=Rounding.STOCHASTIC)


class TestUnusualFormats:
    def test_unsigned_floats_clip_negative_numbers_to_zero(self):
        got = quantize([-1.0, -0.0, 0.3, np.nan, -np.inf], "ufp8_e5m3")
        assert same(got, [0.0, 0.0, 0.3125, np.nan, 0.0]).all()

    def test_e8m0_has_no_zero_and_no_sign_as_in_ml_dtypes(self):
        x = [0.0, -0.0, -1.0, 1e-40, 1.5, 3.0, 0.75, np.inf, np.nan, 2.0**127 * 1.5]
        lowest = 2.0**-127
        expected = [np.nan, np.nan, np.nan, lowest, 2.0, 4.0, 1.0, np.nan, np.nan, np.nan]
        assert same(quantize(x, "e8m0"), expected).all()

    def test_formats_without_nan_keep_nan_and_saturate_infinity(self):
        got = quantize([np.nan, np.inf, -np.inf, 31.9], "fp8_e4m3b11")
        assert same(got, [np.nan, 30.0, -30.0, 30.0]).all()

    def test_a_flushing_format_has_no_subnormals(self):
        spec = {"exponent_bits": 5, "mantissa_bits": 2, "subnormals": "flushed"}
        fmt = get_format(spec)
        assert fmt.min_positive == 2.0**-14
        # 0.9375 * 2**-14 rounds up to 2**-14 in three bits; 0.75 * 2**-14 is flushed.
        x = np.array([2.0**-14, 0.9375 * 2.0**-14, -0.75 * 2.0**-14])
        assert same(quantize(x, fmt), [2.0**-14, 2.0**-14, -0.0]).all()
        assert fmt.decode(np.array([0x83], np.uint8))[0] == 0.0


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.float16, np.float64),
        (np.int32, np.float64),
    ],
)
def test_result_type(given, expected):
    assert quantize(np.ones(3, given), "fp8_e5m2").dtype == expected


def test_float32_gives_float64_where_the_format_does_not_fit():
    assert quantize(np.ones(3, np.float32), "float_e10m9").dtype == np.float64
    assert quantize(np.ones(3, np.float32), "float_e5m30").dtype == np.float64


def test_what_is_not_a_number_is_refused():
    for bad in (["a"], [1j], [None]):
        with pytest.raises(DataError, match="Numbers are needed"):
            quantize(bad, "fp8_e5m2")


def test_a_rule_that_does_not_exist_is_refused_with_a_hint():
    with pytest.raises(ConfigError, match=r"no rounding rule\. Did you mean nearest_even\?"):
        quantize([1.0], "fp8_e5m2", rounding="nearest_eve")
    with pytest.raises(ConfigError, match=r"no overflow rule\. Did you mean saturate\?"):
        quantize([1.0], "fp8_e5m2", overflow="saturated")
    assert quantize([1.1], "int8", rounding="up").tolist() == [2.0]
