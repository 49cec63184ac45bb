"""Kapso: a platform before Meta's Cloud API, with a key of its own, two APIs, webhooks and lists.

`api = "current"` is Meta's own shape (providers/kapso_current.py), `api = "legacy"` the older one, in which a
message goes into a conversation (providers/kapso_legacy.py). Sources and readings: docs/reference/providers.md.

A message in doubt is not looked up: Kapso's list can show that Meta took a message, but as it stands between,
never for certain that Meta did not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import ClassVar

from campaigns.content import Content
from campaigns.outcomes import Refused, Result
from providers.base import Call, Capabilities, Event, Plain, Report, WebhookRequest
from providers.http import Http, Reply, Request
from providers.kapso_current import CurrentApi
from providers.kapso_legacy import LegacyApi
from providers.kapso_settings import KapsoAccount
from providers.kapso_webhooks import events_in, is_signed
from providers.meta_shape import TYPES
from providers.settings import AccountSettings, SenderSettings


class Kapso(Plain):
    name: ClassVar = "kapso"
    capabilities: ClassVar = Capabilities(
        types=TYPES,
        polls=True,
        webhooks=True,
        asks_window=True,
        echoes_reference=True,
    )
    account_settings: ClassVar[type[AccountSettings]] = KapsoAccount

    def __init__(self, account: KapsoAccount) -> None:
        self._account = account
        self._api = (
            LegacyApi(account.base_url, alone=len(account.senders) == 1)
            if account.api == "legacy"
            else CurrentApi(account.base_url)
        )

    def __repr__(self) -> str:
        return f"Kapso({self._account.base_url!r})"

    def credentials(self) -> dict[str, str]:
        return {"X-API-Key": self._account.api_key.reveal()}

    def unsendable(self, content: Content) -> str | None:
        return self._api.unsendable(content)

    async def prepare(self, http: Http, call: Call) -> Call | Refused:
        return await self._api.prepare(http, call)

    def build(self, call: Call) -> Request:
        return self._api.build(call)

    def read(self, reply: Reply, call: Call) -> list[Result]:
        return self._api.read(reply, call)

    async def poll(
        self, http: Http, sender: SenderSettings, ids: Sequence[str], since: datetime, until: datetime
    ) -> AsyncIterator[list[Report]]:
        async for portion in self._api.poll(http, sender, ids, since):
            yield portion

    async def window(self, http: Http, sender: SenderSettings, phone: str) -> datetime | None:
        return await self._api.window(http, sender, phone)

    async def sender_problem(self, http: Http, sender: SenderSettings) -> str | None:
        return await self._api.sender_problem(http, sender)

    async def check(self, http: Http) -> str:
        return await self._api.check(http, self._account.senders)

    def verify(self, request: WebhookRequest) -> bool:
        secret = self._account.webhook_secret
        return secret is not None and is_signed(request, secret.reveal())

    def parse_webhook(self, request: WebhookRequest) -> list[Event]:
        return events_in(request)
