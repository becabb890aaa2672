"""Updates: exact inside, rounded once, against fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from accelsim.formats import Rounding, get_format
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics.update_ops import adam_step, compute_update, reference_update
from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.workload import Phase, VectorOp

FP16 = get_format("fp16_e6m9")
FP32 = get_format("fp32")
KEY = StreamKey(seed=3, step=5, op=7)


def op(function: str, compute: str, rounding: Rounding = Rounding.NEAREST_EVEN) -> VectorOp:
    return VectorOp(
        function, "l", Phase.UPDATE, function, (), (), 1, get_format(compute), rounding,
        attributes=(("random_bits", 16),),
    )  # fmt: skip


def members(fmt: str, count: int, *, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal(count) * scale
    return get_format(fmt).quantize(x.astype(np.float32))


def scalar(fmt: str, value: float) -> np.ndarray:
    return get_format(fmt).quantize(np.array([value], np.float32))


@pytest.mark.parametrize(("compute", "gradient"), [("fp16_e6m9", "fp8_e5m2"), ("fp32", "fp32")])
def test_l2_regularize_rounds_the_exact_sum_of_two_products_once(
    compute: str, gradient: str
) -> None:
    w, g = members(compute, 200), members(gradient, 200, scale=50.0, seed=1)
    decay, loss_scale = scalar(compute, 1e-4), np.array([1000.0], np.float32)
    fmt = get_format(compute)
    got = compute_update(op("l2_regularize", compute), [w, g, decay, loss_scale], fmt, KEY)
    inverse = Fraction(fmt.round_scalar(Fraction(1, 1000)))
    for index in range(len(w)):
        exact = Fraction(float(decay[0])) * Fraction(float(w[index])) + inverse * Fraction(
            float(g[index])
        )
        assert got[index] == fmt.round_scalar(exact)


def test_momentum_accumulate_in_fp32_against_fractions() -> None:
    v, g = members("fp32", 200), members("fp32", 200, seed=2)
    momentum, rate = scalar("fp32", 0.9), scalar("fp32", 0.013)
    got = compute_update(op("momentum_accumulate", "fp32"), [v, g, momentum, rate], FP32, KEY)
    for index in range(len(v)):
        exact = Fraction(float(momentum[0])) * Fraction(float(v[index])) + Fraction(
            float(rate[0])
        ) * Fraction(float(g[index]))
        assert got[index] == FP32.round_scalar(exact)


def test_a_nearest_update_loses_a_small_step_and_a_stochastic_one_keeps_its_mean() -> None:
    # At 1 the numbers of (1,6,9) are 2**-9 apart; a step of a tenth of that is lost.
    count = 40_000
    w, v = np.ones(count, np.float32), np.full(count, 0.1 * 2.0**-9, np.float32)
    v = FP16.quantize(v)
    nearest = compute_update(op("weight_update", "fp16_e6m9"), [w, v], FP16, KEY)
    assert np.all(nearest == 1.0)
    stochastic = op("weight_update", "fp16_e6m9", Rounding.STOCHASTIC)
    got = compute_update(stochastic, [w, v], FP16, KEY)
    # Below 1 they are 2**-10 apart: the result is 1 or 1 - 2**-10, with mean 1 - v.
    assert set(np.unique(got)) == {1.0 - 2.0**-10, 1.0}
    share = float(v[0]) / 2.0**-10
    deviation = 2.0**-10 * (share * (1 - share) / count) ** 0.5
    assert abs(float(np.mean(got, dtype=np.float64)) - (1.0 - float(v[0]))) < 5 * deviation


@pytest.mark.parametrize("change", [{"seed": 4}, {"step": 6}, {"op": 8}])
def test_seed_step_and_op_name_the_random_bits(change: dict[str, int]) -> None:
    w, v = members("fp16_e6m9", 500), members("fp16_e6m9", 500, scale=1e-3, seed=1)
    update = op("weight_update", "fp16_e6m9", Rounding.STOCHASTIC)
    once = compute_update(update, [w, v], FP16, KEY)
    np.testing.assert_array_equal(once, compute_update(update, [w, v], FP16, KEY))
    other = StreamKey(**{"seed": 3, "step": 5, "op": 7, **change})
    assert np.any(once != compute_update(update, [w, v], FP16, other))


def test_adam_against_its_formulas() -> None:
    # D. Kingma, J. Ba, ICLR 2015, algorithm 1, at t = 3 in float64.
    rng = np.random.default_rng(0)
    m, g, w = rng.standard_normal((3, 50))
    v = rng.random(50)
    beta1, beta2, rate = np.array([0.9]), np.array([0.999]), np.array([0.01])
    correction = np.array([1 / (1 - 0.9**3), 1 / (1 - 0.999**3)])
    mean = reference_update("adam_mean", [m, g, beta1])
    square = reference_update("adam_square", [v, g, beta2])
    step = adam_step(mean, square, correction, 1e-8, Arithmetic(None))
    got = reference_update("adam_update", [w, step, rate])
    m_hat = (0.9 * m + 0.1 * g) / (1 - 0.9**3)
    v_hat = (0.999 * v + 0.001 * g * g) / (1 - 0.999**3)
    np.testing.assert_allclose(got, w - 0.01 * m_hat / (np.sqrt(v_hat) + 1e-8), rtol=1e-12)
