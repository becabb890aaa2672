"""The Verilog itself, run event by event, against the emulator and against its gates."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.cost.rtl import (
    RtlUnit,
    get_unit,
    held_two_rate_unit,
    mac_unit,
    two_rate_unit,
    verilog_files,
)
from accelsim.cost.rtl.netlist import evaluate
from accelsim.cost.rtl.simulate import Port, simulate
from accelsim.errors import DataError, ShapeError
from tests.unit.cost.rtl_oracle import (
    codes,
    edge_codes,
    float_formats,
    gates,
    needs_iverilog,
    needs_yosys,
    round_sum,
    values,
)

E5M2, SUM = float_formats("fp8_e5m2", "fp16_e6m9")
MAC = mac_unit("fp_mac", "fp8_e5m2", "fp8_e5m2", "fp16_e6m9")
BYTE_A, BYTE_B, ACC, RESULT = Port("a", 8), Port("b", 8), Port("acc", 16), Port("sum", 16)


def vectors(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, count)).astype(np.uint64)
    return a, b, rng.choice(edge_codes(SUM), count)


@needs_iverilog
def test_a_unit_without_a_clock_by_events() -> None:
    a, b, acc = vectors(4000)
    got = simulate(MAC, {BYTE_A: a, BYTE_B: b, ACC: acc}, [RESULT])["sum"]
    with np.errstate(invalid="ignore"):
        products = values(a, E5M2) * values(b, E5M2)
    assert np.array_equal(got, round_sum(values(acc, SUM), products[:, None], SUM))


@needs_iverilog
@needs_yosys
@pytest.mark.parametrize("fused", [False, True])
def test_events_and_gates_agree(fused) -> None:
    unit = two_rate_unit(fused=fused, registered=False)
    rng = np.random.default_rng(1)
    widths = {"mode": 1, "a_kind": 1, "b_kind": 1, "a": 16, "b": 16, "acc": 16}
    inputs = {Port(name, width): rng.integers(0, 1 << width, 600) for name, width in widths.items()}
    by_events = simulate(unit, inputs, [RESULT])["sum"]
    by_gates = evaluate(gates(unit), {port.name: x for port, x in inputs.items()})["sum"]
    assert np.array_equal(by_events, by_gates)


@needs_iverilog
def test_a_register_on_the_falling_edge_takes_no_cycle() -> None:
    """A pair entered at one rising edge is in the sum of the next, as without that register.

    The bench changes its inputs between a falling and a rising edge, so that the first
    half of a cycle, and with it the pair, sees the partial sum of one step before; a
    single product sees that of the same step.
    """
    rng = np.random.default_rng(3)
    acc = rng.choice(edge_codes(SUM), 600)
    a, b = rng.integers(0, 1 << 16, (2, 600)).astype(np.uint64)
    ports = {
        Port("a_kind", 1): 0,
        Port("b_kind", 1): 0,
        Port("a", 16): a,
        Port("b", 16): b,
        ACC: acc,
    }
    for mode, seen in ((1, acc[:-1]), (0, acc[1:])):
        inputs = {Port("mode", 1): mode, **ports}
        got = simulate(held_two_rate_unit(), inputs, [RESULT], clock="clk")["sum"]
        at_once = {port: x if np.ndim(x) == 0 else x[:-1] for port, x in inputs.items()}
        at_once[ACC] = seen
        unit = two_rate_unit(fused=False, registered=False)
        assert np.array_equal(got[1:], simulate(unit, at_once, [RESULT])["sum"])


@needs_iverilog
def test_an_element_adds_what_entered_one_cycle_before() -> None:
    a, b, acc = vectors(300)
    unit = get_unit("pe_fp8_e5m2_fp16_e6m9")
    got = simulate(unit, {BYTE_A: a, BYTE_B: b, ACC: acc}, [RESULT], clock="clk")["sum"]
    with np.errstate(invalid="ignore"):
        products = values(a, E5M2) * values(b, E5M2)
    expected = round_sum(values(acc[1:], SUM), products[:-1, None], SUM)
    assert np.array_equal(got[1:], expected)


@needs_iverilog
def test_the_element_of_both_fp8_kinds() -> None:
    e4m3 = float_formats("fp8_e4m3fn")[0]
    a, b, acc = vectors(600)
    unit = get_unit("pe_fp8_dual_fp16_e6m9")
    kinds = {Port("a_kind", 1): 1, Port("b_kind", 1): 0}
    inputs = {**kinds, BYTE_A: a, BYTE_B: b, ACC: acc}
    got = simulate(unit, inputs, [RESULT], clock="clk")["sum"]
    with np.errstate(invalid="ignore"):
        products = values(a, e4m3) * values(b, E5M2)
    expected = round_sum(values(acc[1:], SUM), products[:-1, None], SUM)
    assert np.array_equal(got[1:], expected)


@needs_iverilog
def test_the_integer_element_wraps() -> None:
    a = np.array([0x7F, 0x80, 0x80, 0xFF, 0x00])  # 127, -128, -128, -1, 0
    b = np.array([0x7F, 0x80, 0x7F, 0xFF, 0x05])
    acc = np.array([0, 0x7FFFFFFF, 0x7FFFC000, 0x80000000, 0xFFFFFFFF])
    ports = {BYTE_A: a, BYTE_B: b, Port("acc", 32): acc}
    got = simulate(get_unit("pe_int8_int32"), ports, [Port("sum", 32)], clock="clk")["sum"]
    # 127 * 127 = 16129, then 2^31 - 16384 + 16384 = -2^31, then -2^31 - 16256, then -1 + 1.
    wanted = [0x7FFFFFFF + 16129, 0x7FFFC000 + 16384, 0x80000000 - 16256, 0]
    assert got[1:].tolist() == [x % 2**32 for x in wanted]


@needs_iverilog
def test_a_tap_adds_to_the_sum_from_above() -> None:
    _, _, acc = vectors(300)
    inputs = {Port("above", 16): acc, Port("chunk", 16): acc[::-1]}
    total = Port("total", 16)
    got = simulate(get_unit("outer_tap_fp16_e6m9"), inputs, [total], clock="clk")["total"]
    with np.errstate(invalid="ignore"):
        expected = SUM.quantize(values(acc, SUM) + values(acc[::-1], SUM))
    assert np.array_equal(got, codes(expected, SUM))


@needs_iverilog
def test_what_cannot_run_says_so() -> None:
    with pytest.raises(ShapeError, match="different lengths"):
        simulate(MAC, {BYTE_A: [1, 2], BYTE_B: [1, 2, 3], ACC: 0}, [RESULT])
    with pytest.raises(DataError, match="iverilog failed"):
        simulate(RtlUnit("none", "no_such_module"), {BYTE_A: [1]}, [RESULT])


def test_the_sources_are_found() -> None:
    names = {file.stem for file in verilog_files()}
    assert {"fp_mac", "fp_mac_chunk", "fp_quantize", "pe_two_rate", "systolic_ws"} <= names
