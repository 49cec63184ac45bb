"""Kapso: a platform in front of Meta's Cloud API, with its own key, two APIs, webhooks and lists.

`api = "current"` has Meta's format (providers/kapso/current.py), `api = "legacy"` the older one, in which messages are
sent into conversations (providers/kapso/legacy.py). Sources and interpretations: docs/reference/providers.md.

A message in doubt is never proven absent: Kapso's lists can show that Meta accepted a message, but not that it did
not, because Kapso is in between. With the current API, the webhook with our reference confirms messages that were
sent; with the legacy API, which accepts no reference, the messages of the person's conversation do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import ClassVar

from campaigns.message.content import Content
from campaigns.message.provider_templates import ProviderTemplate
from campaigns.outcomes import FailureKind, Refused, Result
from campaigns.spec.media_files import MediaFile
from providers.adapter import AdapterDefaults, Call, Doubt, Lookup, NumberLimits, Uploaded
from providers.capabilities import Capabilities
from providers.events import Event, Report, WebhookRequest
from providers.http.client import Http, Reply
from providers.http.request import Request
from providers.kapso.capabilities import CAPABILITIES
from providers.kapso.current import CurrentApi
from providers.kapso.legacy import LegacyApi
from providers.kapso.settings import KapsoAccount, sender_id
from providers.kapso.webhooks import SIGNATURE, events_in, is_signed
from providers.meta.codes import kind_of_reported
from providers.meta.limits import read_limits
from providers.meta.templates import NO_BUSINESS_ACCOUNT, read_templates
from providers.meta.webhooks import is_signed as is_signed_by_meta
from providers.settings import AccountSettings, SenderSettings, reveal_key


class Kapso(AdapterDefaults):
    name: ClassVar = "kapso"
    capabilities: Capabilities = CAPABILITIES
    """Of the current API."""
    account_settings: ClassVar[type[AccountSettings]] = KapsoAccount

    def __init__(self, account: KapsoAccount) -> None:
        self._account = account
        self._api: LegacyApi | CurrentApi = CurrentApi(account.base_url)
        if account.api == "legacy":
            self._api = LegacyApi(account.base_url, alone=len(account.senders) == 1)
        self.capabilities = account.narrow(CAPABILITIES)

    def __repr__(self) -> str:
        return f"Kapso({self._account.base_url!r})"

    def credentials(self) -> dict[str, str]:
        return {"X-API-Key": self._account.api_key.reveal()}

    def unsendable(self, content: Content) -> str | None:
        return self._api.unsendable(content)

    async def prepare(self, http: Http, call: Call) -> Call | Refused:
        return await self._api.prepare(http, call)

    async def upload(self, http: Http, sender: SenderSettings, file: MediaFile) -> Uploaded | Refused:
        if isinstance(self._api, CurrentApi):
            return await self._api.upload(http, sender, file)
        return await super().upload(http, sender, file)

    def build(self, call: Call) -> Request:
        return self._api.build(call)

    def read(self, reply: Reply, call: Call) -> list[Result]:
        return self._api.read(reply, call)

    async def poll(
        self, http: Http, sender: SenderSettings, ids: Sequence[str], since: datetime, until: datetime
    ) -> AsyncIterator[list[Report]]:
        async for portion in self._api.poll(http, sender, ids, since):
            yield portion

    async def look_up(self, http: Http, sender: SenderSettings, doubt: Doubt) -> Lookup:
        if isinstance(self._api, CurrentApi):
            return await super().look_up(http, sender, doubt)
        return await self._api.look_up(http, sender, doubt)

    def templates_unlisted(self) -> str | None:
        if self._account.api == "legacy":
            return 'Kapso\'s templates are listed by its current API alone: set api = "current".'
        return None if self._account.business_account_id else NO_BUSINESS_ACCOUNT

    async def list_templates(self, http: Http) -> list[ProviderTemplate]:
        return await read_templates(http, f"/{self._account.business_account_id}")

    async def read_limits(self, http: Http) -> dict[str, NumberLimits]:
        if self._account.api == "legacy":
            return await super().read_limits(http)
        numbers = {sender.name: sender_id(sender, "current") for sender in self._account.senders}
        return await read_limits(http, numbers, self._account.business_account_id)

    def failure_kind(self, code: str) -> FailureKind | None:
        return kind_of_reported(code)

    async def window(self, http: Http, sender: SenderSettings, phone: str) -> datetime | None:
        return await self._api.window(http, sender, phone)

    async def sender_problem(self, http: Http, sender: SenderSettings) -> str | None:
        return await self._api.sender_problem(http, sender)

    async def check(self, http: Http) -> str:
        return await self._api.check(http, self._account.senders)

    def verify(self, request: WebhookRequest) -> bool:
        """By Kapso's signature; where it has none, by Meta's, if the account has the app secret for it."""
        app_secret = self._account.app_secret
        if app_secret is not None and SIGNATURE not in request.headers:
            return is_signed_by_meta(request, reveal_key(app_secret, "app_secret"))
        return is_signed(request, reveal_key(self._account.webhook_secret, "webhook_secret"))

    def parse_webhook(self, request: WebhookRequest) -> list[Event]:
        return events_in(request, self._account.business_account_id)
