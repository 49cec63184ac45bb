"""The adapter protocol: data about a provider and a few small functions. One folder per provider.

`build` and `read` are pure: the request of one call, and what its answer means for each recipient. The others
call the provider through `Http`, under the account's rate limit. The engine decides states, never an
adapter.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final, Literal, Protocol

from campaigns.errors import Unavailable, UsageError
from campaigns.frozen import frozen
from campaigns.message.content import Content
from campaigns.message.provider_templates import ProviderTemplate
from campaigns.money.costs import Money
from campaigns.outcomes import FailureKind, Refused, Result
from campaigns.spec.media_files import MediaFile
from campaigns.untrusted import (
    LONGEST_NAME,
    LONGEST_TEXT,
    clean,
    clean_fields,
)
from providers.settings import AccountSettings, SenderSettings

if TYPE_CHECKING:
    from providers.http.client import Answer, Http, Reply
    from providers.http.request import Request


from providers.capabilities import Capabilities
from providers.events import Event, Report, WebhookRequest


@frozen
class Call:
    """One provider call: the same content to one or several recipients from one sender."""

    sender: SenderSettings
    to: tuple[str, ...]
    """E.164 with the plus."""
    content: Content
    gap: timedelta = timedelta()
    """The gap that the provider should leave between the recipients of a batch."""
    references: tuple[str, ...] = ()
    """Our reference for each recipient's message, for providers that return one."""
    category: str = "marketing"
    marketing_policy: Literal["off", "fallback", "strict"] | None = None
    """Whether templates of marketing go through Meta's Marketing Messages API; None: as the account's settings say."""
    share_activity: bool | None = None
    """Whether Meta may use the activity of messages sent through it; None: as the account's settings say."""
    conversations: tuple[str, ...] = ()
    """The provider's conversation with each recipient, at providers that send into conversations; see `prepare`."""

    def __post_init__(self) -> None:
        if self.conversations:
            bound = tuple(clean(conversation, LONGEST_NAME) for conversation in self.conversations)
            object.__setattr__(self, "conversations", bound)


@frozen
class Doubt:
    """A message that may have been sent: what is needed to look it up."""

    to: str
    content: Content
    intent_at: datetime
    known_ids: frozenset[str] = field(default_factory=frozenset)
    """Ids of messages to this recipient that belong to other jobs."""
    reference: str | None = None
    """Our reference for the message, if the provider stores one."""


@frozen
class Found:
    report: Report


@frozen
class Absent:
    """The provider's list, requested late enough and read to its end, does not contain the message: every message to
    that person from that time is known to be another."""


@frozen
class Unseen:
    """The message was not found, which proves nothing here: it stays in doubt."""


Lookup = Found | Absent | Unseen


@frozen
class Session:
    """A sender's session at a gateway with sessions (Our Voice)."""

    id: str
    status: str
    phone_number: str | None = None
    display_name: str | None = None
    reason: str | None = None
    last_seen_at: datetime | None = None
    qr_code: str | None = field(default=None, repr=False)
    """A `data:image/png;base64,` URI, if the answer had one. Anyone who scans it controls the session."""

    def __post_init__(self) -> None:
        names = ("id", "status", "phone_number", "display_name", "reason")
        clean_fields(self, **dict.fromkeys(names, LONGEST_NAME))


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


@frozen
class Balance:
    amount: Money
    remaining_messages: int | None = None


@frozen
class Uploaded:
    """A media file that the provider has."""

    id: str
    lasts: timedelta
    """After it the id is not known any more."""

    def __post_init__(self) -> None:
        clean_fields(self, id=LONGEST_NAME)


UNLIMITED: Final = -1


@frozen
class NumberLimits:
    """What the provider shows of a sender's number."""

    people: int | None = None
    """The most that its portfolio may reach in 24 hours outside a window; UNLIMITED; None: not known."""
    portfolio: str | None = None
    """The provider's id of what that limit belongs to; None: not known."""
    quality: str | None = None
    throughput: str | None = None
    verified_name: str | None = None
    name_status: str | None = None
    problem: str | None = None
    """Why this number could not be read."""

    def __post_init__(self) -> None:
        names = ("portfolio", "quality", "throughput", "verified_name", "name_status")
        clean_fields(self, **dict.fromkeys(names, LONGEST_NAME), problem=LONGEST_TEXT)


