"""What intake takes and gives, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple

from campaigns.phones.stop_words import Action, Scope
from campaigns.reject_codes import RejectCode

Duplicates = Literal["first", "last", "reject"]
Landlines = Literal["reject", "accept"]

REJECT_COLUMNS: Final = ("drumbeat_line", "drumbeat_column", "drumbeat_code", "drumbeat_reason")
"""What a rejects file has beside the original columns; never variables."""


class Said(NamedTuple):
    """What a row of a list of opt-outs says about writing to its person."""

    action: Action
    scope: Scope | None
    """None, in what holds for rows without one: the usual of the action."""
    at: datetime
    """When it was said; without a word on that, when the list was read."""
    source: str
    evidence: str | None = None
    dated: bool = False
    """Whether the row says when."""


@dataclass(frozen=True)
class IntakeOptions:
    """How to read a file; what is None is detected."""

    default_country: str | None = None
    """ISO 3166 country of the numbers that have no country code."""
    phone_column: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    """--map: the file's column -> the name that it gets."""
    delimiter: str | None = None
    encoding: str | None = None
    duplicates: Duplicates = "first"
    """Which row of a number stays; with `reject`, none of the file's does."""
    landlines: Landlines = "reject"
    required: frozenset[str] = frozenset()
    """Variables that must have a column and must not be blank."""
    timezone: str | None = None
    """Of a row's times without an offset, where the row names no zone."""
    sendable: tuple[datetime, datetime] | None = None
    """The present, and when it is too late to send: a row's send_at lies between. None: anywhere."""
    said: Said | None = None
    """Of a list of opt-outs: what holds for a row whose cells do not say it."""


@dataclass(frozen=True)
class Detected:
    """What the file turned out to be."""

    encoding: str
    """`utf-8`, `utf-8-sig`, `utf-16-le`, `utf-16-be` or `cp1252`."""
    delimiter: str
    newline: str
    """`lf`, `crlf`, `cr` or `mixed`."""
    phone_column: str
    """The phone column as the file spells it."""
    header: tuple[str, ...]
    """All columns as the file spells them, without unnamed ones at the end."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not accepted."""

    line: int
    """Physical line of the file in which the row begins, from 1."""
    column: str | None
    """The column at fault as the file spells it; None: the row as a whole."""
    code: RejectCode
    reason: str
    raw: str
    """The row as it stood in the file, without its newline."""
    origin: int | None = None
    """`drumbeat_line` of a row that comes from a rejects file."""


class Own(NamedTuple):
    """What a row says of its recipient; None: nothing."""

    timezone: str | None
    send_at: datetime | None
    consent_at: datetime | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of the file: the accepted ones as columns of equal length, and the rejects."""

    lines: list[int]
    phones: list[str]
    regions: list[str | None]
    buckets: list[int]
    vars: list[str]
    """JSON objects: variable -> text."""
    raws: list[bytes]
    """Each accepted row as it stood in the file, in UTF-8: it may yet turn out to be a duplicate."""
    origins: list[int | None]
    """`drumbeat_line` where the row comes from a rejects file."""
    rejects: list[Reject]
    own: list[Own] | None = None
    """None: the file has no such columns."""
    said: list[Said] | None = None
    """Of a list of opt-outs; None: the file has no such columns."""

    @property
    def rows(self) -> int:
        return len(self.lines) + len(self.rejects)
