"""Arithmetic units: synthesised rows, sums of their parts, and what has no price."""

from __future__ import annotations

import pytest

from accelsim.arch import (
    AccumulatorCapability,
    AccumulatorUnit,
    MacArray,
    OperandPair,
    load_chip,
)
from accelsim.cost.catalog import load_cost_table
from accelsim.cost.gate_model import fit_gate_model
from accelsim.cost.pe import lanes_of, mac_energy, price_pe
from accelsim.cost.shapes import FormatShape, merge, shape_of
from accelsim.cost.table import Basis, CostRow, CostTable, UnitKind
from accelsim.cost.units import CONVERTER_SHARE_OF_ADDER, UnitPrices, shapes_of, unit_prices
from accelsim.errors import UnsupportedError
from accelsim.formats import Rounding, get_format
from accelsim.formats.integer import IntegerFormat
from accelsim.formats.posit import PositFormat
from accelsim.formats.table import TableFormat
from accelsim.precision import PairRule

TABLE = load_cost_table("synth45")
PRICES = unit_prices(TABLE)
DUAL = shapes_of("fp8_e5m2", "fp8_e4m3fn")
FP16 = shapes_of("fp16_e6m9")

# Area in um2 and energy per MAC in pJ, switching and clock, Nangate 45 nm: the synthesis report.
SYNTHESISED = [
    (("fp8_e5m2",), "fp16_e6m9", 922.84, 2.801 + 0.275),
    (("fp8_e4m3",), "fp16_e6m9", 943.59, 3.153 + 0.275),
    (("fp8_e5m2", "fp8_e4m3"), "fp16_e6m9", 1060.19, 3.579 + 0.275),
    (("fp8_e5m2",), "fp32", 1745.05, 5.506 + 0.412),
    (("fp16_e6m9",), "fp16_e6m9", 1928.06, 7.115 + 0.412),
    (("fp16_e5m10",), "fp16_e5m10", 2112.13, 7.784 + 0.412),
    (("bf16",), "fp32", 2346.39, 9.617 + 0.550),
    (("fp16_e5m10",), "fp32", 2722.16, 12.113 + 0.550),
    (("fp32",), "fp32", 6601.77, 27.179 + 0.825),
    (("int8",), "int32", 874.34, 1.726 + 0.412),
]


@pytest.mark.parametrize(("operands", "total", "area", "energy"), SYNTHESISED)
def test_synthesised_elements_have_their_own_price(operands, total, area, energy) -> None:
    got = PRICES.pe(shapes_of(*operands), shapes_of(total))
    assert got.area_um2 == area
    assert got.energy_pj + got.clock_pj == pytest.approx(energy)
    assert got.basis is got.energy_basis is Basis.MEASURED


def test_energy_ratios_are_those_of_the_synthesis_report() -> None:
    """FP8, half with half, half with FP32, FP32: 3.076, 8.196, 12.663, 28.004 pJ with the clock.

    Another Verilog gave 1 : 2.52 : 3.70 : 7.96, or 10.4 with an exact product.
    """

    def whole(operand: str, total: str) -> float:
        unit = PRICES.pe(shapes_of(operand), shapes_of(total))
        return unit.energy_pj + unit.clock_pj

    base = whole("fp8_e5m2", "fp16_e6m9")
    got = [whole("fp16_e5m10", "fp16_e5m10"), whole("fp16_e5m10", "fp32"), whole("fp32", "fp32")]
    expected = [8.196 / 3.076, 12.663 / 3.076, 28.004 / 3.076]
    assert [value / base for value in got] == pytest.approx(expected)


