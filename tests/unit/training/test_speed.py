"""How long a step takes, as a ratio of two recipes in one process."""

from __future__ import annotations

import time

import numpy as np

from accelsim.precision import get_recipe
from accelsim.training import DataSet, Task, TrainingSettings
from accelsim.training.datasets.base import Split
from accelsim.training.step import advance, first_state
from accelsim.training.task import compile_task
from accelsim.workload import load_workload

REPEATS = 4


def test_a_step_in_emulated_fp8_takes_at_most_four_times_one_in_float32() -> None:
    generator = np.random.default_rng(0)
    split = Split(generator.integers(0, 256, (64, 28, 28, 1), np.uint8), np.arange(64) % 10)
    data = DataSet("noise", "", split, split, 10)
    seconds = {}
    for recipe in ("fp32", "wang2018"):
        task = Task(
            load_workload("fashion_cnn"), get_recipe(recipe), None, data, TrainingSettings()
        )
        programs = compile_task(task)
        state = advance(task, programs.step, first_state(task, programs))  # compiles
        times = []
        for _ in range(REPEATS):
            start = time.process_time()
            advance(task, programs.step, state)
            times.append(time.process_time() - start)
        seconds[recipe] = min(times)
    assert seconds["wang2018"] <= 4 * seconds["fp32"]
