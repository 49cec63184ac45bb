"""People: opt-outs, and the data of one person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from typing_extensions import TypedDict

from app.views.answers.lists import DetectedFile
from campaigns.frozen import frozen
from campaigns.phones.stop_words import Action, Scope
from storage.audience.contacts import GotMessage, WroteMessage
from storage.sending.optouts import LogEntry

Rows = Sequence[Mapping[str, Any]]


@frozen
class Recorded:
    """What a person asked for, and what they are opted out of now."""

    phone: str
    """Their number."""
    action: Action
    """What was recorded: out or in."""
    scope: Scope
    """Which messages it is about: marketing, or all."""
    opted_out: Sequence[Scope]
    """What they are opted out of now; empty: of nothing."""


@frozen
class Linked:
    """The number of a user id, and what its person is opted out of now."""

    phone: str
    """The number."""
    user_id: str
    """The user id."""
    account: str
    """The account whose webhooks name the user id."""
    opted_out: Sequence[Scope]
    """What they are opted out of now; empty: of nothing."""


class OpenWindow(TypedDict):
    lane: str
    """The sender, as account/sender."""
    open_until: datetime
    """When the 24-hour window closes or closed."""
    known_by: str
    """How that is known: inbound (they wrote), provider (it was asked) or closing (it reported that)."""
    open: bool
    """Whether it is open now."""


class CapRoom(TypedDict):
    cap: str
    """The cap, such as `2 per 7d of the category marketing`."""
    left: int
    """How many more messages it allows now."""
    frees_at: datetime | None
    """When it allows the next one; null: it does now."""


class ShownPerson(TypedDict):
    """All that is known of a person, across campaigns."""

    phone: str
    """Their number."""
    opted_out: Sequence[Scope]
    """What they are opted out of now; empty: of nothing."""
    log: Sequence[LogEntry]
    """Every opt-out and opt-in."""
    windows: Sequence[OpenWindow]
    """Their 24-hour windows, one for each sender that they have written to."""
    caps: Sequence[CapRoom]
    """What the caps of the settings allow now."""
    messages: Sequence[GotMessage]
    """The newest messages to them."""
    inbound: Sequence[WroteMessage]
    """The newest messages from them."""


class FirstReject(TypedDict):
    line: int
    """The line on which the row begins."""
    column: str | None
    """The column that is wrong; null: the whole row."""
    code: str
    """Why it was rejected, as a code of the list reference."""
    reason: str
    """The same as a sentence."""


class ImportedPreferences(TypedDict):
    """What a list of opt-outs changed."""

    action: Action
    """What rows mean that have no preference of their own: out or in."""
    scope: Scope
    """Which messages they are about: marketing, or all."""
    rows: int
    """Rows of the list."""
    changed: int
    """Rows that changed something."""
    opted_out: int
    """Those of them that are opt-outs."""
    opted_in: int
    """Those of them that are opt-ins."""
    unchanged: int
    """Rows that were stored already, or that another row overrules."""
    outdated: int
    """Rows that are older than what is stored."""
    rejected: int
    """Rows that were rejected."""
    rejects_file: str | None
    """The address of the rejected rows as CSV, for an hour; null: there are none."""
    detected: DetectedFile
    """How the list was read."""
    reasons: Mapping[str, int]
    """Rejected rows by code, the most frequent first."""
    first_rejects: Sequence[FirstReject]
    """The first rejected rows."""


class ExportedPerson(TypedDict):
    """All that is stored about a person. Each row has the columns of its table in the database."""

    phone: str
    """Their number."""
    exported_at: datetime
    """When."""
    user_ids: Rows
    """Providers' user ids that are known to be theirs."""
    opt_outs: Rows
    """Their opt-outs and opt-ins."""
    windows: Rows
    """Their 24-hour windows."""
    written_to: Rows
    """When which campaign wrote to them, for the caps."""
    reached_by: Rows
    """When which sender reached them, for the tier."""
    inbound: Rows
    """Their messages."""
    rows_of_lists: Rows
    """Their rows in the lists that were loaded."""
    messages: Rows
    """The messages to them."""
    calls: Rows
    """The calls to providers for these messages."""
    events: Rows
    """The changes of state of these messages."""
    rejects: Rows
    """Rejected rows with their number."""
    webhooks: Rows
    """Webhooks in which they occur."""
    reports_of_unknown_messages: Rows
    """Receipts with their number that belong to no known message."""


class ErasedPerson(TypedDict):
    """What was erased of a person."""

    phone: str
    """Their number."""
    erased: Mapping[str, int]
    """Rows that were erased, by kind, as the export names them."""
    still_held_by: Sequence[str]
    """Where their data may still be: Drumbeat does not reach it."""
