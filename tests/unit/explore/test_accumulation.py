"""The accumulation experiment of Wang et al. 2018 (figure 3b), against what is known of it.

Where an expected value is a stall: a sum T of p = m + 1 significant bits ignores every
addend below half its step, ulp(T) / 2 = 2**(floor(log2 T) - m - 1). The uniform
distribution with mean 1 and standard deviation 1 ends at 1 + sqrt(3) = 2.73, so that a
plain sum freezes at the first power of two whose half step is 4: 2**(m + 3). A sum of
chunks of CL (mean CL) freezes near the one whose half step is 2 CL: 2**(m + 2) CL.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from accelsim.errors import ConfigError
from accelsim.explore.accumulation import Distribution, draw, study_accumulation
from accelsim.formats import Rounding, get_format
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics import accumulate
from accelsim.precision import Accumulator

NEAREST, STOCHASTIC = Rounding.NEAREST_EVEN, Rounding.STOCHASTIC


@pytest.fixture(scope="module")
def paper():
    """The paper's setting: lengths to 65,536 and 32 trials."""
    return study_accumulation(chunk_sizes=(1, 8, 16, 64), trials=32)


def test_a_plain_sum_to_nearest_freezes_at_exactly_4096(paper):
    """Half a step is 4 from 2**(9 + 3) on, more than any addend; for every trial."""
    assert paper.frozen_at(NEAREST, 1) == 4096.0


def test_chunks_of_16_freeze_at_2048_times_16(paper):
    """A chunk sum has mean 16 and deviation 4; half a step at 32768 is 32, 4 deviations away."""
    assert paper.frozen_at(NEAREST, 16) == 2048 * 16


def test_chunks_of_8_stall_at_2048_times_8(paper):
    """Half a step at 16384 is 16, 2.83 deviations above the mean of a chunk sum: a normal
    exceeds that once in 425 times, so the last 6,000 of 8,192 chunks add 14 steps of 32."""
    last = paper.curve(NEAREST, 8)[-1]
    assert 2048 * 8 <= last.mean_sum <= 2048 * 8 + 1.5 * 14 * 32


def test_chunks_of_64_are_right_at_65536(paper):
    """0.3 % rms: 1,024 chunk sums, each rounded to steps of up to 64 in 65,536 (a uniform
    error of deviation 64 / sqrt(12) each, growing with the sum), and sums inside chunks."""
    assert paper.curve(NEAREST, 64)[-1].relative_error == pytest.approx(0.003, abs=0.0015)


@pytest.mark.parametrize("chunk_size", [1, 8, 16, 64])
def test_stochastic_rounding_does_not_stall(paper, chunk_size):
    """Unbiased: the mean of 32 sums stays within 4 standard errors, each at most 3 % / sqrt 32."""
    last = paper.curve(STOCHASTIC, chunk_size)[-1]
    assert last.unchanged_share < 1.0
    assert last.mean_sum == pytest.approx(last.mean_exact, rel=4 * 0.03 / math.sqrt(32))
    assert last.relative_error < 0.05


@pytest.mark.parametrize(
    ("name", "stall"), [("fp16_e5m10", 8192.0), ("bf16", 1024.0), ("dlfloat16", 4096.0)]
)
def test_other_formats_freeze_at_two_to_the_m_plus_3(name, stall):
    study = study_accumulation(name, chunk_sizes=(1,), roundings=("nearest_even",), trials=8)
    assert study.frozen_at(NEAREST, 1) == stall


def test_truncation_sticks_far_below_the_stall_of_nearest():
    """An addend up to 2.73 is lost in whole steps: from 2**(9 + 2) = 2048 on a step is 4, and
    below it most of every addend is cut off; published runs stick near 1,000 to 1,800."""
    study = study_accumulation(chunk_sizes=(1,), roundings=("toward_zero",), trials=8)
    assert 1000 <= study.curve(Rounding.TOWARD_ZERO, 1)[-1].mean_sum <= 1800


