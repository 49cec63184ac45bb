"""Accounts, senders, sessions, processes, templates and rate cards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from app.views.operators.providers import AdapterView
from app.wiring.probes import Probe
from campaigns.frozen import frozen
from campaigns.message.provider_templates import TemplateParts
from storage.receipts.notices import NoticeRow

Day = Annotated[str, Field(json_schema_extra={"format": "date"})]


@frozen
class Adapters:
    providers: Sequence[AdapterView]
    """Every adapter that there is, by name."""


@frozen
class Answers:
    """What the providers answered."""

    answers: Sequence[Probe]
    """One for each account, and one for each of its senders where the provider knows them."""


class BalanceOfAccount(TypedDict):
    account: str
    """Its name."""
    balance: Decimal | None
    """What is left; null: it is not known, or the provider counts messages."""
    currency: str | None
    """Of `balance`, three letters; null: there is no balance."""
    remaining_messages: int | None
    """Messages that are left; null: the provider does not count them."""
    at: datetime | None
    """When the provider reported it; null: it never did."""
    said: str
    """Why it is not known; empty: it is."""


class Balances(TypedDict):
    balances: Sequence[BalanceOfAccount]
    """One for each account."""


class LimitOfSender(TypedDict):
    account: str
    """Its account."""
    sender: str
    """Its name in the account."""
    portfolio: str | None
    """The provider's id of the business whose senders share the limit; null: not known."""
    people: int | None
    """The most people whom the portfolio may reach in 24 hours outside a window; null: no limit, or not known."""
    unlimited: bool
    """Whether there is no such limit."""
    tier: int | None
    """The limit that is kept: the lower of that and the account's setting; null: none."""
    reached: int | None
    """How many people were reached in the last 24 hours; null: there is no database yet."""
    quality: str | None
    """The provider's rating of the sender; null: not known."""
    throughput: str | None
    """The provider's level of how fast it may send; null: not known."""
    name: str | None
    """The name that people see; null: not known."""
    name_status: str | None
    """Whether the provider has approved that name; null: not known."""
    at: datetime | None
    """When the provider reported this; null: it never did."""
    problem: str
    """Why it is not known, or not as it is now; empty: it is."""


class Limits(TypedDict):
    limits: Sequence[LimitOfSender]
    """One for each sender."""


@frozen
class Notices:
    notices: Sequence[NoticeRow]
    """The newest first."""


@frozen
class Reconciled:
    updated: int
    """Messages whose state changed."""


@frozen
class ShownSession:
    id: str
    """Its id at the gateway."""
    status: str
    """The gateway's status, such as connected."""
    phone_number: str | None
    """The phone's number; null: no phone is connected."""
    display_name: str | None
    """The name that people see; null: not known."""
    reason: str | None
    """Why it has that status; null: the gateway gives no reason."""
    last_seen_at: datetime | None
    """When the gateway last had contact with the phone; null: not known."""


@frozen
class CreatedSession(ShownSession):
    qr_code: str
    """The picture that the phone scans, as a `data:` address."""


@frozen
class ShownSessions:
    sessions: Sequence[ShownSession]
    """The account's sessions."""


@frozen
class QrCode:
    id: str
    """The session's id at the gateway."""
    qr_code: str
    """The picture that the phone scans, as a `data:` address."""


@frozen
class Deleted:
    id: str
    """The session's id at the gateway."""
    deleted: bool
    """Always true."""


class StoredTemplate(TypedDict):
    """One template in one language."""

    name: str
    """Its name, or its key at providers that use keys."""
    language: str
    """Such as en or pt_BR."""
    status: str
    """The provider's own, in capitals, such as APPROVED."""
    category: str
    """marketing, utility or authentication."""
    parts: TemplateParts
    """What it consists of."""
    previous_category: str | None
    """The category before the provider changed it; null: it did not."""
    quality: str | None
    """The provider's rating; null: not known."""
    reason: str | None
    """Why it was rejected; null: it was not."""
    parameters: Sequence[str]
    """What a campaign gives for it, as keys of [content.template]."""


class ShownTemplate(StoredTemplate):
    account: str
    """The account that has it."""


class SyncedTemplates(TypedDict):
    """The templates that the provider has listed now."""

    account: str
    """The account."""
    templates: Sequence[StoredTemplate]
    """All its templates."""


class TemplatesOfAccount(TypedDict):
    account: str
    """Its name."""
    fetched_at: datetime | None
    """When the list was read last; null: never."""
    expired_at: datetime | None
    """When an event showed that the list has changed since; null: none did."""
    problem: str | None
    """Why the last attempt to read it failed; null: it did not."""
    problem_at: datetime | None
    """When that attempt was; null: it did not fail."""
    unlisted: str | None
    """Why the account has no list; null: it has one."""
    templates: Sequence[StoredTemplate]
    """All its templates."""


class Templates(TypedDict):
    accounts: Sequence[TemplatesOfAccount]
    """The accounts that were asked for."""


class CardHead(TypedDict):
    name: str
    """The name that an account's `rates` refers to."""
    effective_from: Day
    """The first day that it is valid."""
    currency: str
    """Of its prices; three letters."""
    source: str
    """Where its prices come from."""


class ListedCard(CardHead):
    markets: int
    """Countries and regions that it has prices for."""
    imported_at: datetime
    """When it was stored."""


class ListedCards(TypedDict):
    cards: Sequence[ListedCard]
    """All of them, without their prices."""


class ImportedCard(CardHead):
    """The rate card that was stored."""

    markets: int
    """Countries and regions that it has prices for."""
    replaced: bool
    """Whether there was a card of that name and day already."""


class CardRate(TypedDict):
    market: str
    """The country or region."""
    category: str
    """marketing, utility, authentication or service."""
    window: str
    """open, closed or any: whether the price holds inside the person's 24-hour window."""
    rate: Decimal | None
    """The price of one message; null: the card has none for it."""


class PricedCard(CardHead):
    rates: Sequence[CardRate]
    """Its prices."""


class CardsOfName(TypedDict):
    """The rate cards of one name, the oldest first."""

    name: str
    """Their name."""
    cards: Sequence[PricedCard]
    """One for each first day."""