class Adapter(Protocol):
    """The calls that the engine makes to every provider's adapter."""

    name: ClassVar[str]
    capabilities: Capabilities
    """Those of the class; an account of a provider with several APIs may have others."""
    account_settings: ClassVar[type[AccountSettings]]

    def __init__(self, account: AccountSettings) -> None: ...

    @property
    def sessions(self) -> Sessions | None:
        """The gateway's sessions; None if the provider has none."""

    def credentials(self) -> dict[str, str]:
        """The headers that carry the secret; called only by `Http`. Raises UsageError if it is missing."""

    def unsendable(self, content: Content) -> str | None:
        """Why this provider cannot send the content, as a sentence for the campaign's author, or None."""

    async def prepare(self, http: Http, call: Call) -> Call | Refused:
        """Look up what `build` needs, such as the conversation. Sends no message."""

    async def upload(self, http: Http, sender: SenderSettings, file: MediaFile) -> Uploaded | Refused:
        """Upload a media file for messages from this sender. Only where `Addition.MEDIA_FILE` is among the
        capabilities."""

    def build(self, call: Call) -> Request:
        """The HTTP request of one call, without its secret."""

    def read(self, reply: Reply, call: Call) -> list[Result]:
        """One result for each recipient of the call, in its order."""

    def balance_in(self, answer: Answer) -> Balance | None:
        """The balance in an answer to a send, if it has one."""

    def poll(
        self, http: Http, sender: SenderSettings, ids: Sequence[str], since: datetime, until: datetime
    ) -> AsyncIterator[list[Report]]:
        """Reports of the messages `ids`, all accepted between `since` and `until`, in portions.

        Messages that the provider no longer knows are omitted. Raises Unavailable, AccountError.
        """

    async def look_up(self, http: Http, sender: SenderSettings, doubt: Doubt) -> Lookup:
        """Look up whether the provider has a message in doubt. Raises Unavailable if that cannot be determined now."""

    async def sender_problem(self, http: Http, sender: SenderSettings) -> str | None:
        """Why the sender cannot send now, or None. Raises Unavailable, AccountError."""

    async def check(self, http: Http) -> str:
        """A harmless authenticated call; a sentence about the result. Raises Unavailable, AccountError."""

    async def balance(self, http: Http) -> Balance:
        """Raises UsageError if the provider has no call for it, Unavailable, AccountError."""

    def templates_unlisted(self) -> str | None:
        """Why `list_templates` cannot be called for this account, as a sentence for its owner, or None."""

    async def list_templates(self, http: Http) -> list[ProviderTemplate]:
        """Every message template of the account, in every language and status. Raises Unavailable, AccountError,
        NotFound."""

    async def read_limits(self, http: Http) -> dict[str, NumberLimits]:
        """The limits of each sender, by its name. Raises UsageError if the provider shows none, Unavailable,
        AccountError, NotFound."""

    def failure_kind(self, code: str) -> FailureKind | None:
        """What the code of a failure that is reported later means for other messages; None: unknown."""

    async def window(self, http: Http, sender: SenderSettings, phone: str) -> datetime | None:
        """Until when the person's window is open according to the provider; None: closed. Raises Unavailable."""

    def verify(self, request: WebhookRequest) -> bool:
        """Whether the webhook comes from the provider, by its signature over the raw body."""

    def handshake(self, query: Mapping[str, str]) -> str | None:
        """The answer to the GET by which a provider verifies a webhook URL, or None to refuse it."""

    def parse_webhook(self, request: WebhookRequest) -> list[Event]:
        """The events of a verified webhook; unknown parts are skipped (the raw body is stored).

        A body may hold many events: with `providers.values.each_apart`, an unreadable one does not affect the others.
        """


class AdapterDefaults:
    """Defaults for the features that an adapter's provider does not have."""

    @property
    def sessions(self) -> Sessions | None:
        return None

    async def prepare(self, http: Http, call: Call) -> Call | Refused:
        return call

    async def upload(self, http: Http, sender: SenderSettings, file: MediaFile) -> Uploaded | Refused:
        return Refused(
            FailureKind.CAMPAIGN, "no_uploads", "This provider takes media files only by their URL."
        )

    def balance_in(self, answer: Answer) -> Balance | None:
        return None

    async def balance(self, http: Http) -> Balance:
        raise UsageError("This provider has no call for the balance.")

    async def poll(
        self, http: Http, sender: SenderSettings, ids: Sequence[str], since: datetime, until: datetime
    ) -> AsyncIterator[list[Report]]:
        for _ in ():
            yield []

    async def look_up(self, http: Http, sender: SenderSettings, doubt: Doubt) -> Lookup:
        raise Unavailable("This provider has no call to look up a message.")

    async def sender_problem(self, http: Http, sender: SenderSettings) -> str | None:
        return None

    def templates_unlisted(self) -> str | None:
        return "This provider has no list of templates that can be read."

    async def list_templates(self, http: Http) -> list[ProviderTemplate]:
        return []

    async def read_limits(self, http: Http) -> dict[str, NumberLimits]:
        raise UsageError("This provider does not show the limits of its numbers.")

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