def test_a_table_without_glitches_charges_what_switches_once() -> None:
    """The same areas and clock; e5m2 + (1,6,9) 0.760 instead of 2.801 pJ in the report."""
    table = load_cost_table("synth45_zero_delay")
    prices = unit_prices(table)
    one, other = prices.pe(shapes_of("fp8_e5m2"), FP16), PRICES.pe(shapes_of("fp8_e5m2"), FP16)
    assert (one.energy_pj, other.energy_pj) == (0.760, 2.801)
    assert (one.area_um2, one.clock_pj, one.leakage_uw) == (
        other.area_um2, other.clock_pj, other.leakage_uw,
    )  # fmt: skip
    mode = prices.mode_energy(shapes_of("fp8_e5m2"), FP16, kind="rates_1_2")
    assert mode is not None
    assert mode.multiply_pj + mode.add_pj == pytest.approx(1.176)
    fitted = shapes_of("float_e4m4")
    assert prices.pe(fitted, FP16).energy_basis is Basis.FITTED
    assert 3 < PRICES.pe(fitted, FP16).energy_pj / prices.pe(fitted, FP16).energy_pj < 4
    # Every element with an energy has one of each kind, so nothing is charged with glitches.
    assert all(row.zero_delay_energy_pj for row in table.of_unit(UnitKind.PE) if row.energy_pj)


@pytest.mark.parametrize(
    ("operand", "area", "energy"),
    [("fp16_e6m9", 2224.20, 9.151), ("fp16_e5m10", 2407.39, 9.440), ("fp32", 7489.58, 34.811)],
)
def test_a_table_of_exact_products_prices_elements_that_do_not_round_them(
    operand, area, energy
) -> None:
    prices, shapes = unit_prices(load_cost_table("synth45_exact")), shapes_of(operand)
    exact, rounded = prices.pe(shapes, shapes), PRICES.pe(shapes, shapes)
    assert (exact.area_um2, exact.energy_pj, exact.basis) == (area, energy, Basis.MEASURED)
    assert rounded.area_um2 < exact.area_um2
    mac = prices.mac(shapes, shapes)
    assert mac.multiply_pj + mac.add_pj == pytest.approx(energy)
    # Of products that the sum holds there is nothing to round.
    wide = shapes_of("fp32")
    for narrow in ("fp8_e5m2", "bf16"):
        assert prices.pe(shapes_of(narrow), wide) == PRICES.pe(shapes_of(narrow), wide)


def test_exact_products_without_subnormals_are_fitted() -> None:
    """The rows of exact products have subnormals; what does without is smaller."""
    prices, half = unit_prices(load_cost_table("synth45_exact")), shapes_of("fp16_e5m10")
    gradual, flush = prices.pe(half, half), prices.pe(half, half, flush=True)
    assert flush.basis is Basis.FITTED
    assert flush.area_um2 < gradual.area_um2
    assert flush.energy_pj < gradual.energy_pj


def test_exact_products_without_a_row_are_fitted() -> None:
    """Of (1,8,15) there is a row whose product is rounded, and none whose is not."""
    prices, shapes = unit_prices(load_cost_table("synth45_exact")), shapes_of("float_e8m15")
    exact, rounded = prices.pe(shapes, shapes), PRICES.pe(shapes, shapes)
    assert (exact.basis, rounded.basis) == (Basis.FITTED, Basis.MEASURED)
    assert rounded.area_um2 < exact.area_um2
    assert rounded.energy_pj < exact.energy_pj


def test_a_register_counts_exactly() -> None:
    """Clock energy of every element is its flip-flops times 8.593 fJ, to the last digit."""
    for row in TABLE.rows:
        if row.unit is UnitKind.PE and row.clock_energy_pj:
            assert row.register_bits is not None
            assert row.clock_energy_pj == pytest.approx(row.register_bits * 0.008593, abs=0.0006)


def test_a_mac_splits_into_its_halves() -> None:
    mac = PRICES.mac(DUAL, FP16)
    whole = PRICES.pe(DUAL, FP16)
    assert mac.multiply_pj + mac.add_pj == pytest.approx(whole.energy_pj)
    assert mac.add_pj > 2.5 * mac.multiply_pj  # the adder is the story of an FP8 MAC


def without_rows_of_whole_elements() -> CostTable:
    return TABLE.model_copy(update={"rows": tuple(row for row in TABLE.rows if not row.kind)})


