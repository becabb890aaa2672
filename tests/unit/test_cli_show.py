"""``accelsim show``, ``list``, ``schema`` and ``check``."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from accelsim.cli import EXIT_INPUT
from tests.command_line import Run, refused


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (("arch", "fp8_only"), ("gemm_fallback: true", "name: fp8_only")),
        (("recipe", "wang2018"), ("chunk_size: 64",)),
        (("workload", "resnet50"), ("4,089,184,256 MACs",)),
        (("format", "fp8_e4m3fn"), ("448.0", "0x7")),
        (("units", "fp8_e5m2"), ("2.801", "stochastic rounder", "Prices whole chips")),
        (("trace", "tiny"), ("conv1.forward", "chunk 64")),
        (("schedule", "tiny", "--op", "fc.forward"), ("weight_stationary",)),
    ],
)
def test_show(cli: Run, arguments: tuple[str, ...], texts: tuple[str, ...]) -> None:
    outcome = cli("show", *arguments)
    assert outcome.code == 0, outcome.err
    assert all(text in outcome.out for text in texts)


def test_show_arch_prints_a_file_that_loads(cli: Run, tmp_path: Path) -> None:
    path = tmp_path / "chip.yaml"
    path.write_text(cli("show", "arch", "fp16_iso_area").out)
    assert cli("check", path).code == 0


def test_list_names_every_kind(cli: Run) -> None:
    outcome = cli("list")
    for name in ("fp8_chunk64", "resnet50", "wang2018", "dlfloat16", "weight_stationary"):
        assert name in outcome.out
    refused(cli("list", "colours"), "Unknown kind")


def test_list_formats_has_those_of_tensors_too(cli: Run) -> None:
    both, tensors = cli("list", "formats").out, cli("list", "tensor_formats").out
    assert "dlfloat16" in both
    assert "dlfloat16" not in tensors
    # An E2M1 element has 4 bits, and 32 of them share a scale of 8 (OCP MX 1.0, table 1).
    for name, text in (
        ("mx_fp4", "4.25 bits an element, fp4_e2m1"),
        ("s2fp8", "8 bits an element, fp8_e5m2"),
        ("range2_group", "uint2"),
        ("dynamic8_block", "dynamic8"),
    ):
        for listing in (both, tensors):
            assert any(name in line and text in line for line in listing.splitlines())


@pytest.mark.parametrize("kind", ["arch", "workload", "recipe", "cost_table"])
def test_schema_is_a_json_schema(cli: Run, kind: str) -> None:
    schema = json.loads(cli("schema", kind).out)
    jsonschema.Draft202012Validator.check_schema(schema)


def test_check_reports_every_file(cli: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("layers: 3\n")
    outcome = cli("check", "workloads/tiny.yaml", bad, tmp_path / "none.yaml")
    assert outcome.code == EXIT_INPUT
    assert "a valid workload" in outcome.out
    assert "bad.yaml:1" in outcome.err
    assert "none.yaml" in outcome.err


def test_check_knows_a_file_by_its_base(cli: Run, tmp_path: Path) -> None:
    chip = tmp_path / "chip.yaml"
    chip.write_text("base: fp8_chunk64\nname: mine\ncores: 2\n")
    (tmp_path / "over.yaml").write_text("base: other.yaml\nname: mine\n")
    (tmp_path / "other.yaml").write_text(cli("show", "arch", "fp16").out)
    for name in ("chip.yaml", "over.yaml"):
        assert "a valid arch" in cli("check", tmp_path / name).out
    chip.write_text("base: fp8_chunk6\nname: mine\n")
    refused(cli("check", chip), f"{chip}  base", "Did you mean fp8_chunk64?")


class TestPhase:
    """What `show` says of a training step of ``tiny``, under the recipe of its chip."""

    TRAINING = ("--phase", "training", "--batch", 2)

    def test_trace(self, cli: Run) -> None:
        """Two layers with weights: forward, gradient, and one error, for nobody needs the input's.

        A sample takes 8 x 8 outputs x 16 channels x 36 products in conv1, 16 x 10 in fc.
        """
        answer, step = cli("show", "trace", "tiny"), cli("show", "trace", "tiny", *self.TRAINING)
        conv, fc = 8 * 8 * 16 * 36, 16 * 10
        assert f"2 GEMMs, {conv + fc:,} MACs" in answer.out
        assert f"5 GEMMs, {2 * (2 * conv + 3 * fc):,} MACs" in step.out
        assert "fc.weight_update" not in answer.out
        assert "fc.weight.weight_update" in step.out

    def test_schedule(self, cli: Run) -> None:
        """The gradient of fc: 16 inputs by 10 outputs, reduced over the batch."""
        words = ("show", "schedule", "tiny", "--op", "fc.gradient")
        assert "fc.gradient: m=16 n=10 k=2, 320 MACs" in cli(*words, *self.TRAINING).out
        refused(cli(*words), "Unknown GEMM of the trace 'fc.gradient'", "fc.forward")

    def test_timeline(self, cli: Run) -> None:
        words = ("show", "timeline", "tiny", "--op", "conv1.gradient")
        assert " array " in cli(*words, *self.TRAINING).out
        refused(cli(*words), "Unknown op of the trace 'conv1.gradient'")

    def test_a_phase_is_one_of_two(self, cli: Run) -> None:
        refused(cli("show", "trace", "tiny", "--phase", "update"), "'inference', 'training'")
