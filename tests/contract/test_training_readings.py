"""A step of training is read off like any trace: every op has values, a time and a price."""

from __future__ import annotations

import pytest

from accelsim.api import run
from accelsim.arch import load_chip
from accelsim.precision import get_recipe
from accelsim.workload import Phase, load_workload, lower

BATCH = 4
#: Chips, and recipes other than their own that they serve.
CASES = (
    ("fp8_chunk64", None),
    ("fp8_chunk64", "hfp8"),
    ("fp8_only", None),
    ("fp8_fp32acc", None),
    ("fp8_fp32acc", "fp8_plain"),
    ("fp8_fp32acc", "mx_fp8"),
    ("fp16", None),
    ("bf16", None),
    ("fp32", None),
    ("fp32", "s2fp8"),
    ("int8", None),
    ("scalesim_os_32x32", None),
)


@pytest.mark.parametrize(("arch", "recipe"), CASES)
def test_every_op_of_a_step_has_values_time_and_price(arch: str, recipe: str | None) -> None:
    result = run("tiny", arch=arch, recipe=recipe, phase="training", batch=BATCH, threads=1)
    asked = get_recipe(recipe or load_chip(arch).default_recipe)
    trace = lower(load_workload("tiny"), asked, batch=BATCH, phase="training")
    assert [op.name for op in result.ops] == [op.name for op in trace.ops]
    assert result.totals.macs == trace.macs
    assert {op.phase for op in result.ops} == {phase.value for phase in Phase}
    rides = {op.name for op in trace.vector_ops if op.fused}  # on its producer's write-back
    assert all(op.cycles > 0 or op.name in rides for op in result.ops)
    assert all(sum(op.energy_pj.values()) > 0 for op in result.ops)
    assert all(op.error_local is not None for op in result.ops)


def test_values_change_no_cycle() -> None:
    full, off = (
        run("tiny", phase="training", batch=BATCH, numerics=numerics, threads=1)
        for numerics in ("full", "off")
    )
    assert [op.cycles for op in full.ops] == [op.cycles for op in off.ops]


def test_three_gemms_of_equal_work() -> None:
    # Forward, backward and gradient make the same MACs, save for the first layer's error.
    result = run("tiny", phase="training", batch=BATCH, numerics="off")
    macs = {phase: 0 for phase in ("forward", "backward", "gradient")}
    for op in result.ops:
        if op.kind == "gemm":
            macs[op.phase] += op.macs
    # 64 pixels x 36 x 16 for the convolution, 16 x 10 for the classifier.
    assert macs["forward"] == macs["gradient"] == BATCH * (64 * 36 * 16 + 160)
    assert macs["backward"] == BATCH * 160
