"""Training: against a plain NumPy loop, killed and resumed, on any number of threads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelsim.errors import ConfigError, DataError, ShapeError
from accelsim.numerics.initialize import he_parameters
from accelsim.precision import get_recipe
from accelsim.training import Task, TrainingResult, train_task
from accelsim.training import loop as loop_module
from accelsim.training import step as step_module
from accelsim.training.batches import batch_at
from accelsim.training.checkpoint import CHECKPOINT, load_checkpoint, save_checkpoint
from accelsim.training.datasets import network_input
from accelsim.training.result import HISTORY_COLUMNS
from accelsim.training.step import advance, first_state
from accelsim.training.task import compile_task
from accelsim.workload import Workload
from accelsim.workload.optimizer import Optimizer

Arrays = dict[str, np.ndarray[Any, Any]]


def plain_training(task: Task) -> tuple[Arrays, list[float]]:
    """The textbook: softmax, cross entropy, back-propagation, momentum; float64 throughout."""
    settings = task.settings
    p = {k: v.astype(np.float64) for k, v in
         he_parameters(task.workload.parameters, seed=settings.seed).items()}  # fmt: skip
    velocity = {name: np.zeros_like(values) for name, values in p.items()}
    losses = []
    for step in range(task.steps):
        chosen = batch_at(settings.seed, step, samples=len(task.train), batch=settings.batch)
        x = network_input(task.train.x[chosen], task.workload.input).reshape(len(chosen), -1)
        x, labels = x.astype(np.float64), task.train.labels[chosen]
        hidden = np.maximum(x @ p["fc1.weight"].T + p["fc1.bias"], 0.0)
        logits = hidden @ p["fc2.weight"].T + p["fc2.bias"]
        logits -= logits.max(axis=1, keepdims=True)
        share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        rows = np.arange(len(labels))
        losses.append(float(-np.log(share[rows, labels]).mean()))
        share[rows, labels] -= 1.0
        error = share / len(labels)
        back = (error @ p["fc2.weight"]) * (hidden > 0)
        gradients = {
            "fc1.weight": back.T @ x,
            "fc1.bias": back.sum(axis=0),
            "fc2.weight": error.T @ hidden,
            "fc2.bias": error.sum(axis=0),
        }
        for name, gradient in gradients.items():
            gradient = gradient + settings.weight_decay * p[name]
            velocity[name] = settings.momentum * velocity[name] + settings.learning_rate * gradient
            p[name] = p[name] - velocity[name]
    return p, losses


class TestAgainstPlainNumPy:
    def test_fp32_training_is_the_textbook_up_to_float32(self, tasks: Any) -> None:
        # 32 steps: each rounds about 1e-7 relative, and training hardly amplifies that.
        task = tasks("fp32", weight_decay=1e-3)
        result = train_task(task)
        parameters, losses = plain_training(task)
        for name, expected in parameters.items():
            np.testing.assert_allclose(result.parameters[name], expected, rtol=1e-3, atol=2e-5)
        # A row of the history is the mean over the steps since the row before.
        assert result.history[0].loss == pytest.approx(np.mean(losses[:16]), rel=1e-5)
        assert result.history[-1].loss == pytest.approx(np.mean(losses[20:32]), rel=1e-5)

    def test_the_first_rows_are_where_they_are_promised(self, tasks: Any) -> None:
        # 512 samples in batches of 32 are 16 steps an epoch; a row at 20 lies between.
        result = train_task(tasks("fp32"))
        assert [(row.epoch, row.step) for row in result.history] == [(1, 16), (2, 20), (2, 32)]
        assert [row.test_accuracy is None for row in result.history] == [False, True, False]


@pytest.mark.parametrize("recipe", ["fp32", "wang2018", "fp16_mixed", "bf16_mixed"])
def test_a_small_network_learns(tasks: Any, recipe: str) -> None:
    result = train_task(tasks(recipe))
    assert result.history[-1].loss < 0.5 * result.history[0].loss
    assert result.test_accuracy is not None
    assert result.test_accuracy > 0.8  # chance is 0.1
    assert result.diverged_at is None


def test_adam_learns_too(tasks: Any) -> None:
    result = train_task(tasks("wang2018", epochs=1, optimizer=Optimizer.ADAM, learning_rate=0.01))
    assert result.history[-1].loss < 0.8 * 2.303  # ln 10, the loss of chance
    assert result.test_accuracy is not None
    assert result.test_accuracy > 0.5


class _KilledError(BaseException):
    """Stands for SIGKILL: nothing of the loop may catch it."""


def killed_after(monkeypatch: pytest.MonkeyPatch, task: Task, folder: Path, steps: int) -> None:
    """Train with a checkpoint at every step, and die after so many of them."""
    done = 0

    def dying(task: Task, program: Any, state: Any, **options: Any) -> Any:
        nonlocal done
        if done == steps:
            raise _KilledError
        done += 1
        return advance(task, program, state, **options)

    with monkeypatch.context() as patch:
        patch.setattr(loop_module, "advance", dying)
        with pytest.raises(_KilledError):
            train_task(task, folder=folder, resume=True, checkpoint_seconds=0.0)


def same(one: TrainingResult, other: TrainingResult) -> bool:
    return one.document() == other.document() and all(
        np.array_equal(values, other.parameters[name]) for name, values in one.parameters.items()
    )


class TestResuming:
    # Stochastic updates (wang2018) and a loss scale with a memory (fp16_mixed).
    @pytest.mark.parametrize("recipe", ["wang2018", "fp16_mixed"])
    def test_a_killed_training_ends_as_an_uninterrupted_one(
        self, tasks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str
    ) -> None:
        task = tasks(recipe)
        whole = train_task(task)
        for steps in (3, 14):  # in the first epoch, in the second: 3 + 14 = 17 of 16 + 16
            killed_after(monkeypatch, task, tmp_path, steps)
        resumed = train_task(task, folder=tmp_path, resume=True)
        assert same(resumed, whole)

    def test_a_kill_while_a_checkpoint_is_written_loses_only_that_one(
        self, tasks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task = tasks("wang2018")
        killed_after(monkeypatch, task, tmp_path, 5)
        before = (tmp_path / CHECKPOINT).read_bytes()
        # What a kill between writing and renaming leaves: a half under another name.
        (tmp_path / f".{CHECKPOINT}.half").write_bytes(before[: len(before) // 2])
        assert same(train_task(task, folder=tmp_path, resume=True), train_task(task))

    def test_an_interrupt_keeps_the_last_finished_step(
        self, tasks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task = tasks("wang2018")

        def interrupting(line: str) -> None:
            if "step 5 of" in line:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train_task(task, folder=tmp_path, on_progress=interrupting)
        kept = load_checkpoint(tmp_path, task.identity())
        assert kept is not None
        assert kept.step == 5
        assert (tmp_path / "history.csv").read_text() == ",".join(HISTORY_COLUMNS) + "\n"
        assert same(train_task(task, folder=tmp_path, resume=True), train_task(task))

    def test_a_finished_training_does_no_further_step(
        self, tasks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task = tasks("fp32", epochs=1)
        first = train_task(task, folder=tmp_path)
        monkeypatch.setattr(loop_module, "advance", lambda *_a, **_k: pytest.fail("a step"))
        assert same(train_task(task, folder=tmp_path, resume=True), first)

    def test_a_checkpoint_keeps_every_bit(self, tasks: Any, tmp_path: Path) -> None:
        task = tasks("wang2018")
        programs = compile_task(task)
        state = advance(task, programs.step, first_state(task, programs))
        state = state.with_row(epoch=1, batch=32, test_accuracy=0.1 + 0.2, learning_rate=1 / 3)
        state = advance(task, programs.step, state)
        save_checkpoint(tmp_path, state, task.identity())
        read = load_checkpoint(tmp_path, task.identity())
        assert read is not None
        assert replace(read, tensors={}) == replace(state, tensors={})
        for name, values in state.tensors.items():
            assert read.tensors[name].dtype == values.dtype
            assert read.tensors[name].tobytes() == np.ascontiguousarray(values).tobytes()

    def test_another_training_is_refused_by_what_differs(self, tasks: Any, tmp_path: Path) -> None:
        train_task(tasks("fp32", epochs=1), folder=tmp_path)
        with pytest.raises(ConfigError, match=r"these differ: learning_rate, recipe\."):
            train_task(tasks("wang2018", epochs=1, learning_rate=0.1), folder=tmp_path, resume=True)

    @pytest.mark.parametrize("content", [b"", b"no checkpoint", b"\x08" + bytes(7) + b"{}      "])
    def test_a_damaged_checkpoint_is_an_input_error(
        self, tasks: Any, tmp_path: Path, content: bytes
    ) -> None:
        (tmp_path / CHECKPOINT).write_bytes(content)
        with pytest.raises(DataError, match="checkpoint"):
            train_task(tasks("fp32"), folder=tmp_path, resume=True)


class TestWhatDecides:
    @pytest.mark.parametrize("recipe", ["wang2018"])
    def test_threads_do_not(self, tasks: Any, recipe: str) -> None:
        task = tasks(recipe, epochs=1)
        assert same(train_task(task, threads=1), train_task(task, threads=3))

    def test_the_seed_does(self, tasks: Any) -> None:
        one, other = (train_task(tasks("fp32", epochs=1, seed=seed)) for seed in (0, 1))
        assert one.weights_sha256 != other.weights_sha256

    @pytest.mark.parametrize(("recipe", "differs"), [("wang2018", True), ("fp32", False)])
    def test_only_stochastic_updates_know_the_number_of_the_step(
        self, tasks: Any, monkeypatch: pytest.MonkeyPatch, recipe: str, differs: bool
    ) -> None:
        monkeypatch.setattr(step_module, "batch_at", lambda *_a, **_k: np.arange(32))
        task = tasks(recipe)
        programs = compile_task(task)
        state = first_state(task, programs)
        one, other = (
            advance(task, programs.step, replace(state, step=step)).tensors["fc1.weight"]
            for step in (0, 1)
        )
        assert np.array_equal(one, other) is not differs


class TestDivergence:
    def test_a_training_whose_loss_is_no_number_stops_and_says_where(self, tasks: Any) -> None:
        result = train_task(tasks("fp32", learning_rate=1e18))
        assert result.diverged_at is not None
        assert result.test_accuracy is None
        assert result.history[-1].step == result.diverged_at

    def test_a_dynamic_loss_scale_skips_and_shrinks(self, tasks: Any) -> None:
        # fp16 overflows beyond 65504: errors of about 1 / 32 times 2**40 are far beyond.
        recipe = get_recipe("fp16_mixed", (("loss_scaling.value", "1099511627776.0"),))
        result = train_task(tasks(recipe))
        assert result.skipped > 0
        assert result.history[-1].loss_scale < 2.0**40
        assert result.test_accuracy is not None
        assert result.test_accuracy > 0.5


class TestRefusals:
    def test_a_batch_larger_than_the_data(self, tasks: Any) -> None:
        with pytest.raises(ConfigError, match="batch is 600, but there are 512 samples"):
            tasks("fp32", batch=600)

    def test_a_network_for_other_images(self, tasks: Any, network: Workload) -> None:
        wide = network.model_copy(
            update={"input": network.input.model_copy(update={"shape": (28, 28, 1)})}
        )
        with pytest.raises(ShapeError, match=r"\(8, 8, 1\); the network reads \(28, 28, 1\)"):
            replace(tasks("fp32"), workload=wide)

    def test_a_network_with_other_classes(self, tasks: Any, network: Workload) -> None:
        fewer = network.model_copy(update={"layers": network.layers[:-1]})
        with pytest.raises(ShapeError, match=r"ends with the shape \(24,\); synthetic has 10"):
            replace(tasks("fp32"), workload=fewer)
