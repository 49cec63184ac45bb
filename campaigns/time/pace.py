"""How rates and durations are written: `20/s`, `100/min`, `1000/h`; `500ms`, `30s`, `7d`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, GetCoreSchemaHandler, PlainSerializer
from pydantic_core import CoreSchema, core_schema

from campaigns.frozen import frozen

_UNITS: Final = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


@frozen
class Rate:
    """At most `count` in any period of length `per`."""

    count: int
    per: timedelta

    @property
    def per_second(self) -> float:
        return self.count / self.per.total_seconds()

    def __str__(self) -> str:
        unit = next(
            (name for name, size in _UNITS.items() if size == self.per), f"{self.per.total_seconds():g}s"
        )
        return f"{self.count}/{unit}"

    @classmethod
    def parse(cls, value: Any) -> Rate:
        if isinstance(value, Rate):
            return value
        match = re.fullmatch(r"\s*(\d+)\s*/\s*(s|min|m|h|d)\s*", value) if isinstance(value, str) else None
        if match is None or int(match[1]) == 0:
            raise ValueError('a rate is written as "20/s", "100/min" or "1000/h"')
        return cls(int(match[1]), _UNITS[match[2]])

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )


def parse_duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    match = (
        re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d|w)\s*", value) if isinstance(value, str) else None
    )
    if match is None:
        raise ValueError('a duration is written as "500ms", "30s", "15m", "12h" or "7d"')
    try:
        return float(match[1]) * _UNITS[match[2]]
    except OverflowError as error:
        raise ValueError(f"{value} is too long") from error


def write_duration(value: timedelta) -> str:
    """The shortest way to write it that `parse_duration` reads back."""
    for unit in ("w", "d", "h", "m", "s"):
        if value and value % _UNITS[unit] == timedelta():
            return f"{value // _UNITS[unit]}{unit}"
    return f"{value // _UNITS['ms']}ms"


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(write_duration)]
