"""What an adapter is: data about a provider and a few small functions. One file per provider.

`build` and `read` are pure: the request of one call, and what its answer means for each recipient. The others
talk to the provider through `Http`, which an account's rate limit guards. The engine decides states, never an
adapter.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Protocol

from campaigns.errors import Unavailable, UsageError
from campaigns.message.content import Addition, Content, MessageType
from campaigns.money.costs import Money
from campaigns.outcomes import FailureKind, Refused, Result
from campaigns.states import JobState
from campaigns.untrusted import (
    LONGEST_NAME,
    LONGEST_TEXT,
    bounded,
    clean,
    clean_fields,
    moment_or_none,
    read_json,
)
from providers.settings import AccountSettings, SenderSettings

if TYPE_CHECKING:
    from providers.http.client import Answer, Http, Reply, Request


PAIR_GAP: Final = timedelta(seconds=6)
"""Meta's pair limit: one message to a person in 6 seconds from one number (10 a minute, 600 an hour); a provider in
front of Meta has it too. Source: Cloud API throughput documentation."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do, as `drumbeat provider list` shows it."""

    types: frozenset[MessageType]
    additions: frozenset[Addition] = frozenset()
    batch: int = 1
    """The most recipients in one call; 1: no batches."""
    polls: bool = False
    webhooks: bool = False
    asks_window: bool = False
    """Whether the provider can be asked until when a person's window is open."""
    echoes_reference: bool = False
    """Whether what it reports names our own reference: a message in doubt is then known by its webhook."""
    looks_up: bool = False
    """Whether an in-doubt message can be found at the provider."""
    idempotent: bool = False
    """Whether the provider knows a message again by our reference, so that one in doubt may be sent once more."""
    sessions: bool = False
    reports_cost: bool = False
    windows: bool = True
    """Whether the 24-hour window rule applies."""
    delay_between: timedelta = timedelta()
    """The provider's own default gap between two sends."""
    pair_gap: timedelta = timedelta()
    """The provider's least time between two messages from one sender to one person."""


@dataclass(frozen=True, slots=True)
class Call:
    """One provider call: the same content to one or several recipients from one sender."""

    sender: SenderSettings
    to: tuple[str, ...]
    """E.164 with the plus."""
    content: Content
    gap: timedelta = timedelta()
    """How far apart the provider shall dispatch the recipients of a batch."""
    references: tuple[str, ...] = ()
    """Our own name for each recipient's message, for providers that echo one."""
    category: str = "marketing"
    conversations: tuple[str, ...] = ()
    """The provider's conversation with each recipient, where it sends into those; see `prepare`."""

    def __post_init__(self) -> None:
        if self.conversations:
            bound = tuple(clean(conversation, LONGEST_NAME) for conversation in self.conversations)
            object.__setattr__(self, "conversations", bound)


@dataclass(frozen=True, slots=True)
class Billed:
    """The category that a message is charged as, and the person it went to, E.164 with the plus."""

    category: str
    phone: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a provider says later about a message it took. `state` is None where we do not know its word."""

    message_id: str
    status: str
    state: JobState | None
    at: datetime | None = None
    reason: str | None = None
    cost: Money | None = None
    times: tuple[tuple[JobState, datetime], ...] = ()
    """When each earlier stage was reached, where the provider tells."""
    code: str | None = None
    """The provider's own code of a failure."""
    reference: str | None = None
    """The name that we gave the message, where the provider echoes it."""
    billed: Billed | None = None
    """What it is charged as, where the provider names that and no amount."""

    def __post_init__(self) -> None:
        names = dict.fromkeys(("message_id", "status", "code", "reference"), LONGEST_NAME)
        clean_fields(self, **names, reason=LONGEST_TEXT)
        object.__setattr__(self, "at", moment_or_none(self.at))
        object.__setattr__(self, "cost", bounded(self.cost))
        if self.times:
            known = tuple((state, at) for state, at in self.times if moment_or_none(at))
            object.__setattr__(self, "times", known)