def test_ones_freeze_at_1024_and_a_wider_outer_accumulator_cures_it():
    """One is half a step at 1024 and ties to even; float32 counts chunks of 64 exactly."""
    options = dict(distribution="constant", roundings=("nearest_even",), trials=1)
    plain = study_accumulation(chunk_sizes=(1,), **options)
    assert plain.frozen_at(NEAREST, 1) == 1024.0
    mixed = study_accumulation(chunk_sizes=(64,), outer_format="fp32", **options)
    assert mixed.curve(NEAREST, 64)[-1].mean_sum == 65536.0


@pytest.mark.parametrize("distribution", Distribution)
@pytest.mark.parametrize("rounding", ["nearest_even", "stochastic"])
def test_every_sum_is_that_of_the_definition(distribution, rounding):
    """The fast product with ones against the NumPy definition on the same addends."""
    study = study_accumulation(
        distribution=distribution, chunk_sizes=(7,), roundings=(rounding,), length=48, trials=3
    )
    addends = draw(distribution, study.input_format, length=48, trials=3, seed=0)
    accumulator = Accumulator(format="fp16_e6m9", chunk_size=7, rounding=Rounding(rounding))
    sums = accumulate(addends.T[None], accumulator, key=StreamKey())
    assert study.rows[-1].mean_sum == np.mean(sums)
    assert study.rows[-1].mean_exact == pytest.approx(np.mean(np.sum(addends, axis=0)), rel=1e-12)


def test_products_are_of_fp8_operands():
    """Every product of two (1,5,2) numbers has at most 6 significant bits."""
    products = draw(Distribution.PRODUCT, get_format("fp8_e5m2"), length=64, trials=2, seed=0)
    mantissas = np.frexp(products)[0] * 2**6
    assert np.array_equal(mantissas, np.round(mantissas))


def test_shorter_studies_add_the_first_numbers_of_longer_ones():
    options = dict(chunk_sizes=(8,), roundings=("nearest_even",), trials=2)
    short, long = (study_accumulation(length=n, **options) for n in (64, 128))
    # The row of length 48 is there in both; the last of the short study is one more.
    assert [row for row in short.rows if row.length < 64] == list(long.rows[: len(short.rows) - 1])


def test_overflow_is_an_infinite_error_and_null_in_json():
    """Upward, each one moves the sum to the next code at least, and fp8_e5m2 has 31 x 4."""
    study = study_accumulation(
        "fp8_e5m2", "constant", chunk_sizes=(1,), roundings=("up",), length=128, trials=1
    )
    row = study.document()["rows"][-1]
    assert study.rows[-1].relative_error == math.inf
    assert row["relative_error"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunk_sizes": (0,)}, r"whole numbers from 1 on"),
        ({"chunk_sizes": (8, 8)}, r"each once"),
        ({"chunk_sizes": ()}, r"At least one chunk size"),
        ({"length": 8}, r"length is 8"),
        ({"trials": 0}, r"at least one vector"),
        ({"distribution": "cauchy"}, r"'cauchy' is no distribution; choose uniform"),
        ({"roundings": ("odd",)}, r"'odd' is no rounding; choose"),
    ],
)
def test_wrong_settings_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        study_accumulation(**options)


@pytest.mark.parametrize("rounding", ["nearest_even", "stochastic"])
@pytest.mark.parametrize("name", ["posit8_es1", "int8", "uint4", "dynamic8", "ufp8_e5m3"])
def test_formats_without_kernels_are_added_as_the_definition_adds(name, rounding):
    """All chunk sizes and lengths in one pass, with the random bits of each sum alone."""
    study = study_accumulation(
        name, "lognormal", chunk_sizes=[1, 3, 16, 40], roundings=[rounding], length=50, trials=3
    )
    operand = study.input_format
    addends = draw(Distribution.LOGNORMAL, operand, length=50, trials=3, seed=0)
    for row in study.rows:
        accumulator = Accumulator(format=name, chunk_size=row.chunk_size, rounding=row.rounding)
        products = addends[: row.length].T[None]
        sums = accumulate(products, accumulator, key=StreamKey(seed=0))
        assert row.mean_sum == sums.mean()
