"""Energy of ops: counts times prices, by hand at the table's own node."""

from __future__ import annotations

import math

import pytest

from accelsim.arch import Topology, load_chip
from accelsim.cost.actions import Action, ActionCounts, Component, Verb
from accelsim.cost.area import chip_area
from accelsim.cost.catalog import load_cost_table
from accelsim.cost.counting import count_actions
from accelsim.cost.energy import EnergyReport, evaluate, leakage_pj, price_chip
from accelsim.cost.scaling import scale
from accelsim.errors import UnsupportedError
from accelsim.formats import get_format
from accelsim.workload.ops import Phase, VectorOp
from tests.unit.cost.gemms import make_gemm, schedule, small_chip

TABLE = load_cost_table("synth45")
FLIP_FLOP_PJ = 0.00859
FP16 = get_format("fp16_e6m9")
CHIP = small_chip()  # 2 x 2 elements of (1, 6, 9), one core, 45 nm
GEMM = count_actions(schedule(make_gemm(3, 2, 5, chunk_size=2), CHIP), CHIP)


def energy_of(counts, chip=CHIP, *, cycles=0, zero_share=0.0):
    report = evaluate([counts], chip, TABLE, cycles=[cycles], zero_shares=[zero_share])
    return report.ops[0]


def test_a_small_gemm_by_hand() -> None:
    """30 MACs at 7.115 pJ; 224 bits preloaded and 240 at the edge; 36 clocked cycles of 0.412."""
    got = energy_of(GEMM)
    assert got["mac_array"] == pytest.approx(30 * 7.115 + (224 + 240) * FLIP_FLOP_PJ)
    assert got["clock"] == pytest.approx(36 * 0.412)
    assert got["vector_unit"] == got["dram"] == got["interconnect"] == got["leakage"] == 0


def test_gated_zeros_switch_neither_multiplier_nor_adder() -> None:
    plain, half, whole = (energy_of(GEMM, zero_share=share) for share in (0.0, 0.5, 1.0))
    shifts = (224 + 240) * FLIP_FLOP_PJ
    assert half["mac_array"] - shifts == pytest.approx((plain["mac_array"] - shifts) / 2)
    assert whole["mac_array"] == pytest.approx(shifts)
    for component in ("clock", "accumulator", "scratchpad"):
        assert plain[component] == half[component] == whole[component]


def test_leakage_is_power_times_time() -> None:
    """1,500 cycles at 1,500 MHz are a microsecond; 1 mW for that is 1,000 pJ."""
    assert leakage_pj(1.0, cycles=1500, clock_mhz=1500) == 1000
    got = energy_of(ActionCounts(), cycles=1500)
    milliwatts = chip_area(CHIP, TABLE).total_leakage_mw
    assert got["leakage"] == pytest.approx(1000 * milliwatts)
    assert sum(got.values()) == got["leakage"]


def test_dram_is_priced_by_the_bit_whatever_the_node() -> None:
    counts = ActionCounts(
        {
            Action(Component.DRAM, Verb.READ_BYTES): 3,
            Action(Component.DRAM, Verb.WRITE_BYTES): 1,
        }
    )
    for node in (45.0, 14.0):
        got = energy_of(counts, small_chip(technology_nm=node))
        assert got["dram"] == pytest.approx(4 * 8 * 7.03)


def test_logic_is_scaled_to_the_node_of_the_chip() -> None:
    fine = energy_of(GEMM, small_chip(technology_nm=14.0))
    coarse = energy_of(GEMM)
    assert fine["mac_array"] / coarse["mac_array"] == pytest.approx(scale(45, 14).energy)
    assert fine["clock"] / coarse["clock"] == pytest.approx(scale(45, 14).energy)


def test_memories_are_priced_by_the_byte() -> None:
    """A (1, 6, 9) outer adder in the model, 18 times, and 36 bytes each way of flip-flops.

    512 entries of two columns are 2 KiB, the table's smallest memory, 4 bytes wide:
    1.968 pJ a read and 2.242 pJ a write at 45 nm.
    """
    prices = price_chip(CHIP, TABLE)
    adder = prices.action_pj(Action(Component.ACCUMULATOR, Verb.ADD, (FP16,)))[0]
    got = energy_of(GEMM)["accumulator"]
    assert got == pytest.approx(18 * adder + 36 * (1.968 + 2.242) / 4)


def test_vector_functions_are_their_arithmetic() -> None:
    """A batch norm is one multiplication and one addition: one MAC of the format."""
    prices = price_chip(CHIP, TABLE)
    action = Action(Component.VECTOR_UNIT, Verb.FUNCTION, (FP16,), "batch_norm")
    assert prices.action_pj(action)[0] == pytest.approx(7.115)
    action = Action(Component.VECTOR_UNIT, Verb.FUNCTION, (get_format("fp32"),), "batch_norm")
    assert prices.action_pj(action)[0] == pytest.approx(27.179)


def test_an_unlisted_function_is_priced_as_the_default_and_named() -> None:
    op = VectorOp("x", "x", Phase.FORWARD, "my_function", ("x",), ("y",), 7, FP16)
    report = evaluate([count_actions(op, CHIP)], CHIP, TABLE, cycles=[0])
    assert report.ops[0]["vector_unit"] == pytest.approx(7 * 7.115)
    assert "Vector functions priced as the table's default: my_function." in report.notes
    bare = TABLE.model_copy(update={"vector_functions": {}})
    with pytest.raises(UnsupportedError, match=r"Add vector_functions\.my_function"):
        evaluate([count_actions(op, CHIP)], CHIP, bare, cycles=[0])


