"""What a row says of its recipient in columns with a meaning of their own: timezone, send_at, consent_at."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from campaigns.intake.header import Header
from campaigns.intake.model import Own
from campaigns.reject_codes import RejectCode
from campaigns.time.zones import find_zone, instant_of


class Fault(NamedTuple):
    """What is wrong with a row's own words."""

    column: int
    code: RejectCode
    reason: str


CODES: Final = {
    "timezone": RejectCode.BAD_TIMEZONE,
    "send_at": RejectCode.BAD_SEND_AT,
    "consent_at": RejectCode.BAD_CONSENT_AT,
}


class OwnColumns:
    """Reads those of the columns that the file has."""

    def __init__(self, header: Header, timezone: str | None) -> None:
        self._columns = {name: header.variables.get(name) for name in CODES}
        self._zone = find_zone(timezone) if timezone else None
        """Of times without an offset, where the row names no zone."""

    def __bool__(self) -> bool:
        return any(column is not None for column in self._columns.values())

    def read(self, cells: dict[int, list[str]], at: int) -> Own | Fault:
        """What the row at that position says, or what is wrong with it."""
        name = "timezone"
        try:
            zone = _zone(self._cell(cells, at, name))
            name = "send_at"
            send_at = _send_at(self._cell(cells, at, name), zone or self._zone)
            name = "consent_at"
            consent_at = _consent_at(self._cell(cells, at, name), zone or self._zone)
        except ValueError as error:
            return Fault(self._columns[name] or 0, CODES[name], f"{str(error)[:200]}.")
        return Own(zone.key if zone else None, send_at, consent_at)

    def _cell(self, cells: dict[int, list[str]], at: int, name: str) -> str:
        column = self._columns[name]
        return "" if column is None else cells[column][at]


@lru_cache(maxsize=4096)
def _zone(cell: str) -> ZoneInfo | None:
    return find_zone(cell) if cell else None


@lru_cache(maxsize=4096)
def _send_at(cell: str, zone: ZoneInfo | None) -> datetime | None:
    written = written_time(cell, "2026-12-01T09:00")
    if written is None:
        return None
    if len(cell) <= len("2026-12-01"):
        raise ValueError(f"{cell!r} lacks the time of day; write it like 2026-12-01T09:00")
    if written.tzinfo is None and zone is None:
        raise ValueError(
            f"{cell!r} is in no time zone; add an offset such as +01:00, a column timezone, or schedule.timezone"
        )
    return instant(written, zone)


@lru_cache(maxsize=4096)
def _consent_at(cell: str, zone: ZoneInfo | None) -> datetime | None:
    """A day alone counts from its beginning, and a time in no zone as UTC: consent is a matter of days."""
    written = written_time(cell, "2026-12-01 or 2026-12-01T09:00")
    return None if written is None else instant(written, zone)


def written_time(cell: str, example: str) -> datetime | None:
    """The time in the cell, or None where it is blank. Raises ValueError, with an example of how to write it."""
    if not cell:
        return None
    try:
        return datetime.fromisoformat(cell)
    except ValueError as error:
        raise ValueError(f"{cell[:40]!r} is not a time; write it like {example}") from error


def instant(written: datetime, zone: ZoneInfo | None) -> datetime:
    """The time in UTC; one without an offset is the zone's, or without a zone UTC. Raises ValueError."""
    try:
        if written.tzinfo is not None:
            return written.astimezone(UTC)
        return instant_of(written, zone) if zone else written.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(f"{written.isoformat()!r} is no time of this world") from error
