"""How far the clock is from machines that others have built, measured or estimated.

Published figures are data with a source (`published/*.csv`); the machines are the
chips under ``arch_configs/reference``. Nothing is tuned to agree: every parameter
comes from the machine's own description or is stated there as a choice, and what a
published figure includes beyond the model is said beside it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from accelsim.arch import Chip, load_chip
from accelsim.precision import Recipe, get_recipe
from accelsim.schedule import make_schedules
from accelsim.timing import Timeline, estimate, simulate
from accelsim.workload import Trace, Workload, load_workload, lower

#: What each published table holds is in its file's first lines.
TABLES = ("nvdla_resnet50", "eyeriss_alexnet", "network_totals", "tpu_v1_counters")
#: Folder of the published tables.
PUBLISHED = Path(__file__).resolve().parent / "published"
#: Inference chips have the scales of tensors fixed beforehand, so no pass measures them.
_FIXED_SCALES = (("scaling", "{method: none}"),)

#: AlexNet's convolutions with their two groups, as Eyeriss ran them: in and out channels,
#: map, kernel, stride, padding, groups.
_EYERISS_LAYERS = {
    "CONV1": (3, 96, 227, 11, 4, 0, 1),
    "CONV2": (96, 256, 27, 5, 1, 2, 2),
    "CONV3": (256, 384, 13, 3, 1, 1, 1),
    "CONV4": (384, 384, 13, 3, 1, 1, 2),
    "CONV5": (384, 256, 13, 3, 1, 1, 2),
}


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the validation page: a claim, a table, and what to think of it."""

    title: str
    text: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Timed:
    """A network on a chip, timed."""

    chip: Chip
    trace: Trace
    timeline: Timeline

    @property
    def utilization(self) -> float:
        """MACs over what the chip could do at its recipe's rate."""
        rate = max(op.peak_macs_per_cycle for op in self.timeline.ops)
        return self.trace.macs / (rate * self.timeline.cycles)

    def share(self, cycles: int) -> str:
        """Return cycles as a share of all."""
        return f"{100 * cycles / self.timeline.cycles:.1f} %"


def published(table: str) -> list[dict[str, str]]:
    """Return the rows of a published table.

    Raises
    ------
    OSError
        If there is no such table; `TABLES` lists them.

    Examples
    --------
    >>> published("nvdla_resnet50")[0]["resnet50_fps"]
    '269'
    """
    text = (PUBLISHED / f"{table}.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def timed(
    network: str | Workload,
    arch: str,
    *,
    batch: int = 1,
    mode: str = "event",
    overrides: Sequence[tuple[str, str]] = (),
) -> Timed:
    """Return the timing of a network on a chip under the chip's recipe.

    Integer recipes use scales that are known beforehand; `overrides` change the chip.
    """
    chip = load_chip(arch, overrides)
    workload = load_workload(network) if isinstance(network, str) else network
    trace = lower(workload, _recipe(chip.default_recipe), batch=batch)
    clock = simulate if mode == "event" else estimate
    return Timed(chip, trace, clock(trace, chip, make_schedules(trace.ops, chip)))


def nvdla() -> Section:
    """Compare ResNet-50 on the seven published configurations of NVDLA."""
    rows = []
    for row in published("nvdla_resnet50"):
        run = timed("resnet50", f"reference/nvdla_{row['macs']}")
        fps = run.chip.clock_mhz * 1e6 / run.timeline.cycles
        rows.append(
            (row["macs"], row["resnet50_fps"], f"{fps:.3g}", _error(fps, row["resnet50_fps"]))
        )
    return Section(
        "NVDLA: ResNet-50, int8, 1 GHz",
        "Published are the vendor's own estimates, not silicon. They use Winograd for 3 x 3"
        " layers, which multiplies 2.25 times less and is not modelled here: the large"
        " configurations come out slower for that. The published figures for 64 and 32"
        " multipliers keep 47 % of them busy, those here 56 % and 59 %; the primer does not say"
        " what holds them up.",
        ("multipliers", "published, frames/s", "here, frames/s", "error"),
        tuple(rows),
    )


