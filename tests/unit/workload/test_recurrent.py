"""Recurrent layers: what they lower to, by hand, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from accelsim.errors import ShapeError, UnsupportedError
from accelsim.precision import get_recipe
from accelsim.workload import GRU, LSTM, Workload, load_trace, lower


def network(**fields: Any) -> Workload:
    layer = {"name": "rnn", "kind": "lstm", "input_size": 3, "hidden_size": 4, **fields}
    return Workload.model_validate({"name": "net", "input": {"shape": (5, 3)}, "layers": (layer,)})


def test_one_gemm_for_all_inputs_and_one_a_step() -> None:
    # Columns: 4 gates of 4 units. The forward scan begins at step 0, the other at step 4.
    trace = lower(network(bidirectional=True), get_recipe("wang2018"), batch=2)
    shapes = [(gemm.m, gemm.n, gemm.k) for gemm in trace.gemms]
    assert shapes == ([(10, 16, 3)] + [(2, 16, 4)] * 5) * 2
    steps = [gemm.name for gemm in trace.gemms if "reverse.step" in gemm.name]
    assert steps == [f"rnn.l0_reverse.step{step}.forward" for step in (4, 3, 2, 1, 0)]
    assert trace.macs == 2 * network(bidirectional=True).macs() == 2 * 2 * 5 * 16 * (3 + 4)


def test_a_gru_multiplies_early_or_late() -> None:
    late = lower(network(kind="gru"), get_recipe("fp32"))
    early = lower(network(kind="gru", linear_before_reset=False), get_recipe("fp32"))
    assert [gemm.n for gemm in late.gemms] == [12] + [12] * 5
    assert [gemm.n for gemm in early.gemms] == [12] + [8, 4] * 5
    assert late.macs == early.macs == 5 * 12 * (3 + 4)


def test_the_gates_work_on_the_write_back_and_taking_apart_costs_nothing() -> None:
    trace = lower(network(), get_recipe("wang2018"), batch=2)
    cells = [op for op in trace.vector_ops if op.function in ("lstm_cell", "lstm_output")]
    assert len(cells) == 10
    assert all(op.fused for op in cells)
    # Of each of 2 x 4 states: 12 passes for the cell and 6 for its output.
    assert sum(op.elements for op in cells) == 5 * 8 * (12 + 6)
    (apart,) = [op for op in trace.vector_ops if op.function == "unstack_steps"]
    assert apart.fused
    assert (apart.elements, len(apart.outputs)) == (0, 5)


@pytest.mark.parametrize("fields", [{}, {"kind": "gru", "linear_before_reset": False}])
def test_a_saved_trace_is_the_same(fields: dict[str, Any], tmp_path: Path) -> None:
    trace = lower(network(**fields), get_recipe("fp8_formats"), batch=2)
    trace.save(tmp_path / "trace.json.gz")
    assert load_trace(tmp_path / "trace.json.gz").ops == trace.ops


def test_parameters_are_those_of_pytorch() -> None:
    # torch.nn.LSTM(3, 4, 2, bidirectional=True) has 4 x 4 x (3 + 4 + 2) x 2 in its first layer,
    # and 4 x 4 x (8 + 4 + 2) x 2 in the second.
    net = network(bidirectional=True, num_layers=2)
    assert net.parameter_count == 2 * 16 * (9 + 14)
    assert net.parameters["rnn.weight_ih_l1_reverse"].shape == (16, 8)


@pytest.mark.parametrize("layer", [LSTM, GRU])
def test_another_sequence_is_refused(layer: type[LSTM] | type[GRU]) -> None:
    with pytest.raises(ShapeError, match=r"it takes a sequence \(steps, 3\)"):
        layer(name="x", input_size=3, hidden_size=4).output_shape([(5, 2)])


def test_training_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="lstm 'rnn' has no backward pass"):
        lower(network(), get_recipe("fp32"), phase="training", loss="squared_error")