def test_the_two_rate_element_is_its_own_synthesis_run() -> None:
    """3,376.52 um2, its gates and 84 flip-flops.

    Flip-flops: two operands and a sum of 16 bits, and between its two additions a sum
    of 16 bits and a product of 20: sign, three flags, 8 bits of exponent, 8 of significand.
    """
    chip = load_chip("fp8_chunk64")
    pe = price_pe(chip.mac_array, chip.accumulator, PRICES)
    assert pe.area_um2 == 3376.52
    assert pe.basis is Basis.MEASURED
    assert [count for count, _ in pe.parts] == [1]
    assert pe.operand_bits == 16
    assert pe.register_bits == 3 * 16 + 16 + 20


def test_without_a_run_of_its_own_the_two_rate_element_is_the_sum_of_its_parts() -> None:
    """(1,6,9) element 1928.06, two multipliers of both FP8 kinds 239.93 each, one adder 633.79.

    The sum is 10 % below the run.
    """
    chip = load_chip("fp8_chunk64")
    prices = unit_prices(without_rows_of_whole_elements())
    pe = price_pe(chip.mac_array, chip.accumulator, prices)
    assert pe.area_um2 == pytest.approx(1928.06 + 2 * 239.93 + 633.79)
    assert pe.basis is Basis.INTERPOLATED
    assert [count for count, _ in pe.parts] == [1, 2, 1]
    assert pe.register_bits == 48


@pytest.mark.parametrize(
    ("a", "b", "energy"),
    [
        ("fp8_e5m2", "fp8_e5m2", 4.229),
        ("fp8_e4m3fn", "fp8_e4m3fn", 4.734),
        ("fp8_e4m3fn", "fp8_e5m2", 4.407),
        ("fp16_e6m9", "fp16_e6m9", 10.440),
    ],
)
def test_each_mode_of_the_two_rate_element_has_its_own_energy(a, b, energy) -> None:
    """Energies of one product in the synthesis report."""
    array = load_chip("fp8_chunk64").mac_array
    got = mac_energy(array, (get_format(a), get_format(b)), get_format("fp16_e6m9"), PRICES)
    assert got.multiply_pj + got.add_pj == pytest.approx(energy)
    assert got.basis is Basis.MEASURED


def test_without_such_rows_a_mode_costs_what_a_lane_alone_does() -> None:
    array = load_chip("fp8_chunk64").mac_array
    fp8, total = get_format("fp8_e5m2"), get_format("fp16_e6m9")
    prices = unit_prices(without_rows_of_whole_elements())
    assert mac_energy(array, (fp8, fp8), total, prices) == prices.mac(DUAL, FP16)


def test_an_outer_adder_has_the_register_of_its_sum() -> None:
    """The adders, 633.79 and 1422.66 um2, and 16 and 32 flip-flops of 4.522 um2."""
    outer = PRICES.outer_adder(shape_of("fp16_e6m9"))
    assert outer.area_um2 == pytest.approx(633.79 + 16 * 4.522)
    assert outer.register_bits == 16
    assert PRICES.outer_adder(shape_of("fp32")).area_um2 == pytest.approx(1422.66 + 32 * 4.522)


def test_an_outer_adder_with_a_row_of_its_own_costs_that() -> None:
    row = CostRow(
        unit=UnitKind.ADDER,
        kind="outer_tap",
        operands=("fp16_e6m9",),
        area_um2=700.0,
        register_bits=16,
        source="made for this test",
        basis=Basis.ESTIMATE,
        technology_nm=45.0,
    )
    prices = unit_prices(TABLE.model_copy(update={"rows": (*TABLE.rows, row)}))
    outer = prices.outer_adder(shape_of("fp16_e6m9"))
    assert (outer.area_um2, outer.basis) == (700.0, Basis.ESTIMATE)


def test_the_fp8_only_element_is_the_synthesised_one() -> None:
    chip = load_chip("fp8_only")
    pe = price_pe(chip.mac_array, chip.accumulator, PRICES)
    assert (pe.area_um2, pe.basis) == (1060.19, Basis.MEASURED)
    (lane,) = lanes_of(chip.mac_array)
    assert lane.operands == DUAL