@dataclass(frozen=True, slots=True)
class Inbound:
    """A person wrote or called: their window is open for 24 hours from `at`."""

    phone: str
    """E.164 with the plus."""
    at: datetime | None
    """None: the provider does not say when."""
    number: str | None = None
    """Our number or the provider's id of our sender that it came to, where told."""
    message_id: str | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        clean_fields(self, number=LONGEST_NAME, message_id=LONGEST_NAME, text=LONGEST_TEXT)
        object.__setattr__(self, "at", moment_or_none(self.at))


@dataclass(frozen=True, slots=True)
class WindowUntil:
    """The provider says until when a person's window is open."""

    phone: str
    until: datetime
    number: str | None = None

    def __post_init__(self) -> None:
        clean_fields(self, number=LONGEST_NAME)


@dataclass(frozen=True, slots=True)
class Preference:
    """A person stopped or resumed messages at the provider."""

    phone: str
    action: Literal["out", "in"]
    scope: Literal["marketing", "all"]
    at: datetime | None
    """None: the provider does not say when."""
    evidence: str

    def __post_init__(self) -> None:
        clean_fields(self, evidence=LONGEST_TEXT)
        object.__setattr__(self, "at", moment_or_none(self.at))


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about our templates, numbers or account, in the provider's words; kept and shown."""

    kind: str
    subject: str
    text: str
    at: datetime | None = None
    effect: Effect | None = None
    """What it means for sending; None: nothing."""

    def __post_init__(self) -> None:
        clean_fields(self, kind=LONGEST_NAME, subject=LONGEST_NAME, text=LONGEST_TEXT)
        object.__setattr__(self, "at", moment_or_none(self.at))


class Effect(StrEnum):
    """What a notice means for sending."""

    TEMPLATE_STOPPED = "template_stopped"
    """The template that is the subject may not be sent."""
    TEMPLATE_BACK = "template_back"
    """It may be sent again."""
    ACCOUNT_STOPPED = "account_stopped"
    """None of the account's numbers may send."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of a webhook that could not be read, while its other parts could."""

    reason: str

    def __post_init__(self) -> None:
        clean_fields(self, reason=LONGEST_NAME)


Event = Report | Inbound | WindowUntil | Preference | Notice | Unread


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A webhook as it arrived: signatures are over exactly these bytes."""

    url: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    received_at: datetime

    def json(self) -> Any:
        """The parsed body, or None where it is not JSON."""
        return read_json(self.body)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A message that may have left: what is needed to look for it."""

    to: str
    content: Content
    intent_at: datetime
    known_ids: frozenset[str] = field(default_factory=frozenset)
    """Messages to this recipient that belong to other jobs of ours."""
    reference: str | None = None
    """The name that we gave the message, where the provider keeps one."""


@dataclass(frozen=True, slots=True)
class Found:
    report: Report


@dataclass(frozen=True, slots=True)
class Absent:
    """The provider's own list, asked late enough, does not hold the message."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """It is not where it would be seen, which proves nothing: it stays in doubt."""


Lookup = Found | Absent | Unseen


@dataclass(frozen=True, slots=True)
class Session:
    """A sender's connection at a gateway that has them (Our Voice)."""

    id: str
    status: str
    phone_number: str | None = None
    display_name: str | None = None
    reason: str | None = None
    last_seen_at: datetime | None = None
    qr_code: str | None = field(default=None, repr=False)
    """A `data:image/png;base64,` URI, where the answer carried one. Whoever scans it holds the session."""


