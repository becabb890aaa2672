"""Bugs that emulators of narrow arithmetic have been seen with, and known facts of long sums."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.formats import Rounding, get_format
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics import accumulate, matmul
from accelsim.numerics.scalar import dot_scalar
from accelsim.precision import Accumulator, PairRule

KEY = StreamKey(seed=1)


def _both(a, b, accumulator, **options):
    """Return the one value on which scalar, definition and kernel agree."""
    left, right = np.atleast_2d(a), np.atleast_2d(b).T
    found = {
        float(matmul(left, right, accumulator, **options)[0, 0]),
        float(matmul(left, right, accumulator, path="definition", **options)[0, 0]),
        dot_scalar(np.ravel(a), np.ravel(b), accumulator, **options),
    }
    assert len(found) == 1
    return found.pop()


def test_a_fused_float32_addition_then_a_rounding_is_not_one_rounding():
    """-1.875 * 1.9375 = -3.6328125, the tie between -3.625 and -3.640625 in bfloat16.

    The tiny addend pushes the sum beyond the tie; float32 loses it, and even is -3.625.
    """
    tiny = -1.2587406672537327e-09
    bf16 = get_format("bf16")
    assert float(bf16.quantize(np.array([tiny]))[0]) == tiny
    found = _both([1.0, -1.875], [tiny, 1.9375], Accumulator(format="bf16"))
    assert found == -3.640625
    fused_then_rounded = np.float32(-1.875 * 1.9375 + tiny)
    assert float(bf16.quantize(np.array([fused_then_rounded]))[0]) == -3.625


def test_a_sum_just_above_a_subnormal_tie_is_not_rounded_twice():
    """2**-25 is half the smallest binary16 number: a tie to 0; a little more goes up."""
    half = Accumulator(format="fp16_e5m10")
    a = [2.0**-14, 2.0**-16]
    assert _both(a, [2.0**-11, 2.0**-16], half) == 0.0
    # 1.25 * 2**-14 * 2**-11 is 1.25 halves of the smallest.
    assert _both([1.25 * 2.0**-14], [2.0**-11], half) == 2.0**-24


def test_fusing_two_products_keeps_what_two_additions_lose():
    """1024 + 0.75 + 0.75 with numbers 2 apart: 1024 twice, but 1025.5 rounds to 1026."""
    operands = [1024.0, 0.0, 0.75, 0.75], [1.0, 1.0, 1.0, 1.0]
    assert _both(*operands, Accumulator(format="fp16_e6m9")) == 1024.0
    fused = Accumulator(format="fp16_e6m9", pair=PairRule.FUSED, pair_size=2)
    assert _both(*operands, fused) == 1026.0


def test_product_format_rounds_before_the_addition():
    """1.125**2 = 1.265625 is 1.25 in e5m2; with 1024 times the spacing it shows."""
    exact = Accumulator(format="fp16_e6m9")
    rounded = Accumulator(format="fp16_e6m9", product="fp8_e5m2")
    assert _both([1.125], [1.125], exact) == 1.265625
    assert _both([1.125], [1.125], rounded) == 1.25


@pytest.mark.parametrize(("largest", "above"), [(448.0, 464.0)])
def test_values_just_over_the_maximum_follow_the_overflow_rule(largest, above):
    """448 + 16 is the tie to the next step, 480, which e4m3fn does not have: NaN or clamped."""
    plain = matmul([[largest, above - largest]], [[1.0], [1.0]], Accumulator(format="fp8_e4m3fn"))
    assert plain[0, 0] == largest  # 464 is a tie between 448 (even) and 480
    over = matmul([[largest, 17.0]], [[1.0], [1.0]], Accumulator(format="fp8_e4m3fn"))
    assert np.isnan(over[0, 0])
    clamped = Accumulator(format="fp8_e4m3fn", saturate=True)
    assert matmul([[largest, 17.0]], [[1.0], [1.0]], clamped)[0, 0] == largest


def test_an_infinite_sum_stays_infinite_until_it_meets_its_opposite():
    half = Accumulator(format="fp16_e5m10")
    big = [32768.0, 32768.0, -1.0]
    ones = [1.0, 1.0, 1.0]
    assert _both(big, ones, half) == np.inf
    result = matmul([[*big, -np.inf]], [[1.0]] * 4, half)
    assert np.isnan(result[0, 0])


def _uniform(count, seed=0):
    """Uniform with mean 1 and standard deviation 1, in fp16_e6m9."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(1 - np.sqrt(3), 1 + np.sqrt(3), count)
    return np.asarray(get_format("fp16_e6m9").quantize(x), np.float64)