def test_an_operand_that_holds_the_others_serves_them() -> None:
    chip = load_chip("scalesim_ws_32x32")  # FP8, (1,6,9) and FP32 at the same rate
    pe = price_pe(chip.mac_array, chip.accumulator, PRICES)
    assert pe.area_um2 == PRICES.pe(shapes_of("fp32"), shapes_of("fp32")).area_um2


def test_formats_without_subnormals_have_smaller_elements() -> None:
    """Synthesised without subnormals: 834.44 against 922.84 um2."""
    plain = PRICES.pe(shapes_of("fp8_e5m2"), FP16)
    flush = PRICES.pe(shapes_of("fp8_e5m2"), FP16, flush=True)
    assert (plain.area_um2, flush.area_um2) == (922.84, 834.44)


def test_shapes_ignore_bias_and_specials() -> None:
    assert shape_of("fp8_e4m3fn") == shape_of("fp8_e4m3") == shape_of("fp8_e4m3b11")
    assert shape_of("dlfloat16") == shape_of("fp16_e6m9")
    assert str(merge([shape_of("int8"), shape_of("int32")])) == "int32"
    assert shape_of(get_format("fp32")).significand_bits == 24
    with pytest.raises(ValueError, match="nothing to merge"):
        merge([])


def test_converters_and_rounders_are_shares_and_sums() -> None:
    """A converter is a third of the adder, 1422.66 um2 for FP32; a rounder adds 16 flip-flops."""
    fp32 = shape_of("fp32")
    converter = PRICES.converter(fp32)
    assert converter.area_um2 == pytest.approx(1422.66 * CONVERTER_SHARE_OF_ADDER)
    rounder = PRICES.stochastic_rounder(fp32, random_bits=16)
    assert rounder.register_bits == 16
    assert rounder.area_um2 > converter.area_um2 + 16 * 4.522
    assert rounder.basis is Basis.ESTIMATE
    statistics = PRICES.statistics_unit(fp32)
    assert statistics.register_bits == 64
    assert statistics.area_um2 > 2 * 1422.66 + 5080.60


def test_literature_prices_what_it_lists_and_refuses_the_rest() -> None:
    literature = unit_prices(load_cost_table("horowitz45"))
    assert literature.model is None
    assert literature.adder(shape_of("fp16_e5m10")).energy_pj == 0.4
    with pytest.raises(UnsupportedError, match=r"^The cost table 'horowitz45' does not price") as e:
        literature.pe(DUAL, FP16)
    assert "It prices: adder fp16_e5m10" in str(e.value)
    assert "synth45" in str(e.value)


def test_a_table_without_flip_flops_cannot_price_a_register() -> None:
    with pytest.raises(UnsupportedError, match="does not price a register"):
        UnitPrices(load_cost_table("tpuv4i_7nm"), None).register(8)


def lanes_of_pairs(*pairs: dict, **accumulator) -> tuple[MacArray, AccumulatorUnit]:
    """Return an array and accumulators as a user would write them."""
    formats = {"inner": get_format("fp16_e6m9"), "outer": get_format("fp16_e6m9")}
    array = MacArray(
        rows=2,
        cols=2,
        dataflow="weight_stationary",
        operand_pairs=tuple(
            OperandPair(a=get_format(p["of"]), b=get_format(p["of"]), k_per_pe=p["rate"],
                        pair=p.get("pair", PairRule.SEQUENTIAL))
            for p in pairs
        ),
    )  # fmt: skip
    return array, AccumulatorUnit(supports=(AccumulatorCapability(**formats, **accumulator),))


def test_a_fused_lane_widens_its_adder_instead_of_adding_one() -> None:
    """Sequential: one more multiplier, adder, and pair of 8-bit operand registers."""
    two = {"of": "fp8_e5m2", "rate": 2}
    one_by_one = price_pe(*lanes_of_pairs(two), PRICES)
    fused = price_pe(*lanes_of_pairs({**two, "pair": PairRule.FUSED}), PRICES)
    assert one_by_one.area_um2 == pytest.approx(922.84 + 138.59 + 633.79 + 16 * 4.522)
    assert fused.area_um2 < one_by_one.area_um2
    assert "fused sum of 2 products" in [unit.label for _, unit in fused.parts]


