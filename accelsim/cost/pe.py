"""The processing element of a chip, put together from units.

An element has one *lane* for each rate at which it multiplies. Where the table has
a row for the element as a whole (`kind: rates_1_2`), that is its price. Otherwise
the lane of the lowest rate is a whole processing element, priced as one, and a lane
of rate p adds p multipliers and, where its products are added one by one, as many
adders of the inner format as are missing to p: a sum that stands in for a synthesis
run. Multiplexers between lanes are not in it; nor is sharing between their
multipliers. The two are of opposite sign. For the two-rate element of one (1, 6, 9)
MAC or two FP8 MACs the sum is 10 % below what its Verilog gives, which adds (1, 6, 9)
products exactly, and 1 % below with `synth45_exact`, whose elements do so too.

Accumulators that round stochastically add a source of random bits to every adder.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from accelsim.arch.accumulator import AccumulatorUnit
from accelsim.arch.mac_array import MacArray, OperandPair
from accelsim.cost.shapes import FormatShape, flushes, merge, shape_of
from accelsim.cost.table import Basis
from accelsim.cost.unit_cost import MacEnergy, UnitCost
from accelsim.cost.units import Shapes, UnitPrices
from accelsim.errors import UnsupportedError
from accelsim.formats import NumberFormat, Rounding
from accelsim.formats.base import DEFAULT_RANDOM_BIT_COUNT
from accelsim.precision import PairRule


@dataclass(frozen=True, slots=True)
class Lane:
    """The operand formats that an element multiplies at one rate.

    Parameters
    ----------
    k_per_pe : int
        Products per cycle.
    operands : frozenset of FormatShape
        Every format of every pair.
    fused : bool
        Whether the products of a cycle enter one addition.
    flush : bool
        Whether no operand has subnormal numbers.
    """

    k_per_pe: int
    operands: Shapes
    fused: bool
    flush: bool

    @property
    def operand_bits(self) -> int:
        """Bits of one operand register of a cycle's products."""
        return self.k_per_pe * max(shape.bits for shape in self.operands)


@dataclass(frozen=True, slots=True)
class PeCost:
    """Price of one processing element at the table's node.

    Parameters
    ----------
    area_um2, leakage_uw, clock_pj : float
        Of the whole element; `clock_pj` in one cycle.
    register_bits : int
        Flip-flops.
    operand_bits : int
        Width of the register of one operand: what a second stationary register adds.
    parts : tuple of (count, UnitCost)
        What it is made of.
    """

    area_um2: float
    leakage_uw: float
    clock_pj: float
    register_bits: int
    operand_bits: int
    parts: tuple[tuple[int, UnitCost], ...]

    @property
    def basis(self) -> Basis:
        """Weakest basis of its parts; a sum of several measured parts is interpolated."""
        order = tuple(Basis)
        weakest = max((part.basis for _, part in self.parts), key=order.index)
        if len(self.parts) > 1:
            return max(weakest, Basis.INTERPOLATED, key=order.index)
        return weakest


def lanes_of(array: MacArray) -> tuple[Lane, ...]:
    """Return the lanes of an array's elements, slowest first."""
    rates = sorted({pair.k_per_pe for pair in array.operand_pairs})
    return tuple(
        _lane([pair for pair in array.operand_pairs if pair.k_per_pe == rate], rate)
        for rate in rates
    )


