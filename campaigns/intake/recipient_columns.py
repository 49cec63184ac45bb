"""The columns with a built-in meaning for the recipient: timezone, send_at, consent_at, and who agreed."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from campaigns.intake.dates import has_time, instant, written_time, yes_or_no
from campaigns.intake.header import Header
from campaigns.intake.model import IntakeOptions, RecipientFields
from campaigns.reject_codes import RejectCode
from campaigns.time.clock import utc_now
from campaigns.time.zones import find_zone


class Fault(NamedTuple):
    """What is wrong with one of a row's cells."""

    column: int
    code: RejectCode
    reason: str


A_MINUTE: Final = timedelta(minutes=1)
"""A time written to the minute counts as past only once the minute is over."""
A_DAY: Final = timedelta(days=1)
"""A day may begin in one zone up to a day earlier than in another."""
CODES: Final = {
    "timezone": RejectCode.BAD_TIMEZONE,
    "send_at": RejectCode.BAD_SEND_AT,
    "consent_at": RejectCode.BAD_CONSENT_AT,
}

CONSENT: Final = "consent"
"""The column that audience.consent names."""


class RecipientColumns:
    """Reads those of the columns that the file has."""

    def __init__(self, header: Header, options: IntakeOptions) -> None:
        self._columns = {name: header.variables.get(name) for name in CODES}
        self._columns[CONSENT] = header.consent
        if header.consent is not None and self._columns["consent_at"] == header.consent:
            self._columns["consent_at"] = None
        self._zone = find_zone(options.timezone) if options.timezone else None
        """Zone of times without an offset, in rows that name no zone."""
        self._sendable = options.sendable
        self._format = options.date_format
        self._now = options.sendable[0] if options.sendable else utc_now()

    def __bool__(self) -> bool:
        return any(column is not None for column in self._columns.values())

    def read(self, cells: dict[int, list[str]], at: int) -> RecipientFields | Fault:
        """The fields of the row at that position, or what is wrong with the row."""
        name = "timezone"
        try:
            zone = _zone(self._cell(cells, at, name))
            name = "send_at"
            send_at = _send_at(self._cell(cells, at, name), zone or self._zone, self._format)
            name = "consent_at"
            consent_at = _consent_at(self._cell(cells, at, name), zone or self._zone, self._format)
            if self._columns[CONSENT] is not None:
                name = CONSENT
                consent_at = self._agreed(self._cell(cells, at, name), zone or self._zone, consent_at)
        except ValueError as error:
            return self._fault(name, CODES.get(name, RejectCode.BAD_CONSENT_AT), str(error)[:200])
        if self._sendable is not None and (fault := self._untimely(send_at, consent_at, *self._sendable)):
            return fault
        return RecipientFields(zone.key if zone else None, send_at, consent_at)

    def _agreed(self, cell: str, zone: ZoneInfo | None, dated: datetime | None) -> datetime | None:
        """When they agreed. A yes without a date, here or in consent_at, counts from when the list is read."""
        answer = yes_or_no(cell)
        if not cell or answer is False:
            return None
        if answer is True:
            return dated or self._now
        try:
            return _consent_at(cell, zone, self._format)
        except ValueError as error:
            raise ValueError(f"{cell[:40]!r} is neither yes nor no, and {error}") from error

    def _untimely(
        self, send_at: datetime | None, consent_at: datetime | None, now: datetime, end: datetime
    ) -> Fault | None:
        """What is wrong with a valid time: a wrong year, month or day, or an old list."""
        if send_at is not None and send_at < now - A_MINUTE:
            return self._fault("send_at", RejectCode.SEND_AT_PAST, f"{_utc(send_at)} is in the past")
        if send_at is not None and send_at >= end:
            reason = f"{_utc(send_at)} is too late; it must be before {_utc(end)}"
            return self._fault("send_at", RejectCode.SEND_AT_TOO_LATE, reason)
        if consent_at is not None and consent_at > now + A_DAY:
            reason = f"{_utc(consent_at)} is in the future; consent must have been given already"
            name = "consent_at" if self._columns[CONSENT] is None else CONSENT
            return self._fault(name, RejectCode.BAD_CONSENT_AT, reason)
        return None

    def _fault(self, name: str, code: RejectCode, reason: str) -> Fault:
        return Fault(self._columns[name] or 0, code, f"{reason}.")

    def _cell(self, cells: dict[int, list[str]], at: int, name: str) -> str:
        column = self._columns[name]
        return "" if column is None else cells[column][at]


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


@lru_cache(maxsize=4096)
def _zone(cell: str) -> ZoneInfo | None:
    return find_zone(cell) if cell else None


@lru_cache(maxsize=4096)
def _send_at(cell: str, zone: ZoneInfo | None, date_format: str | None) -> datetime | None:
    written = written_time(cell, "2026-12-01T09:00", date_format)
    if written is None:
        return None
    if not has_time(cell, date_format):
        raise ValueError(f"{cell!r} has no time of day; write it like 2026-12-01T09:00")
    if written.tzinfo is None and zone is None:
        raise ValueError(
            f"{cell!r} has no time zone; add an offset such as +01:00, a column timezone, or schedule.timezone"
        )
    return instant(written, zone)


@lru_cache(maxsize=4096)
def _consent_at(cell: str, zone: ZoneInfo | None, date_format: str | None) -> datetime | None:
    """A date without a time is the start of that day, and a time without a zone is UTC: consent needs no more
    precision."""
    written = written_time(cell, "2026-12-01 or 2026-12-01T09:00", date_format)
    return None if written is None else instant(written, zone)
