"""The executor against a plain model, one element and one addition at a time."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

from accelsim.errors import DataError, ShapeError, UnknownNameError, UnsupportedError
from accelsim.formats import FloatFormat, Overflow, Rounding, get_format
from accelsim.numerics.executor import execute
from accelsim.numerics.initialize import bind_tensors, initialize
from accelsim.numerics.reduction import reduce_in_order
from accelsim.numerics.vector_ops_arithmetic import Arithmetic
from accelsim.numerics.vector_ops_dispatch import compute_vector_op
from accelsim.precision import Accumulator, get_recipe
from accelsim.schedule.reduction_order import ReductionOrder
from accelsim.workload.lowering import lower
from accelsim.workload.network import Workload, load_workload
from accelsim.workload.trace import Trace

E5M2 = get_format("fp8_e5m2")
FP16 = get_format("fp16_e6m9")
CHUNK = 64


def network(**changes: object) -> Workload:
    layers = [
        {"name": "conv", "kind": "conv2d", "in_channels": 2, "out_channels": 3, "kernel": 3,
         "padding": 1, "stride": 2},
        {"name": "bn", "kind": "batch_norm2d", "num_features": 3},
        {"name": "relu", "kind": "relu"},
        {"name": "mix", "kind": "conv2d", "in_channels": 3, "out_channels": 3, "kernel": 1},
        {"name": "joint", "kind": "add", "inputs": ["mix", "relu"]},
        {"name": "pool", "kind": "max_pool2d", "kernel": 2},
        {"name": "mean", "kind": "global_avg_pool"},
        {"name": "flatten", "kind": "flatten"},
        {"name": "fc", "kind": "linear", "in_features": 3, "out_features": 4},
        {"name": "softmax", "kind": "softmax"},
    ]  # fmt: skip
    data = {"name": "net", "input": {"shape": [8, 8, 2]}, "layers": layers, **changes}
    return Workload.model_validate_json(json.dumps(data))


def prepared(
    workload: Workload, recipe: str = "wang2018", batch: int = 1
) -> tuple[Trace, dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(batch, *workload.input.shape))
    weights = dict(initialize(workload, x, seed=1).arrays)
    for name in weights:
        if name.endswith("bias"):
            weights[name] = rng.normal(size=weights[name].shape)
    return lower(workload, get_recipe(recipe), batch=batch), weights, x


# -- the plain model: Fractions, indices, one rounding per line -------------------------


def fp16(x: Fraction | float) -> Fraction:
    return Fraction(FP16.round_scalar(x))


def fp8(x: Fraction | float) -> Fraction:
    return Fraction(E5M2.round_scalar(x, overflow=Overflow.SATURATE))


def chunked(products: Sequence[Fraction]) -> Fraction:
    total = Fraction(0)
    for start in range(0, len(products), CHUNK):
        inner = Fraction(0)
        for product in products[start : start + CHUNK]:
            inner = fp16(inner + product)
        total = fp16(total + inner)
    return total


@dataclass
class Plain:
    """tiny and the like, under wang2018, on lists of fractions indexed [y][x][channel]."""

    weights: dict[str, np.ndarray]

    def weight(self, name: str, *index: int) -> float:
        return float(self.weights[name][index])

    def conv(self, name: str, image: dict, size: int, kernel: int, pad: int, stride: int) -> dict:
        out_channels, channels = self.weights[f"{name}.weight"].shape[:2]
        w = {
            index: fp8(float(value))
            for index, value in np.ndenumerate(self.weights[f"{name}.weight"])
        }
        out_size = (size + 2 * pad - kernel) // stride + 1
        result = {}
        for y in range(out_size):
            for x in range(out_size):
                for o in range(out_channels):
                    products = []
                    for ky in range(kernel):
                        for kx in range(kernel):
                            for c in range(channels):
                                place = (y * stride + ky - pad, x * stride + kx - pad, c)
                                products.append(image.get(place, Fraction(0)) * w[o, c, ky, kx])
                    bias = fp16(self.weight(f"{name}.bias", o))
                    result[y, x, o] = fp16(chunked(products) + bias)
        return result

    def linear(self, name: str, features: list[Fraction]) -> list[Fraction]:
        """Return the last layer: operands stay in fp16."""
        out = []
        for o in range(len(self.weights[f"{name}.weight"])):
            products = [
                f * fp16(self.weight(f"{name}.weight", o, i)) for i, f in enumerate(features)
            ]
            out.append(fp16(chunked(products) + fp16(self.weight(f"{name}.bias", o))))
        return out


def relu(image: dict) -> dict:
    return {place: max(value, Fraction(0)) for place, value in image.items()}


def mean(image: dict, size: int, channels: int) -> list[Fraction]:
    out = []
    for c in range(channels):
        total = Fraction(0)
        for y in range(size):
            for x in range(size):
                total = fp16(total + image[y, x, c])
        out.append(fp16(total / (size * size)))
    return out


def as_image(x: np.ndarray) -> dict:
    return {tuple(place): fp16(float(value)) for place, value in np.ndenumerate(x[0])}


def test_tiny_is_what_a_plain_loop_over_elements_and_additions_gives() -> None:
    workload = load_workload("tiny")
    trace, weights, x = prepared(workload)
    actual = execute(trace, bind_tensors(trace, weights, x), references=False).output
    plain = Plain(weights)
    image = {place: fp8(value) for place, value in as_image(x).items()}
    image = relu(plain.conv("conv1", image, size=8, kernel=3, pad=1, stride=1))
    expected = plain.linear("fc", mean(image, 8, 16))
    assert [Fraction(v) for v in actual[0].tolist()] == expected


def test_batch_norm_residual_add_and_pooling_agree_with_the_plain_loop() -> None:
    workload = network()
    trace, weights, x = prepared(workload)
    run = execute(trace, bind_tensors(trace, weights, x), keep=("fc",))
    plain = Plain(weights)
    image = {place: fp8(value) for place, value in as_image(x).items()}
    image = plain.conv("conv", image, size=8, kernel=3, pad=1, stride=2)
    factor = weights["bn.weight"] / np.sqrt(weights["bn.running_var"] + 1e-5)
    shift = weights["bn.bias"] - weights["bn.running_mean"] * factor
    image = {
        (y, x_, c): fp16(fp16(value * fp16(float(factor[c]))) + fp16(float(shift[c])))
        for (y, x_, c), value in image.items()
    }
    image = relu(image)
    operand = {place: fp8(value) for place, value in image.items()}
    mixed = plain.conv("mix", operand, size=4, kernel=1, pad=0, stride=1)
    joint = {place: fp16(mixed[place] + image[place]) for place in image}
    pooled = {
        (y, x_, c): max(joint[2 * y + dy, 2 * x_ + dx, c] for dy in (0, 1) for dx in (0, 1))
        for y in range(2)
        for x_ in range(2)
        for c in range(3)
    }
    logits = plain.linear("fc", mean(pooled, 2, 3))
    assert [Fraction(v) for v in run.tensors["fc"][0].tolist()] == logits
    # Softmax in FP32: difference, exponential (libm, rounded), ordered sum, quotient.
    values = np.array([float(v) for v in logits], dtype=np.float32)
    powers = np.exp((values - values.max()).astype(np.float64)).astype(np.float32)
    total = np.float32(0)
    for power in powers:
        total = np.float32(total + power)
    np.testing.assert_array_equal(run.output[0], powers / total)


# -- references --------------------------------------------------------------------------


def layer_by_layer(workload: Workload, weights: dict[str, np.ndarray], x: np.ndarray) -> dict:
    """Return every layer's output by the layers' own float64 definitions."""
    values = {"input": x}
    for node in workload.graph.nodes:
        own = {
            spec.name: np.asarray(weights[f"{node.name}.{spec.name}"], dtype=np.float64)
            for spec in node.layer.parameters(node.input_shapes)
        }
        values[node.name] = node.layer.reference([values[n] for n in node.inputs], own)
    return values


@pytest.mark.parametrize("recipe", ["wang2018", "fp8_formats", "fp32", "bf16_mixed"])
@pytest.mark.parametrize("folded", [False, True])
def test_the_whole_network_reference_is_the_layers_float64_definition(
    recipe: str, folded: bool
) -> None:
    workload = network(fold_batch_norm=folded)
    trace, weights, x = prepared(workload, recipe, batch=2)
    run = execute(trace, bind_tensors(trace, weights, x))
    expected = layer_by_layer(workload, weights, x)
    name = trace.outputs[0]
    np.testing.assert_allclose(run.references[name], expected["softmax"], rtol=1e-12)
    difference = run.tensors[name] - expected["softmax"]
    relative = np.linalg.norm(difference) / np.linalg.norm(expected["softmax"])
    assert run.output_error is not None
    assert run.output_error.relative == pytest.approx(relative, rel=1e-6)


def windows_network() -> Workload:
    """Return grouped, dilated and strided windows, and both kinds of average."""
    layers = [
        {"name": "wide", "kind": "conv2d", "in_channels": 4, "out_channels": 6, "kernel": [3, 2],
         "groups": 2, "dilation": [2, 1], "stride": [1, 2], "padding": [2, 1]},
        {"name": "depth", "kind": "conv2d", "in_channels": 6, "out_channels": 6, "kernel": 3,
         "groups": 6, "padding": 1},
        {"name": "counted", "kind": "avg_pool2d", "kernel": 3, "stride": 2, "padding": 1},
        {"name": "inside", "kind": "avg_pool2d", "kernel": 2, "stride": 1, "padding": 1,
         "count_include_pad": False},
        {"name": "flatten", "kind": "flatten"},
        {"name": "fc", "kind": "linear", "in_features": 90, "out_features": 4},
    ]  # fmt: skip
    data = {"name": "windows", "input": {"shape": [7, 6, 4]}, "layers": layers}
    return Workload.model_validate_json(json.dumps(data))


def test_grouped_convolutions_and_averages_agree_with_the_layers_definition() -> None:
    workload = windows_network()
    trace, weights, x = prepared(workload, "fp32", batch=2)
    run = execute(trace, bind_tensors(trace, weights, x))
    expected = layer_by_layer(workload, weights, x)["fc"]
    np.testing.assert_allclose(run.references["fc"], expected, rtol=1e-11, atol=1e-13)
    # FP32 adds at most 90 products a sum: far below 2**-24 times 1000.
    np.testing.assert_allclose(run.tensors["fc"], expected, rtol=1e-4, atol=1e-5)


def test_an_unknown_vector_function_is_named() -> None:
    trace, _, _ = prepared(load_workload("tiny"))
    op = dataclasses.replace(trace.vector_ops[0], function="rely")
    with pytest.raises(UnknownNameError, match=r"^Unknown vector function 'rely'\. Did you mean"):
        compute_vector_op(op, [np.ones(2)], Arithmetic(None))


def test_error_local_is_the_loss_of_one_op_from_its_own_stored_inputs() -> None:
    trace, weights, x = prepared(load_workload("tiny"))
    gemm = trace.gemms[0]
    keep = (gemm.a.tensor, gemm.out.tensor)
    run = execute(trace, bind_tensors(trace, weights, x), keep=keep)
    stored = run.tensors[gemm.a.tensor].astype(np.float64)
    weight = E5M2.quantize(weights["conv1.weight"].astype(np.float64), overflow=Overflow.SATURATE)
    layer = load_workload("tiny").graph.nodes[0].layer
    own = {"weight": weight, "bias": np.zeros(16)}
    exact = layer.reference([stored], own)
    difference = run.tensors[gemm.out.tensor].reshape(exact.shape) - exact
    expected = np.linalg.norm(difference) / np.linalg.norm(exact)
    (record,) = [r for r in run.records if r.name == gemm.name]
    assert record.error_local is not None
    assert record.error_local.relative == pytest.approx(expected, rel=1e-6)
    zeros = 1 - np.mean(gemm.a.view.gather(stored)[0] != 0)
    assert record.zero_products == pytest.approx(zeros, rel=1e-12), "no weight is zero"


def test_scaled_tensors_are_compared_after_their_scale_is_taken_out() -> None:
    """E4M3 has 3 fraction bits, so a scaled store is within 2**-4 of what it stands for."""
    trace, weights, x = prepared(load_workload("tiny"), "fp8_formats")
    run = execute(trace, bind_tensors(trace, weights, 1000.0 * x))
    stores = [r for r in run.records if "store" in r.name]
    gemms = [r for r in run.records if r.name.endswith(".forward")]
    assert stores
    for record in stores + gemms:
        assert record.error_total is not None
        assert record.error_total.relative < 0.1


def test_without_references_the_values_are_the_same() -> None:
    trace, weights, x = prepared(network())
    tensors = bind_tensors(trace, weights, x)
    plain = execute(trace, tensors, references=False)
    np.testing.assert_array_equal(plain.output, execute(trace, tensors).output)
    assert plain.references == {}
    assert plain.output_error is None
    assert all(r.error_local is None and r.error_total is None for r in plain.records)


def test_threads_and_seed_change_nothing_where_no_rounding_is_stochastic() -> None:
    trace, weights, x = prepared(network(), batch=3)
    tensors = bind_tensors(trace, weights, x)
    one = execute(trace, tensors, threads=1, seed=0)
    two = execute(trace, tensors, threads=2, seed=9)
    np.testing.assert_array_equal(one.output, two.output)
    assert [r.events for r in one.records] == [r.events for r in two.records]


def test_a_stochastic_store_depends_on_the_seed_and_stays_between_its_neighbours() -> None:
    recipe = get_recipe("wang2018")
    rule = recipe.store.model_copy(update={"rounding": Rounding.STOCHASTIC})
    workload = load_workload("tiny")
    trace = lower(workload, recipe.model_copy(update={"store": rule}))
    _, weights, x = prepared(workload)
    tensors = bind_tensors(trace, weights, x)
    name = trace.gemms[0].a.tensor
    runs = [execute(trace, tensors, seed=s, keep=(name,)).tensors[name] for s in (0, 0, 1)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).any()
    given = FP16.quantize(x)
    low = E5M2.quantize(given, rounding=Rounding.DOWN)
    high = E5M2.quantize(given, rounding=Rounding.UP)
    for stored in runs:
        assert ((stored == low) | (stored == high)).all()


def test_stochastic_additions_depend_on_the_seed_and_never_on_threads() -> None:
    recipe = get_recipe("wang2018")
    changes = {"rounding": Rounding.STOCHASTIC}
    accumulator = recipe.accumulator.model_copy(update=changes)
    workload = load_workload("tiny")
    trace = lower(workload, recipe.model_copy(update={"accumulator": accumulator}))
    _, weights, x = prepared(workload)
    tensors = bind_tensors(trace, weights, x)
    name = trace.gemms[0].out.tensor

    def sums(seed: int, threads: int) -> np.ndarray:
        run = execute(trace, tensors, seed=seed, threads=threads, keep=(name,), references=False)
        return run.tensors[name]

    np.testing.assert_array_equal(sums(0, 1), sums(0, 2))
    assert (sums(0, 1) != sums(1, 1)).any()


# -- order of additions --------------------------------------------------------------------


class Fixed:
    def __init__(self, order: ReductionOrder) -> None:
        self._order = order

    def reduction_order(self) -> ReductionOrder:
        return self._order


def test_a_schedule_decides_chunks_and_segments() -> None:
    """1024 + eight ones in (1,6,9), where the ulp at 1024 is 2 and ties go to even.

    One by one each 1 is lost: 1024. In chunks of 3: (1024) + (1+1+1) + (1+1+1) is a tie
    at 1027 -> 1028 and at 1031 -> 1032. In two segments of 5 and 4, one by one: 1024 + 4.
    """
    a = np.array([[[1024.0] + [1.0] * 8]], dtype=np.float32)
    b = np.ones((1, 9, 1), dtype=np.float32)
    accumulator = Accumulator(format="fp16_e6m9")

    def total(chunk: int, segments: tuple[tuple[int, int], ...]) -> float:
        tree = FP16 if len(segments) > 1 else None
        order = ReductionOrder(9, chunk, 1, segments, tree)
        return float(reduce_in_order(a, b, accumulator, order).values[0, 0, 0])

    assert total(9, ((0, 9),)) == 1024.0
    # chunks 1024+1+1 -> 1024, then 3 -> 1027 ties to 1028, then 3 -> 1031 ties to 1032
    assert total(3, ((0, 9),)) == 1032.0
    assert total(9, ((0, 5), (5, 9))) == 1028.0


def test_a_fused_pair_is_rounded_once() -> None:
    # 1024 + (1 + 1) exactly, rounded once, is 1026; one by one both ones are lost.
    a = np.array([[[1024.0, 0.0, 1.0, 1.0]]], dtype=np.float32)
    b = np.ones((1, 4, 1), dtype=np.float32)
    accumulator = Accumulator(format="fp16_e6m9")
    fused = ReductionOrder(4, 4, 2, ((0, 4),))
    assert reduce_in_order(a, b, accumulator, fused).values[0, 0, 0] == 1026.0
    assert reduce_in_order(a, b, accumulator, None).values[0, 0, 0] == 1024.0


def test_an_order_for_another_k_is_refused() -> None:
    order = ReductionOrder(4, 4, 1, ((0, 4),))
    with pytest.raises(
        ShapeError, match=r"^The schedule orders 4 products; the operands have 3\.$"
    ):
        reduce_in_order(np.ones((1, 1, 3)), np.ones((1, 3, 1)), Accumulator(format="fp32"), order)


def test_a_split_stochastic_reduction_is_refused() -> None:
    order = ReductionOrder(4, 4, 1, ((0, 2), (2, 4)), FP16)
    accumulator = Accumulator(format="fp16_e6m9", rounding=Rounding.STOCHASTIC)
    with pytest.raises(UnsupportedError, match=r"^A reduction that is split across cores needs"):
        reduce_in_order(np.ones((1, 1, 4)), np.ones((1, 4, 1)), accumulator, order)


def test_execute_takes_the_schedule_of_an_op_by_name() -> None:
    trace, weights, x = prepared(load_workload("tiny"))
    tensors = bind_tensors(trace, weights, x)
    gemm = trace.gemms[0]
    order = ReductionOrder(gemm.k, 1, 1, ((0, gemm.k),))
    keep = (gemm.out.tensor,)
    plain = execute(trace, tensors, keep=keep)
    chunk_one = execute(trace, tensors, keep=keep, schedules={gemm.name: Fixed(order)})
    differs = plain.tensors[gemm.out.tensor] != chunk_one.tensors[gemm.out.tensor]
    # Chunks of 1: every product meets the outer accumulator alone; 36 products fit one
    # chunk of 64, so the two orders are the same additions in the same formats.
    assert not differs.any()


# -- sampling --------------------------------------------------------------------------------


def test_a_sampled_row_is_the_exact_row_for_its_operands() -> None:
    """Before the first GEMM nothing is ideal, so its sampled rows equal the full run's."""
    trace, weights, x = prepared(load_workload("tiny"))
    tensors = bind_tensors(trace, weights, x)
    sampled = execute(trace, tensors, sample=8)
    first = next(r for r in sampled.records if r.name == trace.gemms[0].name)
    assert first.sampled_rows == 8
    assert first.events.elements == 8 * trace.gemms[0].n
    everything = execute(trace, tensors, sample=10**6)
    full = execute(trace, tensors)
    whole = next(r for r in everything.records if r.name == trace.gemms[0].name)
    reference = next(r for r in full.records if r.name == trace.gemms[0].name)
    assert whole.error_local == reference.error_local
    assert whole.events == reference.events


