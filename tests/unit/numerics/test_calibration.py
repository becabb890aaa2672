"""Scales that are constants: of activations from samples, of weights one a channel."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.formats import get_format
from accelsim.numerics.calibration import calibrate
from accelsim.numerics.executor import execute
from accelsim.numerics.initialize import bind_tensors, he_parameters
from accelsim.precision import Recipe, get_recipe
from accelsim.precision.threshold import MSE_THRESHOLDS, Threshold, clipping_threshold
from accelsim.workload import Trace, Workload, load_trace, lower

E4M3 = get_format("fp8_e4m3fn")
NETWORK = Workload.model_validate(
    {
        "name": "net",
        "input": {"shape": (5, 5, 4)},
        "layers": (
            {"name": "conv", "kind": "conv2d", "in_channels": 4, "out_channels": 6, "kernel": 3,
             "groups": 2, "bias": True},
            {"name": "flatten", "kind": "flatten"},
            {"name": "fc", "kind": "linear", "in_features": 54, "out_features": 3, "bias": False},
        ),
    }
)  # fmt: skip
WEIGHTS = he_parameters(NETWORK.parameters)


def lowered(*overrides: tuple[str, str], batch: int = 2) -> tuple[Trace, Recipe]:
    given = (
        ("operands.activation", "fp8_e4m3fn"), ("operands.weight", "fp8_e4m3fn"),
        ("first_layer", "null"), ("last_layer", "null"),
        ("store.overflow", "saturate"), ("scaling.method", "amax"),
        ("scaling.power_of_two", "false"), *overrides,
    )  # fmt: skip
    recipe = get_recipe("fp32", given)
    return lower(NETWORK, recipe, batch=batch), recipe


def samples(seed: int, batch: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((batch, 5, 5, 4))


def test_the_largest_magnitude_of_all_samples_goes_to_the_top() -> None:
    trace, recipe = lowered(("scaling.amax", "calibrated"))
    other = lower(NETWORK, recipe, batch=5)  # of another batch
    batches = [(trace, bind_tensors(trace, WEIGHTS, samples(seed))) for seed in (1, 2)]
    batches.append((other, bind_tensors(other, WEIGHTS, samples(3, batch=5))))
    found = calibrate(recipe, batches)
    assert set(found) == {
        "input:fp8_e4m3fn.scaled.amax_history", "conv:fp8_e4m3fn.scaled.amax_history",
    }  # fmt: skip
    expected = max(np.abs(samples(seed, n)).max() for seed, n in ((1, 2), (2, 2), (3, 5)))
    assert found["input:fp8_e4m3fn.scaled.amax_history"] == [expected]


def test_a_calibrated_scale_is_the_same_for_every_input() -> None:
    trace, recipe = lowered(("scaling.amax", "calibrated"))
    found = calibrate(recipe, [(trace, bind_tensors(trace, WEIGHTS, samples(1)))])
    name = "input:fp8_e4m3fn.scaled"
    for factor in (0.25, 8.0):
        x = samples(1) * factor
        run = execute(
            trace, bind_tensors(trace, WEIGHTS, x, more=found), keep=(name, f"{name}:scale")
        )
        scale = np.float32(448.0 / found[f"{name}.amax_history"][0])
        assert run.tensors[f"{name}:scale"] == pytest.approx([scale], rel=2**-23)
        exact = x.astype(np.float32) * run.tensors[f"{name}:scale"].astype(np.float64)
        stored = np.clip(E4M3.quantize(np.clip(exact, -448, 448)), -448, 448)
        assert np.array_equal(run.tensors[name], stored)


def test_without_calibration_a_tensor_has_its_own_scale() -> None:
    trace, _ = lowered(("scaling.amax", "calibrated"))
    own, _ = lowered()
    x = samples(4)
    one = execute(trace, bind_tensors(trace, WEIGHTS, x))
    other = execute(own, bind_tensors(own, WEIGHTS, x))
    assert np.array_equal(one.output, other.output)


def test_a_weight_has_one_scale_for_each_output_channel(tmp_path) -> None:
    trace, _ = lowered(("scaling.weights_per_channel", "true"))
    x = samples(5)
    tensors = bind_tensors(trace, WEIGHTS, x)
    run = execute(trace, tensors, keep=("conv.weight", "conv.weight:scale", "fc.weight:scale"))
    # Channel c of the convolution is column c % 3 of group c // 3.
    largest = np.abs(WEIGHTS["conv.weight"]).reshape(6, -1).max(axis=1)
    assert run.tensors["conv.weight:scale"] == pytest.approx(448.0 / largest, rel=2**-22)
    assert run.tensors["fc.weight:scale"].shape == (3,)
    # Every column reaches the top of the range, up to the rounding of the scale toward zero.
    assert (np.abs(run.tensors["conv.weight"]).max(axis=1) == 448).all()
    # Stored in the trace file and back, the same bits.
    trace.save(tmp_path / "trace.json.gz")
    again = load_trace(tmp_path / "trace.json.gz")
    assert again.parameters == trace.parameters
    assert np.array_equal(execute(again, tensors).output, run.output)


def test_scales_of_powers_of_two_move_no_bit_of_numbers_that_the_format_holds() -> None:
    # Whole numbers up to 8 are e4m3 numbers, scaled by a power of two or not.
    rng = np.random.default_rng(6)
    x = rng.integers(-8, 9, (2, 5, 5, 4)).astype(float)
    weights = {name: rng.integers(-4, 5, w.shape).astype(float) for name, w in WEIGHTS.items()}
    weights["fc.weight"] = np.zeros(weights["fc.weight"].shape)
    weights["fc.weight"][:, :3] = np.eye(3)
    outputs = []
    for overrides in (
        (("scaling.method", "none"),),
        (("scaling.weights_per_channel", "true"), ("scaling.power_of_two", "true")),
    ):
        trace, _ = lowered(*overrides)
        run = execute(trace, bind_tensors(trace, weights, x), keep=("conv",))
        outputs.append(run.tensors["conv"])
        total = {record.name: record.error_total for record in run.records}["conv.forward"]
        assert total is not None
        assert total.max_abs == 0
    assert np.array_equal(*outputs)


def test_where_nothing_is_constant_nothing_is_found() -> None:
    plain, asked = lowered()
    assert calibrate(asked, [(plain, bind_tensors(plain, WEIGHTS, samples(1)))]) == {}
    assert calibrate(asked, []) == {}


class TestThreshold:
    def test_a_percentile_is_an_element(self) -> None:
        x = np.arange(-50, 51).astype(float)  # magnitudes 0, and 1 to 50 twice
        assert clipping_threshold(x, E4M3, Threshold.PERCENTILE, percentile=50) == 25
        assert clipping_threshold(x, E4M3, Threshold.PERCENTILE, percentile=100) == 50

    def test_least_squares_is_the_best_of_all_candidates(self) -> None:
        fmt = get_format("int4")
        x = np.random.default_rng(0).standard_normal(4000) ** 3
        best = clipping_threshold(x, fmt, Threshold.MSE)
        largest = np.abs(x).max()

        def loss(threshold: float) -> float:
            scale = 7 / threshold
            stored = np.clip(np.rint(x * scale), -7, 7) / scale
            return float(np.square(stored - x).sum())

        tried = {largest * 2 ** (-i / 8): i for i in range(MSE_THRESHOLDS)}
        assert loss(best) <= min(loss(one) for one in tried) * (1 + 1e-6)
        assert best < largest  # a heavy tail saturates

    @pytest.mark.parametrize("threshold", Threshold)
    def test_nothing_and_no_number(self, threshold: Threshold) -> None:
        assert clipping_threshold(np.zeros(0), E4M3, threshold) == 0
        assert clipping_threshold(np.array([np.nan, np.inf]), E4M3, threshold) == 0
        assert clipping_threshold(np.zeros(3), E4M3, threshold) == 0
        assert clipping_threshold(np.array([np.nan, -2.0]), E4M3, threshold, percentile=1) == 2
