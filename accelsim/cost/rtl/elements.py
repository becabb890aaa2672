"""The elements that a cost table prices: their gates, their flip-flops, what they are fed.

An element is its gates, which are synthesised and simulated, and flip-flops for its
operands and its sum, which are counted. Beside the elements of the shipped chips stand
others, between and beyond their formats, so that the fit of `accelsim.cost.gate_model`
has points everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from accelsim.cost.rtl.switching import ChunkSums, Mode
from accelsim.cost.rtl.units import (
    RtlUnit,
    adder_unit,
    dual_product_unit,
    dual_unit,
    held_two_rate_unit,
    int_unit,
    mac_unit,
    product_unit,
    two_rate_unit,
)
from accelsim.cost.table import UnitKind, UnitVariant
from accelsim.formats import get_format

_E5M2, _E4M3, _WIDE, _HALF, _FP32 = "fp8_e5m2", "fp8_e4m3fn", "fp16_e6m9", "fp16_e5m10", "fp32"
_SMALL = (_E5M2, _E4M3, "float_e3m4", "float_e5m3", "float_e2m3", "float_e2m1")
_BETWEEN = ("float_e5m5", "float_e5m7", _WIDE, _HALF, "bf16", "float_e8m10")
_SUMS = (_HALF, "bf16", "float_e6m12", "float_e8m15")
#: Elements whose product is no wider than the sum's format.
_EXACT = (
    *((a, total) for total in (_WIDE, _FP32) for a in _SMALL),
    *((a, total) for a in (_E5M2, _E4M3) for total in _SUMS),
    *((a, _FP32) for a in _BETWEEN),
)
#: Elements whose product is wider than the sum's format: rounded to it first, and exact.
_WIDER = (("float_e5m5", _WIDE), (_WIDE, _WIDE), (_HALF, _HALF), ("bf16", "bf16"), (_FP32, _FP32))
_FLUSHED = (
    (_E5M2, _WIDE, "float_e5m2_flushed", "float_e6m9_flushed"),
    (_HALF, _HALF, "float_e5m10_flushed", "float_e5m10_flushed"),
    (_HALF, _FP32, "float_e5m10_flushed", "float_e8m23_flushed"),
    ("bf16", _FP32, "float_e8m7_flushed", "float_e8m23_flushed"),
    (_FP32, _FP32, "float_e8m23_flushed", "float_e8m23_flushed"),
)
#: Flip-flops between the additions of the two-rate element: a sum, and a product unpacked.
_HELD_BITS = 36


@dataclass(frozen=True, slots=True)
class Element:
    """What one row of a cost table prices.

    Parameters
    ----------
    unit, operands, accumulator, variant, kind
        As in `accelsim.cost.table.CostRow`.
    gates : RtlUnit
        Without registers.
    register_bits : int
        Flip-flops beside the gates.
    modes : tuple of Mode or ChunkSums
        What its energy is the mean over; none where only its area counts.
    prices_area : bool
        Whether the row has an area: the modes of one element share that of another row.
    """

    unit: UnitKind
    operands: tuple[str, ...]
    accumulator: str | None
    gates: RtlUnit
    register_bits: int = 0
    modes: tuple[Mode | ChunkSums, ...] = ()
    variant: UnitVariant = UnitVariant.PLAIN
    kind: str = ""
    prices_area: bool = True


def list_elements() -> tuple[Element, ...]:
    """Return all elements, those of one kind together."""
    return (*_floats(), *_dual(), _integer(), *_two_rate(), *_parts())


def _floats() -> Iterator[Element]:
    for a, total in _EXACT:
        yield _mac(a, total)
    for a, total in _WIDER:
        yield _mac(a, total, rounded=True)
        yield _mac(a, total, variant=UnitVariant.FUSED)
    yield _mac("float_e8m15", "float_e8m15", rounded=True)
    for a, total, flushed, flushed_total in _FLUSHED:
        yield _mac(a, total, flushed, flushed_total, rounded=a == total, variant=UnitVariant.FLUSH)


def _mac(
    a: str,
    total: str,
    built: str = "",
    built_total: str = "",
    *,
    rounded: bool = False,
    variant: UnitVariant = UnitVariant.PLAIN,
) -> Element:
    """Return the element of one format, built with others of the same widths if they are given."""
    one, out = built or a, built_total or total
    gates = mac_unit("fp_mac", one, one, out, rounded=rounded)
    modes = (Mode(gates, one, one),)
    bits = 2 * _bits(a) + _bits(total)
    return Element(UnitKind.PE, (a,), total, gates, bits, modes, variant)


def _dual() -> Iterator[Element]:
    """Yield the elements of both 8-bit kinds; half of their products are of each."""
    for total in (_WIDE, _FP32):
        gates = dual_unit(total, registered=False)
        modes = tuple(
            Mode(gates, name, name, held=(("a_kind", i), ("b_kind", i)))
            for i, name in enumerate((_E5M2, _E4M3))
        )
        bits = 2 * 8 + _bits(total)
        yield Element(UnitKind.PE, (_E5M2, _E4M3), total, gates, bits, modes)


def _integer() -> Element:
    gates = int_unit(8, 32, registered=False)
    modes = (Mode(gates, "int8", "int8"),)
    return Element(UnitKind.PE, ("int8",), "int32", gates, 2 * 8 + 32, modes)


def _two_rate() -> Iterator[Element]:
    """Yield the two-rate elements, and their modes: a pair of 8-bit products, or one of 16."""
    for kind, gates, between in (
        ("rates_1_2", held_two_rate_unit(registered=False), _HELD_BITS),
        ("rates_1_2_fused", two_rate_unit(fused=True, registered=False), 0),
    ):
        whole = (_E5M2, _E4M3, _WIDE)
        yield Element(UnitKind.PE, whole, _WIDE, gates, 3 * 16 + between, kind=kind)
        for operands, pair, kinds in (
            ((_E5M2,), 1, (0, 0)), ((_E4M3,), 1, (1, 1)), ((_E5M2, _E4M3), 1, (1, 0)),
            ((_WIDE,), 0, (0, 0)),
        ):  # fmt: skip
            a, b = (operands[0], operands[0]) if len(operands) == 1 else (_E4M3, _E5M2)
            held = (("mode", pair), ("a_kind", kinds[0]), ("b_kind", kinds[1]))
            modes = (Mode(gates, a, b, 1 + pair, held),)
            yield Element(
                UnitKind.PE, operands, _WIDE, gates, 0, modes, kind=kind, prices_area=False
            )


def _parts() -> Iterator[Element]:
    """Yield adders, which are those over chunks, and multipliers alone; of these areas only."""
    for total in (_WIDE, _HALF, _FP32):
        gates = adder_unit(total)
        yield Element(UnitKind.ADDER, (total,), None, gates, modes=(ChunkSums(gates, total),))
    for a in (_E5M2, _E4M3):
        yield Element(UnitKind.MULTIPLIER, (a,), None, product_unit(a, a))
    yield Element(UnitKind.MULTIPLIER, (_E5M2, _E4M3), None, dual_product_unit())
    for a in (_HALF, _FP32):
        yield Element(UnitKind.MULTIPLIER, (a,), a, product_unit(a, a, a))


def _bits(name: str) -> int:
    return get_format(name).bits
