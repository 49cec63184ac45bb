"""What an adapter is: data about a provider and a few small functions. One file per provider.

`build` and `read` are pure: the request of one call, and what its answer means for each recipient. The others
talk to the provider through `Http`, which an account's rate limit guards. The engine decides states, never an
adapter.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Protocol

from campaigns.errors import Unavailable, UsageError
from campaigns.message.content import Content
from campaigns.money.costs import Money
from campaigns.outcomes import FailureKind, Refused, Result
from campaigns.untrusted import (
    LONGEST_NAME,
    clean,
)
from providers.settings import AccountSettings, SenderSettings

if TYPE_CHECKING:
    from providers.http.client import Answer, Http, Reply, Request


from providers.capabilities import Capabilities
from providers.events import Event, Report, WebhookRequest


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
    """The provider's own list, asked late enough and seen to its end, holds nothing that can be the message: no message
    of that time to that person that is not known to be another."""


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


class AdapterDefaults:
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
