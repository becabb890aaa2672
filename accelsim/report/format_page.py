"""The page of ``accelsim show format``: constants, codes and a number line in text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from accelsim.formats import (
    FloatFormat,
    IntegerFormat,
    NumberFormat,
    PositFormat,
    TableFormat,
    TensorFormat,
    format_registry,
    get_format,
    get_tensor_format,
    tensor_format_registry,
)
from accelsim.precision import format_spec
from accelsim.report.number_line import MAX_DRAWN_BITS, finite_values
from accelsim.report.tables import plain_table

if TYPE_CHECKING:
    from rich.table import Table

#: Formats with at most this many bits have all their codes shown.
MAX_CODE_BITS = 8
_CODES_PER_ROW = 8
#: Lines of the number line in text, and characters of its longest bar.
_MAX_LINES, _BAR_WIDTH = 32, 48

_COMMON = ("max_finite", "min_positive", "has_infinity", "has_nan")
#: Constants by kind of format, the more special kinds first.
_CONSTANTS: tuple[tuple[type[NumberFormat], tuple[str, ...]], ...] = (
    (
        FloatFormat,
        (
            "signed", "exponent_bits", "mantissa_bits", "precision", "bias", "specials",
            "subnormals", "signed_zero", "overflow", "rounding", "emin", "emax", "max_finite",
            "min_normal", "min_subnormal", "min_positive", "unit_roundoff", "source",
        ),
    ),
    (
        IntegerFormat,
        ("signed", "fraction_bits", "step", "min_finite", *_COMMON, "rounding", "source"),
    ),
    (
        PositFormat,
        ("exponent_size", "max_precision", *_COMMON, "quire_bits", "rounding", "source"),
    ),
    (TableFormat, (*_COMMON, "rounding", "source")),
    (NumberFormat, _COMMON),
)  # fmt: skip


def find_format(text: str) -> NumberFormat | TensorFormat[Any]:
    """Return the format that a text stands for.

    That is a number format's name, systematic names included, a tensor format's, or the
    fields of a float in braces.

    Raises
    ------
    UnknownNameError, ConfigError
        If it is none of them, or the fields are wrong.

    Examples
    --------
    >>> find_format("{exponent_bits: 4, mantissa_bits: 3}").max_finite
    240.0
    """
    spec = format_spec(text)
    if isinstance(spec, str) and spec in tensor_format_registry() and spec not in format_registry():
        return get_tensor_format(spec)
    return get_format(spec)


def format_page(fmt: NumberFormat | TensorFormat[Any]) -> Iterator[str | Table]:
    """Yield the constants, up to 8 bits all codes, and up to 16 bits the number line.

    A tensor format is followed by the page of its element format.
    """
    if isinstance(fmt, TensorFormat):
        yield plain_table(fmt.name, ("constant", "value"), tensor_constants(fmt))
        yield from format_page(fmt.element)
        return
    yield plain_table(fmt.name, ("constant", "value"), number_constants(fmt))
    if fmt.bits <= MAX_CODE_BITS:
        yield _codes(fmt)
    if fmt.bits <= MAX_DRAWN_BITS:
        yield text_number_line(fmt)


def number_constants(fmt: NumberFormat) -> list[tuple[str, str]]:
    """Return what defines a number format and what follows from it."""
    names = next(names for kind, names in _CONSTANTS if isinstance(fmt, kind))
    rows = [("bits", str(fmt.bits))]
    rows += [(name.replace("_", " "), _shown(getattr(fmt, name))) for name in names]
    if fmt.bits <= MAX_DRAWN_BITS:
        rows.append(("finite values", f"{len(finite_values(fmt)):,}"))
    return rows


def tensor_constants(fmt: TensorFormat[Any]) -> list[tuple[str, str]]:
    """Return the fields of a tensor format, formats among them by name."""
    rows = [("element", fmt.element.name), ("bits per element", f"{fmt.bits_per_element:g}")]
    for item in fields(fmt):  # type: ignore[arg-type]  # every tensor format is a dataclass
        value = getattr(fmt, item.name)
        if item.name != "name" and value is not fmt.element:
            rows.append((item.name.replace("_", " "), _shown(value)))
    return rows


def text_number_line(fmt: NumberFormat) -> str:
    """Return a histogram of the positive values by binade, neighbours joined if there are many.

    Examples
    --------
    >>> print(text_number_line(get_format("fp4_e2m1")))
    positive values by magnitude
      [2**-1, 2**0)          1  ########################
      [2**0, 2**1)           2  ################################################
      [2**1, 2**2)           2  ################################################
      [2**2, 2**3)           2  ################################################
    """
    values = finite_values(fmt)
    exponents = np.frexp(values[values > 0])[1] - 1
    first, last = int(exponents.min()), int(exponents.max())
    step = -(-(last - first + 1) // _MAX_LINES)
    counts = np.bincount((exponents - first) // step)
    longest = int(counts.max())
    lines = ["positive values by magnitude"]
    for position, count in enumerate(counts):
        low = first + position * step
        bar = "#" * -(-int(count) * _BAR_WIDTH // longest)
        lines.append(f"  {f'[2**{low}, 2**{low + step})':19s}{count:5,}  {bar}".rstrip())
    return "\n".join(lines)


def _shown(value: object) -> str:
    if isinstance(value, NumberFormat):
        return value.name
    if value is None:
        return "none"
    return f"{value!r}" if isinstance(value, float) else str(value)


def _codes(fmt: NumberFormat) -> Table:
    codes = np.arange(2**fmt.bits, dtype=np.uint32)
    values = fmt.decode(codes)
    rows = [
        (f"0x{first:02x}", *(f"{value:.6g}" for value in values[first : first + _CODES_PER_ROW]))
        for first in range(0, len(codes), _CODES_PER_ROW)
    ]
    heads = ("code", *(f"+{offset}" for offset in range(min(_CODES_PER_ROW, len(codes)))))
    return plain_table("values by code", heads, rows)
