"""Rule 10: messages arrive only at allowed times of the recipient's clock, to the minute: a span includes its start but
not its end, and a span over midnight belongs to the day it starts on.

- On a holiday nothing arrives from midnight to midnight, and no span starts.
- Clocks go forward: a span whose start is skipped opens at the first time that exists.
- Clocks go back: of the repeated hour, only the first pass is allowed.
- If the person may live in several zones, all must allow the time. If they never do within two weeks of the first time
  that one of them allows, the message is sent at the first time that most of them allow.
- If no zone is known, UTC is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import count, takewhile
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.rules.decision import DAYS, SEND, Decision, Facts, Hours, Spans, Wait
from campaigns.rules.names import Rule
from campaigns.time.zones import after_repeat, instant_of

REACH: Final = timedelta(days=15)
"""Two weeks, so that a one-weekday span skipped by a clock change is found a week later."""
DAY: Final = timedelta(days=1)

Zones = tuple[ZoneInfo, ...]


def hours(facts: Facts) -> Decision:
    if facts.policy.hours is None:
        return SEND
    minute = facts.now.replace(second=0, microsecond=0)
    opens = next_open(minute, facts.policy.hours, facts.zones or (ZoneInfo("UTC"),))
    return SEND if opens == minute else Wait(opens, Rule.HOURS)


def describe_hours(hours: Hours) -> str:
    """Such as `08:00-22:00 on mon, tue; not on public holidays of FR`."""
    days = [name for number, name in enumerate(DAYS) if number in hours.days]
    parts = [_spans(hours.allow) + (f" on {', '.join(days)}" if len(days) < len(DAYS) else "")]
    parts += (f"{DAYS[number]} {_spans(spans)}" for number, spans in hours.on_weekday)
    if hours.holidays:
        parts.append(f"not on public holidays of {hours.holidays}")
    return "; ".join(parts)


def _spans(spans: Spans) -> str:
    return ", ".join(f"{start:%H:%M}-{f'{end:%H:%M}' if end != time() else '24:00'}" for start, end in spans)


@lru_cache(maxsize=4096)
def next_open(minute: datetime, hours: Hours, zones: Zones) -> datetime:
    """The first allowed minute, from this one on."""
    first = min(_open_from(minute, hours, zone) for zone in zones)
    return _open_in_all(first, hours, zones) or _open_in_most(first, hours, zones)


def _open_in_all(minute: datetime, hours: Hours, zones: Zones) -> datetime | None:
    last = minute + REACH
    while minute <= last:
        latest = max(_open_from(minute, hours, zone) for zone in zones)
        if latest == minute:
            return minute
        minute = latest
    return None


def _open_in_most(minute: datetime, hours: Hours, zones: Zones) -> datetime:
    last = minute + REACH
    opens = (at for zone in zones for at in takewhile(lambda at: at <= last, _starts(minute, hours, zone)))
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
    for day in (today + ahead * DAY for ahead in count()):
        spans = (instant_of(datetime.combine(day, start), zone) for start, _ in sorted(hours.spans_on(day)))
        yield from (start for start in spans if start > minute)


def _is_open(minute: datetime, hours: Hours, zone: ZoneInfo) -> bool:
    local = minute.astimezone(zone)
    today, clock = local.date(), local.time()
    if local.fold or today in hours.holidays:
        return False
    begun_today = any(
        start <= clock and (clock < end or end <= start) for start, end in hours.spans_on(today)
    )
    return begun_today or _begun_yesterday(today, clock, hours)


def _begun_yesterday(today: date, clock: time, hours: Hours) -> bool:
    return any(end <= start and clock < end for start, end in hours.spans_on(today - DAY))
