"""``accelsim run --telemetry``: counts beside the values, which it leaves alone."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from accelsim import run
from accelsim.errors import ConfigError
from accelsim.numerics.op_telemetry import SAMPLED_OUTPUTS
from accelsim.report.run_folder import write_run_folder


@pytest.fixture(scope="module")
def counted() -> Any:
    return run("tiny", telemetry=True)


def test_every_gemm_has_counts_of_its_sample(counted: Any) -> None:
    """Per output k additions of products and one per chunk of 64."""
    gemms = [op for op in counted.ops if op.m is not None]
    assert gemms
    for op in gemms:
        sampled = min(SAMPLED_OUTPUTS, op.groups * op.m * op.n)
        chunks = -(-op.k // 64)
        assert op.counts["sampled_outputs"] == sampled
        assert op.counts["additions"] == sampled * (op.k + chunks)
        assert 0 <= op.counts["additions_swamped"] <= op.counts["additions"]


@pytest.mark.parametrize(
    ("method", "of_conv", "of_fc"),
    [
        # 36 products: 18 + 9 + 5 + 3 + 2 + 1 nodes; 16: 8 + 4 + 2 + 1; one chunk each.
        ("tree", 39, 16),
        ("aligned", 37, 17),
        # The chunk, and its sum into the sum over chunks.
        ("round_once", 2, 2),
    ],
)
def test_whatever_the_chip_adds_with_is_counted(method: str, of_conv: int, of_fc: int) -> None:
    """64 of the convolution's outputs, and all ten of the last layer."""
    adders = f"[{{inner: fp16_e6m9, outer: fp16_e6m9, methods: [{method}]}}]"
    overrides = (f"accumulator.method={method}", f"arch.accumulator.supports={adders}")
    ops = run("tiny", telemetry=True, overrides=overrides).ops
    counts = [op.counts["additions"] for op in ops if op.m is not None]
    assert counts == [SAMPLED_OUTPUTS * of_conv, 10 * of_fc]


def test_it_is_off_unless_asked_for_and_changes_nothing_else(counted: Any) -> None:
    plain = run("tiny")
    assert not any("additions" in op.counts for op in plain.ops)
    one, two = counted.document(), plain.document()
    assert one["output_error"] == two["output_error"]
    assert one["totals"] == two["totals"]


def test_the_size_of_the_sample_is_stated(counted: Any) -> None:
    assert str(SAMPLED_OUTPUTS) in counted.provenance["telemetry"]


def test_the_path_of_every_gemm_is_named(counted: Any) -> None:
    """FP8 operands far from overflow run the fast path; vector ops have none."""
    paths = {op.name: op.arithmetic for op in counted.ops}
    assert paths["conv1.forward"] == "fast"
    assert paths["relu1.relu"] is None


def test_counts_are_columns_of_the_layers(counted: Any, tmp_path: Path) -> None:
    write_run_folder(counted, tmp_path)
    with (tmp_path / "layers.csv").open() as lines:
        rows = {row["name"]: row for row in csv.DictReader(lines)}
    document = json.loads((tmp_path / "result.json").read_text())
    swamped = {op["name"]: op["counts"].get("additions_swamped") for op in document["ops"]}
    assert rows["conv1.forward"]["count_additions_swamped"] == str(swamped["conv1.forward"])
    assert rows["conv1.forward"]["arithmetic"] == "fast"


def test_without_values_there_is_nothing_to_count() -> None:
    with pytest.raises(ConfigError, match=r"needs numerics full or sample"):
        run("tiny", telemetry=True, numerics="off")