class Sessions(Protocol):
    """A gateway's sessions. All raise Unavailable, AccountError, and NotFound for an unknown id."""

    async def create(self, http: Http) -> Session:
        """A new session, with the QR code that a phone must scan."""

    async def list_all(self, http: Http) -> list[Session]: ...

    async def show(self, http: Http, session_id: str) -> Session: ...

    async def qr_code(self, http: Http, session_id: str) -> str:
        """The QR code to scan, as a `data:image/png;base64,` URI."""

    async def disconnect(self, http: Http, session_id: str) -> Session:
        """The session as it is afterwards; it is not deleted."""

    async def reconnect(self, http: Http, session_id: str) -> Session: ...

    async def delete(self, http: Http, session_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Balance:
    amount: Money
    remaining_messages: int | None = None


class Adapter(Protocol):
    """What the engine asks of every provider."""

    name: ClassVar[str]
    capabilities: Capabilities
    """The class's; an account of a provider with several APIs may have others."""
    account_settings: ClassVar[type[AccountSettings]]

    def __init__(self, account: AccountSettings) -> None: ...

    @property
    def sessions(self) -> Sessions | None:
        """The gateway's sessions, None where there are none."""

    def credentials(self) -> dict[str, str]:
        """The headers that carry the secret; only `Http` asks. Raises UsageError where it is missing."""

    def unsendable(self, content: Content) -> str | None:
        """Why this content cannot be sent here, as a sentence for the author of the campaign, or None."""

    async def prepare(self, http: Http, call: Call) -> Call | Refused:
        """What must be known before the request can be built, such as the conversation. Sends nothing."""

    def build(self, call: Call) -> Request:
        """The HTTP request of one call, without its secret."""

    def read(self, reply: Reply, call: Call) -> list[Result]:
        """One result for each recipient of the call, in its order."""

    def balance_in(self, answer: Answer) -> Balance | None:
        """The balance that an answer to a send tells, where it does."""

    def poll(
        self, http: Http, sender: SenderSettings, ids: Sequence[str], since: datetime, until: datetime
    ) -> AsyncIterator[list[Report]]:
        """Reports of the messages `ids`, all taken between `since` and `until`, in portions.

        A message that the provider does not know any more is left out. Raises Unavailable, AccountError.
        """

    async def look_up(self, http: Http, sender: SenderSettings, doubt: Doubt) -> Lookup:
        """Whether a message in doubt is at the provider. Raises Unavailable when it cannot be told now."""

    async def sender_problem(self, http: Http, sender: SenderSettings) -> str | None:
        """Why the sender cannot send now, or None. Raises Unavailable, AccountError."""

    async def check(self, http: Http) -> str:
        """A harmless authenticated call; a sentence saying what it saw. Raises Unavailable, AccountError."""

    async def balance(self, http: Http) -> Balance:
        """Raises UsageError where the provider has no call for it, Unavailable, AccountError."""

    def failure_kind(self, code: str) -> FailureKind | None:
        """What the code of a failure that is told later means for other messages; None: nothing is known."""

    async def window(self, http: Http, sender: SenderSettings, phone: str) -> datetime | None:
        """Until when the person's window is open, by the provider; None: closed. Raises Unavailable."""

    def verify(self, request: WebhookRequest) -> bool:
        """Whether the webhook is the provider's own, by its signature over the raw body."""

    def handshake(self, query: Mapping[str, str]) -> str | None:
        """What to answer to the GET by which a provider proves a webhook address, or None to refuse it."""

    def parse_webhook(self, request: WebhookRequest) -> list[Event]:
        """What a verified webhook tells; what is not understood is left out (the raw body is kept).

        A body may hold many events: `providers.values.each_apart` lets one that breaks be the only one that is lost.
        """


class Plain:
    """What an adapter inherits for all that its provider does not have."""

    @property
    def sessions(self) -> Sessions | None:
        return None

    async def prepare(self, http: Http, call: Call) -> Call | Refused:
        return call

    def balance_in(self, answer: Answer) -> Balance | None:
        return None

    async def balance(self, http: Http) -> Balance:
        raise UsageError("This provider has no call for its balance.")

    async def poll(
        self, http: Http, sender: SenderSettings, ids: Sequence[str], since: datetime, until: datetime
    ) -> AsyncIterator[list[Report]]:
        for _ in ():
            yield []

    async def look_up(self, http: Http, sender: SenderSettings, doubt: Doubt) -> Lookup:
        raise Unavailable("This provider cannot be asked for a message.")

    async def sender_problem(self, http: Http, sender: SenderSettings) -> str | None:
        return None

    def failure_kind(self, code: str) -> FailureKind | None:
        return None

    async def window(self, http: Http, sender: SenderSettings, phone: str) -> datetime | None:
        return None

    def verify(self, request: WebhookRequest) -> bool:
        return False

    def handshake(self, query: Mapping[str, str]) -> str | None:
        return None

    def parse_webhook(self, request: WebhookRequest) -> list[Event]:
        return []
