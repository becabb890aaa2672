"""On the idealised chips every GEMM takes exactly SCALE-Sim's closed form.

Sources: A. Samajdar et al., "A Systematic Methodology for Characterizing
Scalability of DNN Accelerators using SCALE-Sim", ISPASS 2020: a pass of T vectors
on R x C elements takes 2R + C + T - 2 cycles with a stationary operand to load,
and T + R + C - 2 with stationary outputs; ceil(Sr / R) * ceil(Sc / C) passes.
"""

from __future__ import annotations

import pytest

import accelsim

SIZES = {"32x32": 32, "128x128": 128}


def closed_form(dataflow: str, size: int, *, m: int, n: int, k: int) -> tuple[int, int]:
    """Return (passes, array cycles) of one group."""
    rows, cols, vectors, preload = {
        "ws": (k, n, m, size),
        "os": (m, n, k, 0),
        "is": (k, m, n, size),
    }[dataflow]
    passes = -(-rows // size) * -(-cols // size)
    return passes, passes * (vectors + 2 * size - 2 + preload)


@pytest.mark.parametrize("workload", ["resnet18", "alexnet", "bn50_dnn"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dataflow", ["ws", "os", "is"])
def test_array_cycles_of_every_layer(workload: str, size: str, dataflow: str) -> None:
    result = accelsim.run(workload, arch=f"scalesim_{dataflow}_{size}", numerics="off")
    gemms = [row for row in result.rows() if row["kind"] == "gemm"]
    assert gemms
    for row in gemms:
        passes, cycles = closed_form(dataflow, SIZES[size], m=row["m"], n=row["n"], k=row["k"])
        assert row["passes"] == row["groups"] * passes, row["name"]
        assert row["array_cycles"] == row["groups"] * cycles, row["name"]
        assert row["compute_cycles"] == row["groups"] * passes * {
            "ws": row["m"], "os": row["k"], "is": row["n"]
        }[dataflow], row["name"]  # fmt: skip
        assert row["cycles"] == row["array_cycles"], row["name"]


def test_resnet50_total_added_up_by_hand_of_its_layers() -> None:
    """The sum of the closed form over all 54 GEMMs is the total of the run."""
    result = accelsim.run("resnet50", arch="scalesim_ws_128x128", numerics="off")
    gemms = [row for row in result.rows() if row["kind"] == "gemm"]
    assert len(gemms) == 54
    total = sum(closed_form("ws", 128, m=r["m"], n=r["n"], k=r["k"])[1] for r in gemms)
    assert sum(row["array_cycles"] for row in gemms) == total