def price_pe(array: MacArray, accumulator: AccumulatorUnit, prices: UnitPrices) -> PeCost:
    """Return the price of one processing element of an array.

    Raises
    ------
    UnsupportedError
        If the table can price one of its units neither from a row nor from a model.
    """
    lanes = lanes_of(array)
    inner = inner_shapes(accumulator)
    whole = None
    if len(lanes) > 1:
        operands = frozenset(shape for lane in lanes for shape in lane.operands)
        whole = prices.lanes_row(operands, inner, kind=lanes_kind(lanes))
    parts = [(1, whole)] if whole is not None else _lane_parts(lanes, inner, prices)
    if any(Rounding.STOCHASTIC in one.roundings for one in accumulator.supports):
        adders = max(1 if lane.fused else lane.k_per_pe for lane in lanes)
        parts.append((adders, prices.random_bits(DEFAULT_RANDOM_BIT_COUNT)))
    operand_bits = max(lane.operand_bits for lane in lanes)
    missing = 2 * operand_bits + merge(inner).bits - parts[0][1].register_bits
    if missing > 0 and prices.model is not None:
        parts.append((1, prices.register(missing)))
    return PeCost(
        area_um2=math.fsum(count * part.area_um2 for count, part in parts),
        leakage_uw=math.fsum(count * part.leakage_uw for count, part in parts),
        clock_pj=math.fsum(count * part.clock_pj for count, part in parts),
        register_bits=sum(count * part.register_bits for count, part in parts),
        operand_bits=operand_bits,
        parts=tuple(parts),
    )


def mac_energy(
    array: MacArray,
    pair: Sequence[NumberFormat],
    inner: NumberFormat,
    prices: UnitPrices,
) -> MacEnergy:
    """Return the switching energy of one MAC of an operand pair in an array's element.

    An element of several lanes has a row for every pair of its formats, if the table
    prices it as a whole. Without one it is taken for an element with this lane alone,
    the operands of the other lanes held still.

    Raises
    ------
    UnsupportedError
        If the array does not multiply the pair.
    """
    wanted = frozenset(shape_of(fmt) for fmt in pair)
    lanes = lanes_of(array)
    for lane in lanes:
        if wanted <= lane.operands:
            if len(lanes) > 1:
                total = frozenset({shape_of(inner)})
                mode = prices.mode_energy(wanted, total, kind=lanes_kind(lanes))
                if mode is not None:
                    return mode
            return prices.mac(lane.operands, frozenset({shape_of(inner)}), flush=lane.flush)
    names = " x ".join(fmt.name for fmt in pair)
    raise UnsupportedError(f"The array has no lane that multiplies {names}.")


def inner_shapes(accumulator: AccumulatorUnit) -> Shapes:
    """Return the formats in which the elements add."""
    return frozenset(shape_of(one.inner) for one in accumulator.supports)


def outer_shape(accumulator: AccumulatorUnit) -> FormatShape:
    """Return the shape that holds every outer format."""
    return merge(shape_of(one.outer) for one in accumulator.supports)


def lanes_kind(lanes: Sequence[Lane]) -> str:
    """Return the `kind` of a row that prices an element of these lanes as a whole.

    Examples
    --------
    >>> from accelsim.arch import load_chip
    >>> lanes_kind(lanes_of(load_chip("fp8_chunk64").mac_array))
    'rates_1_2'
    """
    rates = "_".join(str(lane.k_per_pe) for lane in lanes)
    return f"rates_{rates}_fused" if any(lane.fused for lane in lanes) else f"rates_{rates}"


def _lane_parts(
    lanes: Sequence[Lane], inner: Shapes, prices: UnitPrices
) -> list[tuple[int, UnitCost]]:
    """Return the units of an element that has no row of its own."""
    base = prices.pe(lanes[0].operands, inner, flush=lanes[0].flush)
    parts = [(1, base)]
    adders = 1
    for lane in lanes:
        more = lane.k_per_pe - (1 if lane is lanes[0] else 0)
        if more:
            parts.append((more, prices.multiplier(lane.operands)))
        if lane.fused and lane.k_per_pe > 1:
            parts.append((1, prices.fused_extension(lane.operands, products=lane.k_per_pe)))
        elif lane.k_per_pe > adders:
            parts.append((lane.k_per_pe - adders, prices.adder(merge(inner))))
            adders = lane.k_per_pe
    return parts


def _lane(pairs: Sequence[OperandPair], rate: int) -> Lane:
    formats = [fmt for pair in pairs for fmt in (pair.a, pair.b)]
    return Lane(
        k_per_pe=rate,
        operands=frozenset(shape_of(fmt) for fmt in formats),
        fused=all(pair.pair is PairRule.FUSED for pair in pairs),
        flush=all(flushes(fmt) for fmt in formats),
    )