def test_parts_sum_to_totals_exactly() -> None:
    counts = [GEMM, GEMM + GEMM, ActionCounts()]
    report = evaluate(counts, CHIP, TABLE, cycles=[10, 20, 30])
    flat = [value for op in report.ops for value in op.values()]
    assert report.total_pj == math.fsum(flat)
    by_component = report.by_component_pj()
    assert tuple(by_component) == tuple(str(component) for component in Component)
    assert math.fsum(by_component.values()) == pytest.approx(report.total_pj, rel=1e-15)
    twice = {name: 2 * value for name, value in energy_of(GEMM, cycles=10).items()}
    assert report.ops[1] == pytest.approx(twice)
    assert report.scaling_method == "published_endpoints"


def test_a_chip_prices_no_pair_that_it_does_not_multiply() -> None:
    e5m2 = get_format("fp8_e5m2")
    stray = ActionCounts({Action(Component.MAC_ARRAY, Verb.MULTIPLY, (e5m2, e5m2, FP16)): 1})
    with pytest.raises(UnsupportedError, match="no lane that multiplies fp8_e5m2 x fp8_e5m2"):
        energy_of(stray)


def test_a_table_without_a_wire_says_which_row_is_missing() -> None:
    rows = tuple(row for row in TABLE.rows if row.unit != "wire_bit_mm")
    table = TABLE.model_copy(update={"rows": rows})
    counts = ActionCounts({Action(Component.INTERCONNECT, Verb.BYTE_HOPS): 1})
    with pytest.raises(UnsupportedError, match="Add a row of unit wire_bit_mm"):
        evaluate([counts], CHIP, table, cycles=[0])


def test_every_op_needs_a_count_cycles_and_a_share() -> None:
    with pytest.raises(ValueError, match=r"^1 counts, 2 cycles, 1 zero shares"):
        evaluate([GEMM], CHIP, TABLE, cycles=[1, 2])
    with pytest.raises(ValueError, match=r"^zero shares lie between 0 and 1"):
        energy_of(GEMM, zero_share=1.5)


def test_an_fp8_engine_needs_less_than_half_of_an_fp16_engine() -> None:
    """Per MAC of the array: 4.229 pJ (e5m2 in two lanes) against 12.113 pJ, half with FP32."""
    work = {
        "fp8_chunk64": make_gemm(64, 64, 128, operand="fp8_e5m2", chunk_size=64),
        "fp16": make_gemm(64, 64, 128, operand="fp16_e5m10", total="fp32"),
    }
    energy = {}
    for name, op in work.items():
        chip = load_chip(name).model_copy(update={"technology_nm": 45.0})
        counts = count_actions(schedule(op, chip), chip)
        switching = [
            count * price_chip(chip, TABLE).action_pj(action)[0]
            for action, count in counts.items()
            if action.verb in (Verb.MULTIPLY, Verb.ADD) and action.component == "mac_array"
        ]
        energy[name] = sum(switching) / op.macs
    assert energy == pytest.approx({"fp8_chunk64": 4.229, "fp16": 12.113})
    assert energy["fp8_chunk64"] < energy["fp16"] / 2


def test_a_link_is_priced_by_bits_and_millimetres() -> None:
    """0.1 pJ per bit and mm at 45 nm; a ring's link is as long as the side of a core."""
    chip = small_chip(cores=4)
    counts = ActionCounts({Action(Component.INTERCONNECT, Verb.BYTE_HOPS): 100})
    side_mm = math.sqrt(chip_area(chip, TABLE).total_mm2 / 4)
    assert energy_of(counts, chip)["interconnect"] == pytest.approx(100 * 8 * 0.1 * side_mm)
    bus = chip.interconnect.model_copy(update={"topology": Topology.BUS})
    on_bus = energy_of(counts, chip.model_copy(update={"interconnect": bus}))["interconnect"]
    side_mm = math.sqrt(
        chip_area(chip.model_copy(update={"interconnect": bus}), TABLE).total_mm2 / 4
    )
    assert on_bus == pytest.approx(100 * 8 * 0.1 * 4 * side_mm)


def test_peak_power_is_that_of_the_hungriest_op() -> None:
    """1,000 pJ in 10 cycles at 1,000 MHz, 10 ns, are 100 mW; an op without cycles has none."""
    area = chip_area(CHIP, TABLE)
    ops = ({"dram": 1000.0}, {"dram": 500.0, "clock": 100.0}, {"dram": 9.0})
    report = EnergyReport(ops=ops, area=area, scaling_method="", notes=())
    assert report.peak_power_mw([10, 10, 0], clock_mhz=1000) == pytest.approx(100)
    empty = EnergyReport(ops=(), area=area, scaling_method="", notes=())
    assert empty.peak_power_mw([], clock_mhz=1000) == 0
    assert empty.total_pj == 0


def test_a_gemm_on_the_vector_unit_is_priced_there() -> None:
    """60 MACs of (1, 6, 9) at 7.115 pJ on the lanes, clocked as FP32 elements of 96 flip-flops."""
    chip = load_chip("fp8_only").model_copy(update={"technology_nm": 45.0})
    counts = count_actions(schedule(make_gemm(4, 3, 5, chunk_size=64), chip), chip)
    got = energy_of(counts, chip)
    assert got["vector_unit"] == pytest.approx(60 * 7.115)
    assert got["clock"] == pytest.approx(60 * 0.825)
    assert got["mac_array"] == 0
