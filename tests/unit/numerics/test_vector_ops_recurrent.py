"""The cells of recurrent layers, one rounded step after the other, in scalar arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from accelsim.formats import FloatFormat, get_format
from accelsim.numerics import vector_ops_recurrent as cells
from accelsim.numerics.vector_ops_arithmetic import Arithmetic


class Scalar:
    """Scalar arithmetic of one format: each method rounds its exact result once."""

    def __init__(self, fmt: FloatFormat) -> None:
        self._fmt = fmt

    def add(self, a: float, b: float) -> float:
        return self._fmt.round_scalar(Fraction(a) + Fraction(b))

    def multiply(self, a: float, b: float) -> float:
        return self._fmt.round_scalar(Fraction(a) * Fraction(b))

    def sigmoid(self, a: float) -> float:
        return self._fmt.round_scalar(1.0 / (1.0 + math.exp(-a)))

    def tanh(self, a: float) -> float:
        return self._fmt.round_scalar(math.tanh(a))

    def mixed(self, new: float, z: float, h: float) -> float:
        fresh = self.multiply(self.add(1.0, -z), self.tanh(new))
        return self.add(fresh, self.multiply(z, h))


def operands(fmt: FloatFormat, *gates: int) -> list[np.ndarray]:
    """Return arrays (3, 5 x gates) of members, about 1 in size."""
    rng = np.random.default_rng(len(gates))
    return [fmt.quantize(rng.normal(size=(3, 5 * count))) for count in gates]


@pytest.fixture(params=["fp16_e6m9", "bf16", "fp32"])
def fmt(request: pytest.FixtureRequest) -> FloatFormat:
    found = get_format(request.param)
    assert isinstance(found, FloatFormat)
    return found


def test_lstm_rounds_every_step(fmt: FloatFormat) -> None:
    s, x, c = operands(fmt, 4, 4, 1)
    state = cells.lstm_cell(s, x, c, Arithmetic(fmt))
    output = cells.lstm_output(s, x, state, Arithmetic(fmt))
    one = Scalar(fmt)
    for row, unit in np.ndindex(c.shape):
        i, f, g, o = (
            one.add(float(x[row, 4 * unit + gate]), float(s[row, 4 * unit + gate]))
            for gate in range(4)
        )
        kept = one.multiply(one.sigmoid(f), float(c[row, unit]))
        want = one.add(kept, one.multiply(one.sigmoid(i), one.tanh(g)))
        assert state[row, unit] == want
        assert output[row, unit] == one.multiply(one.sigmoid(o), one.tanh(want))


def test_gru_rounds_every_step(fmt: FloatFormat) -> None:
    s, x, h = operands(fmt, 3, 3, 1)
    state = cells.gru_state(s, x, h, Arithmetic(fmt))
    one = Scalar(fmt)
    for row, unit in np.ndindex(h.shape):
        parts = [(float(x[row, 3 * unit + gate]), float(s[row, 3 * unit + gate]))
                 for gate in range(3)]  # fmt: skip
        r, z = (one.sigmoid(one.add(*part)) for part in parts[:2])
        new = one.add(parts[2][0], one.multiply(r, parts[2][1]))
        assert state[row, unit] == one.mixed(new, z, float(h[row, unit]))


def test_gru_with_an_early_reset_rounds_every_step(fmt: FloatFormat) -> None:
    n, s, x, h = operands(fmt, 1, 2, 3, 1)
    reset = cells.gru_reset(s, x, h, Arithmetic(fmt))
    state = cells.gru_update(n, s, x, h, Arithmetic(fmt))
    one = Scalar(fmt)
    for row, unit in np.ndindex(h.shape):
        x_r, x_z, x_n = (float(value) for value in x[row, 3 * unit : 3 * unit + 3])
        s_r, s_z = (float(value) for value in s[row, 2 * unit : 2 * unit + 2])
        held = float(h[row, unit])
        assert reset[row, unit] == one.multiply(one.sigmoid(one.add(x_r, s_r)), held)
        new = one.add(x_n, float(n[row, unit]))
        assert state[row, unit] == one.mixed(new, one.sigmoid(one.add(x_z, s_z)), held)
