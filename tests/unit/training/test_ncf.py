"""The recommender: its size by hand, its loss, its metric, and a training that learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from accelsim.cli import cli
from accelsim.explore.training import train
from accelsim.files import resource_path
from accelsim.precision import get_recipe, list_recipes
from accelsim.training import DataSet, TrainingSettings, load_data
from accelsim.training.datasets import Split
from accelsim.training.metrics import Metric, hit_ratio, is_right
from accelsim.workload import load_workload, lower
from accelsim.workload.optimizer import Optimizer
from accelsim.workload.settings import seeded_inputs
from accelsim.workload.trace_check import check_trace

#: The same network for the users and items of the synthetic data.
SMALL = resource_path("workloads", "ncf").read_text().replace("943", "96").replace("1682", "160")
SETTINGS = TrainingSettings(
    optimizer=Optimizer.ADAM, learning_rate=0.01, batch=128, epochs=1, train_samples=2560
)


def test_the_network_has_the_size_of_the_paper() -> None:
    net = load_workload("ncf")
    # 64 x 32 + 32 x 16 + 16 x 8 of the perceptron, and 16 of the last layer.
    assert net.macs() == 2048 + 512 + 128 + 16
    # 943 users and 1,682 films with 8 + 32 numbers each; biases of 32, 16, 8 and 1.
    assert net.parameter_count == (943 + 1682) * 40 + net.macs() + 57
    assert net.graph.nodes[-1].output_shape == (1,)


@pytest.mark.parametrize("recipe", list_recipes())
def test_a_step_is_a_valid_trace_under_every_recipe(recipe: str) -> None:
    trace = lower(load_workload("ncf"), get_recipe(recipe), batch=4, phase="training")
    assert check_trace(trace) is None
    assert any(op.function == "binary_cross_entropy" for op in trace.vector_ops)
    assert set(seeded_inputs(trace)["labels"].ravel()) <= {0.0, 1.0}


def test_hits_by_hand() -> None:
    # Two groups of 12: the first candidate of one is behind 9 others, of the other behind 10.
    behind = np.concatenate(([5.0], np.full(9, 6.0), np.full(2, 4.0)))
    further = np.concatenate(([5.0], np.full(10, 6.0), np.full(1, 4.0)))
    assert hit_ratio(np.concatenate((behind, further)), 12) == 0.5


def test_a_network_that_tells_nothing_apart_hits_nothing() -> None:
    assert hit_ratio(np.zeros(100), 100) == 0.0
    assert hit_ratio(np.full(100, np.nan), 100) == 0.0


def test_one_number_is_right_above_zero_for_class_one() -> None:
    outputs = np.array([[2.0], [-2.0], [0.0], [np.nan]])
    assert is_right(outputs, np.array([1, 0, 0, 0])).tolist() == [True, True, True, False]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(SMALL)
    return tmp_path / "small.yaml"


def test_it_learns_tastes_in_fp8(small: Path) -> None:
    # By chance the chosen item is among 10 of 100 in a tenth of the cases: of 48 groups in
    # 4.8, with a standard deviation of 2.1.
    settings = replace(SETTINGS, train_samples=None, test_samples=4800)
    data = load_data("synthetic_interactions")
    result = train(small, data=data, recipe="fp8_formats", settings=settings, priced=False)
    assert result.metric is Metric.HIT_RATIO
    assert result.document()["metric"] == "hit_ratio_at_10"
    assert result.diverged_at is None
    assert result.test_accuracy is not None
    assert result.test_accuracy > (4.8 + 2 * 2.1) / 48


def test_groups_of_candidates_are_tested_whole(small: Path) -> None:
    data = load_data("synthetic_interactions")
    few = replace(SETTINGS, test_samples=150, train_samples=128)
    result = train(small, data=data, recipe="fp32", settings=few, priced=False)
    assert result.test_accuracy in (0.0, 0.5, 1.0)  # two groups of 100


def test_half_a_group_is_no_test() -> None:
    data = load_data("synthetic_interactions")
    with pytest.raises(ValueError, match="150 test samples are no groups of 100"):
        replace(data, test=Split(data.test.x[:150], data.test.labels[:150]))


def test_other_data_say_which_parts_are_missing() -> None:
    data = load_data("synthetic")
    two = DataSet("two", "", data.train, data.test, 10)
    with pytest.raises(ValueError, match="The network reads user, item; the data have one part"):
        train("ncf", data=two, settings=SETTINGS)


def test_the_command_trains_it(tmp_path: Path, small: Path) -> None:
    result = CliRunner().invoke(
        cli,
        ["train", str(small), "--data", "synthetic_interactions", "--recipe", "s2fp8",
         "--optimizer", "adam", "--lr", "0.005", "--train-images", "128", "--test-images", "200",
         "-o", str(tmp_path / "out"), "-q"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "test hit ratio at 10" in result.output
    assert (tmp_path / "out" / "history.csv").read_text().splitlines()[-1].count(",") == 4
