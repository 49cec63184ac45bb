"""People: opt-outs, the data of one person, and the people of a campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from app.views.answers.lists import DetectedFile
from campaigns.frozen import frozen
from campaigns.message.content import MessageType
from campaigns.phones.stop_words import Action, Scope
from campaigns.rules.names import Form
from campaigns.states import JobState
from storage.audience.contacts import GotMessage, WroteMessage
from storage.sending.optouts import LogEntry
from storage.views.timelines import Moment, RejectHistory

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


class PersonOfCampaign(TypedDict):
    line: int
    """Their line in the list."""
    phone: str
    """Their number; empty: they were erased."""
    name: str
    """Their name in the list; empty: it has none."""
    state: JobState
    """The state of their message."""
    meaning: str
    """Why it is in that state, as a sentence; empty: the state explains itself."""
    reason: str | None
    """The same as a reason of the reference; null: there is none."""
    code: str | None
    """The provider's code; null: it gave none."""
    provider_text: str | None
    """The provider's text; null: it gave none."""
    held_by: str | None
    """The rule that the message waits for; null: it does not wait for one."""
    held_until: datetime | None
    """Until when it waits; null: that is not known, or it does not wait."""
    lane: str | None
    """The sender, as account/sender; null: none is chosen yet."""
    variant: str | None
    """The variant; null: there are none."""
    form: MessageType | None
    """What kind of message was sent, such as text or template; null: none was sent."""
    attempts: int
    """Calls that were made to send it."""
    provider_message_id: str | None
    """The provider's id of the message; null: it gave none."""
    cost: Decimal | Literal[""]
    """What the provider charged; empty: it has not reported that."""
    currency: str
    """Of `cost`, three letters; empty: it is not known."""
    updated_at: datetime | None
    """When its state changed last; null: it has not."""


class RejectedRow(TypedDict):
    file: str
    """The list's name."""
    line: int
    """The line on which the row begins."""
    column: str | None
    """The column that is wrong; null: the whole row."""
    code: str
    """Why it was rejected, as a code of the list reference."""
    reason: str
    """The same as a sentence."""
    row: str
    """The row as it is in the file."""


class PeopleOfCampaign(TypedDict):
    """A page of a campaign's people, or of its rejected rows."""

    campaign: str
    """Its name."""
    run: int | None
    """The number of their run; null: there was none yet."""
    people: Sequence[PersonOfCampaign]
    """The people; empty where rejected rows were asked for."""
    rejected: Sequence[RejectedRow]
    """The rejected rows; empty where they were not asked for."""
    next: str | None
    """Give it as `after` to get the next page; null: this is the last. A page may be empty and still have a next."""


class ExpectedDecision(TypedDict):
    decision: Literal["send", "wait", "skipped", "expired", "cancelled", "failed"]
    """What the rules decide."""
    because: str
    """Why, as text."""
    form: NotRequired[Form]
    """With send: the form in which it is sent."""
    price: NotRequired[str | None]
    """With send: what it is expected to cost, such as `0.05 EUR`; null: no price is known."""
    reason: NotRequired[str]
    """Where it is not sent: the reason."""
    at: NotRequired[datetime | None]
    """Where it is not sent: when that is decided; null: that is not known."""
    rule: NotRequired[str]
    """With wait: the rule that holds it."""


class PersonTimeline(TypedDict):
    """What happened to one person in a campaign, and what comes next. Keys that are not required say more about a
    message, and are there where the message has come so far."""

    phone: str
    """Their number, or the text of a rejected row."""
    listed_as: NotRequired[str]
    """What the list has in its place, if that is another."""
    state: JobState | Literal["rejected"]
    """The state of their message; rejected: the row was not accepted."""
    reason: str | None
    """Why it is in that state; null: there is no reason."""
    code: str | None
    """The provider's code, or that of a rejected row; null: there is none."""
    held_by: str | None
    """What the message waits for; null: it does not wait."""
    rule: NotRequired[str]
    """The same as the name of a rule."""
    held_since: NotRequired[datetime | None]
    """Since when; null: that is not known."""
    held_until: NotRequired[datetime | None]
    """Until when; null: until something happens or somebody acts."""
    estimated_send_at: datetime | None
    """When it is expected to be sent; null: that cannot be known, or it does not wait."""
    assumes: NotRequired[Sequence[str]]
    """What that time assumes."""
    ahead: NotRequired[int | None]
    """Messages of the same sender that go before it; null: that is not known."""
    pace: NotRequired[str | None]
    """The limit that sets the pace; null: none does."""
    expected: NotRequired[ExpectedDecision | None]
    """What the rules decide once nothing holds it; null: that cannot be known."""
    meaning: NotRequired[str | None]
    """What it waits for or why it ended, as a sentence; null: nothing is to explain."""
    lane: NotRequired[str]
    """The sender, as account/sender."""
    run: NotRequired[datetime]
    """The time of its run."""
    runs: NotRequired[int]
    """Runs that had a message to them."""
    expires_at: NotRequired[datetime | None]
    """Until when a waiting message is tried; null: it does not wait."""
    next_run: NotRequired[datetime | None]
    """When the campaign runs next; null: it does not, as far as is known."""
    variant: NotRequired[str | None]
    """The variant that they get; null: there are none."""
    form: NotRequired[MessageType | None]
    """What kind of message was sent, such as text or template; null: none was sent."""
    price: NotRequired[str | None]
    """What it was expected to cost, such as `0.05 EUR`; null: no price was known."""
    cost: NotRequired[str | None]
    """What the provider charged, such as `0.05 EUR`; null: it has not reported that."""
    line: NotRequired[int | None]
    """Their line in the list; null: it is deleted."""
    source: NotRequired[str | None]
    """The list's name; null: it is deleted."""
    rejected_rows: Sequence[RejectHistory]
    """Rows with that number that were rejected."""
    timeline: Sequence[Moment]
    """Everything that happened, the oldest first."""