def test_a_sample_continues_with_the_ideal_accumulator() -> None:
    trace, weights, x = prepared(load_workload("tiny"))
    gemm = trace.gemms[0]
    run = execute(trace, bind_tensors(trace, weights, x), sample=2,
                  keep=(gemm.a.tensor, gemm.out.tensor))  # fmt: skip
    stored = run.tensors[gemm.a.tensor].astype(np.float64)
    weight = E5M2.quantize(weights["conv1.weight"].astype(np.float64), overflow=Overflow.SATURATE)
    layer = load_workload("tiny").graph.nodes[0].layer
    exact = layer.reference([stored], {"weight": weight, "bias": np.zeros(16)})
    ideal = FP16.quantize(exact)
    np.testing.assert_array_equal(run.tensors[gemm.out.tensor].reshape(exact.shape), ideal)


# -- what goes wrong -----------------------------------------------------------------------


def test_a_missing_tensor_is_named() -> None:
    trace, _, x = prepared(load_workload("tiny"))
    with pytest.raises(DataError, match=r"^The tensor '.*' is neither given nor made by"):
        execute(trace, {trace.inputs[0]: x})


def test_a_tensor_of_another_shape_is_refused() -> None:
    trace, weights, x = prepared(load_workload("tiny"))
    with pytest.raises(DataError, match=r"^Tensor 'input' has shape \(2, 8, 8, 4\); the trace"):
        execute(trace, bind_tensors(trace, weights, np.concatenate([x, x])))


