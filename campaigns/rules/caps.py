"""What a cap is. `frequency_cap` applies it."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final

from campaigns.frozen import frozen


class Calendar(StrEnum):
    """The calendar periods that a cap can count in."""

    DAY = "day"
    WEEK = "week"
    """Monday to Sunday."""


CALENDAR_REACH: Final = timedelta(days=8)
"""A calendar week in any zone lies within it."""


@frozen
class Cap:
    """At most `most` messages to a person in any period of length `per`, or in each calendar day or week of their
    zone."""

    most: int
    per: timedelta | Calendar
    waits: bool = False
    """Whether a message above the cap waits until there is room, or is skipped."""
    category: str | None = None
    """The cap counts and limits only messages of this category; None: all."""
    tag: str | None = None
    """The same for messages of campaigns with this tag."""
    channel: str | None = None
    """The same for messages sent by this account."""