def eyeriss() -> Section:
    """Compare AlexNet's convolutions, one by one, with Eyeriss's silicon."""
    run = timed(alexnet_convolutions(), "reference/eyeriss_v1", batch=4)
    cycles = {op.name.split(".")[0]: op for op in run.timeline.ops if op.macs}
    rows = []
    for row in published("eyeriss_alexnet"):
        if row["layer"] not in cycles:
            continue
        op = cycles[row["layer"]]
        array, whole = (1e-3 * c / run.chip.clock_mhz for c in (op.array_cycles, op.cycles))
        rows.append(
            (
                row["layer"],
                row["processing_latency_ms"], f"{array:.1f}",
                _error(array, row["processing_latency_ms"]),
                row["total_latency_ms"], f"{whole:.1f}",
                _error(whole, row["total_latency_ms"]),
                row["dram_accesses_mb"],
                f"{1e-6 * (op.dram_read_bytes + op.dram_write_bytes):.1f}",
            )
        )  # fmt: skip
    return Section(
        "Eyeriss v1: AlexNet's convolutions, batch 4, 200 MHz",
        "Processing is the array alone; total includes DRAM that is not hidden. Mappings are"
        " found by least energy of moving data, as for the silicon. DRAM stays 3 to 5 times"
        " off, for three reasons: the silicon compresses activations, of which up to 79 % are"
        " zeros; it keeps partial sums in 16 bits where they take 32 here; and it keeps them"
        " in one buffer of 100 KB while it loads filters for all images of the batch beside"
        " them, where a block here, its sums included, must fit each half of 54 KB. So blocks"
        " are smaller: filters come 2 to 16 times instead of once, and in CONV1 a half holds the"
        " 63 rows that 14 output rows need of one channel, but not of all three, so that they"
        " come again for every few output channels.",
        (
            "layer",
            "processing, ms",
            "here",
            "error",
            "total, ms",
            "here",
            "error",
            "DRAM, MB",
            "here",
        ),
        tuple(rows),
    )


def rtl_totals() -> Section:
    """Compare whole networks with Gemmini's and VTA's register-transfer simulations."""
    cases = (
        ("Gemmini", "ResNet-50 batch 4", "resnet50", "reference/gemmini_16x16", 4),
        ("VTA (TVM)", "resnet18_v1 batch 1", "resnet18", "reference/vta_16x16", 1),
        ("VTA (TVM)", "resnet50_v2 batch 1", "resnet50", "reference/vta_16x16", 1),
    )
    table = published("network_totals")
    rows = []
    for design, workload, network, arch, batch in cases:
        found = next(r for r in table if r["design"] == design and r["workload"] == workload)
        run = timed(network, arch, batch=batch)
        rows.append(
            (
                design, workload, f"{int(found['value']):,}", f"{run.timeline.cycles:,}",
                _error(run.timeline.cycles, found["value"]), f"{100 * run.utilization:.0f} %",
            )
        )  # fmt: skip
    return Section(
        "Gemmini and VTA: cycles of whole networks in RTL",
        "Gemmini's figure includes a host core that sends every instruction, checks the data"
        " layout and averages on the CPU; a later version reaches 51 % of its peak, where 40 %"
        " is listed. That overhead is not modelled, so the figure here is a bound on what the"
        " array and the memories allow. VTA's ResNet-50 is version 2, with its stride in the"
        " 3 x 3 layers and more element-wise work; here it is version 1.5. VTA runs first and"
        " last layer on the host; here all layers are on the chip.",
        ("machine", "network", "RTL, cycles", "here, cycles", "error", "utilization here"),
        tuple(rows),
    )


