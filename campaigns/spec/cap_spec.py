"""The `[[caps]]` of the campaign file and of the settings."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, StrictInt

from campaigns.message.part import Part
from campaigns.rules.caps import Calendar, Cap
from campaigns.spec.values import SHORTEST, Category
from campaigns.time.pace import parse_duration, write_duration

LONGEST_CAP: Final = timedelta(days=366)


def _per(value: Any) -> timedelta | Calendar:
    if value in tuple(Calendar):
        return Calendar(value)
    try:
        per = parse_duration(value)
    except ValueError as error:
        raise ValueError('write a period such as "7d" or "12h", or a calendar "day" or "week"') from error
    if not SHORTEST <= per <= LONGEST_CAP:
        raise ValueError("it must be more than 0 and at most 366d")
    return per


def _write_per(value: timedelta | Calendar) -> str:
    return value.value if isinstance(value, Calendar) else write_duration(value)


Per = Annotated[timedelta | Calendar, BeforeValidator(_per), PlainSerializer(_write_per)]


class CapSpec(Part):
    """One limit on how often a person is written to, across campaigns."""

    max: StrictInt = Field(ge=1, le=1_000_000, description="most messages to a person in the time")
    per: Per = Field(
        description='a rolling stretch such as "7d", or the calendar "day" or "week" of their zone'
    )
    on_cap: Literal["skip", "wait"] = Field(default="skip", description="what happens to a message above it")
    category: Category | None = Field(
        default=None, description="only messages of this category; default: all"
    )
    tag: str | None = Field(
        default=None, description="only messages of campaigns with this tag; default: all"
    )
    channel: str | None = Field(default=None, description="only messages of this account; default: all")

    @property
    def cap(self) -> Cap:
        category = self.category.value if self.category else None
        return Cap(self.max, self.per, self.on_cap == "wait", category, self.tag, self.channel)
