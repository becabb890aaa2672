"""The chips that ship: they load, say where each figure comes from, and have the right peaks."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from accelsim.arch import Chip, Drain, list_chips, load_chip
from accelsim.errors import UnknownNameError
from accelsim.precision import PairRule, get_recipe

#: Fields that are names, choices of the file's author, or repeat what another field says.
UNSOURCED = {"name", "description", "sources", "default_recipe", "cost_table"}

SCALESIM = tuple(
    (f"scalesim_{short}_{size}x{size}", dataflow, size)
    for short, dataflow in (
        ("ws", "weight_stationary"),
        ("os", "output_stationary"),
        ("is", "input_stationary"),
    )
    for size in (32, 128)
)


def leaf_fields(model: BaseModel, prefix: str = "") -> list[str]:
    """Return the dotted names of the fields that the file sets and that are no models."""
    names = []
    for name in sorted(model.model_fields_set):
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            names.extend(leaf_fields(value, f"{prefix}{name}."))
        else:
            names.append(prefix + name)
    return names


@pytest.mark.parametrize("name", list_chips())
def test_chip_is_called_as_its_file(name: str) -> None:
    assert load_chip(name).name == name.rpartition("/")[2]


@pytest.mark.parametrize("name", list_chips())
def test_chip_serves_operands_and_accumulator_of_its_default_recipe(name: str) -> None:
    chip = load_chip(name)
    recipe = get_recipe(chip.default_recipe)
    served = {frozenset((pair.a.name, pair.b.name)) for pair in chip.mac_array.operand_pairs}
    asked = frozenset((recipe.operands.activation.name, recipe.operands.weight.name))
    sums = {(one.inner, one.outer) for one in chip.accumulator.supports}
    assert asked in served
    assert (recipe.accumulator.inner, recipe.accumulator.outer) in sums


@pytest.mark.parametrize("name", [n for n in list_chips() if "scalesim" not in n])
def test_every_figure_of_a_chip_has_a_source(name: str) -> None:
    chip = load_chip(name)
    asked = [field for field in leaf_fields(chip) if field.split(".")[0] not in UNSOURCED]
    unsourced = [
        field
        for field in asked
        if not any(field == key or field.startswith(f"{key}.") for key in chip.sources)
    ]
    assert unsourced == []


def test_default_chip_has_the_peak_of_semantics() -> None:
    chip = load_chip("fp8_chunk64")
    # 4 cores x 32 x 32 elements x 2 FP8 MACs x 2 flop x 1.5 GHz = 24.576 TFLOPS; half in FP16.
    assert chip.peak_macs_per_cycle(2) * 2 * chip.clock_mhz * 1e6 == pytest.approx(24.576e12)
    assert chip.peak_macs_per_cycle(1) * 2 * chip.clock_mhz * 1e6 == pytest.approx(12.288e12)


def test_default_chip_sees_dram_in_its_own_cycles() -> None:
    chip = load_chip("fp8_chunk64")
    # 200e9 B/s / 1.5e9 cycles/s = 133.3 B per cycle; 100 ns x 1.5 GHz = 150 cycles.
    assert chip.dram_bytes_per_cycle == pytest.approx(400 / 3)
    assert chip.dram_latency_cycles == 150


def test_default_chip_takes_one_chunk_of_fp8_per_pass() -> None:
    chip = load_chip("fp8_chunk64")
    rates = {pair.a.name: pair.k_per_pe for pair in chip.mac_array.operand_pairs}
    assert rates["fp8_e5m2"] * chip.mac_array.rows == 64
    assert rates["fp16_e6m9"] * chip.mac_array.rows == 32
    assert all(pair.pair is PairRule.SEQUENTIAL for pair in chip.mac_array.operand_pairs)


@pytest.mark.parametrize(("name", "dataflow", "size"), SCALESIM)
def test_scalesim_chip_is_one_core_with_memories_that_never_stall(
    name: str, dataflow: str, size: int
) -> None:
    chip = load_chip(name)
    array = chip.mac_array
    assert (array.dataflow, array.rows, array.cols, chip.cores) == (dataflow, size, size, 1)
    assert not array.preload_hidden
    assert not array.overlap_passes
    assert array.drain is Drain.HIDDEN
    assert chip.scratchpad.usable_bytes is None
    assert chip.dram_bytes_per_cycle is None
    assert chip.interconnect.bytes_per_cycle is None
    assert chip.dram_latency_cycles == 0


def test_iso_area_chips_differ_from_their_base_in_columns_only() -> None:
    for base in ("fp16", "fp32"):
        resized, plain = load_chip(f"{base}_iso_area"), load_chip(base)
        same = {"name", "description", "sources", "mac_array"}
        assert resized.model_dump(exclude=same) == plain.model_dump(exclude=same)
        array = resized.mac_array.model_copy(update={"cols": plain.mac_array.cols})
        assert array == plain.mac_array


def test_latency_rounds_up_to_whole_cycles() -> None:
    # 100 ns at 1,001 MHz are 100.1 cycles.
    chip = load_chip("fp8_chunk64", [("clock_mhz", "1001")])
    assert chip.dram_latency_cycles == 101


def test_unknown_chip_lists_those_that_ship() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown chip 'fp8_chunk'.*fp8_chunk64"):
        load_chip("fp8_chunk")


def test_half_of_a_double_buffered_scratchpad_is_usable() -> None:
    chip: Chip = load_chip("fp8_chunk64")
    assert chip.scratchpad.usable_bytes == 1024 * 1024
    single = load_chip("fp8_chunk64", [("scratchpad.double_buffering", "false")])
    assert single.scratchpad.usable_bytes == 2048 * 1024


@pytest.mark.parametrize(("name", "dataflow", "size"), SCALESIM)
def test_lanes_of_a_scalesim_chip_keep_up_with_its_array(
    name: str, dataflow: str, size: int
) -> None:
    # A finished output passes through at most eight element functions.
    assert load_chip(name).vector_unit.lanes == 8 * size
