"""Steps of training executed: formats by role, scaling over steps, reproducibility."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from accelsim.errors import ConfigError, UnsupportedError
from accelsim.formats import get_tensor_format
from accelsim.numerics.execution import Execution
from accelsim.numerics.executor import execute
from accelsim.numerics.initialize import bind_tensors, he_parameters
from accelsim.precision import Recipe, get_recipe, list_recipes
from accelsim.workload import Phase, Trace, Workload, load_trace, load_workload, lower
from accelsim.workload.settings import seeded_inputs, step_settings

BATCH = 8


def training(recipe: str, *overrides: tuple[str, str], **options: str) -> tuple[Trace, Recipe]:
    asked = get_recipe(recipe, overrides)
    return lower(load_workload("tiny"), asked, batch=BATCH, phase="training", **options), asked  # type: ignore[arg-type]


def steps(
    trace: Trace,
    count: int,
    *,
    loss_scale: float = 1.0,
    keep: Sequence[str] = (),
    threads: int = 1,
    settings: Mapping[str, float] | None = None,
) -> list[Execution]:
    """Do some steps on one batch of normal inputs and seeded labels."""
    workload = load_workload("tiny")
    x = np.random.default_rng(0).standard_normal((BATCH, *workload.input.shape))
    given = seeded_inputs(trace, loss_scale=loss_scale)
    given |= {name: np.array([value]) for name, value in (settings or {}).items()}
    done: list[Execution] = []
    for step in range(count):
        state = {old: done[-1].tensors[new] for old, new in trace.updates.items()} if done else {}
        tensors = bind_tensors(
            trace, he_parameters(workload.parameters), x, more={**given, **state}
        )
        done.append(
            execute(trace, tensors, step=step, references=False, keep=keep, threads=threads)
        )
    return done


@pytest.mark.parametrize("recipe", list_recipes())
def test_every_recipe_learns_a_batch_by_heart(recipe: str) -> None:
    trace, asked = training(recipe)
    runs = steps(
        trace, 6, loss_scale=asked.loss_scaling.first_factor, settings={"learning_rate": 0.1}
    )
    losses = [float(run.tensors["loss"][0]) for run in runs]
    assert all(np.isfinite(losses))
    assert losses[-1] < 0.95 * losses[0]


def test_adam_learns_too() -> None:
    trace, _ = training("fp32", optimizer="adam")
    runs = steps(trace, 6, settings={"learning_rate": 0.02})
    assert runs[-1].tensors["loss"][0] < 0.95 * runs[0].tensors["loss"][0]


def test_a_second_moment_that_vanishes_in_16_bits_is_kept_by_a_format_of_its_own() -> None:
    # The first step of Adam is (1 - b1) g / (1 - b1) over the root of (1 - b2) g^2 / (1 - b2),
    # so 1 or -1, whatever g is. In (1,6,9), whose smallest number is 2^-39, 0.001 g^2 becomes 0
    # below g of about 3e-5, and the step g / 1e-8.
    largest = {}
    for changes in ((), (("update.second_moment", "fp32"),)):
        trace, _ = training("wang2018", *changes, optimizer="adam")
        (run,) = steps(trace, 1, loss_scale=1000, keep=["conv1.weight.step"])
        largest[changes] = np.max(np.abs(run.tensors["conv1.weight.step"]))
    plain, kept = largest.values()
    assert plain > 100
    assert kept == pytest.approx(1, abs=2**-6)  # a few roundings to ten significant bits


def test_formats_by_role_under_wang2018() -> None:
    # Figure 2 of the paper; the last layer's GEMMs in (1,6,9).
    trace, _ = training("wang2018")
    formats = {
        op.name: (op.a.format.name, op.b.format.name, op.out.format.name) for op in trace.gemms
    }
    narrow, wide = ("fp8_e5m2",) * 2 + ("fp16_e6m9",), ("fp16_e6m9",) * 3
    assert formats == {
        "conv1.forward": narrow,
        "conv1.gradient": narrow,
        "fc.forward": wide,
        "fc.gradient": wide,
        "fc.backward": wide,
    }
    stored = {name: info.format.name for name, info in trace.tensors.items()}
    assert stored["conv1.weight.gradient"] == stored["fc.weight.gradient"] == "fp8_e5m2"
    for suffix in ("", ".velocity", ".updated", ".velocity.updated", ".regularized"):
        assert stored[f"conv1.weight{suffix}"] == "fp16_e6m9"
    assert stored["loss"] == stored["loss.error"] == "fp32"
    updates = [op for op in trace.vector_ops if "random_bits" in dict(op.attributes)]
    assert {op.rounding.value for op in updates} == {"stochastic"}
    assert {op.phase for op in updates} == {Phase.UPDATE}


def test_the_three_gemms_of_a_convolution() -> None:
    trace, _ = training("fp32")
    extents = {op.name: (op.m, op.n, op.k) for op in trace.gemms}
    # 8 images of 8 x 8 pixels, 4 channels, 16 kernels of 3 x 3.
    assert extents["conv1.forward"] == (8 * 64, 16, 36)
    assert extents["conv1.gradient"] == (36, 16, 8 * 64)  # the longer side is streamed
    assert extents["fc.backward"] == (8, 16, 10)
    assert "conv1.backward" not in extents  # nobody asks for the error of the input


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_bit(threads: int) -> None:
    trace, _ = training("wang2018")
    once, other = (steps(trace, 2, loss_scale=1000, threads=n)[-1] for n in (1, threads))
    for name in trace.outputs:
        np.testing.assert_array_equal(once.tensors[name], other.tensors[name])


def test_loss_scale_cancels_in_the_update() -> None:
    # A power of two moves no significand, so without overflow nothing else changes.
    trace, _ = training("fp32")
    plain, scaled = (steps(trace, 2, loss_scale=factor)[-1] for factor in (1.0, 1024.0))
    for name in trace.updates.values():
        np.testing.assert_array_equal(plain.tensors[name], scaled.tensors[name])


def test_an_overflow_of_gradients_shows_with_a_dynamic_loss_scale() -> None:
    trace, _ = training("fp16_mixed")
    fine, overflowing = (steps(trace, 1, loss_scale=factor)[0] for factor in (1024.0, 2.0**30))
    assert fine.tensors["gradients_finite"][0] == 1.0
    assert overflowing.tensors["gradients_finite"][0] == 0.0


def test_a_delayed_scale_is_that_of_the_largest_magnitude_remembered() -> None:
    trace, _ = training(
        "fp8_formats", ("scaling.amax", "delayed"), ("scaling.power_of_two", "true")
    )
    weight, operand = "conv1.weight", "conv1.weight:fp8_e4m3fn.scaled"
    history = f"{operand}.amax_history"
    first, second = steps(trace, 2, keep=[weight, f"{operand}:scale", f"{history}.updated"])
    largest = np.max(np.abs(first.tensors[weight]))
    assert first.tensors[f"{history}.updated"][0] == largest
    # 448 / largest, rounded down to a power of two: of this step, then of the step before.
    want = 2.0 ** np.floor(np.log2(448.0 / largest))
    assert first.tensors[f"{operand}:scale"][0] == want
    assert second.tensors[f"{operand}:scale"][0] == want
    assert second.tensors[f"{history}.updated"][1] == largest


def test_s2fp8_truncates_every_operand_with_statistics_of_its_own() -> None:
    trace, _ = training("s2fp8")
    (run,) = steps(trace, 1, keep=["conv1.weight", "conv1.weight:s2fp8", "input:s2fp8", "input"])
    s2fp8 = get_tensor_format("s2fp8")
    for name in ("conv1.weight", "input"):
        np.testing.assert_array_equal(
            run.tensors[f"{name}:s2fp8"], s2fp8.quantize(run.tensors[name])
        )
    assert trace.tensors["input:s2fp8"].stored_bytes == trace.tensors["input"].elements


def test_s2fp8_keeps_errors_that_plain_fp8_flushes() -> None:
    # Errors of 2**-30 are far below the smallest e5m2 number, 2**-16.
    tiny = {"s2fp8": True, "fp8_plain": False}
    for recipe, survives in tiny.items():
        trace, _ = training(recipe)
        (run,) = steps(trace, 1, loss_scale=2.0**-30, keep=["fc.weight.gradient"])
        assert bool(np.any(run.tensors["fc.weight.gradient"])) is survives


@pytest.mark.parametrize("recipe", ["wang2018", "int8", "mx_fp8"])
def test_a_training_trace_is_read_back_as_it_was(tmp_path: Path, recipe: str) -> None:
    trace, _ = training(recipe)
    trace.save(tmp_path / "t.json.gz")
    assert load_trace(tmp_path / "t.json.gz") == trace


def test_running_statistics_are_those_of_pytorch() -> None:
    # (1 - 0.1) * running + 0.1 * batch, the variance unbiased: 4 numbers 1, 2, 3, 6 have
    # the mean 3 and the unbiased variance 14 / 3.
    net = Workload.model_validate(
        {
            "name": "bn",
            "input": {"shape": (2, 2, 1)},
            "layers": (
                {"name": "bn", "kind": "batch_norm2d", "num_features": 1},
                {"name": "f", "kind": "flatten"},
            ),
        }
    )
    trace = lower(net, get_recipe("fp32"), batch=1, phase="training", loss="squared_error")
    x = np.array([1.0, 2.0, 3.0, 6.0]).reshape(1, 2, 2, 1)
    given = {**step_settings(learning_rate=0.0), "labels": np.zeros((1, 4))}
    run = execute(trace, bind_tensors(trace, he_parameters(net.parameters), x, more=given))
    assert run.tensors["bn.running_mean.updated"][0] == pytest.approx(0.9 * 0 + 0.1 * 3)
    assert run.tensors["bn.running_var.updated"][0] == pytest.approx(0.9 * 1 + 0.1 * 14 / 3)


def test_a_network_without_parameters_cannot_be_trained() -> None:
    net = Workload.model_validate(
        {"name": "r", "input": {"shape": (3,)}, "layers": ({"name": "r", "kind": "relu"},)}
    )
    with pytest.raises(ConfigError, match="nothing to train"):
        lower(net, get_recipe("fp32"), phase="training")


def test_a_layer_without_backward_pass_says_so() -> None:
    net = Workload.model_validate(
        {
            "name": "s",
            "input": {"shape": (3,)},
            "layers": (
                {"name": "fc", "kind": "linear", "in_features": 3, "out_features": 3},
                {"name": "n", "kind": "local_response_norm", "size": 3},
                {"name": "fc2", "kind": "linear", "in_features": 3, "out_features": 3},
            ),
        }
    )
    with pytest.raises(UnsupportedError, match="local_response_norm 'n' has no backward pass"):
        lower(net, get_recipe("fp32"), phase="training")
