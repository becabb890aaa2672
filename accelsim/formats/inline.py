"""Formats that a user writes down: a mapping of fields, or a name that says them.

``{exponent_bits: 5, mantissa_bits: 6}`` and ``float_e5m6`` are the same format;
``int3``, ``uint5`` and ``posit6_es1`` are integers and posits of any width.
The name of an unnamed format says all its fields, so it can be written to a
file and read back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from accelsim.errors import ConfigError, Problem, near_miss_hint
from accelsim.formats.base import NumberFormat
from accelsim.formats.float_format import FloatFormat
from accelsim.formats.float_rules import Specials, Subnormals
from accelsim.formats.integer import IntegerFormat
from accelsim.formats.posit import PositFormat
from accelsim.formats.rounding import Choice, Overflow, Rounding, choose

_FIELDS = (
    "name",
    "exponent_bits",
    "mantissa_bits",
    "bias",
    "specials",
    "subnormals",
    "signed",
    "signed_zero",
    "overflow",
    "rounding",
    "source",
)
_SUFFIXES = {
    Specials.IEEE: "",
    Specials.NAN_ONLY: "_fn",
    Specials.NEGATIVE_ZERO_NAN: "_fnuz",
    Specials.MERGED: "_merged",
    Specials.NONE: "_finite",
    Subnormals.GRADUAL: "",
    Subnormals.FLUSHED: "_flushed",
    Subnormals.NORMAL_BINADE: "_binade",
    Subnormals.NO_ZERO: "_nozero",
}
_NAME = re.compile(
    r"(?P<unsigned>u?)float_e(?P<exponent_bits>\d{1,2})m(?P<mantissa_bits>\d{1,2})"
    r"(?:b(?P<bias>-?\d{1,4}))?"
    r"(?P<specials>_fnuz|_fn|_merged|_finite|)"
    r"(?P<subnormals>_flushed|_binade|_nozero|)"
    r"(?P<one_zero>_onezero|)"
    r"(?:_(?P<overflow>saturate))?"
    r"(?:_(?P<rounding>nearest_away|toward_zero|up|down|stochastic))?"
)
_INTEGER = re.compile(r"(?P<unsigned>u?)int(?P<bits>[1-9]\d?)")
_POSIT = re.compile(r"posit(?P<bits>[1-9]\d?)_es(?P<size>\d)")


def parse_name(name: str) -> NumberFormat | None:
    """Return the format that a systematic name such as ``float_e5m6`` says, or None.

    Raises
    ------
    ConfigError
        If it says a format that cannot be, such as ``int1``.

    Examples
    --------
    >>> parse_name("float_e4m3b11_fnuz").max_finite
    30.0
    >>> parse_name("ufloat_e5m3").bits
    8
    >>> parse_name("int3").min_finite, parse_name("posit6_es1").max_finite
    (-4.0, 256.0)
    >>> parse_name("fp8_e5m2") is None
    True
    """
    if match := _INTEGER.fullmatch(name):
        signed = not match["unsigned"]
        source = "two's complement" if signed else "unsigned"
        return IntegerFormat(name, int(match["bits"]), signed=signed, source=source)
    if match := _POSIT.fullmatch(name):
        source = "Gustafson and Yonemoto, 2017; rounding of the 2022 standard"
        return PositFormat(name, int(match["bits"]), int(match["size"]), source=source)
    return _parse_float(name)


def _parse_float(name: str) -> FloatFormat | None:
    """Return the float format that a systematic name says, or None."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    given = match.groupdict()
    by_suffix = {suffix: choice for choice, suffix in _SUFFIXES.items() if suffix}
    fields: dict[str, Any] = {
        "exponent_bits": int(given["exponent_bits"]),
        "mantissa_bits": int(given["mantissa_bits"]),
        "signed": not given["unsigned"],
        "specials": by_suffix.get(given["specials"], Specials.IEEE),
        "subnormals": by_suffix.get(given["subnormals"], Subnormals.GRADUAL),
    }
    if given["bias"] is not None:
        fields["bias"] = int(given["bias"])
    if given["one_zero"]:
        fields["signed_zero"] = False
    for key in ("overflow", "rounding"):
        if given[key] is not None:
            fields[key] = given[key]
    return from_mapping(fields)