def tpu() -> Section:
    """Compare in kind where the cycles of the first TPU go."""
    counters = {row["counter"]: row for row in published("tpu_v1_counters")}
    cases = (
        ("MLP0", load_workload("bn50_dnn"), 200),
        ("CNN0", _board_network(), 8),
        ("CNN1", load_workload("resnet50"), 32),
    )
    rows = []
    for name, network, batch in cases:
        run = timed(network, "reference/tpu_v1", batch=batch)
        ops = run.timeline.ops
        active = sum(op.compute_cycles for op in ops if op.macs)
        waits = sum(op.stall_cycles.get("dram_read", 0) for op in ops)
        rows.append(
            (
                f"{name} (here {network.name}, batch {batch})",
                f"{counters['array_active_pct'][name]} %", run.share(active),
                f"{counters['weight_stall_pct'][name]} %", run.share(waits),
            )
        )  # fmt: skip
    return Section(
        "Google's first TPU: where cycles go, in kind",
        "The published networks' shapes are not public, so only the kind of bottleneck can be"
        " compared. MLP0 stands for fully connected layers at batch 200, CNN0 for 16"
        " convolutions with 8 M weights at 2,888 operations a weight (19 x 19 maps at batch 8),"
        " CNN1 for a deep network of narrow layers. Activations cross PCIe to the host in the"
        " machine, and DRAM here.",
        ("network", "array active", "here", "waiting for weights", "here"),
        tuple(rows),
    )


def ibm() -> Section:
    """Compare peaks, which are arithmetic, and utilization, which is claimed."""
    core, rapid = load_chip("reference/ibm_14nm"), load_chip("reference/rapid_4core")
    use = {name: timed("resnet50", f"reference/{name}").utilization for name in
           ("ibm_14nm", "rapid_4core")}  # fmt: skip
    used = {name: f"{100 * share:.0f} %" for name, share in use.items()}
    rows = (
        ("14 nm core, FP16", "1.5 TFLOPS", _tera(core, 1), "> 90 % sustained", used["ibm_14nm"]),
        ("RaPiD, FP16", "13.1 TFLOPS", _tera(rapid, 1), "", ""),
        ("RaPiD, FP8", "26.2 TFLOPS", _tera(rapid, 2), "> 60 %, inference", used["rapid_4core"]),
        ("RaPiD, INT4", "104.9 TOPS", _tera(rapid, 8), "", ""),
    )
    return Section(
        "IBM's 14 nm core and RaPiD: peaks and utilization",
        "Utilization here is ResNet-50 at batch 1, everything included; the claims are for"
        " kernels, and for several networks. DRAM bandwidth is not published.",
        ("machine", "published peak", "here", "claimed utilization", "here"),
        rows,
    )


def analytic_error(
    networks: Sequence[str] = ("resnet50", "alexnet", "resnet18", "bn50_dnn"),
    archs: Sequence[str] = ("fp8_chunk64", "fp16", "reference/nvdla_512", "reference/tpu_v1"),
) -> Section:  # fmt: skip
    """Compare the closed forms with the event model, without and with early weights."""
    rows = []
    for network in networks:
        for arch in archs:
            row = [network, arch]
            for early in ("false", "true"):
                events, forms = (
                    timed(network, arch, mode=mode, overrides=(("prefetch_weights", early),))
                    for mode in ("event", "analytic")
                )
                found = events.timeline.cycles, forms.timeline.cycles
                row += [*(f"{cycles:,}" for cycles in found), _error(found[1], found[0])]
            rows.append(tuple(row))
    return Section(
        "Analytic mode against event mode",
        "Bytes and passes are the same to the last one; cycles differ where cores meet at"
        " DRAM or links, and where parts of a block overlap unevenly. With `prefetch_weights`"
        " the first weights of an op may come while the op before still runs, where DRAM has"
        " nothing else to do.",
        (
            "network",
            "chip",
            "event, cycles",
            "analytic, cycles",
            "error",
            "event, early weights",
            "analytic, early weights",
            "error",
        ),
        tuple(rows),
    )


