"""A small network and a small data set that train in a second."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.precision import Recipe, get_recipe
from accelsim.training import DataSet, Task, TrainingSettings, load_data
from accelsim.workload import Workload

HIDDEN = 24


@pytest.fixture(scope="session")
def network() -> Workload:
    return Workload.model_validate_json(
        """{
        "name": "two_layers",
        "input": {"shape": [8, 8, 1]},
        "layers": [
            {"name": "flatten", "kind": "flatten"},
            {"name": "fc1", "kind": "linear", "in_features": 64, "out_features": 24},
            {"name": "relu1", "kind": "relu"},
            {"name": "fc2", "kind": "linear", "in_features": 24, "out_features": 10}
        ]}"""
    )


@pytest.fixture(scope="session")
def data() -> DataSet:
    return load_data("synthetic")


class Tasks:
    """Makes trainings of the small network on the small data."""

    def __init__(self, network: Workload, data: DataSet) -> None:
        self.network = network
        self.data = data

    def __call__(self, recipe: str | Recipe, **settings: object) -> Task:
        chosen = {"epochs": 2, "batch": 32, "learning_rate": 0.02, "test_samples": 100, **settings}
        return Task(
            self.network,
            get_recipe(recipe),
            None,
            self.data,
            TrainingSettings(**chosen),  # type: ignore[arg-type]
        )


@pytest.fixture(scope="session")
def tasks(network: Workload, data: DataSet) -> Tasks:
    return Tasks(network, data)


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(7)