def from_mapping(fields: Mapping[str, Any]) -> FloatFormat:
    """Return the format that a mapping of fields says.

    Parameters
    ----------
    fields : mapping
        ``exponent_bits`` and ``mantissa_bits`` are needed. ``bias`` is
        ``2**(exponent_bits - 1) - 1`` where it is missing, ``name`` the
        systematic name; the others have the defaults of `FloatFormat`, except
        that ``signed_zero`` is false where it cannot be true.

    Raises
    ------
    ConfigError
        With every problem: unknown keys, missing keys, wrong types, bad choices.

    Examples
    --------
    >>> from_mapping({"exponent_bits": 5, "mantissa_bits": 6}).name
    'float_e5m6'
    """
    problems = [
        Problem(f"Unknown key.{near_miss_hint(str(key), _FIELDS)}", path=str(key))
        for key in fields
        if key not in _FIELDS
    ]
    problems += [
        Problem("A float format needs it.", path=key)
        for key in ("exponent_bits", "mantissa_bits")
        if key not in fields
    ]
    exponent_bits = _integer(fields, "exponent_bits", 1, problems)
    mantissa_bits = _integer(fields, "mantissa_bits", 0, problems)
    bias = _integer(fields, "bias", (1 << min(max(exponent_bits, 1), 16) - 1) - 1, problems)
    specials = _choice(fields, "specials", Specials.IEEE, problems)
    subnormals = _choice(fields, "subnormals", Subnormals.GRADUAL, problems)
    overflow = _choice(fields, "overflow", Overflow.TO_INFINITY, problems)
    rounding = _choice(fields, "rounding", Rounding.NEAREST_EVEN, problems)
    signed = _boolean(fields, "signed", True, problems)
    can_have_negative_zero = signed and specials is not Specials.NEGATIVE_ZERO_NAN
    signed_zero = _boolean(fields, "signed_zero", can_have_negative_zero, problems)
    name = fields.get("name")
    if name is not None and (not isinstance(name, str) or not name.strip()):
        problems.append(Problem("It must be a string that is not empty.", path="name"))
    if problems:
        raise ConfigError(problems)
    fmt = FloatFormat(
        name="inline",
        exponent_bits=exponent_bits,
        mantissa_bits=mantissa_bits,
        bias=bias,
        specials=specials,
        subnormals=subnormals,
        signed=signed,
        signed_zero=signed_zero,
        overflow=overflow,
        rounding=rounding,
        source=str(fields.get("source", "inline")),
    )
    return replace(fmt, name=name or systematic_name(fmt))


def systematic_name(fmt: FloatFormat) -> str:
    """Return the name that says every field of `fmt`; `parse_name` reads it back."""
    usual_bias = (1 << (fmt.exponent_bits - 1)) - 1
    can_have_negative_zero = fmt.signed and not fmt.nan_is_negative_zero
    return "".join(
        (
            "" if fmt.signed else "u",
            f"float_e{fmt.exponent_bits}m{fmt.mantissa_bits}",
            "" if fmt.bias == usual_bias else f"b{fmt.bias}",
            _SUFFIXES[fmt.specials],
            _SUFFIXES[fmt.subnormals],
            "_onezero" if can_have_negative_zero and not fmt.signed_zero else "",
            "" if fmt.overflow is Overflow.TO_INFINITY else f"_{fmt.overflow}",
            "" if fmt.rounding is Rounding.NEAREST_EVEN else f"_{fmt.rounding}",
        )
    )


def _integer(fields: Mapping[str, Any], key: str, default: int, problems: list[Problem]) -> int:
    """Return an integer field, or note a problem and return the default."""
    value = fields.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        problems.append(Problem(f"It must be a whole number, not {value!r}.", path=key))
        return default
    return value


def _boolean(fields: Mapping[str, Any], key: str, default: bool, problems: list[Problem]) -> bool:
    """Return a boolean field, or note a problem and return the default."""
    value = fields.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        problems.append(Problem(f"It must be true or false, not {value!r}.", path=key))
        return default
    return value


def _choice(
    fields: Mapping[str, Any], key: str, default: Choice, problems: list[Problem]
) -> Choice:
    """Return a field that names a choice, or note a problem and return the default."""
    try:
        return choose(fields.get(key), default)
    except ConfigError as error:
        problems.append(Problem(str(error), path=key))
        return default
