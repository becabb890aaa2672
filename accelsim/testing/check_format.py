"""Conformance of a number format: what every format must obey, checked on the format at hand.

`check_format` needs no test framework: it raises `AssertionError` with a text
that says which law was broken and by which number. The formats that ship are
tested with it.
"""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.formats import FloatArray, NumberFormat, Overflow, Rounding, TensorFormat
from accelsim.formats.base import DEFAULT_RANDOM_BIT_COUNT

#: Formats up to this width are walked code by code, wider ones in strides.
EXHAUSTIVE_BITS = 16
#: Codes that are compared with the scalar definition, and numbers that are rounded.
SCALAR_CODES = 512
SAMPLES = 48
_SEED = 20181219


def check_format(fmt: NumberFormat | TensorFormat[Any]) -> None:
    """Check that a format obeys every law that the rest of accelsim relies on.

    Parameters
    ----------
    fmt : NumberFormat or TensorFormat
        The format to check.

    Raises
    ------
    AssertionError
        For the first law that is broken; the text says which, and by what.

    Notes
    -----
    The laws of a number format: equal copies are equal; every code decodes as the
    scalar definition says, and encodes back to a code of the same value; members
    round to themselves; derived constants agree with the codes; on ties, values
    next to ties, tiny, huge and special numbers, in float32 and float64, in every
    rounding mode and under both overflow rules, `quantize` equals `round_scalar`;
    rounding is monotone; shapes and types are kept; what is no number, code or
    member is refused.

    The laws of a tensor format: `quantize` is `decode` after `encode`, keeps
    shape, type, zeros and signs, and is never off by more than the largest magnitude.

    Examples
    --------
    >>> from accelsim.formats import get_format
    >>> check_format(get_format("fp4_e2m1"))
    """
    if isinstance(fmt, TensorFormat):
        _check_tensor_format(fmt)
        return
    _check_identity(fmt)
    codes = _codes(fmt)
    values = fmt.decode(codes)
    _check_constants(fmt, values)
    _check_codes(fmt, codes, values)
    members = np.unique(values[np.isfinite(values)].astype(np.float64))
    for numbers in _adversarial_numbers(fmt, members):
        _check_rounding(fmt, numbers)
    _check_order(fmt, members)
    _check_shapes(fmt)
    _check_refusals(fmt, members)


def _require(condition: object, fmt: NumberFormat | TensorFormat[Any], law: str) -> None:
    if not condition:
        raise AssertionError(f"{fmt.name}: {law}")


def _same(a: FloatArray, b: FloatArray) -> NDArray[np.bool_]:
    """Return where two arrays agree, NaN with NaN, and +0 not with -0."""
    equal = np.logical_and(a == b, np.signbit(a) == np.signbit(b))
    return np.asarray(np.logical_or(equal, np.isnan(a) & np.isnan(b)), dtype=np.bool_)


def _first(bad: NDArray[np.bool_]) -> int:
    return int(np.argmax(bad))


def _check_identity(fmt: NumberFormat | TensorFormat[Any]) -> None:
    _require(isinstance(fmt.name, str) and fmt.name, fmt, "a format needs a name")
    twin = pickle.loads(pickle.dumps(fmt))
    _require(twin == fmt and hash(twin) == hash(fmt), fmt, "a pickled copy must equal it")
    _require(copy.deepcopy(fmt) == fmt, fmt, "a deep copy must equal it")


def _codes(fmt: NumberFormat) -> NDArray[Any]:
    """Return all codes, or for wide formats the ends and a stride in between."""
    _require(1 <= fmt.bits <= 62, fmt, f"bits is {fmt.bits}; it must be 1 to 62")
    count = 1 << fmt.bits
    if fmt.bits <= EXHAUSTIVE_BITS:
        return np.arange(_decodable(fmt, count)).astype(fmt.code_dtype)
    inner = np.linspace(0, count - 1, 1 << 14).astype(np.int64)
    ends = np.arange(64)
    top = count >> 1
    known = [fmt.max_finite, fmt.min_positive, *([math.inf] if fmt.has_infinity else [])]
    bounds = [fmt.encode_scalar(value) for value in known]
    chosen = np.concatenate([ends, top - 1 - ends, top + ends, count - 1 - ends, bounds, inner])
    return np.unique(np.clip(chosen, 0, count - 1)).astype(fmt.code_dtype)


def _decodable(fmt: NumberFormat, count: int) -> int:
    """Return how many codes have a value: a table may have fewer than its width allows."""
    values = getattr(fmt, "values", None)
    return count if values is None else min(count, len(values))


