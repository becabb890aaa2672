"""A number format as a field of something that a user writes."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import GetPydanticSchema
from pydantic_core import core_schema

from accelsim.formats import NumberFormat, get_format


def _to_plain(fmt: NumberFormat) -> str:
    return fmt.name


def _schema(_source: Any, _handler: Any) -> core_schema.CoreSchema:
    return core_schema.no_info_plain_validator_function(
        get_format,
        serialization=core_schema.plain_serializer_function_ser_schema(_to_plain),
    )


def _json_schema(_schema: Any, _handler: Any) -> dict[str, Any]:
    return {"anyOf": [{"type": "string"}, {"type": "object"}], "title": "format"}


class _JsonSchema:
    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return _json_schema(schema, handler)


#: A catalog name such as ``fp8_e5m2``, an inline mapping, or a `NumberFormat`.
FormatRef = Annotated[NumberFormat, GetPydanticSchema(_schema), _JsonSchema]
