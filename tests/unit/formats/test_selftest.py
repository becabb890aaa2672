"""A compiled loop is compared with NumPy before it is used, and refused if it does not round."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.errors import SelfTestError
from accelsim.formats import Rounding, get_format, kernels, list_formats
from accelsim.formats.array import Engine, quantize
from accelsim.formats.float_format import FloatFormat
from accelsim.formats.rounding import Overflow

E5M2 = get_format("fp8_e5m2")


def _quantize(x, fmt=E5M2, rounding=Rounding.NEAREST_EVEN):
    noise = np.zeros(x.shape, np.uint32) if rounding is Rounding.STOCHASTIC else None
    return quantize(
        x, fmt, rounding=rounding, overflow=Overflow.TO_INFINITY, random_bits=noise,
        engine=Engine.NUMBA,
    )  # fmt: skip


@pytest.fixture
def fresh():
    """Forget which loops were checked, before and after."""
    kernels._checked_loop.cache_clear()
    yield
    kernels._checked_loop.cache_clear()


def _keeps(x, out, *_):
    """Do what is left of ``(x + magic) - magic`` under fast-math."""
    out[:] = x


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("loop", "dtype", "rounding"),
    [
        ("_nearest_float32", np.float32, Rounding.NEAREST_EVEN),
        ("_nearest", np.float64, Rounding.NEAREST_EVEN),
    ],
)
def test_a_loop_whose_rounding_was_optimised_away_is_refused(monkeypatch, loop, dtype, rounding):
    monkeypatch.setattr(kernels, loop, _keeps)
    with pytest.raises(SelfTestError, match=r"numbers are rounded otherwise than by NumPy"):
        _quantize(np.ones(4, dtype), rounding=rounding)


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("rounding", [Rounding.NEAREST_AWAY, Rounding.UP, Rounding.STOCHASTIC])
def test_a_loop_that_never_grows_a_magnitude_is_refused(monkeypatch, rounding):
    truncate = kernels._loop(_plan(Rounding.TOWARD_ZERO), narrow=False)
    monkeypatch.setattr(kernels, "_loop", lambda plan, narrow: truncate)
    with pytest.raises(SelfTestError, match=r"does not round as it must"):
        _quantize(np.ones(4), rounding=rounding)


def _plan(rounding):
    from accelsim.formats.plan import make_plan

    return make_plan(E5M2, rounding, Overflow.TO_INFINITY)


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("rounding", list(Rounding))
def test_every_loop_that_rounds_passes(rounding):
    for fmt in (get_format(name) for name in list_formats()):
        if not isinstance(fmt, FloatFormat):
            continue
        for dtype in (np.float32, np.float64):
            assert _quantize(np.zeros(1, dtype), fmt, rounding).shape == (1,)