@pytest.mark.parametrize(
    ("name", "stall"), [("fp16_e6m9", 4096.0), ("fp16_e5m10", 8192.0), ("bf16", 1024.0)]
)
def test_a_plain_sum_stalls_at_eight_times_two_to_the_mantissa_bits(name, stall):
    """Half an ulp there exceeds the largest addend, 1 + sqrt(3) = 2.73: 2**(m + 3)."""
    x = np.asarray(get_format(name).quantize(_uniform(20000)), np.float64)
    total = matmul(x[None], np.ones((x.size, 1)), Accumulator(format=name))
    assert total[0, 0] == stall


@pytest.mark.parametrize("chunk", [8, 16])
def test_a_chunked_sum_stalls_at_2048_chunks(chunk):
    """From 2048 * CL on half an ulp is 2 * CL, and chunks sum to CL on average.

    Rare chunks above 2 * CL (2.8 deviations for CL = 8) still count: a few percent.
    """
    x = _uniform(65536)
    total = matmul(x[None], np.ones((x.size, 1)), Accumulator(format="fp16_e6m9", chunk_size=chunk))
    assert 2048 * chunk <= total[0, 0] < 1.05 * 2048 * chunk


def test_chunks_of_64_are_right_at_65536():
    """0.3 % rms is the published order of the error; three times that bounds one sum."""
    x = _uniform(65536)
    total = matmul(x[None], np.ones((x.size, 1)), Accumulator(format="fp16_e6m9", chunk_size=64))
    assert abs(total[0, 0] / x.sum() - 1) < 0.01


def test_truncation_sticks_early_and_stochastic_rounding_does_not_stall():
    x = _uniform(16384)
    ones = np.ones((x.size, 1))
    truncated = Accumulator(format="fp16_e6m9", rounding=Rounding.TOWARD_ZERO)
    assert 1000 < matmul(x[None], ones, truncated)[0, 0] < 1800
    stochastic = Accumulator(format="fp16_e6m9", rounding=Rounding.STOCHASTIC)
    total = matmul(np.tile(x, (16, 1)), ones, stochastic, key=KEY)
    assert abs(total.mean() / x.sum() - 1) < 0.03


def test_stochastic_rounding_goes_up_as_often_as_the_fraction_says():
    """1024.5 lies a quarter of the way from 1024 to 1026; 2**14 draws, five deviations."""
    a = np.tile([1024.0, 0.5], (128, 1))
    accumulator = Accumulator(format="fp16_e6m9", rounding=Rounding.STOCHASTIC)
    total = matmul(a, np.ones((2, 128)), accumulator, key=KEY)
    assert set(np.unique(total)) == {1024.0, 1026.0}
    assert abs((total == 1026).mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 2**14)


def test_dlfloat_rounds_ties_away_flushes_below_its_smallest_number_and_has_one_symbol():
    """IBM DLFloat: 2**-31 is the code of zero; the smallest number is 2**-31 * (1 + 2**-9)."""
    dlfloat = Accumulator(format="dlfloat16", rounding=Rounding.NEAREST_AWAY)
    assert _both([1024.0, 1.0], [1.0, 1.0], dlfloat) == 1026.0
    assert _both([2.0**-16], [2.0**-15], dlfloat) == 0.0
    assert _both([2.0**-15], [2.0**-15], dlfloat) == 2.0**-30
    overflow = matmul([[57344.0, 57344.0, 57344.0]], [[57344.0]] * 3, dlfloat)
    assert np.isnan(overflow[0, 0])


def test_minus_zero_only_survives_among_minus_zeros():
    total = accumulate(np.array([-0.0, -0.0]), Accumulator(format="fp16_e6m9"))
    assert not np.signbit(total)  # the sum starts from +0
    assert not np.signbit(matmul([[-0.0]], [[1.0]], Accumulator(format="fp16_e6m9")))[0, 0]
