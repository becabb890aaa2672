"""From what a user writes to a format, and the three verbs on whatever was written."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from accelsim.errors import ConfigError, UnknownNameError
from accelsim.formats import inline
from accelsim.formats.base import (
    DEFAULT_RANDOM_BIT_COUNT,
    CodeArray,
    FloatArray,
    NumberFormat,
    RandomBits,
    TensorFormat,
)
from accelsim.formats.rounding import Overflow, Rounding
from accelsim.registry import Registry

#: What may stand for a format: the object, a name, or the fields of an inline float.
FormatSpec = NumberFormat | str | Mapping[str, Any]


@lru_cache(maxsize=1)
def format_registry() -> Registry[NumberFormat]:
    """Return the table of all formats: the catalog and what plugins add."""
    return Registry("format", group="accelsim.formats", builtin="accelsim.formats.catalog:BUILTIN")


@lru_cache(maxsize=1)
def tensor_format_registry() -> Registry[TensorFormat[Any]]:
    """Return the table of all tensor formats: those that ship and what plugins add."""
    return Registry(
        "tensor format",
        group="accelsim.tensor_formats",
        builtin="accelsim.formats.tensor_catalog:BUILTIN",
    )


def list_tensor_formats() -> tuple[str, ...]:
    """Return the names of all tensor formats, sorted."""
    return tensor_format_registry().names()


def get_tensor_format(spec: TensorFormat[Any] | str) -> TensorFormat[Any]:
    """Return the tensor format of that name; one that is a tensor format already is returned.

    Raises
    ------
    UnknownNameError
        If the name is not known; it lists the nearest and all known ones.

    Examples
    --------
    >>> get_tensor_format("mx_fp4").bits_per_element
    4.25
    """
    if isinstance(spec, TensorFormat):
        return spec
    return tensor_format_registry().get(spec)


def list_formats() -> tuple[str, ...]:
    """Return the names of all formats, sorted."""
    return format_registry().names()


def get_format(spec: FormatSpec) -> NumberFormat:
    """Return the format that `spec` stands for.

    Parameters
    ----------
    spec : NumberFormat, str or mapping
        A format; a name of the catalog or a systematic name such as
        ``float_e5m6``, ``int3`` or ``posit6_es1``; or the fields of a float, such as
        ``{exponent_bits: 4, mantissa_bits: 3, bias: 11, specials: none}``.

    Raises
    ------
    UnknownNameError
        If the name is not known; it lists the nearest and all known ones.
    ConfigError
        If the fields are wrong, or take the name of another format.

    Examples
    --------
    >>> get_format("fp8_e5m2").max_finite
    57344.0
    >>> get_format({"exponent_bits": 5, "mantissa_bits": 2}).max_finite
    57344.0
    >>> get_format("fp8_e5m22")
    Traceback (most recent call last):
        ...
    accelsim.errors.UnknownNameError: Unknown format 'fp8_e5m22'. Did you mean fp8_e5m2? ...
    """
    if isinstance(spec, NumberFormat):
        return spec
    if isinstance(spec, Mapping):
        fmt = inline.from_mapping(spec)
        if fmt.name in format_registry():
            raise ConfigError(f"The name {fmt.name!r} belongs to another format; choose one.")
        return fmt
    if not isinstance(spec, str):
        raise ConfigError(f"A format is a name or a mapping, not {type(spec).__name__}.")
    registry = format_registry()
    if spec in registry:
        return registry.get(spec)
    systematic = inline.parse_name(spec)
    if systematic is None and spec in tensor_format_registry():
        raise ConfigError(
            f"{spec!r} is a tensor format: its elements have no codes of their own."
            f" Use get_tensor_format, or its element format"
            f" {get_tensor_format(spec).element.name!r}."
        )
    if systematic is None:
        raise UnknownNameError("format", spec, registry.names())
    return systematic


def quantize(
    x: FloatArray,
    fmt: FormatSpec | TensorFormat[Any],
    *,
    rounding: Rounding | None = None,
    overflow: Overflow | None = None,
    random_bits: RandomBits | None = None,
    random_bit_count: int = DEFAULT_RANDOM_BIT_COUNT,
) -> FloatArray:
    """Round every element of `x` to a member of `fmt`, once.

    Parameters
    ----------
    x : array_like
        Any shape, empty included. Float32 and float64 are taken as they are,
        other real types as float64; float64 never passes through float32.
    fmt : NumberFormat, TensorFormat, str or mapping
        Anything that `get_format` takes; or a tensor format or its name, whose own
        rules then hold.
    rounding, overflow : optional
        Override the rules that the format names.
    random_bits : array of uint32, same shape, optional
        Needed by stochastic rounding: away from zero iff
        ``floor(f * 2**N) + r >= 2**N``, with f the discarded fraction and r the
        lowest N = `random_bit_count` bits.
    random_bit_count : int
        1 to 32.

    Returns
    -------
    array
        Same shape. Float32 if `x` is float32 and the format fits, else float64.
        NaN stays NaN.

    Examples
    --------
    >>> quantize([1.1, -0.3, 1e6], "fp8_e5m2", overflow="saturate")
    array([ 1.0000e+00, -3.1250e-01,  5.7344e+04])
    """
    if isinstance(fmt, str) and fmt not in format_registry() and fmt in tensor_format_registry():
        fmt = get_tensor_format(fmt)
    if isinstance(fmt, TensorFormat):
        if any(option is not None for option in (rounding, overflow, random_bits)):
            raise ConfigError(f"{fmt.name} has its own rounding and overflow; leave them out.")
        return fmt.quantize(x)
    return get_format(fmt).quantize(
        x,
        rounding=rounding,
        overflow=overflow,
        random_bits=random_bits,
        random_bit_count=random_bit_count,
    )


def encode(x: FloatArray, fmt: FormatSpec) -> CodeArray:
    """Return the codes of `x`, whose elements must belong to `fmt`.

    Examples
    --------
    >>> encode([1.0, -1.25], "fp8_e5m2")
    array([ 60, 189], dtype=uint8)
    """
    return get_format(fmt).encode(x)


def decode(codes: CodeArray, fmt: FormatSpec) -> FloatArray:
    """Return the value of every code of `fmt`.

    Examples
    --------
    >>> decode([60, 189], "fp8_e5m2")
    array([ 1.  , -1.25], dtype=float32)
    """
    return get_format(fmt).decode(codes)
