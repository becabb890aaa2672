"""What chunks cost: outer adders, their memory and their energy, against chunk size.

Where k lies along the rows of an array, a column adds T = rows x rate products on
the way down. A chunk of c products then takes, for each product:

* 1 / c additions of the outer accumulator, with a read and a write of its memory;
* where c > T, (1 / T - 1 / c) partial sums that leave the column and re-enter it,
  each written and read once;
* where c < T, T / c outer adders at the taps of each column instead of one.

These are the limits of `count_actions` for long reductions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accelsim.arch.chip import Chip
from accelsim.arch.mac_array import OperandPair
from accelsim.cost.actions import Action, Component, Verb
from accelsim.cost.area import area_of_units, outer_adder_count
from accelsim.cost.energy import ChipPrices, price_chip
from accelsim.cost.table import CostTable
from accelsim.errors import UnsupportedError
from accelsim.formats import NumberFormat

_BITS = 8


@dataclass(frozen=True, slots=True)
class ChunkCost:
    """What one chunk size costs.

    Parameters
    ----------
    chunk_size : int
        Products per chunk.
    outer_adders : int
        Outer adders of a core.
    accumulator_area_mm2, chip_area_mm2 : float
        Of all cores.
    mac_pj : float
        Switching energy of a multiply-accumulate without the chunks.
    outer_pj : float
        What the chunks add to it: outer additions and accumulator memory.
    """

    chunk_size: int
    outer_adders: int
    accumulator_area_mm2: float
    chip_area_mm2: float
    mac_pj: float
    outer_pj: float

    @property
    def overhead(self) -> float:
        """Energy of the chunks as a share of that of the multiply-accumulate."""
        return self.outer_pj / self.mac_pj


def chunk_costs(
    chip: Chip,
    table: CostTable,
    *,
    chunk_sizes: Sequence[int],
    pair: OperandPair | None = None,
) -> tuple[ChunkCost, ...]:
    """Return the cost of each chunk size on a chip, for its first accumulator.

    Parameters
    ----------
    chip : Chip
        A chip whose columns carry partial sums.
    table : CostTable
        Prices.
    chunk_sizes : sequence of int
        Each a multiple or a divisor of the k tile.
    pair : OperandPair, optional
        What is multiplied; the chip's first pair if left out.

    Raises
    ------
    UnsupportedError
        If a chunk would end where no adder is, or the chip keeps its sums in place.

    Examples
    --------
    >>> from accelsim.arch import load_chip
    >>> from accelsim.cost import load_cost_table
    >>> costs = chunk_costs(load_chip("fp8_chunk64"), load_cost_table("synth45"),
    ...                     chunk_sizes=(1, 8, 64, 512))
    >>> [cost.outer_adders for cost in costs]
    [2048, 256, 32, 32]
    """
    if chip.mac_array.dataflow == "output_stationary":
        raise UnsupportedError(
            "Sums of an output-stationary array stay in its elements: chunks take no adders there."
        )
    pair = pair or chip.mac_array.operand_pairs[0]
    k_tile = chip.mac_array.rows * pair.k_per_pe
    for chunk in chunk_sizes:
        if chunk < 1 or (chunk % k_tile and k_tile % chunk):
            raise UnsupportedError(
                f"A chunk of {chunk} is neither a multiple nor a divisor of the k tile {k_tile}:"
                " it would end where no adder is."
            )
    prices = price_chip(chip, table)
    return tuple(_chunk_cost(prices, pair, k_tile, chunk) for chunk in chunk_sizes)


def _chunk_cost(prices: ChipPrices, pair: OperandPair, k_tile: int, chunk: int) -> ChunkCost:
    spec = prices.chip.accumulator.supports[0]
    area = area_of_units(prices.chip, prices.units, chunk_size=chunk)
    formats = (pair.a, pair.b, spec.inner)
    mac = sum(
        _pj(prices, Component.MAC_ARRAY, verb, *formats) for verb in (Verb.MULTIPLY, Verb.ADD)
    )
    byte = sum(
        _pj(prices, Component.ACCUMULATOR, verb) for verb in (Verb.READ_BYTES, Verb.WRITE_BYTES)
    )
    ends = 1 / chunk
    returns = max(0.0, 1 / k_tile - ends)
    outer = ends * _pj(prices, Component.ACCUMULATOR, Verb.ADD, spec.outer)
    memory = (ends * spec.outer.bits + returns * spec.inner.bits) / _BITS * byte
    return ChunkCost(
        chunk_size=chunk,
        outer_adders=outer_adder_count(prices.chip, chunk),
        accumulator_area_mm2=area.area_mm2[Component.ACCUMULATOR],
        chip_area_mm2=area.total_mm2,
        mac_pj=mac,
        outer_pj=outer + memory,
    )


def _pj(prices: ChipPrices, component: Component, verb: Verb, *formats: NumberFormat) -> float:
    return prices.action_pj(Action(component, verb, formats))[0]
