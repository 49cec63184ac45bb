"""IANA zones: those of a country, and wall-clock times as exactly one instant, also on the days the clocks change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def find_zone(name: str) -> ZoneInfo:
    """The zone `name`, such as `Africa/Porto-Novo`. Raises ValueError where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f'{name!r} is not a time zone; write it like "Europe/Paris" or "UTC"') from error


def instant_of(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant in UTC of the naive wall-clock time `local`.

    A time that the clocks skip becomes the first instant after the gap; one that they repeat, its first.
    """
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == local:
        return first
    before_gap = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _next_change(before_gap, first, zone)


def skipped_before(instant: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """The minutes of the wall clock that the zone's clocks skip as they come to `instant`; mostly none."""
    shown = instant.astimezone(zone).replace(tzinfo=None)
    before = (instant - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None) + timedelta(seconds=1)
    while before < shown:
        yield before
        before += timedelta(minutes=1)


def after_repeat(instant: datetime, zone: ZoneInfo) -> datetime:
    """`instant`, or where the zone's clock shows its time for the second time, the end of the hour that is repeated."""
    local = instant.astimezone(zone)
    if not local.fold:
        return instant
    before = local.replace(fold=0).astimezone(UTC)
    return _next_change(before, instant, zone) + (instant - before)


@cache
def zones_of_region(region: str) -> tuple[ZoneInfo, ...]:
    """The zones of an ISO 3166 country, its most populous first; empty where the tz database lists none."""
    lines = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return tuple(ZoneInfo(row[2]) for row in rows if row[0] == region)


def _next_change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The instant in (low, high] from which the zone has another offset than at `low`, to the second."""
    old = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if middle <= low:
            break
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == old else (low, middle)
    return high.replace(microsecond=0)