def scalesim() -> Section:
    """Compare with SCALE-Sim's closed forms, which must agree exactly."""
    rows = []
    for dataflow in ("ws", "os", "is"):
        for size in (32, 128):
            run = timed("resnet50", f"scalesim_{dataflow}_{size}x{size}")
            expected = sum(
                op.groups * _scalesim_cycles(dataflow, size, op.m, op.n, op.k)
                for op in run.trace.gemms
            )
            ours = sum(op.array_cycles for op in run.timeline.ops if op.macs)
            rows.append(
                (
                    f"{dataflow} {size} x {size}",
                    f"{expected:,}",
                    f"{ours:,}",
                    _error(ours, expected),
                )
            )
    return Section(
        "SCALE-Sim: compute cycles of ResNet-50's 54 products",
        "A pass of T vectors takes T + 2R + C - 2 cycles with a stationary operand to load and"
        " T + R + C - 2 with stationary outputs (A. Samajdar et al., ISPASS 2020).",
        ("array", "closed form", "here", "error"),
        tuple(rows),
    )


#: The page, in order.
SECTIONS = (scalesim, nvdla, eyeriss, rtl_totals, tpu, ibm, analytic_error)


def validation_page() -> Iterator[str]:
    """Yield the validation page as Markdown, section by section."""
    yield (
        "# How far off is it?\n\nPublished figures against the event model, machine by machine."
        " Errors are stated, not tuned away. `accelsim study validation -o docs` writes this"
        " page.\n"
    )
    for make in SECTIONS:
        section = make()
        yield f"\n## {section.title}\n\n{section.text}\n\n{_table(section)}"


@lru_cache(maxsize=8)
def _recipe(name: str) -> Recipe:
    return get_recipe(name, _FIXED_SCALES if name == "int8" else ())


def alexnet_convolutions() -> Workload:
    """Return the convolutions of AlexNet that Eyeriss ran, with the pooling between them."""
    layers: list[Mapping[str, Any]] = []
    for name, (before, after, _, kernel, stride, padding, groups) in _EYERISS_LAYERS.items():
        layers.append(
            {
                "name": name, "kind": "conv2d", "in_channels": before, "out_channels": after,
                "kernel": kernel, "stride": stride, "padding": padding, "groups": groups,
            }
        )  # fmt: skip
        if name in ("CONV1", "CONV2"):
            layers.append(
                {"name": f"POOL{name[-1]}", "kind": "max_pool2d", "kernel": 3, "stride": 2}
            )
    return _network("alexnet_convolutions", 227, layers)


def _board_network() -> Workload:
    """Return 16 convolutions of 240 channels on 19 x 19 maps: 8 M weights."""
    layers = [
        {
            "name": f"conv{at}", "kind": "conv2d", "in_channels": 240 if at else 3,
            "out_channels": 240, "kernel": 3, "padding": 1,
        }
        for at in range(16)
    ]  # fmt: skip
    return _network("board", 19, layers)


def _network(name: str, size: int, layers: Sequence[Mapping[str, Any]]) -> Workload:
    picture = {"shape": [size, size, 3], "kind": "image", "mean": [0] * 3, "std": [1] * 3}
    return Workload.model_validate({"name": name, "input": picture, "layers": layers}, strict=False)


def _scalesim_cycles(dataflow: str, size: int, m: int, n: int, k: int) -> int:
    rows, cols, vectors = {"ws": (k, n, m), "os": (m, n, k), "is": (k, m, n)}[dataflow]
    preload = 0 if dataflow == "os" else size
    return -(-rows // size) * -(-cols // size) * (vectors + 2 * size - 2 + preload)


def _tera(chip: Chip, rate: int) -> str:
    return f"{2e-6 * chip.peak_macs_per_cycle(rate) * chip.clock_mhz:.1f}"


def _error(ours: float, theirs: float | str) -> str:
    return f"{100 * (ours / float(theirs) - 1):+.1f} %"


def _table(section: Section) -> str:
    lines = [section.heads, tuple("---" for _ in section.heads), *section.rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
