"""Small GEMMs and chips whose actions can be counted by hand."""

from __future__ import annotations

from accelsim.arch import Chip, load_chip
from accelsim.formats import get_format
from accelsim.precision import AccumulationMethod, Accumulator
from accelsim.schedule import Schedule, make_schedule
from accelsim.workload.ops import Gemm, Operand, Phase, Role, TensorInfo
from accelsim.workload.views import MatrixView


def make_gemm(
    m: int,
    n: int,
    k: int,
    *,
    operand: str = "fp16_e6m9",
    total: str = "fp16_e6m9",
    chunk_size: int | None = None,
    groups: int = 1,
) -> Gemm:
    def view(rows: int, columns: int) -> MatrixView:
        return MatrixView((groups * rows * columns,), groups, rows, columns)

    return Gemm(
        name="gemm",
        layer="gemm",
        phase=Phase.FORWARD,
        groups=groups,
        m=m,
        n=n,
        k=k,
        a=Operand("a", view(m, k), get_format(operand)),
        b=Operand("b", view(k, n), get_format(operand)),
        out=Operand("out", view(m, n), get_format(total)),
        accumulator=Accumulator(
            inner=get_format(total),
            outer=get_format(total),
            chunk_size=chunk_size,
            method=(
                AccumulationMethod.INTEGER
                if total.startswith("int")
                else AccumulationMethod.SEQUENTIAL
            ),
        ),
    )


def tensors_of(op: Gemm) -> dict[str, TensorInfo]:
    shapes = {
        "a": ((op.groups * op.m * op.k,), Role.ACTIVATION, op.a.format),
        "b": ((op.groups * op.k * op.n,), Role.WEIGHT, op.b.format),
        "out": ((op.groups * op.m * op.n,), Role.ACTIVATION, op.out.format),
    }
    return {name: TensorInfo(name, *rest) for name, rest in shapes.items()}


def small_chip(
    *,
    rows: int = 2,
    cols: int = 2,
    base: str = "fp16_fp16acc",
    dataflow: str = "weight_stationary",
    technology_nm: float = 45.0,
    cores: int = 1,
) -> Chip:
    """Return a shipped chip with a small array, at the node of the cost table."""
    chip = load_chip(base)
    array = chip.mac_array.model_copy(update={"rows": rows, "cols": cols, "dataflow": dataflow})
    return chip.model_copy(
        update={"mac_array": array, "technology_nm": technology_nm, "cores": cores}
    )


def schedule(op: Gemm, chip: Chip) -> Schedule:
    return make_schedule(op, chip)
