"""What a new adapter's table of cases consists of; `test_contract.py` runs it for every registered adapter.

To join: add `tests/providers/cases/NAME.py` with a `TABLE`. Requests and answers are copied from the
provider's own document as data; nothing in a table is made with the adapter's own code.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import httpx

from campaigns.message.content import Content
from campaigns.outcomes import Result
from campaigns.states import JobState
from providers.adapter import Adapter, Call
from providers.events import Event, WebhookRequest
from providers.http.client import Answer, Http
from providers.registry import adapter_class
from providers.settings import AccountSettings

SECRET = "sk-Hq7-never-to-be-seen"
SECRET_PLACE = "env:CONTRACT_TEST_KEY"


@dataclass(frozen=True)
class Sends:
    """A call and the one request that it must become."""

    why: str
    to: tuple[str, ...]
    content: Content
    method: str
    url: str
    headers: dict[str, str]
    json: Any
    gap_ms: int = 0
    more: dict[str, Any] = field(default_factory=dict)
    """Further fields of the Call: references, category, conversations."""


@dataclass(frozen=True)
class Reads:
    """An answer to a call to `to`, and what it means for each recipient."""

    why: str
    status: int
    body: Any
    results: list[Result]
    to: tuple[str, ...]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WebhookCase:
    """A webhook as the provider signs it, and what it tells."""

    why: str
    headers: dict[str, str]
    """Names in lower case; the signature was made with SECRET by the documented algorithm, not by the adapter."""
    body: bytes
    events: list[Event]
    url: str = "https://shop.example/webhooks/account"
    received_at: datetime = datetime(2026, 11, 20, 12, tzinfo=UTC)

    def request(self, **changed: Any) -> WebhookRequest:
        return replace(WebhookRequest(self.url, self.headers, self.body, self.received_at), **changed)


@dataclass(frozen=True)
class Example:
    """A request example of a document, and the [content] of a campaign file that produces it."""

    document: str
    heading: str
    content: str
    """TOML: the [content] table's body."""
    json: Any
    """The part of the request's body that the example shows."""
    at: str = ""
    """Where in the body that part is: a dotted path."""
    part: str = ""
    """Which of its kinds of message, where one example shows several at once."""
    vars: dict[str, str] = field(default_factory=dict)
    template: bool = False
    to: tuple[str, ...] = ()
    """The recipients, where they are not the table's one."""
    pace: str = ""
    """TOML: the [pace] table's body."""
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def why(self) -> str:
        return f"{self.document}: {self.heading}" + (f" ({self.part})" if self.part else "")


@dataclass(frozen=True)
class Table:
    name: str
    account: dict[str, Any]
    """As in drumbeat.toml, with one sender; `api_key` is the contract's own."""
    sends: list[Sends]
    reads: list[Reads]
    statuses: dict[str, JobState]
    """The provider's documented words."""
    unsendable: list[Content] = field(default_factory=list)
    webhooks: list[WebhookCase] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    to: str = "+22996000001"
    prepared: dict[str, Any] = field(default_factory=dict)
    """What `prepare` would have added to every Call, such as conversations."""

    def settings(self) -> AccountSettings:
        keys = {"adapter": self.name, "api_key": SECRET_PLACE, **self.account}
        return adapter_class(self.name).account_settings.model_validate(keys)

    def adapter(self) -> Adapter:
        return adapter_class(self.name)(self.settings())

    def call(self, to: tuple[str, ...], content: Content, **more: Any) -> Call:
        return Call(self.settings().senders[0], to, content, **{**self.prepared, **more})


def table_of(name: str) -> Table:
    table: Table = import_module(f"tests.providers.cases.{name}").TABLE
    return table


def http_for(adapter: Adapter, settings: AccountSettings, handler: Any, **more: Any) -> Http:
    """The adapter's account over a transport that answers with `handler(request)`."""
    return Http(settings.base_url, adapter.credentials, transport=httpx.MockTransport(handler), **more)


def answer(status: int, body: bytes, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, httpx.Headers(headers or {}), body)