def test_stochastic_adders_carry_random_bits() -> None:
    """16 bits, as many as a stochastic rounding takes where none are stated."""
    one = {"of": "fp8_e5m2", "rate": 1}
    plain = price_pe(*lanes_of_pairs(one), PRICES)
    random = price_pe(
        *lanes_of_pairs(one, roundings=(Rounding.NEAREST_EVEN, Rounding.STOCHASTIC)), PRICES
    )
    assert random.area_um2 - plain.area_um2 == pytest.approx(PRICES.random_bits(16).area_um2)


def test_an_element_synthesised_as_a_whole_replaces_the_sum() -> None:
    whole = CostRow(
        unit=UnitKind.PE,
        operands=("fp16_e6m9", "fp8_e5m2", "fp8_e4m3"),
        accumulator="fp16_e6m9",
        kind="rates_1_2",
        area_um2=2500.0,
        register_bits=48,
        source="a synthesis run of the whole element",
        basis=Basis.MEASURED,
        technology_nm=45.0,
    )
    rows = without_rows_of_whole_elements().rows
    table = TABLE.model_copy(update={"rows": (*rows, whole)})
    chip = load_chip("fp8_chunk64")
    pe = price_pe(chip.mac_array, chip.accumulator, unit_prices(table))
    assert (pe.area_um2, pe.basis) == (2500.0, Basis.MEASURED)
    # It is an element of several lanes, so it must not pull the model's fit.
    assert fit_gate_model(table) == fit_gate_model(TABLE)


def test_integers_and_posits_have_shapes_and_tables_have_none() -> None:
    """posit8 es1: scales +-12 in 5 bits, 8 - 3 - 1 = 4 fraction bits; int48 by its name."""
    assert shape_of(PositFormat("posit8_es1", 8, 1)) == FormatShape(5, 5, 8)
    assert shape_of("int48") == FormatShape(0, 48, 48)
    assert shape_of(IntegerFormat("int8", 8)) == FormatShape(0, 8, 8)
    table = TableFormat.__new__(TableFormat)
    object.__setattr__(table, "name", "levels")
    with pytest.raises(UnsupportedError, match=r"^There is no gate model for the format 'levels'"):
        shape_of(table)


def test_an_integer_element_is_measured_too() -> None:
    """1.726 pJ, 0.945 of it without glitches: it has no shifters."""
    unit = PRICES.pe(shapes_of("int8"), shapes_of("int32"))
    assert (unit.basis, unit.energy_basis) == (Basis.MEASURED, Basis.MEASURED)
    assert (unit.energy_pj, unit.clock_pj) == (1.726, 0.412)


def test_an_element_can_be_the_sum_of_listed_halves() -> None:
    """A table of one multiplier of 10 um2 and 2 pJ and one adder of 5 um2 and 1 pJ."""

    def row(unit: UnitKind, area: float, energy: float) -> CostRow:
        return CostRow(
            unit=unit,
            operands=("fp32",),
            area_um2=area,
            energy_pj=energy,
            source="made for this test",
            basis=Basis.PUBLISHED,
            technology_nm=45.0,
        )

    rows = (row(UnitKind.MULTIPLIER, 10.0, 2.0), row(UnitKind.ADDER, 5.0, 1.0))
    prices = unit_prices(CostTable(name="two", technology_nm=45.0, rows=rows))
    fp32 = shapes_of("fp32")
    pe = prices.pe(fp32, fp32)
    assert (pe.area_um2, pe.energy_pj, pe.basis) == (15.0, 3.0, Basis.PUBLISHED)
    mac = prices.mac(fp32, fp32)
    assert (mac.multiply_pj, mac.add_pj) == (2.0, 1.0)
