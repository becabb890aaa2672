"""A number format as a field of something that a user writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import GetPydanticSchema
from pydantic_core import core_schema

from accelsim.config import parse_yaml
from accelsim.errors import ConfigError
from accelsim.formats import FloatFormat, NumberFormat, get_format, get_tensor_format
from accelsim.formats.inline import systematic_name
from accelsim.formats.lookup import FormatSpec, format_registry, tensor_format_registry
from accelsim.precision.tensor_storage import TensorStorage


def format_text(fmt: NumberFormat) -> str:
    """Return a name from which `get_format` makes a format of the same numbers.

    It is the format's own where that is registered, and for an inline float the
    systematic name, which says all its fields.

    Examples
    --------
    >>> format_text(get_format({"name": "mine", "exponent_bits": 4, "mantissa_bits": 2}))
    'float_e4m2'
    """
    if fmt.name in format_registry() or not isinstance(fmt, FloatFormat):
        return fmt.name
    return systematic_name(fmt)


def format_spec(text: str) -> FormatSpec:
    """Return what a text of a command line stands for: fields in braces, or a name as it is.

    Raises
    ------
    ConfigError
        If the fields are no YAML mapping, with the place.

    Examples
    --------
    >>> get_format(format_spec("{exponent_bits: 4, mantissa_bits: 3}")).name
    'float_e4m3'
    >>> format_spec("fp8_e5m2")
    'fp8_e5m2'
    """
    if not text.lstrip().startswith("{"):
        return text
    fields: FormatSpec = parse_yaml(text, file="format").data
    return fields


def stored_format(spec: FormatSpec) -> NumberFormat:
    """Return the format that `spec` stands for; tensor formats by name are formats here.

    Raises
    ------
    UnknownNameError, ConfigError
        As `accelsim.formats.get_format`.

    Examples
    --------
    >>> stored_format("s2fp8").bits
    8
    """
    if isinstance(spec, str) and spec in tensor_format_registry():
        return TensorStorage(spec, get_tensor_format(spec))
    return get_format(spec)


def arithmetic_format(spec: FormatSpec) -> NumberFormat:
    """Return the format that `spec` stands for, if results can be rounded to it one by one.

    Raises
    ------
    UnknownNameError, ConfigError
        As `accelsim.formats.get_format`; and for a tensor format, whose scales are found
        in a whole tensor, and a format without zero, from which no sum can start.

    Examples
    --------
    >>> arithmetic_format("mx_fp4")
    Traceback (most recent call last):
        ...
    accelsim.errors.ConfigError: 'mx_fp4' finds its scales in a whole tensor: no sum or other...
    """
    fmt = stored_format(spec)
    if isinstance(fmt, TensorStorage):
        raise ConfigError(
            f"{fmt.name!r} finds its scales in a whole tensor: no sum or other result can be"
            " rounded to it alone. Use a number format, such as fp32 or fp16_e6m9, here, and"
            f" {fmt.name!r} for what is stored or multiplied."
        )
    if isinstance(fmt, FloatFormat) and not fmt.has_zero:
        raise ConfigError(f"{fmt.name!r} has no zero: no sum can start in it.")
    return fmt


def _schema(_source: Any, _handler: Any) -> core_schema.CoreSchema:
    return _validated(stored_format)


def _arithmetic_schema(_source: Any, _handler: Any) -> core_schema.CoreSchema:
    return _validated(arithmetic_format)


def _validated(function: Callable[[Any], NumberFormat]) -> core_schema.CoreSchema:
    return core_schema.no_info_plain_validator_function(
        function,
        serialization=core_schema.plain_serializer_function_ser_schema(format_text),
    )


def _json_schema(_schema: Any, _handler: Any) -> dict[str, Any]:
    return {"anyOf": [{"type": "string"}, {"type": "object"}], "title": "format"}


class _JsonSchema:
    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return _json_schema(schema, handler)


#: A catalog name such as ``fp8_e5m2``, an inline mapping, or a `NumberFormat`.
FormatRef = Annotated[NumberFormat, GetPydanticSchema(_schema), _JsonSchema]
#: As `FormatRef`, for what is computed rather than stored: no tensor format.
ArithmeticFormatRef = Annotated[NumberFormat, GetPydanticSchema(_arithmetic_schema), _JsonSchema]
