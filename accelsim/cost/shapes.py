"""What of a number format costs gates: the widths of its fields.

Bias and special codes move constants, not wires; two formats with equal shapes
cost the same here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from accelsim.errors import UnsupportedError
from accelsim.formats import FloatFormat, NumberFormat, Subnormals, get_format
from accelsim.formats.integer import IntegerFormat
from accelsim.formats.posit import PositFormat
from accelsim.precision import TensorStorage

_INTEGER_NAME = re.compile(r"u?int(\d+)")


@dataclass(frozen=True, slots=True, order=True)
class FormatShape:
    """Field widths of a format.

    Parameters
    ----------
    exponent_bits : int
        0 for integers.
    significand_bits : int
        Bits that a multiplier multiplies, the hidden one included; for an
        integer, all of them.
    bits : int
        Width of a code.
    """

    exponent_bits: int
    significand_bits: int
    bits: int

    @property
    def is_integer(self) -> bool:
        """Whether there is no exponent to align."""
        return self.exponent_bits == 0

    def __str__(self) -> str:
        if self.is_integer:
            return f"int{self.bits}"
        return f"e{self.exponent_bits}m{self.significand_bits - 1}"


def shape_of(fmt: NumberFormat | str) -> FormatShape:
    """Return the shape of a format or of a format's name.

    Integers of any width are understood by name, ``int8`` and its kin. A posit has
    the shape of the float that its decoder makes of it: the exponent of all regimes
    and the significand of the shortest one; a tensor format that of
    what a multiplier takes once its scales are gone.

    Raises
    ------
    UnsupportedError
        If the format is no float, integer or posit.

    Examples
    --------
    >>> shape_of("fp16_e6m9")
    FormatShape(exponent_bits=6, significand_bits=10, bits=16)
    >>> str(shape_of("int8"))
    'int8'
    """
    if isinstance(fmt, str):
        return _shape_of_name(fmt)
    if isinstance(fmt, FloatFormat):
        return FormatShape(fmt.exponent_bits, fmt.precision, fmt.bits)
    if isinstance(fmt, IntegerFormat):
        return FormatShape(0, fmt.bits, fmt.bits)
    if isinstance(fmt, PositFormat):
        return _posit_shape(fmt)
    if isinstance(fmt, TensorStorage):
        return shape_of(fmt.multiplied_as)
    raise UnsupportedError(
        f"There is no gate model for the format {fmt.name!r}: only floats, integers and posits"
        " have one.\n"
        "  Add rows for it to a cost table (pe, multiplier, adder), or compute in a format that"
        " has one."
    )


@lru_cache(maxsize=256)
def _shape_of_name(name: str) -> FormatShape:
    integer = _INTEGER_NAME.fullmatch(name)
    if integer:
        bits = int(integer[1])
        return FormatShape(0, bits, bits)
    return shape_of(get_format(name))


def _posit_shape(fmt: PositFormat) -> FormatShape:
    """Return the float that holds a decoded posit of n bits and exponent size es.

    Its scale runs over +-(n - 2) 2^es; sign and the shortest regime leave n - 3 - es
    fraction bits.
    """
    scales = 2 * (fmt.posit_bits - 2) * 2**fmt.exponent_size + 1
    fraction = max(0, fmt.posit_bits - 3 - fmt.exponent_size)
    return FormatShape((scales - 1).bit_length(), fraction + 1, fmt.bits)


def flushes(fmt: NumberFormat) -> bool:
    """Return whether hardware for the format has no subnormals to handle."""
    return isinstance(fmt, FloatFormat) and fmt.subnormals is not Subnormals.GRADUAL


def merge(shapes: Iterable[FormatShape]) -> FormatShape:
    """Return the smallest shape that holds every value of all `shapes`.

    Raises
    ------
    ValueError
        If there are none.

    Examples
    --------
    >>> str(merge([shape_of("fp8_e5m2"), shape_of("fp8_e4m3")]))
    'e5m3'
    """
    listed = tuple(shapes)
    if not listed:
        raise ValueError("nothing to merge")
    exponent = max(shape.exponent_bits for shape in listed)
    significand = max(shape.significand_bits for shape in listed)
    if exponent == 0:
        return FormatShape(0, significand, significand)
    # A merged code: sign, exponent, fraction; never narrower than its widest member.
    bits = max(exponent + significand, *(shape.bits for shape in listed))
    return FormatShape(exponent, significand, bits)
