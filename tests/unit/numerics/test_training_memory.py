"""Training with few bits in memory: state of the optimizer, and activations that wait."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.explore.training import saved_bytes
from accelsim.formats import get_tensor_format
from accelsim.numerics.execution import Execution
from accelsim.numerics.executor import execute
from accelsim.numerics.initialize import bind_tensors, he_parameters
from accelsim.precision import get_recipe
from accelsim.workload import Trace, Workload, lower
from accelsim.workload.settings import seeded_inputs

BATCH = 4
NETWORK = Workload.model_validate(
    {
        "name": "net",
        "input": {"shape": (6, 6, 3)},
        "layers": (
            {"name": "conv", "kind": "conv2d", "in_channels": 3, "out_channels": 8, "kernel": 3,
             "padding": 1, "bias": False},
            {"name": "norm", "kind": "batch_norm2d", "num_features": 8},
            {"name": "relu", "kind": "relu"},
            {"name": "pool", "kind": "max_pool2d", "kernel": 2},
            {"name": "flatten", "kind": "flatten"},
            {"name": "fc", "kind": "linear", "in_features": 72, "out_features": 10},
        ),
    }
)  # fmt: skip


def train(
    *overrides: tuple[str, str], optimizer: str = "sgd", steps: int = 1
) -> tuple[Trace, list[Execution]]:
    """Do some steps on one batch."""
    recipe = get_recipe("fp32", overrides)
    trace = lower(NETWORK, recipe, batch=BATCH, phase="training", optimizer=optimizer)
    x = np.random.default_rng(1).standard_normal((BATCH, *NETWORK.input.shape))
    done: list[Execution] = []
    for step in range(steps):
        state = {old: done[-1].tensors[new] for old, new in trace.updates.items()} if done else {}
        more = {**seeded_inputs(trace, loss_scale=1.0), **state}
        tensors = bind_tensors(trace, he_parameters(NETWORK.parameters), x, more=more)
        done.append(execute(trace, tensors, step=step, references=False, keep=tuple(trace.tensors)))
    return trace, done


def test_a_velocity_in_eight_bits_moves_the_weight_before_it_is_stored() -> None:
    trace, runs = train(("update.state", "dynamic8_block"), steps=2)
    fmt = get_tensor_format("dynamic8_block")
    last = runs[-1].tensors
    value = last["fc.weight.velocity:next"]
    assert np.array_equal(last["fc.weight.velocity.updated"], fmt.quantize(value))
    assert not np.array_equal(last["fc.weight.velocity.updated"], value)
    assert np.array_equal(last["fc.weight.updated"], last["fc.weight"] - value)
    # 8 bits an element and 32 for every 2048 of them: 720 + 720 / 512 bytes, rounded up.
    assert trace.tensors["fc.weight.velocity"].stored_bytes == 722


def test_both_moments_of_adam_have_a_format_of_their_own() -> None:
    trace, runs = train(
        ("update.state", "dynamic8_block"),
        ("update.second_moment", "dynamic8_unsigned_block"),
        optimizer="adam",
        steps=2,
    )
    last = runs[-1].tensors
    for moment, name in (
        ("first_moment", "dynamic8_block"), ("second_moment", "dynamic8_unsigned_block"),
    ):  # fmt: skip
        value = last[f"fc.weight.{moment}:next"]
        stored = last[f"fc.weight.{moment}.updated"]
        assert np.array_equal(stored, get_tensor_format(name).quantize(value))
        assert trace.updates[f"fc.weight.{moment}"] == f"fc.weight.{moment}.updated"
    assert (last["fc.weight.second_moment.updated"] >= 0).all()


def test_activations_kept_exactly_change_no_bit() -> None:
    # Every float32 is a member of fp32, so that neither rounding changes anything.
    plain, once = train(steps=2)
    kept, other = train(("saved_activations", "fp32"), steps=2)
    assert len(kept.ops) > len(plain.ops)
    for name in plain.outputs:
        assert np.array_equal(once[-1].tensors[name], other[-1].tensors[name]), name


def test_two_bits_an_activation_and_one_of_a_relu() -> None:
    plain, _ = train()
    kept, runs = train(("saved_activations", "range2_group"))
    tensors = runs[0].tensors
    restored = tensors["pool:saved:restored"]
    # One group of BATCH * 72 > 256 elements and a short one, each on 4 values.
    assert len(np.unique(restored.reshape(-1)[:256])) <= 4
    assert len(np.unique(restored.reshape(-1)[256:])) <= 4
    assert np.array_equal(tensors["relu:positive"] > 0, tensors["relu"] > 0)
    # Saved: input (6 * 6 * 3 a sample), conv (6 * 6 * 8), relu before the pool, pool (72).
    image, large, small = BATCH * 108, BATCH * 288, BATCH * 72
    logits = BATCH * 10 * 4
    assert saved_bytes(plain) - logits == 4 * (image + large + large + small)
    bits = 2 + 32 / 256
    assert saved_bytes(kept) - logits == pytest.approx(
        bits * (image + large + small) / 8  # in groups
        + large / 8  # which of the ReLU's are positive
        + 4 * large,  # the input of the pool, as it is
        abs=4,
    )
