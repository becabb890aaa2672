"""Few outputs and long sums: chunks side by side in a vector, each bit that of the definition."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.errors import SelfTestError
from accelsim.formats import Rounding, get_format
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics import PathName, gemm, multiply_matrices, over_chunks
from accelsim.precision import AccumulationMethod, Accumulator, IntegerOverflow
from tests.oracles.dot_products import FAMILIES, adversarial

KERNEL = "chunks are summed side by side"
UNSEEN = "operands were not looked at"
#: Chunks that a vector holds: of float32 sums, and of float64 sums.
LANES, WIDE_LANES = 64, 32
CODES = get_format("fp8_e5m2").decode(np.arange(256, dtype=np.uint8)).astype(np.float64)
#: name: fields of the accumulator, scale of the operands, the path for operands near one.
RULES = {
    "split": ({"format": "fp16_e6m9"}, 1.0, PathName.FAST),
    "poisoned": ({"format": "fp16_e6m9"}, 2.0**27, PathName.BOUNDED),
    "clamped": ({"format": "fp16_e6m9", "saturate": True}, 2.0**27, PathName.BOUNDED),
    "grid": ({"format": "fp16_e5m10"}, 2.0**-5, PathName.GRID),
    "grid, clamped": ({"format": "fp16_e5m10", "saturate": True}, 1.0, PathName.GRID),
    "away": ({"format": "dlfloat16", "rounding": Rounding.NEAREST_AWAY}, 1.0, PathName.AWAY),
    "ordered": ({"format": "fp32"}, 1.0, PathName.ORDERED),
    "mixed": ({"inner": "fp32", "outer": "fp16_e6m9"}, 1.0, PathName.MIXED),
    "wide": ({"format": "float_e5m12"}, 1.0, PathName.WIDE),
    "up": ({"format": "fp16_e6m9", "rounding": Rounding.UP}, 1.0, PathName.GENERAL),
    "toward zero, then away": (
        {
            "format": "bf16",
            "rounding": Rounding.TOWARD_ZERO,
            "outer_rounding": Rounding.NEAREST_AWAY,
        },
        1.0,
        PathName.GENERAL,
    ),
    "no subnormals": ({"format": "dlfloat16"}, 2.0**-12, PathName.GENERAL),
}
KEY = StreamKey(seed=3)


@pytest.fixture
def always(monkeypatch):
    """Take the kernel whatever it costs."""
    monkeypatch.setattr(gemm, "pays_over_chunks", lambda *_, **__: True)
    monkeypatch.setattr(over_chunks, "pays_over_chunks", lambda *_, **__: True)


def _fp8(*shape, seed=0):
    x = np.random.default_rng(seed).standard_normal(shape)
    return np.asarray(get_format("fp8_e5m2").quantize(x), np.float32)


def assert_is_the_definition(a, b, accumulator, **options):
    """Compare values, and signs of all that is a number; return the path that ran."""
    found = multiply_matrices(a, b, accumulator, **options)
    expected = multiply_matrices(a, b, accumulator, path="definition").values
    np.testing.assert_array_equal(found.values, expected)
    is_number = ~np.isnan(expected)
    np.testing.assert_array_equal(
        np.signbit(found.values)[is_number], np.signbit(expected)[is_number]
    )
    assert KERNEL in found.path.reasons
    return found.path


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_keeps_its_bits_in_lanes(always, rule):
    """Two groups of whole chunks, the second not full, and a short last chunk."""
    fields, scale, name = RULES[rule]
    a, b = _fp8(5, 600, seed=1) * np.float32(scale), _fp8(600, 6, seed=2)
    path = assert_is_the_definition(a, b, Accumulator(**fields, chunk_size=7), threads=2)
    assert path.name is name


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rule", RULES)
def test_hostile_operands(always, rule, family):
    """Ties, subnormals, swamping, overflow and cancellation, with zeros of both signs."""
    a = adversarial(family, CODES, (2, 300), 1).astype(np.float32)
    b = adversarial(family, CODES, (3, 300), 2).astype(np.float32).T
    a[:, ::5] *= -1.0
    b[::7] = 0.0
    b[::49] = -0.0
    a[0, :32] = -0.0
    assert_is_the_definition(a, b, Accumulator(**RULES[rule][0], chunk_size=4))


@pytest.mark.parametrize("chunk", [1, 2, 7, 16, 17])
@pytest.mark.parametrize("lanes", [LANES, WIDE_LANES])
def test_lengths_about_a_full_group(always, chunk, lanes):
    """One product or one chunk more or less than fills all lanes, and less than a chunk."""
    rounding = Rounding.NEAREST_EVEN if lanes == LANES else Rounding.DOWN
    accumulator = Accumulator(format="fp16_e6m9", chunk_size=chunk, rounding=rounding)
    full = lanes * chunk
    for k in {1, chunk, full - chunk, full - 1, full, full + 1, full + chunk, 2 * full + 1}:
        if k > 0:
            assert_is_the_definition(_fp8(2, k, seed=k), _fp8(k, 3, seed=1), accumulator)


@pytest.mark.parametrize(
    ("m", "n"), [(1, 1), (1, 4), (1, 7), (3, 1), (9, 1), (4, 16), (16, 4), (7, 9), (5, 27)]
)
def test_outputs_in_fours_and_by_themselves(always, m, n):
    """Also more outputs than a vector has lanes; operands that lie by rows and by columns."""
    a, b = _fp8(2, m, 500, seed=1), _fp8(2, 500, n, seed=2)
    accumulator = Accumulator(format="fp16_e6m9", chunk_size=6)
    for left in (a, np.ascontiguousarray(a.swapaxes(1, 2)).swapaxes(1, 2)):
        for right in (b, np.ascontiguousarray(b.swapaxes(1, 2)).swapaxes(1, 2)):
            assert_is_the_definition(left, right, accumulator)


@pytest.mark.parametrize("rounding", [Rounding.NEAREST_EVEN, Rounding.UP])
def test_blocks_of_steps_and_windows_of_groups_change_no_bit(always, monkeypatch, rounding):
    a, b = _fp8(2, 3, 3300, seed=1), _fp8(2, 3300, 5, seed=2)
    accumulator = Accumulator(format="fp16_e6m9", chunk_size=23, rounding=rounding)
    expected = multiply_matrices(a, b, accumulator).values
    monkeypatch.setattr(over_chunks, "LAID_BYTES", 1)
    monkeypatch.setattr(over_chunks, "SUMS_BYTES", 1)
    monkeypatch.setattr(over_chunks, "PIECES_PER_THREAD", 1)
    for threads in (1, 2, 3):
        found = multiply_matrices(a, b, accumulator, threads=threads).values
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(
        expected, multiply_matrices(a, b, accumulator, path="definition").values
    )


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_change_no_bit(always, threads):
    a, b = _fp8(3, 2, 900, seed=1), _fp8(3, 900, 40, seed=2)
    assert_is_the_definition(a, b, Accumulator(format="fp16_e6m9", chunk_size=4), threads=threads)


def test_strides_broadcasts_and_types_change_no_bit(always):
    a, b = _fp8(2, 1, 4, 400, seed=1), _fp8(3, 400, 3, seed=2)
    accumulator = Accumulator(format="fp16_e6m9", chunk_size=5)
    assert_is_the_definition(a, b, accumulator)
    assert_is_the_definition(a[..., ::-2, ::2], b[:, 1::2], accumulator)
    for rounding in (Rounding.NEAREST_EVEN, Rounding.UP):
        accumulator = Accumulator(format="fp16_e6m9", chunk_size=5, rounding=rounding)
        assert_is_the_definition(a[0, 0].astype(np.float64), b[0], accumulator)


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_output(always, special):
    """In the first and in the last chunk of a full group, and in a short last chunk."""
    for place in (3, 63 * 4, 64 * 4 + 2):
        a, b = _fp8(3, 64 * 4 + 3, seed=1), _fp8(64 * 4 + 3, 4, seed=2)
        a[1, place] = special
        assert_is_the_definition(a, b, Accumulator(format="fp16_e6m9", chunk_size=4))


@pytest.mark.parametrize(
    ("left", "right"),
    [((0, 400), (400, 2)), ((2, 0), (0, 3)), ((1, 400), (400, 0)), ((0, 1, 400), (0, 400, 2))],
)
def test_nothing_is_added_to_nothing(always, left, right):
    e5m2, accumulator = get_format("fp8_e5m2"), Accumulator(format="fp16_e6m9", chunk_size=4)
    product = multiply_matrices(
        np.ones(left), np.ones(right), accumulator, a_format=e5m2, b_format=e5m2
    )
    assert product.values.shape == np.matmul(np.ones(left), np.ones(right)).shape
    assert not product.values.any()


def test_a_saturating_integer_register(always):
    rng = np.random.default_rng(0)
    a, b = rng.integers(-99, 99, (2, 500)), rng.integers(-9, 99, (500, 3))
    accumulator = Accumulator(
        format="fp32",
        method=AccumulationMethod.INTEGER,
        integer_bits=12,
        integer_overflow=IntegerOverflow.SATURATE,
        chunk_size=9,
    )
    assert assert_is_the_definition(a, b, accumulator).name is PathName.CLAMPED


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["fp16_e6m9", "fp16_e5m10", "fp32"])
def test_operands_that_nobody_looks_at(always, name, family):
    """Where a sum overflows they are looked at after all."""
    e5m2 = get_format("fp8_e5m2")
    a = adversarial(family, CODES, (2, 300), 1).astype(np.float32)
    b = adversarial(family, CODES, (3, 300), 2).astype(np.float32).T
    accumulator = Accumulator(format=name, chunk_size=4)
    path = assert_is_the_definition(a, b, accumulator, a_format=e5m2, b_format=e5m2)
    values = multiply_matrices(a, b, accumulator, path="definition").values
    overflows = not np.isfinite(values).all()
    assert (UNSEEN in path.reasons) is not overflows


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("fields", [{"format": "fp16_e6m9"}, {"format": "fp16_e5m10"}])
def test_what_is_not_finite_is_found_without_a_look(always, special, fields):
    e5m2 = get_format("fp8_e5m2")
    for place in (0, 200, 301):
        a, b = _fp8(2, 302, seed=1), _fp8(302, 3, seed=2)
        b[place, 1] = special
        path = assert_is_the_definition(
            a, b, Accumulator(**fields, chunk_size=4), a_format=e5m2, b_format=e5m2
        )
        assert UNSEEN not in path.reasons


def test_who_is_looked_at(always):
    """Sums that a bound may hide, many outputs, and operands of no format or one of no bounds."""
    e5m2 = get_format("fp8_e5m2")
    known = {"a_format": e5m2, "b_format": e5m2}
    plain = Accumulator(format="fp16_e6m9", chunk_size=4)
    clamped = Accumulator(format="fp16_e6m9", chunk_size=4, saturate=True)
    a, b = _fp8(2, 300, seed=1), _fp8(300, 3, seed=2)
    assert UNSEEN in multiply_matrices(a, b, plain, **known).path.reasons
    assert UNSEEN not in multiply_matrices(a, b, plain, a_format=e5m2).path.reasons
    assert UNSEEN not in multiply_matrices(a, b, clamped, **known).path.reasons
    many = multiply_matrices(_fp8(16, 300, seed=1), _fp8(300, 16, seed=2), plain, **known)
    assert UNSEEN not in many.path.reasons
    asked = multiply_matrices(a, b, plain, path="fast", **known)
    assert UNSEEN not in asked.path.reasons


@pytest.mark.parametrize(
    ("shape", "chunk", "runs"),
    [
        ((1, 20_000, 1), 64, True),
        ((20, 20_000, 3), 64, True),
        # As many lanes do work as there are columns.
        ((4, 20_000, 64), 64, False),
        # One chunk is one sum in order; so, nearly, are chunks of one product.
        ((1, 20_000, 1), None, False),
        ((1, 20_000, 1), 1, False),
        # A few chunks, and a few products.
        ((1, 20_000, 1), 1024, False),
        ((1, 640, 1), 8, False),
        # Sums of more outputs than a cache holds.
        ((40, 20_000, 40), 64, False),
    ],
)
def test_chunks_take_the_lanes_where_columns_leave_them_idle(shape, chunk, runs):
    m, k, n = shape
    a, b = _fp8(m, k, seed=1), _fp8(k, n, seed=2)
    accumulator = Accumulator(format="fp16_e6m9", chunk_size=chunk)
    assert (KERNEL in multiply_matrices(a, b, accumulator).path.reasons) is runs


def test_what_a_product_costs_once_is_shared_by_a_batch():
    accumulator = Accumulator(format="fp16_e6m9", chunk_size=64)
    for batches, runs in ((1, False), (64, True)):
        a, b = _fp8(batches, 1, 6272, seed=1), _fp8(batches, 6272, 3, seed=2)
        assert (KERNEL in multiply_matrices(a, b, accumulator).path.reasons) is runs


def test_random_sums_and_sums_of_groups_keep_their_own_kernels():
    a, b = _fp8(1, 20_000, seed=1), _fp8(20_000, 1, seed=2)
    for fields in ({"rounding": Rounding.STOCHASTIC}, {"method": AccumulationMethod.TREE}):
        accumulator = Accumulator(format="fp16_e6m9", chunk_size=64, **fields)
        path = multiply_matrices(a, b, accumulator, key=KEY).path
        assert path.inner is not None
        assert KERNEL not in path.reasons


def test_zeros_are_skipped_where_that_is_faster_still():
    a, b = _fp8(32, 8192, seed=1), _fp8(8192, 20, seed=2)
    accumulator = Accumulator(format="fp16_e6m9", chunk_size=64)
    assert KERNEL in multiply_matrices(b.T, a.T, accumulator).path.reasons
    b[np.random.default_rng(3).random(b.shape) < 0.9] = 0.0
    reasons = multiply_matrices(b.T, a.T, accumulator).path.reasons
    assert reasons[-1] == "zero operands are skipped"


def test_the_kernel_itself_is_checked_before_its_first_use(always, monkeypatch):
    """What fast-math leaves of it is a plain matrix product."""
    monkeypatch.setattr(gemm, "multiply_over_chunks", lambda a, b, *_, **__: np.matmul(a, b))
    gemm._trust.cache_clear()
    with pytest.raises(SelfTestError, match=r"does not round as it must"):
        multiply_matrices(_fp8(1, 300), _fp8(300, 1), Accumulator(format="fp16_e6m9", chunk_size=4))
    gemm._trust.cache_clear()