def _check_codes(fmt: NumberFormat, codes: NDArray[Any], values: FloatArray) -> None:
    _require(values.shape == codes.shape, fmt, "decode must keep the shape")
    _require(values.dtype == fmt.value_dtype, fmt, f"decode must give {fmt.value_dtype}")
    wide = values.astype(np.float64)
    stride = max(1, len(codes) // SCALAR_CODES)
    some = np.arange(0, len(codes), stride)
    scalar = np.array([fmt.decode_scalar(int(codes[i])) for i in some])
    bad = ~_same(wide[some], scalar)
    if bad.any():
        at = some[_first(bad)]
        _require(
            False, fmt, f"code {codes[at]} decodes to {wide[at]!r}, not {scalar[_first(bad)]!r}"
        )
    encoded = fmt.encode(values)
    _require(encoded.dtype == fmt.code_dtype, fmt, f"encode must give {fmt.code_dtype}")
    bad = ~_same(fmt.decode(encoded).astype(np.float64), wide)
    _require(not bad.any(), fmt, f"code {codes[_first(bad)]} does not come back after encode")
    for i in some[:: max(1, len(some) // SAMPLES)]:
        code = fmt.encode_scalar(float(wide[i]))
        _require(
            code == encoded[i], fmt, f"encode({wide[i]!r}) gives {encoded[i]}, the scalar {code}"
        )
    bad = ~_same(fmt.quantize(values).astype(np.float64), wide)
    _require(not bad.any(), fmt, f"the member {wide[_first(bad)]!r} must round to itself")


def _check_constants(fmt: NumberFormat, values: FloatArray) -> None:
    finite = values[np.isfinite(values)]
    _require(finite.max() == fmt.max_finite, fmt, f"max_finite is not {finite.max()!r}")
    smallest = finite[finite > 0].min()
    _require(smallest == fmt.min_positive, fmt, f"min_positive is not {smallest!r}")
    _require(bool(np.isinf(values).any()) == fmt.has_infinity, fmt, "has_infinity is wrong")
    _require(bool(np.isnan(values).any()) == fmt.has_nan, fmt, "has_nan is wrong")
    with np.errstate(over="ignore"):
        narrow = np.all(finite.astype(np.float32).astype(np.float64) == finite)
    _require(
        narrow or fmt.value_dtype == np.float64, fmt, "value_dtype is float32 but values are not"
    )


def _adversarial_numbers(fmt: NumberFormat, members: NDArray[np.float64]) -> list[FloatArray]:
    """Return numbers that break careless rounding, in float64 and in float32."""
    rng = np.random.default_rng(_SEED)
    at = rng.integers(0, len(members) - 1, SAMPLES)
    at[:8] = np.clip([0, 1, 2, 3, -2, -3, -4, -5], -len(members) + 1, len(members) - 2)
    low, high = members[at], members[at + 1 - (at == -1)]
    ties = (low + high) / 2
    quarter = (low + high) / 2 + (high - low) * rng.uniform(-0.49, 0.49, len(at))
    largest, smallest = members[-1], fmt.min_positive
    special = np.array([0.0, -0.0, math.inf, -math.inf, math.nan, 1e300, -1e300, 5e-324, -5e-324])
    edges = np.array([largest, members[0], smallest, -smallest, 2 * largest, -2 * largest])
    scaled = np.outer(edges, [1.0, 0.5, 0.75, 0.999, 1.001, 1.0625, 1.25]).reshape(-1)
    members_near = np.concatenate([low[:16], ties, scaled])
    around = [np.nextafter(members_near, d) for d in (math.inf, -math.inf)]
    # Next to a tie in float64, on it in float32: a float64 must not pass through float32.
    wide = np.concatenate([special, members_near, *around, quarter])
    with np.errstate(over="ignore"):
        narrow = wide.astype(np.float32)
    return [wide, narrow]


def _check_rounding(fmt: NumberFormat, numbers: FloatArray) -> None:
    """Compare `quantize` with `round_scalar` in every mode under both overflow rules."""
    rng = np.random.default_rng(_SEED)
    noise = rng.integers(0, 1 << DEFAULT_RANDOM_BIT_COUNT, numbers.shape, dtype=np.uint32)
    noise[::7], noise[1::7] = 0, (1 << DEFAULT_RANDOM_BIT_COUNT) - 1
    # The overflow rule cannot matter far inside the range.
    outer = ~(np.abs(numbers).astype(np.float64) < fmt.max_finite / 2)
    for rounding in Rounding:
        stochastic = rounding is Rounding.STOCHASTIC
        for overflow, chosen in ((Overflow.TO_INFINITY, np.s_[:]), (Overflow.SATURATE, outer)):
            x, bits = numbers[chosen], noise[chosen]
            rounded = fmt.quantize(
                x,
                rounding=rounding,
                overflow=overflow,
                random_bits=bits if stochastic else None,
            )
            expected = [
                fmt.round_scalar(float(v), rounding=rounding, overflow=overflow, random_bits=int(r))
                for v, r in zip(x, bits, strict=True)
            ]
            bad = ~_same(rounded.astype(np.float64), np.array(expected))
            if bad.any():
                i = _first(bad)
                _require(
                    False,
                    fmt,
                    f"quantize({float(x[i])!r}, {rounding}, {overflow}) gives"
                    f" {float(rounded[i])!r}, round_scalar {expected[i]!r}",
                )


def _check_order(fmt: NumberFormat, members: NDArray[np.float64]) -> None:
    """Check that rounding is monotone, and gives one of the two neighbours."""
    rng = np.random.default_rng(_SEED)
    positive = rng.uniform(0.0, members[-1], SCALAR_CODES)
    lowest, highest = math.log(fmt.min_positive) - 2, math.log(members[-1])
    spread = np.exp(rng.uniform(lowest, highest, SCALAR_CODES))
    numbers = np.sort(np.concatenate([positive, spread]))
    if members[0] < 0:
        numbers = np.concatenate([-numbers[::-1], numbers])
    for rounding in Rounding:
        if rounding is Rounding.STOCHASTIC:
            continue
        rounded = fmt.quantize(numbers, rounding=rounding, overflow=Overflow.SATURATE)
        bad = np.diff(rounded) < 0
        _require(not bad.any(), fmt, f"{rounding} is not monotone at {numbers[_first(bad)]!r}")
    if fmt.bits > EXHAUSTIVE_BITS:
        return
    rounded = fmt.quantize(numbers, overflow=Overflow.SATURATE)
    above = np.clip(np.searchsorted(members, numbers), 1, len(members) - 1)
    bad = (rounded != members[above]) & (rounded != members[above - 1])
    _require(not bad.any(), fmt, f"{numbers[_first(bad)]!r} does not round to a neighbour")


def _check_shapes(fmt: NumberFormat) -> None:
    one = min(fmt.max_finite, 1.0)
    for shape in ((), (0,), (0, 3), (1,), (2, 3, 4)):
        x = np.full(shape, one, dtype=np.float32)
        _require(fmt.quantize(x).shape == shape, fmt, f"quantize must keep the shape {shape}")
        codes = fmt.encode(fmt.quantize(x))
        _require(codes.shape == shape, fmt, f"encode must keep the shape {shape}")
        _require(fmt.decode(codes).shape == shape, fmt, f"decode must keep the shape {shape}")
    narrow = np.ones(3, dtype=np.float32)
    expected = np.float32 if fmt.value_dtype == np.float32 else np.float64
    _require(fmt.quantize(narrow).dtype == expected, fmt, f"float32 must give {expected.__name__}")
    wide = fmt.quantize(narrow.astype(np.float64))
    _require(wide.dtype == np.float64, fmt, "float64 must give float64")
    strided = np.arange(24, dtype=np.float32).reshape(4, 6)[::2, ::3]
    same = _same(fmt.quantize(strided), fmt.quantize(strided.copy()))
    _require(same.all(), fmt, "an array that is not contiguous must round alike")


def _refuses(action: Callable[[], object]) -> bool:
    try:
        action()
    except ValueError:
        return True
    return False


def _check_refusals(fmt: NumberFormat, members: NDArray[np.float64]) -> None:
    outside = np.array([float(np.nextafter(members[-1], 0.0))])
    if outside[0] not in members:
        _require(_refuses(lambda: fmt.encode(outside)), fmt, "encode must refuse a non-member")
    too_large = np.array([fmt.max_finite * 4])
    _require(_refuses(lambda: fmt.encode(too_large)), fmt, "encode must refuse beyond the maximum")
    nan = np.array([math.nan])
    _require(np.isnan(fmt.quantize(nan)).all(), fmt, "NaN must not become a number")
    if not fmt.has_nan:
        _require(_refuses(lambda: fmt.encode(nan)), fmt, "encode must refuse NaN: it has no code")
    code = np.array([1 << fmt.bits], dtype=np.uint64)
    _require(_refuses(lambda: fmt.decode(code)), fmt, "decode must refuse a code that is too wide")
    stochastic = Rounding.STOCHASTIC
    _require(
        _refuses(lambda: fmt.quantize(outside, rounding=stochastic)),
        fmt,
        "stochastic rounding must refuse to run without random bits",
    )


def _check_tensor_format(fmt: TensorFormat[Any]) -> None:
    _check_identity(fmt)
    _require(fmt.bits_per_element >= fmt.element.bits, fmt, "bits_per_element leaves scales out")
    rng = np.random.default_rng(_SEED)
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        for shape in ((0,), (1,), (2, 0), (5, 67), (2, 3, 64)):
            spread = np.exp2(rng.uniform(-6, 6, shape))
            numbers = rng.standard_normal(shape) * spread
            _check_tensor(fmt, numbers.astype(dtype))
            _check_tensor(fmt, np.zeros_like(numbers).astype(dtype))


def _check_tensor(fmt: TensorFormat[Any], x: FloatArray) -> None:
    rounded = fmt.quantize(x)
    _require(rounded.shape == x.shape, fmt, f"quantize must keep the shape {x.shape}")
    _require(rounded.dtype == x.dtype, fmt, f"quantize must keep {x.dtype}")
    again = fmt.decode(fmt.encode(x))
    _require(_same(rounded, again).all(), fmt, "quantize must be decode after encode")
    if fmt.keeps_signs:
        _require(np.all(rounded[x == 0] == 0), fmt, "zero must stay zero")
        _require(np.all(rounded * x >= 0), fmt, "no number may change its sign")
    if x.size:
        error, largest = np.abs(rounded - x).max(), np.abs(x).max()
        _require(error <= largest, fmt, f"the error {error!r} exceeds the largest magnitude")
