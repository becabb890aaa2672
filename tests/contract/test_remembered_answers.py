"""What the points of a sweep share is found once, and is what each would find alone."""

from __future__ import annotations

import pytest

import accelsim
from accelsim.cost import energy
from accelsim.schedule import tiling
from accelsim.timing import gemm_rows
from accelsim.timing.estimate import _machine

#: Two values of a field of each part of a chip: a key that left out one that counts would
#: give the second point the answer of the first.
PAIRS = (
    "arch.clock_mhz=500,1500",
    "arch.cores=1,3",
    "arch.technology_nm=45,7",
    "arch.prefetch_weights=true,false",
    "arch.mac_array.rows=8,32",
    "arch.mac_array.preload_hidden=true,false",
    "arch.accumulator.latency_cycles=1,9",
    "arch.accumulator.initiation_interval_cycles=1,3",
    "arch.accumulator.entries=32,256",
    "arch.vector_unit.lanes=2,64",
    "arch.vector_unit.latency_cycles=1,50",
    "arch.scratchpad.capacity_kib=16,512",
    "arch.scratchpad.read_bytes_per_cycle=8,512",
    "arch.scratchpad.write_bytes_per_cycle=2,512",
    "arch.scratchpad.double_buffering=true,false",
    "arch.interconnect.bytes_per_cycle=2,128",
    "arch.interconnect.topology=ring,bus",
    "arch.interconnect.hop_cycles=1,90",
    "arch.dram.bandwidth_gb_per_s=1,100",
    "arch.dram.latency_ns=0,900",
    "arch.dram.burst_bytes=8,256",
    "arch.dma.min_portion_bytes=64,1048576",
    "arch.cost_table=synth45,synth45_zero_delay",
)

REMEMBERED = (
    _machine,
    gemm_rows._remembered,
    tiling._options,
    energy._remembered_prices,
)


def forget() -> None:
    for function in REMEMBERED:
        function.cache_clear()


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.split("=")[0])
def test_a_neighbour_changes_no_figure_of_a_point(pair: str) -> None:
    field, values = pair.split("=")
    alone = {}
    for value in values.split(","):
        forget()
        (row,) = accelsim.sweep("tiny", vary=[f"{field}={value}"]).rows
        alone[value] = row
    one, other = alone.values()
    assert {**one, "key": "", field: ""} != {**other, "key": "", field: ""}
    forget()
    together = accelsim.sweep("tiny", vary=[pair]).rows
    assert {row[field]: row for row in together} == alone
