"""Training with few bits in memory: state of the optimizer, and activations that wait."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.explore.training import saved_bytes
from accelsim.formats import get_format, get_tensor_format
from accelsim.numerics.execution import Execution
from accelsim.numerics.executor import execute
from accelsim.numerics.initialize import bind_tensors, he_parameters
from accelsim.numerics.lifetimes import operand_names, result_names
from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.numerics.vector_ops_backward import (
    largest_place,
    max_pool_backward,
    place_backward,
)
from accelsim.numerics.vector_ops_reductions import Window
from accelsim.precision import get_recipe
from accelsim.workload import Phase, Trace, Workload, lower
from accelsim.workload.ops import Role
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


#: One of each kind of layer whose backward pass reads what the forward pass made.
EVERY_LAYER = Workload.model_validate(
    {
        "name": "every",
        "input": {"shape": (8, 8, 3)},
        "layers": (
            {"name": "conv", "kind": "conv2d", "in_channels": 3, "out_channels": 8, "kernel": 3,
             "padding": 1},
            {"name": "norm", "kind": "batch_norm2d", "num_features": 8},
            {"name": "swish", "kind": "swish"},
            {"name": "pool", "kind": "max_pool2d", "kernel": 3, "stride": 2, "padding": 1},
            {"name": "gelu", "kind": "gelu"},
            {"name": "tanh", "kind": "tanh", "inputs": ("pool",)},
            {"name": "product", "kind": "mul", "inputs": ("gelu", "tanh")},
            {"name": "bounded", "kind": "sigmoid", "inputs": ("pool",)},
            {"name": "quotient", "kind": "div", "inputs": ("product", "bounded")},
            {"name": "rows", "kind": "reshape", "shape": (16, 8)},
            {"name": "elu", "kind": "elu"},
            {"name": "layer_norm", "kind": "layer_norm", "num_features": 8},
            {"name": "scores", "kind": "matmul", "transpose_b": True,
             "inputs": ("layer_norm", "elu")},
            {"name": "shares", "kind": "softmax"},
            {"name": "mixed", "kind": "matmul", "inputs": ("shares", "layer_norm")},
            {"name": "map", "kind": "reshape", "shape": (4, 4, 8)},
            {"name": "relu", "kind": "relu"},
            {"name": "top", "kind": "global_max_pool"},
            {"name": "flatten", "kind": "flatten"},
            {"name": "fc", "kind": "linear", "in_features": 8, "out_features": 10},
        ),
    }
)  # fmt: skip


def train(
    *overrides: tuple[str, str],
    optimizer: str = "sgd",
    steps: int = 1,
    network: Workload = NETWORK,
) -> tuple[Trace, list[Execution]]:
    """Do some steps on one batch."""
    recipe = get_recipe("fp32", overrides)
    trace = lower(network, recipe, batch=BATCH, phase="training", optimizer=optimizer)
    x = np.random.default_rng(1).standard_normal((BATCH, *network.given["input"].shape))
    done: list[Execution] = []
    for step in range(steps):
        state = {old: done[-1].tensors[new] for old, new in trace.updates.items()} if done else {}
        more = {**seeded_inputs(trace, loss_scale=1.0), **state}
        tensors = bind_tensors(trace, he_parameters(network.parameters), x, more=more)
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


@pytest.mark.parametrize("network", [NETWORK, EVERY_LAYER], ids=lambda network: network.name)
def test_activations_kept_exactly_change_no_bit(network: Workload) -> None:
    # Every float32 is a member of fp32, so that neither rounding changes anything.
    plain, once = train(steps=2, network=network)
    kept, other = train(("saved_activations", "fp32"), steps=2, network=network)
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
    # Saved: input (6 * 6 * 3 a sample), conv (6 * 6 * 8), relu before the pool, pool (72);
    # in few bits also a mask of the ReLU and, for each of the pool's 72, a place.
    image, large, small = BATCH * 108, BATCH * 288, BATCH * 72
    logits = BATCH * 10 * 4
    assert saved_bytes(plain) - logits == 4 * (image + large + large + small)
    bits = 2 + 32 / 256
    assert saved_bytes(kept) - logits == pytest.approx(
        bits * (image + large + small) / 8  # in groups
        + large / 8  # which of the ReLU's are positive
        + small * 2 / 8,  # which of the four elements of a window is the largest
        abs=4,
    )


def test_every_layer_that_waits_waits_in_few_bits() -> None:
    trace, runs = train(("saved_activations", "range2_group"), network=EVERY_LAYER)
    first = next(i for i, op in enumerate(trace.ops) if op.phase is not Phase.FORWARD)
    made = {name for op in trace.ops[:first] for name in result_names(op)}
    later = {name for op in trace.ops[first:] for name in operand_names(op)}
    waiting = {
        name
        for name in made & later
        if trace.tensors[name].role is Role.ACTIVATION and trace.tensors[name].format.bits >= 8
    }
    # A divisor must not round to zero, and the loss goes on with its own softmax.
    assert waiting == {"bounded", "quotient", "loss.softmax"}
    # A sample: conv, norm 512 each; 3 x 3 places in 4 bits for the 128 that are pooled, 16
    # places in 4 bits for the last 8; one bit for each of the 128 of the ReLU.
    tensors = trace.tensors
    assert tensors["pool:places"].stored_bytes == BATCH * 128 * 4 // 8
    assert tensors["top:places"].stored_bytes == BATCH * 8 * 4 // 8
    assert tensors["relu:positive"].stored_bytes == BATCH * 128 // 8
    groups = BATCH * 512 // 256
    assert tensors["conv:saved"].stored_bytes == BATCH * 512 * 2 // 8 + 4 * groups
    assert np.isfinite(runs[0].tensors["loss"]).all()


def test_the_place_of_the_largest_is_that_of_torchs_rule() -> None:
    # The first of equal elements, in row order; padding never wins; a NaN wins.
    x = np.array([[[1.0, 4.0], [4.0, 0.0]], [[-3.0, -3.0], [-3.0, np.nan]]]).reshape(2, 2, 2, 1)
    whole = Window((2, 2), (2, 2))
    assert largest_place(x, whole).reshape(-1).tolist() == [1.0, 3.0]
    padded = Window((2, 2), (2, 2), (1, 1))
    assert largest_place(x[:1], padded).reshape(-1).tolist() == [3.0, 2.0, 1.0, 0.0]


def test_errors_sent_by_place_are_those_sent_by_comparison() -> None:
    generator = np.random.default_rng(5)
    x = generator.integers(-3, 3, (2, 7, 6, 4)).astype(np.float32)  # many equal elements
    window = Window((3, 3), (2, 2), (1, 1))
    arithmetic = Arithmetic(get_format("fp32"))
    error = generator.standard_normal((2, 4, 3, 4)).astype(np.float32)
    want = max_pool_backward(error, x, window, arithmetic)
    got = place_backward(error, largest_place(x, window), (7, 6), window, arithmetic)
    np.testing.assert_array_equal(got, want)
