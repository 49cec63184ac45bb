"""When messages may arrive, computed in a second way: minute by minute, and without `fold`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from campaigns.rules.decision import Hours

MINUTE = timedelta(minutes=1)
REPEATED = (30 * MINUTE, 60 * MINUTE)
"""How far clocks go back."""


def is_allowed(at: datetime, hours: Hours, zone: ZoneInfo) -> bool:
    """Whether the clock of `zone` shows an allowed time at `at`, and shows it for the first time."""
    wall = shown(at, zone)
    if wall.date() in hours.holidays:
        return False
    for day in (wall.date(), wall.date() - timedelta(days=1)):
        other = [spans for weekday, spans in hours.on_weekday if weekday == day.weekday()]
        spans = other[0] if other else hours.allow
        for start, end in spans if day.weekday() in hours.days and day not in hours.holidays else ():
            closes = day if end > start else day + timedelta(days=1)
            if datetime.combine(day, start) <= wall < datetime.combine(closes, end):
                return all(shown(at - ago, zone) != wall for ago in REPEATED)
    return False


def shown(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None)


def allowed_in(at: datetime, hours: Hours, zones: Sequence[ZoneInfo]) -> int:
    """In how many of the zones it is allowed."""
    return sum(is_allowed(at, hours, zone) for zone in zones)


def all_allow(at: datetime, hours: Hours, zones: Sequence[ZoneInfo]) -> bool:
    return all(is_allowed(at, hours, zone) for zone in zones)


def first_allowed(
    at: datetime, hours: Hours, zones: Sequence[ZoneInfo], within: timedelta, step: timedelta = MINUTE
) -> datetime | None:
    """The first moment, of those `step` apart from `at` on, at which all zones allow it."""
    last = at + within
    while at < last:
        if all_allow(at, hours, zones):
            return at
        at += step
    return None
