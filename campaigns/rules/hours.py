"""Rule 10: messages arrive only at allowed times of the recipient's clock, to the minute: a span includes its start but
not its end, and a span over midnight belongs to the day it starts on.

- Clocks go forward: a span whose start is skipped opens at the first time that exists.
- Clocks go back: of the repeated hour, only the first pass is allowed.
- If the person may live in several zones, all must allow the time. If none does within two weeks, the message is sent
  at the first time that most of them allow.
- If no zone is known, UTC is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.rules.decision import SEND, Decision, Facts, Hours, Rule, Wait
from campaigns.time.zones import after_repeat, instant_of

REACH: Final = timedelta(days=15)
"""Two weeks, so that a one-weekday span skipped by a clock change is found a week later."""

Zones = tuple[ZoneInfo, ...]


def hours(facts: Facts) -> Decision:
    if facts.policy.hours is None:
        return SEND
    minute = facts.now.replace(second=0, microsecond=0)
    opens = _next_open(minute, facts.policy.hours, facts.zones or (ZoneInfo("UTC"),))
    return SEND if opens == minute else Wait(opens, Rule.HOURS)


@lru_cache(maxsize=4096)
def _next_open(minute: datetime, hours: Hours, zones: Zones) -> datetime:
    """The first allowed minute, from this one on."""
    return _open_in_all(minute, hours, zones) or _open_in_most(minute, hours, zones)


def _open_in_all(minute: datetime, hours: Hours, zones: Zones) -> datetime | None:
    last = minute + REACH
    while minute <= last:
        latest = max(_open_from(minute, hours, zone) for zone in zones)
        if latest == minute:
            return minute
        minute = latest
    return None


def _open_in_most(minute: datetime, hours: Hours, zones: Zones) -> datetime:
    opens = (start for zone in zones for start in _starts(minute, hours, zone))
    return max([minute, *sorted(opens)], key=lambda at: sum(_is_open(at, hours, zone) for zone in zones))


def _open_from(minute: datetime, hours: Hours, zone: ZoneInfo) -> datetime:
    """The first allowed minute in one zone."""
    while not _is_open(minute, hours, zone):
        again = after_repeat(minute, zone)
        minute = again if again > minute else next(_starts(minute, hours, zone))
    return minute


def _starts(minute: datetime, hours: Hours, zone: ZoneInfo) -> Iterator[datetime]:
    """When spans begin after `minute`, earliest first."""
    today = minute.astimezone(zone).date()
    for day in (today + timedelta(days=ahead) for ahead in range(REACH.days)):
        if day.weekday() in hours.days:
            spans = (instant_of(datetime.combine(day, start), zone) for start, _ in sorted(hours.allow))
            yield from (start for start in spans if start > minute)


def _is_open(minute: datetime, hours: Hours, zone: ZoneInfo) -> bool:
    local = minute.astimezone(zone)
    return not local.fold and any(_within(local, span, hours.days) for span in hours.allow)


def _within(local: datetime, span: tuple[time, time], days: frozenset[int]) -> bool:
    start, end = span
    clock, today = local.time(), local.weekday()
    if start < end:
        return start <= clock < end and today in days
    return (start <= clock and today in days) or (clock < end and (today - 1) % 7 in days)
