"""The start-up test lets correct kernels pass and stops one that does not round."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.errors import SelfTestError
from accelsim.formats import Rounding
from accelsim.numerics import accumulate, gemm, matmul
from accelsim.numerics.selftest import KEY, check_product
from accelsim.precision import Accumulator


def test_a_kernel_whose_rounding_was_optimised_away_is_refused():
    """Without its rounding, a kernel is a plain matrix product."""
    with pytest.raises(SelfTestError, match=r"of 384 sums in fp16_e6m9 differ"):
        check_product(np.matmul, Accumulator(format="fp16_e6m9", chunk_size=64))


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("name", ["fp16_e6m9", "bf16", "fp8_e4m3fn", "dlfloat16", "fp32"])
def test_a_kernel_that_rounds_passes(rounding, name):
    accumulator = Accumulator(format=name, rounding=rounding, chunk_size=2)
    check_product(
        lambda a, b: accumulate(a[:, :, None, :] * b.swapaxes(1, 2)[:, None], accumulator, key=KEY),
        accumulator,
    )


def test_a_kernel_that_rounds_ties_the_other_way_is_refused():
    even = Accumulator(format="fp16_e6m9")
    away = Accumulator(format="fp16_e6m9", rounding=Rounding.NEAREST_AWAY)
    with pytest.raises(SelfTestError, match=r"does not round as it must"):
        check_product(
            lambda a, b: accumulate(a[:, :, None, :] * b.swapaxes(1, 2)[:, None], away), even
        )


@pytest.mark.parametrize("rounding", [Rounding.NEAREST_EVEN, Rounding.NEAREST_AWAY, Rounding.UP])
def test_a_product_refuses_to_run_on_a_kernel_that_does_not_round(monkeypatch, rounding):
    """What fast-math leaves of every kernel is a plain matrix product; `matmul` must notice."""
    broken = [0]

    def plain(a, b, *_, **__):
        broken[0] += 1
        return np.matmul(a, b)

    monkeypatch.setattr(gemm, "by_kernel", plain)
    gemm._trust.cache_clear()
    accumulator = Accumulator(format="fp16_e6m9", chunk_size=64, rounding=rounding)
    with pytest.raises(SelfTestError, match=r"does not round as it must"):
        matmul(np.ones((4, 8)), np.ones((8, 64)), accumulator)
    assert broken == [1]
    gemm._trust.cache_clear()
