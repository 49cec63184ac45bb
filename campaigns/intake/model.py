"""Intake's options and results, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from campaigns.frozen import frozen
from campaigns.phones.stop_words import Action, Scope
from campaigns.reject_codes import RejectCode

Duplicates = Literal["first", "last", "reject"]
Landlines = Literal["reject", "accept"]

REJECT_COLUMNS: Final = ("drumbeat_line", "drumbeat_column", "drumbeat_code", "drumbeat_reason")
"""The columns that a rejects file adds to the original ones; never variables."""


class RowPreference(NamedTuple):
    """A recipient's opt-out or opt-in as given by a row of an opt-out list, or the defaults for rows that leave a cell
    blank."""

    action: Action
    scope: Scope | None
    """None, only in the defaults: the usual scope of the action."""
    at: datetime
    """When the recipient opted out or in; if the row does not say, when the list was read."""
    source: str
    evidence: str | None = None
    dated: bool = False
    """Whether the row gives a time."""


@frozen
class UserIds:
    """Who is named by the provider's user id alone, in rows without a number."""

    account: str = ""
    """Whose provider the ids are of; empty: the list is only looked at."""
    unsendable: str | None = None
    """Why the campaign's message cannot be sent to a user id, or None."""


ANY_USER_ID: Final = UserIds()


@frozen
class IntakeOptions:
    """How to read a file; None is detected."""

    default_country: str | None = None
    """ISO 3166 country of the numbers that have no country code."""
    phone_columns: tuple[str, ...] = ()
    """The phone column, then its fallback columns, used where it has no usable number; empty: detect them."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """--map: the file's column -> its new name."""
    delimiter: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    """The sheet of a workbook; None: the only one that holds anything."""
    duplicates: Duplicates = "first"
    """Which row of a repeated number is kept; with `reject`, none."""
    landlines: Landlines = "reject"
    required: frozenset[str] = frozenset()
    """Variables that must have a column and a value in each row."""
    optional: frozenset[str] = frozenset()
    """Variables that the message uses and has a default for."""
    where: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Column -> cells: only rows with one of these cells in each of the columns are read."""
    consent: str | None = None
    """The column that says who agreed: yes, no, or the date."""
    date_format: str | None = None
    """How dates are written beside ISO 8601, as for `strptime`."""
    timezone: str | None = None
    """Zone of times without an offset, in rows that name no zone."""
    sendable: tuple[datetime, datetime] | None = None
    """Now, and when it is too late to send: a row's send_at must lie between. None: no limits."""
    user_ids: UserIds = ANY_USER_ID
    preference_defaults: RowPreference | None = None
    """Opt-out lists only: the values for rows that leave these cells blank."""


@frozen
class Detected:
    """What was detected about the file."""

    encoding: str
    """`utf-8`, `utf-8-sig`, `utf-16-le`, `utf-16-be` or `cp1252`; or as given."""
    delimiter: str
    newline: str
    """`lf`, `crlf`, `cr` or `mixed`."""
    phone_columns: tuple[str, ...]
    """The phone column in the file's spelling, then its fallback columns."""
    header: tuple[str, ...]
    """All columns in the file's spelling, without unnamed ones at the end."""
    sheet: str | None = None
    """The sheet of a workbook, whose `encoding` is `xlsx`, `xls` or `ods`."""

    @property
    def phone_column(self) -> str:
        return self.phone_columns[0]

    def summary(self) -> str:
        """How the file is read, for people."""
        phones = ", else ".join(map(repr, self.phone_columns))
        how = f"sheet {self.sheet!r}" if self.sheet else f"delimiter {self.delimiter!r}"
        return f"{self.encoding}, {how}, phones in {phones}"

    def as_json(self) -> dict[str, Any]:
        return {
            "encoding": self.encoding,
            **({"sheet": self.sheet} if self.sheet else {}),
            "delimiter": self.delimiter,
            "phone_column": self.phone_column,
            "phone_columns": list(self.phone_columns),
        }


@frozen
class Reject:
    """A row that was not accepted."""

    line: int
    """Physical line in the file on which the row begins, counted from 1."""
    column: str | None
    """The column at fault in the file's spelling; None: the whole row."""
    code: RejectCode
    reason: str
    raw: str
    """The row's text in the file, without its newline."""
    origin: int | None = None
    """`drumbeat_line` of a row that comes from a rejects file."""


class RecipientFields(NamedTuple):
    """A row's time zone, send time and consent of its recipient; None: not given."""

    timezone: str | None
    send_at: datetime | None
    consent_at: datetime | None


@frozen
class Chunk:
    """Some rows of the file: the accepted ones as columns of equal length, and the rejected ones."""

    lines: list[int]
    phones: list[str]
    regions: list[str | None]
    buckets: list[int]
    vars: list[str]
    """JSON objects: variable -> text."""
    raws: list[bytes]
    """Each accepted row's text in the file, in UTF-8, kept because the row may still be rejected as a duplicate."""
    origins: list[int | None]
    """`drumbeat_line` where the row comes from a rejects file."""
    rejects: list[Reject]
    recipient_fields: list[RecipientFields] | None = None
    """None: the file has no such columns."""
    preferences: list[RowPreference] | None = None
    """Opt-out lists only; None: the file has no such columns."""
    left_out: int = 0
    """Rows that `where` leaves out; neither accepted nor rejected."""
    respelt: list[tuple[str, str]] = field(default_factory=list)
    """Cell and number of the rows whose number is in a former or another spelling."""

    user_ids: dict[str, str] = field(default_factory=dict)
    """The provider's user id -> the number, of rows that have both."""

    @property
    def rows(self) -> int:
        return len(self.lines) + len(self.rejects)