def test_an_unknown_tensor_to_keep_and_an_empty_sample_are_refused() -> None:
    trace, weights, x = prepared(load_workload("tiny"))
    tensors = bind_tensors(trace, weights, x)
    with pytest.raises(DataError, match=r"^The trace has no tensor named 'nothing'\.$"):
        execute(trace, tensors, keep=("nothing",))
    with pytest.raises(DataError, match=r"^sample must be at least 1 row per GEMM, not 0\.$"):
        execute(trace, tensors, sample=0)


def test_nan_in_the_input_reaches_the_output_and_is_counted() -> None:
    trace, weights, x = prepared(load_workload("tiny"))
    x[0, 0, 0, 0] = np.nan
    run = execute(trace, bind_tensors(trace, weights, x))
    assert np.isnan(run.output).all()
    first = next(r for r in run.records if r.name == trace.gemms[0].name)
    # The pixel is in 4 windows of 3 x 3 at the corner, for each of 16 channels.
    assert first.events.nan == 4 * 16
    assert first.error_local is not None
    assert first.error_local.nonfinite == 4 * 16


def test_formats_hold() -> None:
    """Every kept tensor belongs to its stored format."""
    trace, weights, x = prepared(network())
    names = tuple(trace.tensors)
    run = execute(trace, bind_tensors(trace, weights, x), keep=names)
    for name in names:
        fmt = trace.tensors[name].format
        assert isinstance(fmt, FloatFormat)
        fmt.encode(run.tensors[name])  # refuses what is no member
