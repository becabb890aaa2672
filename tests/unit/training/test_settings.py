"""Schedules, orders, loss scales: small functions with known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from accelsim.errors import ConfigError
from accelsim.precision.recipe import LossScaling
from accelsim.training import Schedule, TrainingSettings
from accelsim.training.batches import batch_at
from accelsim.training.loss_scale import LossScale
from accelsim.training.parameters import network_parameters
from accelsim.training.settings import learning_rate_at
from accelsim.workload.ops import Role
from accelsim.workload.parameters import (
    Initial,
    ParameterSpec,
    Preparation,
    TraceParameter,
    prepare_parameter,
)


def test_the_step_schedule_divides_by_ten_at_half_and_three_quarters() -> None:
    settings = TrainingSettings(learning_rate=0.1, schedule=Schedule.STEP)
    rates = [learning_rate_at(settings, step, 8) for step in range(8)]
    assert rates == pytest.approx([0.1] * 4 + [0.01] * 2 + [0.001] * 2)


def test_the_cosine_schedule_begins_at_the_rate_and_is_half_in_the_middle() -> None:
    settings = TrainingSettings(learning_rate=0.1, schedule=Schedule.COSINE)
    assert learning_rate_at(settings, 0, 10) == 0.1
    assert learning_rate_at(settings, 5, 10) == pytest.approx(0.05)
    assert learning_rate_at(settings, 9, 10) == pytest.approx(0.05 * (1 + math.cos(0.9 * math.pi)))


def test_an_epoch_sees_every_sample_once_and_each_epoch_another_order() -> None:
    epochs = [
        np.concatenate([batch_at(3, 4 * epoch + i, samples=12, batch=3) for i in range(4)])
        for epoch in range(2)
    ]
    assert [sorted(epoch) for epoch in epochs] == [list(range(12))] * 2
    assert list(epochs[0]) != list(epochs[1])


def test_a_rest_that_fills_no_batch_is_left_out() -> None:
    # 10 samples in batches of 4: two steps an epoch, so step 2 begins epoch 2.
    first = np.concatenate([batch_at(0, step, samples=10, batch=4) for step in (0, 1)])
    assert len(set(first.tolist())) == 8
    assert batch_at(0, 2, samples=10, batch=4).size == 4


def test_all_settings_that_are_wrong_are_named_together() -> None:
    with pytest.raises(ConfigError) as caught:
        TrainingSettings(epochs=0, learning_rate=math.nan, momentum=1.0, weight_decay=-1.0)
    for name in ("epochs", "learning_rate", "momentum", "weight_decay"):
        assert name in str(caught.value)


class TestLossScale:
    rule = LossScaling.model_validate(
        {"method": "dynamic", "value": 4.0, "growth_interval": 3, "growth_factor": 2.0,
         "backoff_factor": 0.25}, strict=False,
    )  # fmt: skip

    def test_it_grows_after_its_interval_and_shrinks_at_once(self) -> None:
        scale, factors = LossScale.first(self.rule), []
        for is_finite in (True, True, True, True, False, True, True, True):
            scale = scale.after(self.rule, is_finite=is_finite)
            factors.append(scale.factor)
        # 4 4 8 | 8, x 1/4 = 2 | and the count begins anew: 2 2 4
        assert factors == [4, 4, 8, 8, 2, 2, 2, 4]

    @pytest.mark.parametrize(("method", "factor"), [("none", 1.0), ("constant", 1000.0)])
    def test_the_others_stay(self, method: str, factor: float) -> None:
        rule = LossScaling.model_validate({"method": method, "value": 1000.0}, strict=False)
        scale = LossScale.first(rule)
        assert scale.factor == factor
        assert scale.after(rule, is_finite=False) == scale


@pytest.mark.parametrize(
    ("preparation", "shape", "attributes"),
    [
        (Preparation.COPY, (5,), ()),
        (Preparation.LINEAR_WEIGHT, (3, 8), ()),
        (Preparation.LINEAR_WEIGHT, (3, 24), (("flattened_from", (2, 3, 4)),)),
        (Preparation.CONV_WEIGHT, (6, 4, 3, 5), (("groups", 1),)),
        (Preparation.CONV_WEIGHT, (6, 2, 3, 5), (("groups", 3),)),
    ],
)
def test_what_was_prepared_is_turned_back(
    preparation: Preparation, shape: tuple[int, ...], attributes: tuple[tuple[str, object], ...]
) -> None:
    values = np.random.default_rng(1).standard_normal(shape)
    parameter = TraceParameter("t", preparation, ("layer.p",), attributes)  # type: ignore[arg-type]
    spec = ParameterSpec("p", shape, Role.WEIGHT, Initial.HE_NORMAL)
    tensor = prepare_parameter(parameter, {"layer.p": values})
    back = network_parameters((parameter,), {"t": tensor}, {"layer.p": spec})
    np.testing.assert_array_equal(back["layer.p"], values)
