"""The vector unit against exact rational arithmetic, one rounding per result."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from accelsim.errors import UnsupportedError
from accelsim.formats import FloatFormat, get_format
from accelsim.numerics.vector_ops import batch_norm, largest_finite, relu, unscale
from accelsim.numerics.vector_ops_arithmetic import Arithmetic, is_binary32

#: Every format that a shipped recipe computes or stores vector results in, and kin
#: with other rules: ties away, saturation, all binades ordinary.
COMPUTE_FORMATS = (
    "fp16_e6m9",
    "fp32",
    "bf16",
    "fp16_e5m10",
    "dlfloat16",
    "fp8_e5m2",
    "fp8_e4m3fn",
)


def fmt_of(name: str) -> FloatFormat:
    fmt = get_format(name)
    assert isinstance(fmt, FloatFormat)
    return fmt


def members(fmt: FloatFormat, count: int, seed: int) -> np.ndarray:
    """Finite members from uniformly drawn codes: every binade, subnormals, both signs."""
    codes = np.random.default_rng(seed).integers(0, 2**fmt.bits, size=4 * count, dtype=np.uint64)
    values = fmt.decode(codes.astype(fmt.code_dtype)).astype(np.float64)
    return values[np.isfinite(values)][:count]


def near_members(fmt: FloatFormat, count: int, seed: int) -> np.ndarray:
    """Members of magnitude about 1, so that sums and quotients are hard to round."""
    rng = np.random.default_rng(seed)
    return fmt.quantize(rng.uniform(0.25, 4.0, count) * rng.choice([-1.0, 1.0], count))


def assert_same(actual: np.ndarray, expected: list[float]) -> None:
    np.testing.assert_array_equal(np.asarray(actual, np.float64).reshape(-1), expected)


@pytest.mark.parametrize("name", COMPUTE_FORMATS)
@pytest.mark.parametrize("draw", [members, near_members])
@pytest.mark.parametrize(
    ("method", "exact"),
    [
        ("add", operator.add),
        ("subtract", operator.sub),
        ("multiply", operator.mul),
        ("divide", operator.truediv),
    ],
)
def test_every_result_is_the_exact_one_rounded_once(
    name: str,
    draw: Callable[[FloatFormat, int, int], np.ndarray],
    method: str,
    exact: Callable[[Fraction, Fraction], Fraction],
) -> None:
    fmt = fmt_of(name)
    x, y = draw(fmt, 300, 1), draw(fmt, 300, 2)
    keep = y != 0
    x, y = x[keep], y[keep]
    actual = getattr(Arithmetic(fmt), method)(x, y)
    expected = [
        fmt.round_scalar(exact(Fraction(a), Fraction(b)))
        for a, b in zip(x.tolist(), y.tolist(), strict=True)
    ]
    assert_same(actual, expected)


@pytest.mark.parametrize("name", ["fp16_e6m9", "fp32"])
def test_a_quotient_near_a_tie_is_not_rounded_twice(name: str) -> None:
    fmt = fmt_of(name)
    half_ulp = Fraction(1, 2) * Fraction(fmt.ulp(1.0))
    tiny = Fraction(fmt.min_positive)
    # Significands one step apart give quotients next to ties; the last overflows.
    for numerator in (1 + 2 * half_ulp, 1 + 4 * half_ulp):
        for denominator in (1 + 6 * half_ulp, 2 - 2 * half_ulp, tiny):
            quotient = numerator / denominator
            actual = Arithmetic(fmt).divide(
                np.array([float(numerator)]), np.array([float(denominator)])
            )
            assert_same(actual, [fmt.round_scalar(quotient)])


def test_special_values_follow_ieee_754() -> None:
    fp16 = Arithmetic(fmt_of("fp16_e6m9"))
    inf, nan = np.array([np.inf]), np.array([np.nan])
    one, zero = np.array([1.0]), np.array([0.0])
    assert np.isnan(fp16.add(inf, -inf))[0]
    assert np.isnan(fp16.multiply(zero, inf))[0]
    assert np.isnan(fp16.divide(zero, zero))[0]
    assert np.isnan(fp16.add(nan, one))[0]
    assert fp16.divide(one, zero)[0] == np.inf
    assert np.signbit(fp16.multiply(-one, zero))[0]
    top = np.array([fmt_of("fp16_e6m9").max_finite])
    assert fp16.add(top, top)[0] == np.inf
    assert fp16.add(np.empty((0, 3)), np.empty((0, 3))).shape == (0, 3)


def test_the_carrier_is_float32_only_where_that_is_proved_innocuous() -> None:
    # 2p + 2 <= 24 and products within range: p = 10, 11, 3, 4 but not bfloat16, whose
    # smallest products vanish in float32.
    narrow = {name for name in COMPUTE_FORMATS if Arithmetic(fmt_of(name)).carrier == np.float32}
    assert narrow == {"fp16_e6m9", "fp32", "fp16_e5m10", "dlfloat16", "fp8_e5m2", "fp8_e4m3fn"}
    assert Arithmetic(None).carrier == np.float64
    assert is_binary32(fmt_of("fp32"))
    assert not is_binary32(fmt_of("bf16"))


def test_a_format_too_wide_to_round_correctly_is_refused() -> None:
    wide = FloatFormat("wide", exponent_bits=8, mantissa_bits=30, bias=127)
    with pytest.raises(UnsupportedError, match=r"^The vector unit cannot compute in wide: 31 "):
        Arithmetic(wide)


def test_sum_runs_in_index_order() -> None:
    # In (1,6,9) the ulp at 1024 is 2, so a half of it is lost when it is added to 1024
    # alone (ties to even), and kept when the two ones meet first.
    fp16 = Arithmetic(fmt_of("fp16_e6m9"))
    assert fp16.sum(np.array([1024.0, 1.0, 1.0])) == 1024.0
    assert fp16.sum(np.array([1.0, 1.0, 1024.0])) == 1026.0
    assert fp16.sum(np.empty((0, 2))).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", ["fp16_e6m9", "fp32", "bf16", "dlfloat16"])
def test_sum_of_many_equals_the_chain_of_rational_additions(name: str) -> None:
    fmt = fmt_of(name)
    terms = near_members(fmt, 60, 3)
    total = Fraction(0)
    for term in terms.tolist():
        total = Fraction(fmt.round_scalar(total + Fraction(term)))
    assert float(Arithmetic(fmt).sum(terms)) == float(total)


def test_relu_keeps_nan_and_makes_minus_zero_positive() -> None:
    x = np.array([-np.inf, -1.0, -0.0, 0.0, 2.0, np.inf, np.nan], dtype=np.float32)
    y = relu(x)
    np.testing.assert_array_equal(y, np.array([0, 0, 0, 0, 2, np.inf, np.nan], np.float32))
    assert not np.signbit(y[:4]).any()
    assert y.dtype == np.float32
    assert np.signbit(x[2]), "the input is untouched"


@pytest.mark.parametrize("name", COMPUTE_FORMATS)
def test_batch_norm_rounds_product_and_sum(name: str) -> None:
    fmt = fmt_of(name)
    x = near_members(fmt, 40, 4).reshape(2, 2, 2, 5)
    scale, shift = near_members(fmt, 5, 5), near_members(fmt, 5, 6)
    expected = []
    for index, value in enumerate(x.reshape(-1).tolist()):
        channel = index % 5
        product = fmt.round_scalar(Fraction(value) * Fraction(float(scale[channel])))
        expected.append(fmt.round_scalar(Fraction(product) + Fraction(float(shift[channel]))))
    assert_same(batch_norm(x, scale, shift, Arithmetic(fmt)), expected)


def test_largest_finite_looks_past_infinity_and_nan() -> None:
    assert largest_finite(np.array([1.0, -3.0, np.inf, np.nan])) == 3.0
    assert largest_finite(np.array([np.nan])) == 0.0
    assert largest_finite(np.empty(0)) == 0.0


@pytest.mark.parametrize("name", ["fp32", "fp16_e6m9", "bf16"])
@pytest.mark.parametrize("scales", [(8.0, 0.25), (1.5, 3.0), (0.1, 63.5), (1e-3, 7.7)])
def test_unscale_is_the_exact_quotient_rounded_once(name: str, scales: tuple[float, ...]) -> None:
    fmt = fmt_of(name)
    a, b = (np.array([s], dtype=np.float32) for s in scales)
    divisor = Fraction(float(a[0])) * Fraction(float(b[0]))
    x = near_members(fmt_of("fp32"), 200, 7)
    # Numerators whose quotient is as close to a tie as float32 allows.
    ties = [(1 + Fraction(2 * i + 1, 2 ** (fmt.mantissa_bits + 1))) * divisor for i in range(200)]
    x = np.concatenate([x, np.array([np.float32(float(t)) for t in ties], dtype=np.float64)])
    expected = [fmt.round_scalar(Fraction(v) / divisor) for v in x.tolist()]
    assert_same(unscale(x, a, b, Arithmetic(fmt)), expected)


def quotients_that_hug_a_tie(count: int) -> list[tuple[int, int, int]]:
    """Return (x, a, b) of at most 24 bits with x / (a b) within 2**-54 of a 25-bit midpoint.

    For an odd 25-bit m and a 24-bit a, a convergent x / b of c = m a / 2**49 leaves
    x / (a b) = m / 2**49 up to a relative 1 / (b b'), where b' is the next denominator.
    """
    rng = np.random.default_rng(11)
    found: list[tuple[int, int, int]] = []
    while len(found) < count:
        m = 2 * int(rng.integers(2**23, 2**24)) + 1
        a = int(rng.integers(2**23, 2**24))
        numerator, denominator = m * a, 2**49
        x_before, b_before, x, b = 0, 1, 1, 0
        while denominator:
            part, rest = divmod(numerator, denominator)
            if b and b * (part * b + b_before) > 2**54:
                if x * 2**49 != m * a * b:
                    found.append((x, a, b))
                break
            x_before, b_before, x, b = x, b, part * x + x_before, part * b + b_before
            if max(x, b) >= 2**24:
                break
            numerator, denominator = denominator, rest
    return found


def test_unscale_breaks_a_tie_that_float64_cannot_see() -> None:
    fmt = fmt_of("fp32")
    naive_is_wrong = 0
    for x, a, b in quotients_that_hug_a_tie(60):
        expected = fmt.round_scalar(Fraction(x, a * b))
        naive_is_wrong += float(np.float32(x / (a * b))) != expected
        actual = unscale(
            np.array([float(x)]), np.array([float(a)]), np.array([float(b)]), Arithmetic(fmt)
        )
        assert_same(actual, [expected])
    assert naive_is_wrong > 5, "the cases must be ones that two roundings get wrong"


def test_unscale_of_the_reference_is_plain_float64() -> None:
    one = np.ones(1)
    assert unscale(np.array([3.0]), 3 * one, one, Arithmetic(None))[0] == 1.0
    assert math.isnan(unscale(np.array([np.nan]), one, one, Arithmetic(fmt_of("fp32")))[0])


@pytest.mark.parametrize("name", ["fp32", "fp16_e6m9", "bf16", "fp8_e5m2", "dlfloat16"])
def test_unscale_mends_every_quotient_that_can_be_wrong(name: str) -> None:
    # Whole numbers over 3 x 2^-9 and products of two float32 numbers: many ties and near ties.
    # The slow definition rounds the exact quotient of fractions.
    fmt, rng = fmt_of(name), np.random.default_rng(11)
    x = np.concatenate([np.arange(-300.0, 300.0), rng.integers(-(2**24), 2**24, 300)])
    for scales in ((3.0, 2.0**-9), (1.5, 0.75), (float(np.float32(0.7)), float(np.float32(1.3)))):
        a, b = (np.array([scale], np.float32) for scale in scales)
        divisor = Fraction(scales[0]) * Fraction(scales[1])
        expected = [fmt.round_scalar(Fraction(value) / divisor) for value in x.tolist()]
        assert_same(unscale(x, a, b, Arithmetic(fmt)), expected)
