"""Five-field cron expressions, read as cron reads them: Sunday is 0 and 7, and if a day of the month and a day of
the week are both given, either one matches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import datetime
from typing import Any, Final

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from campaigns.frozen import frozen

EXAMPLE: Final = 'write it like "0 9 * * mon": minute, hour, day of month, month, day of week'
DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
LONGEST: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""Days of each month; of February in a leap year."""
_PART: Final = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d+))?")


@frozen
class Cron:
    """Matches each minute that all fields match. The fields are sets of numbers; weekdays are 0 for Monday to 6 for
    Sunday."""

    text: str
    minutes: frozenset[int] = field(compare=False)
    hours: frozenset[int] = field(compare=False)
    days: frozenset[int] = field(compare=False)
    months: frozenset[int] = field(compare=False)
    weekdays: frozenset[int] = field(compare=False)
    either_day: bool = field(compare=False)
    """Both days are given, so that either one matches."""

    def __str__(self) -> str:
        return self.text

    def names(self, wall: datetime) -> bool:
        """Whether the expression matches the wall-clock time `wall`."""
        day, weekday = wall.day in self.days, wall.weekday() in self.weekdays
        on_day = day or weekday if self.either_day else day and weekday
        return (
            on_day and wall.month in self.months and wall.hour in self.hours and wall.minute in self.minutes
        )

    @classmethod
    def parse(cls, value: Any) -> Cron:
        """Raises ValueError naming the invalid field."""
        if isinstance(value, Cron):
            return value
        fields = value.split() if isinstance(value, str) else []
        if len(fields) != 5:
            raise ValueError(f"{value!r} does not have the five fields of cron; {EXAMPLE}")
        minute, hour, day, month, weekday = fields
        days, months = _numbers("day of month", day, 1, 31), _numbers("month", month, 1, 12, MONTHS, 1)
        either = not day.startswith("*") and not weekday.startswith("*")
        if not either and min(days) > max(LONGEST[number - 1] for number in months):
            raise ValueError(f"{value!r} never happens: no such month has day {min(days)}")
        return cls(
            text=" ".join(fields),
            minutes=_numbers("minute", minute, 0, 59),
            hours=_numbers("hour", hour, 0, 23),
            days=days,
            months=months,
            weekdays=frozenset((number - 1) % 7 for number in _numbers("day of week", weekday, 0, 7, DAYS)),
            either_day=either,
        )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )


def _numbers(
    name: str, text: str, low: int, high: int, names: tuple[str, ...] = (), first: int = 0
) -> frozenset[int]:
    """The numbers that one field matches; `first`: the number of the first of `names`."""
    known = {name: number for number, name in enumerate(names, start=first)}
    return frozenset(
        number
        for part in text.split(",")
        for number in _range(f"its {name} {text!r}", part.lower(), low, high, known)
    )


def _range(what: str, part: str, low: int, high: int, known: Mapping[str, int]) -> Iterator[int]:
    match = _PART.fullmatch(part)
    if match is None:
        raise ValueError(f"{what} cannot be read; {EXAMPLE}")
    star, begin, end, step = match.groups()
    first = low if star else _number(what, begin, low, high, known)
    # `*` of the days of the week is 0 to 6: 7 is Sunday again.
    last = high - (high == 7) if star or (step and end is None) else first
    if end is not None:
        last = _number(what, end, low, high, known)
        last = 7 if (high, last) == (7, 0) else last
    if last < first:
        raise ValueError(f"{what} runs backwards")
    if step is not None and int(step) == 0:
        raise ValueError(f"{what} has a step of 0")
    return iter(range(first, last + 1, int(step or 1)))


def _number(what: str, text: str, low: int, high: int, known: Mapping[str, int]) -> int:
    number = known.get(text, int(text) if text.isascii() and text.isdigit() else None)
    if number is None:
        raise ValueError(f"{what} cannot be read; {EXAMPLE}")
    if not low <= number <= high:
        raise ValueError(f"{what} must be from {low} to {high}")
    return number
