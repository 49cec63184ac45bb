"""IANA zones: those of a country, and wall-clock times as exactly one instant, also on the days the clocks change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones


def find_zone(name: str) -> ZoneInfo:
    """The zone `name`, such as `Africa/Porto-Novo`. Raises ValueError where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        guess = _zones_by_spelling().get(name.strip().lower().replace(" ", "_"))
        help_ = f"did you mean {guess}?" if guess else 'write it like "Europe/Paris" or "UTC"'
        raise ValueError(f"{name!r} is not a time zone; {help_}") from error


@cache
def _zones_by_spelling() -> dict[str, str]:
    return {zone.lower(): zone for zone in available_timezones()}


def instant_of(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant in UTC of the naive wall-clock time `local`.

    A time that a clock change skips becomes the first instant after the gap; a repeated one, its first occurrence.
    """
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == local:
        return first
    before_gap = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _next_change(before_gap, first, zone)


def skipped_before(instant: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """The wall-clock minutes that the zone's clocks skip just before `instant`; mostly none."""
    shown = instant.astimezone(zone).replace(tzinfo=None)
    before = (instant - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None) + timedelta(seconds=1)
    while before < shown:
        yield before
        before += timedelta(minutes=1)


def after_repeat(instant: datetime, zone: ZoneInfo) -> datetime:
    """`instant`, or the end of the repeated hour if the zone's clock shows this time for the second time."""
    local = instant.astimezone(zone)
    if not local.fold:
        return instant
    before = local.replace(fold=0).astimezone(UTC)
    return _next_change(before, instant, zone) + (instant - before)


@cache
def zones_of_region(region: str) -> tuple[ZoneInfo, ...]:
    """The zones of an ISO 3166 country, most populous first; empty if the tz database lists none."""
    lines = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return tuple(ZoneInfo(row[2]) for row in rows if row[0] == region)


def _next_change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The instant in (low, high], to the second, at which the zone's offset changes from that at `low`."""
    old = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if middle <= low:
            break
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == old else (low, middle)
    return high.replace(microsecond=0)
