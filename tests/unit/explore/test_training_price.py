"""The memory of a training step, by hand."""

from __future__ import annotations

import pytest

from accelsim.explore.training import peak_bytes
from accelsim.formats import get_format
from accelsim.workload import Trace
from accelsim.workload.ops import Phase, Role, TensorInfo, VectorOp
from accelsim.workload.parameters import Preparation, TraceParameter

FP32 = get_format("fp32")
#: Elements of four bytes each.
SIZES = {"x": 4, "w": 1, "y": 8, "z": 2, "v": 3}


def trace(*, fused: bool) -> Trace:
    """x -> y -> z -> v, where w is a parameter that the first op reads."""

    def op(name: str, inputs: tuple[str, ...], output: str, is_fused: bool = False) -> VectorOp:
        return VectorOp(name, "layer", Phase.FORWARD, "relu", inputs, (output,), 1, FP32,
                        fused=is_fused)  # fmt: skip

    return Trace(
        workload="hand", recipe="fp32", phase="training", batch=1,
        ops=(op("a", ("x", "w"), "y"), op("b", ("y",), "z", fused), op("c", ("z",), "v")),
        tensors={n: TensorInfo(n, (s,), Role.ACTIVATION, FP32) for n, s in SIZES.items()},
        inputs=("x",),
        parameters=(TraceParameter("w", Preparation.ZEROS, ()),),
        outputs=("v",),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fused", "elements"),
    [
        # At b: the input, the parameter, y and z; y has gone at c, where v comes.
        (False, 4 + 1 + 8 + 2),
        # y never reaches a memory; the most is at c: the input, the parameter, z and v.
        (True, 4 + 1 + 2 + 3),
    ],
)
def test_the_peak_is_the_largest_sum_of_what_is_alive(fused: bool, elements: int) -> None:
    assert peak_bytes(trace(fused=fused)) == 4 * elements
