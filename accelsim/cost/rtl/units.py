"""Which Verilog module, with which parameters, is the unit of a pair of formats.

A module names its formats by the width of their fields, their bias, what their top
codes mean and whether it has subnormals. Exponents travel as signed numbers just wide
enough for every difference that the unit forms; `_exponent_width` says how wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from accelsim.errors import UnknownNameError, UnsupportedError
from accelsim.formats import FloatFormat, Specials, Subnormals, get_format

#: SPECIALS of the modules, by what a format's top codes mean.
_SPECIALS = {Specials.NONE: 0, Specials.IEEE: 1, Specials.NAN_ONLY: 2}
#: Bits below the wider significand in an adder's frame: guard, round, sticky.
_FRAME_BITS = 3
#: Signed exponents of the two-rate element: (1, 6, 9) codes, and products of 8-bit floats.
_TWO_RATE_EXPONENT_BITS = 8


@dataclass(frozen=True, slots=True)
class RtlUnit:
    """One unit: a module and its parameters.

    Parameters
    ----------
    name : str
        Operands and sum, such as ``pe_fp8_e5m2_fp16_e6m9``.
    module : str
        Top module.
    parameters : tuple of (str, int)
        Values of the module's parameters; the others keep their defaults.
    """

    name: str
    module: str
    parameters: tuple[tuple[str, int], ...] = ()


def verilog_files() -> tuple[Path, ...]:
    """Return the Verilog sources, sorted by name.

    Examples
    --------
    >>> "fp_add.v" in [file.name for file in verilog_files()]
    True
    """
    return tuple(sorted(Path(__file__).parent.glob("*.v")))


def mac_unit(
    module: str, a: str, b: str, total: str, *, rounded: bool = False, saturate: bool = False
) -> RtlUnit:
    """Return a multiply-accumulate of two operand formats to a sum.

    Parameters
    ----------
    module : str
        ``fp_mac`` (no registers), ``pe_mac`` (registered) or ``fp_mac_chunk``.
    a, b, total : str
        Formats of the operands and of the sum, by name.
    rounded : bool
        Whether the product is rounded to the sum's format before it is added.
    saturate : bool
        Whether a sum beyond the largest finite number becomes that number.

    Raises
    ------
    UnsupportedError
        If a format is none that the modules know.
    """
    one, two, out = _float(a), _float(b), _float(total)
    parameters = [
        *_fields(one, "A"),
        *_fields(two, "B"),
        *_fields(out, ""),
        ("X", _exponent_width(one, two, out)),
    ]
    parameters += [("ROUND_PRODUCT", 1)] if rounded else []
    parameters += [("SATURATE", 1)] if saturate else []
    operands = a if a == b else f"{a}_{b}"
    prefix = module.removesuffix("_mac")
    name = f"{prefix}_{operands}_{total}{'_rounded' if rounded else ''}"
    return RtlUnit(name, module, tuple(parameters))


def dual_unit(total: str, *, registered: bool = True) -> RtlUnit:
    """Return the element of 8-bit floats of both kinds, e5m2 and e4m3fn, with a sum of any format.

    Parameters
    ----------
    total : str
        Format of the sum, by name.
    registered : bool
        Whether it has its registers, or is its gates alone.

    Raises
    ------
    UnsupportedError
        If the sum's format is none that the modules know.

    Examples
    --------
    >>> dual_unit("fp32", registered=False).name
    'fp8_dual_mac_fp32'
    """
    out = _float(total)
    width = max(_exponent_width(a, b, out) for a in _both_kinds() for b in _both_kinds())
    module = "pe_fp8_dual" if registered else "fp8_dual_mac"
    return RtlUnit(f"{module}_{total}", module, (*_fields(out, ""), ("X", width)))


def int_unit(bits: int, sum_bits: int, *, registered: bool = True) -> RtlUnit:
    """Return the element of two's complement integers; a sum that does not fit wraps.

    Parameters
    ----------
    bits, sum_bits : int
        Widths of both operands, and of the sum: more than a product's, 2 `bits`.
    registered : bool
        Whether it has its registers, or is its gates alone.

    Raises
    ------
    UnsupportedError
        If the sum is no wider than a product.

    Examples
    --------
    >>> int_unit(8, 32).name, int_unit(8, 32, registered=False).name
    ('pe_int8_int32', 'int_mac_int8_int32')
    """
    if sum_bits <= 2 * bits:
        raise UnsupportedError(
            f"There is no Verilog for a sum of {sum_bits} bits of products of {2 * bits}."
            " Make the sum wider than a product."
        )
    module = "pe_int" if registered else "int_mac"
    name = f"{'pe' if registered else module}_int{bits}_int{sum_bits}"
    return RtlUnit(name, module, (("N", bits), ("W", sum_bits)))


def product_unit(a: str, b: str, total: str | None = None) -> RtlUnit:
    """Return a multiplier without registers: the exact product, or one rounded to a format.

    An exact product comes out unpacked, a rounded one as a code of `total`.

    Parameters
    ----------
    a, b : str
        Formats of the operands, by name.
    total : str, optional
        Format to which the product is rounded.

    Raises
    ------
    UnsupportedError
        If a format is none that the modules know.

    Examples
    --------
    >>> product_unit("fp8_e5m2", "fp8_e5m2").name, product_unit("bf16", "bf16", "fp32").name
    ('fp_product_fp8_e5m2', 'fp_product_rounded_bf16_fp32')
    """
    one, two = _float(a), _float(b)
    operands = a if a == b else f"{a}_{b}"
    fields = (*_fields(one, "A"), *_fields(two, "B"))
    if total is None:
        width = ("X", _product_width(one, two))
        return RtlUnit(f"fp_product_{operands}", "fp_product", (*fields, width))
    out = _float(total)
    return RtlUnit(
        f"fp_product_rounded_{operands}_{total}",
        "fp_product_rounded",
        (*fields, *_fields(out, ""), ("X", _exponent_width(one, two, out))),
    )


def dual_product_unit() -> RtlUnit:
    """Return a multiplier, exact and without registers, of 8-bit floats of both kinds."""
    width = max(_product_width(a, b) for a in _both_kinds() for b in _both_kinds())
    return RtlUnit("fp8_dual_product", "fp8_dual_product", (("X", width),))


def adder_unit(total: str, *, module: str = "fp_sum") -> RtlUnit:
    """Return an adder of two numbers of one format: ``fp_sum``, or ``outer_tap`` registered.

    Raises
    ------
    UnsupportedError
        If the format is none that the modules know.
    """
    fmt = _float(total)
    width = _signed_width(2 * _reach(fmt))
    return RtlUnit(f"{module}_{total}", module, (*_fields(fmt, ""), ("X", width)))


def quantizer_unit(source: str, target: str, *, saturate: bool = True) -> RtlUnit:
    """Return a rounding unit from one format to another.

    Raises
    ------
    UnsupportedError
        If a format is none that the modules know.
    """
    wide, narrow = _float(source), _float(target)
    width = _signed_width(2 * max(_reach(wide), _reach(narrow)))
    parameters = (*_fields(wide, "A"), *_fields(narrow, ""), ("X", width))
    name = f"quantize_{source}_{target}{'' if saturate else '_overflow'}"
    return RtlUnit(name, "fp_quantize", (*parameters, ("SATURATE", int(saturate))))


def two_rate_unit(*, fused: bool, registered: bool = True) -> RtlUnit:
    """Return the two-rate element: one (1, 6, 9) product a cycle, or two 8-bit ones."""
    module = "pe_two_rate_registered" if registered else "pe_two_rate"
    name = f"pe_two_rate_{'fused' if fused else 'sequential'}"
    return RtlUnit(name, module, (("FUSED", int(fused)), ("X", _TWO_RATE_EXPONENT_BITS)))


def held_two_rate_unit(*, registered: bool = True) -> RtlUnit:
    """Return the sequential two-rate element with a register between its two additions.

    Not `registered`, it is its gates alone: what the register takes is the output
    `next_held`, and what it gives the input `held`.
    """
    width = ("X", _TWO_RATE_EXPONENT_BITS)
    if not registered:
        return RtlUnit("two_rate_halves", "two_rate_halves", (width,))
    return RtlUnit("pe_two_rate_held", "pe_two_rate_registered", (("HELD", 1), width))


@cache
def _catalog() -> dict[str, RtlUnit]:
    """Return the units that are synthesised, by name."""
    e5m2, e4m3, wide, half = "fp8_e5m2", "fp8_e4m3fn", "fp16_e6m9", "fp16_e5m10"
    units = (
        mac_unit("pe_mac", e5m2, e5m2, wide),
        mac_unit("pe_mac", e4m3, e4m3, wide),
        dual_unit(wide),
        mac_unit("pe_mac", e5m2, e5m2, "fp32"),
        mac_unit("pe_mac", e4m3, e4m3, "fp32"),
        dual_unit("fp32"),
        mac_unit("pe_mac", wide, wide, wide, rounded=True),
        mac_unit("pe_mac", wide, wide, wide),
        mac_unit("pe_mac", half, half, half, rounded=True),
        mac_unit("pe_mac", half, half, half),
        mac_unit("pe_mac", "bf16", "bf16", "fp32"),
        mac_unit("pe_mac", wide, wide, "fp32"),
        mac_unit("pe_mac", half, half, "fp32"),
        mac_unit("pe_mac", "fp32", "fp32", "fp32", rounded=True),
        mac_unit("pe_mac", "fp32", "fp32", "fp32"),
        int_unit(8, 32),
        two_rate_unit(fused=False),
        held_two_rate_unit(),
        two_rate_unit(fused=True),
        *_flushed_units(),
        product_unit(e5m2, e5m2),
        product_unit(e4m3, e4m3),
        dual_product_unit(),
        product_unit(half, half, half),
        product_unit("fp32", "fp32", "fp32"),
        adder_unit(wide),
        adder_unit(half),
        adder_unit("fp32"),
        adder_unit(wide, module="outer_tap"),
        quantizer_unit(wide, e5m2),
        quantizer_unit(wide, e4m3),
        quantizer_unit("fp32", "bf16"),
    )
    return {unit.name: unit for unit in units}


def _flushed_units() -> tuple[RtlUnit, ...]:
    """Return the elements of formats without subnormal numbers."""
    e5m2, wide, half = "float_e5m2_flushed", "float_e6m9_flushed", "float_e5m10_flushed"
    bf16, fp32 = "float_e8m7_flushed", "float_e8m23_flushed"
    return (
        mac_unit("pe_mac", e5m2, e5m2, wide),
        mac_unit("pe_mac", half, half, half, rounded=True),
        mac_unit("pe_mac", bf16, bf16, fp32),
        mac_unit("pe_mac", half, half, fp32),
        mac_unit("pe_mac", fp32, fp32, fp32, rounded=True),
    )


def list_units() -> tuple[str, ...]:
    """Return the names of the units that are synthesised, smaller ones of a kind first."""
    return tuple(_catalog())


def get_unit(name: str) -> RtlUnit:
    """Return a unit by name.

    Raises
    ------
    UnknownNameError
        If there is none of that name; lists all.

    Examples
    --------
    >>> get_unit("pe_two_rate_fused").module
    'pe_two_rate_registered'
    """
    found = _catalog().get(name)
    if found is None:
        raise UnknownNameError("RTL unit", name, list_units())
    return found


def _float(name: str) -> FloatFormat:
    """Return a format that the modules can hold."""
    fmt = get_format(name)
    if (
        isinstance(fmt, FloatFormat)
        and fmt.specials in _SPECIALS
        and fmt.subnormals in (Subnormals.GRADUAL, Subnormals.FLUSHED)
        and fmt.signed
        and fmt.signed_zero
        and fmt.mantissa_bits > 0
    ):
        return fmt
    raise UnsupportedError(
        f"There is no Verilog for the format {name!r}: the modules know signed binary floats"
        " with a bit of mantissa or more, a signed zero, and subnormals or none."
    )


def _both_kinds() -> tuple[FloatFormat, FloatFormat]:
    """Return the formats of the 8-bit floats that units of both kinds take."""
    return _float("fp8_e5m2"), _float("fp8_e4m3fn")


def _fields(fmt: FloatFormat, suffix: str) -> tuple[tuple[str, int], ...]:
    """Return the parameters of one format, as the modules name them."""
    tail = f"_{suffix}" if suffix else ""
    fields = (
        (f"E{suffix}", fmt.exponent_bits),
        (f"M{suffix}", fmt.mantissa_bits),
        (f"BIAS{tail}", fmt.bias),
        (f"SPECIALS{tail}", _SPECIALS[fmt.specials]),
    )
    return fields if fmt.has_subnormals else (*fields, (f"FLUSH{tail}", 1))


def _exponent_width(a: FloatFormat, b: FloatFormat, total: FloatFormat) -> int:
    """Return the bits of signed exponents in a multiply-accumulate.

    They hold the difference of any product's and any sum's exponent, an exponent
    less the longest normalisation, and an exponent with the sum's bias.
    """
    lowest = min(_lowest(a) + _lowest(b), _lowest(total))
    highest = 1 + max(_highest(a) + _highest(b) + 1, _highest(total))
    frame = max(a.mantissa_bits + b.mantissa_bits + 2, total.mantissa_bits + 1) + _FRAME_BITS
    return _signed_width(max(highest - lowest, frame - lowest, highest + total.bias))


def _product_width(a: FloatFormat, b: FloatFormat) -> int:
    """Return the bits of signed exponents in a multiplier.

    They hold those of every exact product, and its leading zeros before it is normalised.
    """
    zeros = a.mantissa_bits + b.mantissa_bits + 1
    return _signed_width(max(_highest(a) + _highest(b) + 1, -_lowest(a) - _lowest(b), zeros))


def _lowest(fmt: FloatFormat) -> int:
    """Return the exponent of the smallest subnormal number, or, without any, that of zero."""
    return fmt.emin - (fmt.mantissa_bits if fmt.has_subnormals else 1)


def _highest(fmt: FloatFormat) -> int:
    """Return the exponent that the largest code unpacks to."""
    return (1 << fmt.exponent_bits) - 1 - fmt.bias


def _reach(fmt: FloatFormat) -> int:
    """Return a bound on the size of every exponent of a format and its bias."""
    return max(_highest(fmt), -_lowest(fmt), fmt.bias) + fmt.mantissa_bits + 1


def _signed_width(largest: int) -> int:
    """Return the bits of a signed number that holds plus and minus `largest`."""
    return largest.bit_length() + 1
