"""An oracle for schedules: the year is walked through a quarter of an hour at a time, and each step's wall clock is
compared with the cron expression. It shares nothing with the product: no APScheduler, no search, no offsets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

QUARTER, DAY = timedelta(minutes=15), timedelta(days=1)
YEAR = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
ZONES = (
    "UTC",
    "Europe/Paris",
    "Europe/London",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Africa/Casablanca",
    "Africa/Porto-Novo",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
)
"""East and west, north and south, no summer time, half an hour of it, two offsets of odd quarters, and a Ramadan."""


@lru_cache(maxsize=32)
def clock_of(zone: str) -> list[tuple[datetime, datetime]]:
    """Each quarter of an hour of the year, from a day before it on: (instant, what the clocks of the zone show)."""
    here, moment, steps = ZoneInfo(zone), YEAR[0] - DAY, []
    while moment < YEAR[1]:
        steps.append((moment, moment.astimezone(here).replace(tzinfo=None)))
        moment += QUARTER
    return steps


def expected(cron: str, zone: str, begin: datetime = YEAR[0], end: datetime = YEAR[1]) -> list[datetime]:
    """When the cron should run, `begin` included and `end` not: a repeated time the first time, a skipped one after
    the gap."""
    found: list[datetime] = []
    steps = clock_of(zone)
    skipped = max(0, (begin - steps[0][0] - DAY) // QUARTER)
    highest = steps[skipped][1]
    for instant, wall in steps[skipped : (end - steps[0][0]) // QUARTER + 1]:
        passed = False
        while highest < wall:
            highest += QUARTER
            passed = passed or matches(cron, highest)
        if passed and begin <= instant < end:
            found.append(instant)
    return found


def matches(cron: str, wall: datetime) -> bool:
    """Whether a clock that shows `wall` is one that the expression names. Numbers, lists, ranges and steps only."""
    minute, hour, day, month, weekday = cron.split()
    if not (_names(minute, wall.minute, 0) and _names(hour, wall.hour, 0) and _names(month, wall.month, 1)):
        return False
    on_day = _names(day, wall.day, 1)
    # Sunday is 7, and 0 as well where the expression says so.
    on_weekday = _names(weekday, wall.isoweekday() % 7, 0) or (
        wall.isoweekday() == 7 and weekday[0] != "*" and _names(weekday, 7, 0)
    )
    both = on_day and on_weekday
    either = on_day or on_weekday
    return both if day[0] == "*" or weekday[0] == "*" else either


@cache
def _names(field: str, value: int, low: int) -> bool:
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        begin = low if first == "*" else int(first)
        end = int(last) if last else (99 if first == "*" or step else begin)
        if begin <= value <= end and (value - begin) % int(step or 1) == 0:
            return True
    return False
