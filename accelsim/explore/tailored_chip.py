"""A chip that serves a recipe: as it is, or with the multipliers and adders that it asks for.

A study of many formats needs a chip for each. What a chip has for numbers, its operand
pairs, accumulators and the formats of its vector unit, is exchanged; all else stays:
array, memories, clock. Its elements are then priced as what they are.
"""

from __future__ import annotations

from collections.abc import Mapping

from accelsim.arch import AccumulatorCapability, AccumulatorUnit, Chip, OperandPair
from accelsim.errors import AccelsimError, MappingError, UnsupportedError
from accelsim.formats import NumberFormat
from accelsim.precision import TensorStorage
from accelsim.schedule import Schedule, make_schedules
from accelsim.workload import Trace

#: Operands of up to so many bits are multiplied at the fastest rate of the chip.
NARROW_BITS = 8


def fitted_chip(chip: Chip, trace: Trace) -> tuple[Chip, Mapping[str, Schedule]]:
    """Return a chip that runs a trace, and its schedules.

    Parameters
    ----------
    chip : Chip
        Returned as it is where it serves the trace.
    trace : Trace

    Raises
    ------
    MappingError, UnsupportedError
        If the trace fits the changed chip no better; says why.
    """
    try:
        return chip, make_schedules(trace.ops, chip)
    except (MappingError, UnsupportedError):
        changed = tailored(chip, trace)
        return changed, make_schedules(trace.ops, changed)


def tailored(chip: Chip, trace: Trace) -> Chip:
    """Return `chip` with exactly what a trace asks of its arithmetic.

    Operands of up to 8 bits are multiplied at the chip's fastest rate, others one a cycle.

    Raises
    ------
    UnsupportedError
        If no chip can be built for it.
    """
    fastest = max(pair.k_per_pe for pair in chip.mac_array.operand_pairs)
    pairs: dict[frozenset[str], OperandPair] = {}
    supports: dict[AccumulatorCapability, None] = {}
    for op in trace.gemms:
        a, b, asked = op.a.format, op.b.format, op.accumulator
        rate = fastest if max(_bits(a), _bits(b)) <= NARROW_BITS else 1
        pairs.setdefault(
            frozenset((a.name, b.name)), OperandPair(a=a, b=b, k_per_pe=rate, pair=asked.pair)
        )
        supports[
            AccumulatorCapability(
                inner=asked.inner,
                outer=asked.outer,
                methods=(asked.method,),
                roundings=tuple(dict.fromkeys((asked.rounding, asked.resolved_outer_rounding))),
                products=() if asked.product is None else (asked.product,),
            )
        ] = None
    computed = dict.fromkeys(op.compute_format for op in trace.vector_ops)
    try:
        array = chip.mac_array.model_copy(update={"operand_pairs": tuple(pairs.values())})
        adders = AccumulatorUnit.model_validate(
            {**dict(chip.accumulator), "supports": tuple(supports)}
        )
    except AccelsimError as error:
        raise UnsupportedError(
            f"{chip.name} cannot be changed for {trace.recipe}: {error}"
        ) from error
    unit = chip.vector_unit
    formats = tuple(dict.fromkeys((*unit.formats, *computed)))
    return chip.model_copy(
        update={
            "name": f"{chip.name} for {trace.recipe}",
            "mac_array": array,
            "accumulator": adders,
            "vector_unit": unit.model_copy(update={"formats": formats}),
            "default_recipe": trace.recipe,
        }
    )


def _bits(fmt: NumberFormat) -> int:
    return fmt.multiplied_as.bits if isinstance(fmt, TensorStorage) else fmt.bits
