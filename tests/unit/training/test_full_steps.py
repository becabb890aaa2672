"""A whole step of each network for training: values, cycles and energy, at a size that fits.

Images are smaller than the networks' own where that is enough to see every layer at work,
and the first linear layer behind them takes as many features as there then are.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from accelsim.arch import load_chip
from accelsim.explore.pricing import price_trace
from accelsim.numerics.executor import execute
from accelsim.numerics.initialize import bind_tensors, he_parameters
from accelsim.precision import get_recipe
from accelsim.schedule import make_schedules
from accelsim.timing import simulate
from accelsim.workload import Phase, Workload, load_workload, lower
from accelsim.workload.settings import seeded_inputs

LOSS_SCALE = 1000.0
SMALL = (64, 64, 3)


def reduced(name: str, shape: tuple[int, ...] | None, last_map: tuple[int, ...]) -> Workload:
    """Return a shipped network on images of another shape, which end as `last_map`."""
    network = load_workload(name)
    if shape is None:
        return network
    document = network.model_dump()
    document["input"]["shape"] = shape
    for layer in document["layers"]:
        if layer.get("flattened_from"):
            layer |= {"flattened_from": last_map, "in_features": math.prod(last_map)}
    return Workload.model_validate(document)


@pytest.mark.parametrize(
    ("name", "batch", "shape", "last_map"),
    [
        ("mlp", 4, None, ()),
        ("bn50_dnn", 2, None, ()),
        ("cifar10_cnn", 2, None, ()),
        ("cifar10_resnet", 2, None, ()),
        ("ncf", 8, None, ()),
        pytest.param("resnet18", 2, SMALL, (), marks=pytest.mark.slow),
        pytest.param("resnet50", 2, SMALL, (), marks=pytest.mark.slow),
        pytest.param("alexnet", 1, SMALL, (256, 1, 1), marks=pytest.mark.slow),
        pytest.param("vgg16", 1, SMALL, (512, 2, 2), marks=pytest.mark.slow),
    ],
)
def test_a_step_has_values_cycles_and_energy(
    name: str, batch: int, shape: tuple[int, ...] | None, last_map: tuple[int, ...]
) -> None:
    network, chip = reduced(name, shape, last_map), load_chip("fp8_chunk64")
    trace = lower(network, get_recipe("wang2018"), batch=batch, phase="training")

    # Each of the linear maps has a forward and a gradient GEMM, and all have a backward
    # one but those that read the input.
    counts = {phase: sum(op.phase is phase for op in trace.gemms) for phase in Phase}
    assert counts[Phase.FORWARD] == counts[Phase.GRADIENT] > 0
    assert counts[Phase.BACKWARD] <= counts[Phase.FORWARD]
    macs = {phase: sum(op.macs for op in trace.gemms if op.phase is phase) for phase in Phase}
    assert macs[Phase.FORWARD] == macs[Phase.GRADIENT] == batch * network.macs()

    schedules = make_schedules(trace.ops, chip)
    timeline = simulate(trace, chip, schedules)
    # 4 cores of 32 x 32 elements with two 8-bit products a cycle.
    assert timeline.cycles >= sum(macs.values()) / (4 * 32 * 32 * 2)
    assert price_trace(chip, trace, schedules, timeline).total_pj > 0

    given = seeded_inputs(trace, loss_scale=LOSS_SCALE)
    generator = np.random.default_rng(0)
    samples = {
        one: np.abs(generator.standard_normal((batch, *spec.shape)) * 4).round()
        for one, spec in network.given.items()
    }
    parameters = he_parameters(network.parameters)
    before = bind_tensors(
        trace, parameters, samples if len(samples) > 1 else samples["input"], more=given
    )
    run = execute(trace, before, schedules=schedules, threads=2, references=False, counts=False)
    assert math.isfinite(run.tensors["loss"][0])
    for old, new in trace.updates.items():
        value = run.tensors[new]
        assert np.isfinite(value).all(), new
        fmt = trace.tensors[new].format
        np.testing.assert_array_equal(value, fmt.quantize(value), err_msg=new)
        if old.endswith(".velocity"):
            assert value.any(), f"{old} got no gradient"
