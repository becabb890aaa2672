"""Small chips and GEMMs whose cycles can be counted by hand: everything unlimited unless asked."""

from __future__ import annotations

from typing import Any

from accelsim.arch import Chip
from accelsim.formats import get_format
from accelsim.precision import Accumulator
from accelsim.schedule import Schedule, make_schedule
from accelsim.workload.ops import Gemm, Operand, Phase
from accelsim.workload.views import MatrixView

#: A clock at which 1 GB/s is 1 byte per cycle, and 1 ns one cycle.
CLOCK_MHZ = 1000.0


def make_chip(
    *,
    dataflow: str = "weight_stationary",
    rows: int = 4,
    cols: int = 4,
    k_per_pe: int = 1,
    fused: bool = False,
    cores: int = 1,
    array: dict[str, Any] | None = None,
    latency: int = 1,
    interval: int = 1,
    lanes: int = 16,
    vector: dict[str, Any] | None = None,
    scratchpad: dict[str, Any] | None = None,
    interconnect: dict[str, Any] | None = None,
    dram: dict[str, Any] | None = None,
    dma: dict[str, Any] | None = None,
    split_k: dict[str, Any] | None = None,
) -> Chip:
    pair = {
        "a": "fp8_e5m2",
        "b": "fp8_e5m2",
        "k_per_pe": k_per_pe,
        "pair": "fused" if fused else "sequential",
    }
    return Chip.model_validate(
        {
            "name": "small",
            "technology_nm": 45.0,
            "clock_mhz": CLOCK_MHZ,
            "cores": cores,
            "mac_array": {
                "rows": rows,
                "cols": cols,
                "dataflow": dataflow,
                "operand_pairs": (pair,),
                **(array or {}),
            },
            "accumulator": {
                "supports": ({"inner": "fp16_e6m9", "outer": "fp16_e6m9"},),
                "latency_cycles": latency,
                "initiation_interval_cycles": interval,
            },
            "vector_unit": {
                "lanes": lanes,
                "formats": ("fp16_e6m9",),
                "latency_cycles": 0,
                **(vector or {}),
            },
            "scratchpad": scratchpad or {},
            "interconnect": interconnect or {},
            "dram": {"burst_bytes": 1, **(dram or {})},
            "dma": dma or {},
            "split_k": split_k,
            "default_recipe": "wang2018",
            "cost_table": "synth45",
        },
        strict=False,
    )


def make_gemm(
    m: int,
    n: int,
    k: int,
    *,
    groups: int = 1,
    chunk_size: int | None = None,
    fused: bool = False,
    name: str = "gemm",
) -> Gemm:
    """A product of 1-byte operands with 2-byte results."""

    def view(rows: int, columns: int) -> MatrixView:
        return MatrixView((groups * rows * columns,), groups, rows, columns)

    operand, total = get_format("fp8_e5m2"), get_format("fp16_e6m9")
    return Gemm(
        name=name,
        layer=name,
        phase=Phase.FORWARD,
        groups=groups,
        m=m,
        n=n,
        k=k,
        a=Operand("a", view(m, k), operand),
        b=Operand("b", view(k, n), operand),
        out=Operand("out", view(m, n), total),
        accumulator=Accumulator.model_validate(
            {
                "format": "fp16_e6m9",
                "chunk_size": chunk_size,
                "pair": "fused" if fused else "sequential",
                "pair_size": 2 if fused else 1,
            },
            strict=False,
        ),
    )


def schedule_of(op: Gemm, chip: Chip) -> Schedule:
    return make_schedule(op, chip)
