"""What a chip can be asked for: operand pairs, accumulators, and who serves an op.

A chip says what it can, a recipe what is asked. A request that the chip cannot
serve is refused with the list of what it can, unless its vector unit takes over
the GEMMs that the array cannot serve.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from accelsim.arch import AccumulatorCapability, Chip, OperandPair
from accelsim.errors import UnknownNameError, UnsupportedError
from accelsim.formats import NumberFormat, Rounding
from accelsim.precision import AccumulationMethod, Accumulator, PairRule
from accelsim.workload.ops import Gemm, VectorOp
from accelsim.workload.vector_functions import VECTOR_FUNCTIONS

#: Formats of up to this many bits are compared code by code.
_CODES_TRIED_BITS = 16


def select_pair(op: Gemm, chip: Chip) -> OperandPair:
    """Return how the array multiplies the operands of `op`.

    Raises
    ------
    UnsupportedError
        If the array has no such pair of formats, or does not sum its products as
        the accumulator asks; it lists what the chip can.
    """
    reasons = array_refusals(op, chip)
    if reasons:
        raise UnsupportedError(_refusal(op, chip, reasons))
    pair = _find_pair(op, chip)
    assert pair is not None  # or there would have been a reason
    return pair


def array_refusals(op: Gemm, chip: Chip) -> tuple[str, ...]:
    """Return why the array cannot serve `op`; empty where it can."""
    pair = _find_pair(op, chip)
    reasons = []
    if pair is None:
        can = ", ".join(_pair_text(one) for one in chip.mac_array.operand_pairs)
        reasons.append(
            f"The array does not multiply {op.a.format.name} x {op.b.format.name}."
            f" It multiplies: {can}."
        )
    else:
        reasons.extend(_pair_rule_refusals(op.accumulator, pair))
    supports = chip.accumulator.supports
    if not any(_serves(capability, op.accumulator) for capability in supports):
        can = "; ".join(_capability_text(capability) for capability in supports)
        reasons.append(
            f"The accumulators do not add as {_request_text(op.accumulator)}. They have: {can}."
        )
    return tuple(reasons)


def vector_unit_refusals(op: Gemm, chip: Chip) -> tuple[str, ...]:
    """Return why the vector unit cannot run `op` in the array's place; empty where it can.

    Lanes read what one of their compute formats holds exactly, make products that are
    exact or rounded to a compute format, and add them one after the other, each sum
    rounded to nearest even.
    """
    unit, accumulator = chip.vector_unit, op.accumulator
    if not unit.gemm_fallback:
        return ("The chip has no fallback for GEMMs (vector_unit.gemm_fallback is false).",)
    can = ", ".join(fmt.name for fmt in unit.formats)
    reasons = [
        f"The vector unit does not add in {fmt.name}. It computes in: {can}."
        for fmt in dict.fromkeys((accumulator.inner, accumulator.outer))
        if fmt not in unit.formats
    ]
    reasons.extend(
        f"The vector unit does not read {fmt.name}: no compute format holds it. It has: {can}."
        for fmt in dict.fromkeys((op.a.format, op.b.format))
        if not any(_holds(wide, fmt) for wide in unit.formats)
    )
    if accumulator.product is not None and accumulator.product not in unit.formats:
        reasons.append(
            f"The vector unit does not round products to {accumulator.product.name}."
            f" It computes in: {can}."
        )
    roundings = {accumulator.rounding, accumulator.resolved_outer_rounding}
    if roundings != {Rounding.NEAREST_EVEN}:
        reasons.append("The vector unit rounds the sums of a GEMM to nearest even, nothing else.")
    if accumulator.method is not AccumulationMethod.SEQUENTIAL:
        reasons.append("The vector unit adds one product after the other, nothing else.")
    if accumulator.pair is PairRule.FUSED:
        reasons.append("The vector unit adds every product by itself (pair: sequential).")
    return tuple(reasons)


def runs_on_vector_unit(op: Gemm, chip: Chip) -> bool:
    """Return whether `op` falls back to the vector unit of `chip`.

    Raises
    ------
    UnsupportedError
        If neither the array nor the vector unit can serve it.
    """
    reasons = array_refusals(op, chip)
    if not reasons:
        return False
    more = vector_unit_refusals(op, chip)
    if more:
        raise UnsupportedError(_refusal(op, chip, (*reasons, *more)))
    return True


def check_vector_functions(chip: Chip) -> None:
    """Refuse a chip that gives cycles for a vector function that does not exist.

    Raises
    ------
    UnknownNameError
        It lists the nearest name and all known ones.
    """
    for name in chip.vector_unit.cycles_per_element:
        if name not in VECTOR_FUNCTIONS:
            raise UnknownNameError("vector function", name, VECTOR_FUNCTIONS)


def vector_op_refusals(op: VectorOp, chip: Chip) -> tuple[str, ...]:
    """Return why the vector unit cannot compute `op`; empty where it can."""
    formats = chip.vector_unit.formats
    if op.compute_format in formats:
        return ()
    can = ", ".join(fmt.name for fmt in formats)
    return (
        f"The vector unit does not compute in {op.compute_format.name}. It computes in: {can}.",
    )


@cache
def _holds(wide: NumberFormat, narrow: NumberFormat) -> bool:
    """Return whether every finite value of `narrow` is one of `wide`; unknown means no."""
    if wide == narrow:
        return True
    if narrow.bits > _CODES_TRIED_BITS:
        return False
    values = narrow.decode(np.arange(2**narrow.bits, dtype=narrow.code_dtype))
    finite = values[np.isfinite(values)]
    return bool(np.array_equal(wide.quantize(finite), finite))


def _find_pair(op: Gemm, chip: Chip) -> OperandPair | None:
    a, b = op.a.format, op.b.format
    for pair in chip.mac_array.operand_pairs:
        if (pair.a, pair.b) == (a, b) or (pair.a, pair.b) == (b, a):
            return pair
    return None


def _pair_rule_refusals(accumulator: Accumulator, pair: OperandPair) -> list[str]:
    if accumulator.pair is not pair.pair:
        return [
            f"The products that an element takes in one cycle are added {pair.pair.value},"
            f" not {accumulator.pair.value}."
        ]
    if accumulator.pair is PairRule.FUSED and accumulator.pair_size != pair.k_per_pe:
        return [f"An element fuses {pair.k_per_pe} products, not {accumulator.pair_size}."]
    return []


def _serves(capability: AccumulatorCapability, accumulator: Accumulator) -> bool:
    """Return whether a kind of accumulator can do what is asked."""
    roundings = {accumulator.rounding, accumulator.resolved_outer_rounding}
    return (
        (capability.inner, capability.outer) == (accumulator.inner, accumulator.outer)
        and accumulator.method in capability.methods
        and roundings <= set(capability.roundings)
        and _integer_bits(accumulator) in (None, capability.inner.bits)
        and (accumulator.product is None or accumulator.product in capability.products)
    )


def _integer_bits(accumulator: Accumulator) -> int | None:
    """Return the width of an integer sum, None for any other."""
    integer = accumulator.method is AccumulationMethod.INTEGER
    return accumulator.integer_bits if integer else None


def _pair_text(pair: OperandPair) -> str:
    text = f"{pair.a.name} x {pair.b.name}"
    return text if pair.k_per_pe == 1 else f"{text} ({pair.k_per_pe} a cycle)"


def _capability_text(capability: AccumulatorCapability) -> str:
    text = (
        f"inner {capability.inner.name}, outer {capability.outer.name}"
        f" ({', '.join(capability.methods)}; {', '.join(capability.roundings)})"
    )
    if capability.products:
        text += f", products rounded to {', '.join(fmt.name for fmt in capability.products)}"
    return text


def _request_text(accumulator: Accumulator) -> str:
    text = (
        f"inner {accumulator.inner.name}, outer {accumulator.outer.name}"
        f" ({accumulator.method}; {accumulator.rounding}"
    )
    if accumulator.resolved_outer_rounding is not accumulator.rounding:
        text += f", outer {accumulator.resolved_outer_rounding}"
    if (bits := _integer_bits(accumulator)) is not None:
        text += f", {bits} bits"
    text += ")"
    if accumulator.product is not None:
        text += f", products rounded to {accumulator.product.name}"
    return text


def _refusal(op: Gemm, chip: Chip, reasons: tuple[str, ...]) -> str:
    lines = "\n".join(f"  {reason}" for reason in reasons)
    return f"Chip {chip.name} cannot run {op.name}.\n{lines}"
