"""Texts that are copied or turned around, and an encoder-decoder that learns them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from accelsim.errors import DataError, ShapeError
from accelsim.precision import get_recipe
from accelsim.training.datasets import load_data
from accelsim.training.loop import train_task
from accelsim.training.settings import TrainingSettings
from accelsim.training.task import Task
from accelsim.workload import Workload, load_workload
from accelsim.workload.optimizer import Optimizer


def task(recipe: str, *, samples: int, epochs: int = 1) -> Task:
    settings = TrainingSettings(
        epochs=epochs, batch=32, learning_rate=1e-3, optimizer=Optimizer.ADAM,
        train_samples=samples, test_samples=40,
    )  # fmt: skip
    return Task(
        load_workload("transformer_tiny"), get_recipe(recipe), None, load_data("copy"), settings
    )


@pytest.mark.parametrize(("name", "step"), [("copy", 1), ("reverse", -1)])
def test_the_target_is_the_answer_behind_a_first_word(name: str, step: int) -> None:
    data = load_data(name)
    source, target = data.train.x[:, :8], data.train.x[:, 8:]
    np.testing.assert_array_equal(data.train.labels, source[:, ::step])
    assert not target[:, 0].any()
    np.testing.assert_array_equal(target[:, 1:], data.train.labels[:, :-1])
    assert (source.min(), source.max()) == (1, 15)
    assert data.parts == (("source", 8), ("target", 8))
    assert (len(data.train), len(data.test), data.classes) == (4096, 512, 16)
    with pytest.raises(DataError, match="reads no files"):
        load_data(f"{name}:somewhere")


@pytest.mark.parametrize("recipe", ["fp32", "s2fp8"])
def test_the_loss_of_the_small_transformer_falls(recipe: str) -> None:
    result = train_task(task(recipe, samples=128, epochs=2), threads=1)
    first, second = result.history  # four steps each
    # Who knows nothing of 16 words has a loss of log 16 = 2.77 at best, and is right once in 16.
    assert first.loss > 0.98 * math.log(16)
    assert second.loss < 0.98 * first.loss
    assert second.test_accuracy is not None
    assert second.test_accuracy > 1 / 16


def test_accuracies_are_shares_of_places() -> None:
    result = train_task(task("fp32", samples=32), threads=1)
    (row,) = result.history
    assert (row.train_accuracy * 32 * 8) % 1 == 0
    assert row.test_accuracy is not None
    assert (row.test_accuracy * 40 * 8) % 1 == pytest.approx(0, abs=1e-9)
    assert 0 <= row.train_accuracy <= 1


def test_a_network_without_places_is_refused() -> None:
    net = load_workload("transformer_tiny")
    flat = Workload.model_validate(
        {
            **{name: getattr(net, name) for name in ("name", "inputs")},
            "layers": (
                *net.layers,
                {"name": "first", "kind": "slice", "axis": 0, "stop": 1},
                {"name": "flat", "kind": "flatten"},
            ),
        }
    )
    with pytest.raises(ShapeError, match=r"16 classes, which asks for \(8, 16\)"):
        Task(flat, get_recipe("fp32"), None, load_data("copy"), TrainingSettings())
