"""Meta's WhatsApp Cloud API: every kind of message, statuses and inbound messages by webhook, no polling.

From Meta's Cloud API reference (messages, webhooks, error codes) as of November 2025. There is no idempotency key and
no list of what was sent: a message in doubt is confirmed by the webhook that returns `biz_opaque_callback_data`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import orjson

from campaigns.errors import AccountError
from campaigns.message.content import Content
from campaigns.message.provider_templates import ProviderTemplate
from campaigns.outcomes import FailureKind, Refused, Result
from campaigns.spec.media_files import MediaFile
from providers.adapter import AdapterDefaults, Call, NumberLimits, Uploaded
from providers.events import Event, WebhookRequest
from providers.http.client import JSON_HEADERS, Http, Reply
from providers.http.request import Request, Url
from providers.meta.answers import read_send
from providers.meta.capabilities import CAPABILITIES
from providers.meta.codes import kind_of_reported
from providers.meta.limits import read_limits
from providers.meta.media import upload
from providers.meta.message_body import envelope, unsendable
from providers.meta.parts import known
from providers.meta.settings import MetaAccount, MetaSender
from providers.meta.templates import FIELDS, NO_BUSINESS_ACCOUNT, read_templates
from providers.meta.webhooks import events_in, is_signed
from providers.settings import AccountSettings, SenderSettings, reveal_key

POLICIES: Final = {"fallback": "CLOUD_API_FALLBACK", "strict": "STRICT"}
"""`product_policy` of the Marketing Messages API, by the account's key."""
PERMISSION: Final = "The list of templates needs the permission whatsapp_business_management."
SILENT: Final = {
    "BANNED": "is banned",
    "DELETED": "was deleted",
    "DISCONNECTED": "is disconnected",
    "MIGRATED": "has moved to another account",
    "PENDING": "is not registered yet",
    "UNVERIFIED": "is not verified",
}
"""`status` of a number that cannot send. Other statuses are of numbers that may send, if less or under review."""


class Meta(AdapterDefaults):
    name: ClassVar = "meta"
    capabilities: ClassVar = CAPABILITIES
    account_settings: ClassVar[type[AccountSettings]] = MetaAccount

    def __init__(self, account: MetaAccount) -> None:
        self._account = account
        self._urls = self._addresses("messages")
        self._marketing_urls = self._addresses("marketing_messages")

    def __repr__(self) -> str:
        return f"Meta({self._account.base_url!r})"

    def credentials(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._account.api_key.reveal()}"}

    def unsendable(self, content: Content) -> str | None:
        return unsendable(content)

    async def upload(self, http: Http, sender: SenderSettings, file: MediaFile) -> Uploaded | Refused:
        return await upload(http, _number(sender), file, read_send)

    def build(self, call: Call) -> Request:
        number = _number(call.sender)
        policy = call.marketing_policy or self._account.marketing_messages or "off"
        if policy != "off" and call.category == "marketing" and call.content.template is not None:
            body = envelope(call) | self._marketing(policy, call.share_activity)
            return Request("POST", self._marketing_urls[number], JSON_HEADERS, orjson.dumps(body))
        return Request("POST", self._urls[number], JSON_HEADERS, orjson.dumps(envelope(call)))

    def _marketing(self, policy: str, shares: bool | None) -> dict[str, Any]:
        """The fields of the Marketing Messages API."""
        shares = self._account.share_activity if shares is None else shares
        return known(product_policy=POLICIES[policy], message_activity_sharing=shares)

    def _addresses(self, endpoint: str) -> dict[str, Url]:
        base = self._account.base_url
        return {
            sender.phone_number_id: Url(f"{base}/{sender.phone_number_id}/{endpoint}")
            for sender in self._account.senders
        }

    def read(self, reply: Reply, call: Call) -> list[Result]:
        return [read_send(reply)]

    async def sender_problem(self, http: Http, sender: SenderSettings) -> str | None:
        """A number sends while its `status` is CONNECTED, by Meta's page on business phone numbers."""
        answer = await http.get(f"/{_number(sender)}", [("fields", "status")])
        data = answer.json()
        status = data.get("status") if isinstance(data, dict) else None
        problem = SILENT.get(status) if isinstance(status, str) else None
        return f"The number {sender.number or _number(sender)} {problem}." if problem else None

    async def check(self, http: Http) -> str:
        """Reads the first sender's number, which sends nothing."""
        if not self._account.senders:
            return "The account has no senders."
        sender = self._account.senders[0]
        answer = await http.get(f"/{sender.phone_number_id}", [("fields", "display_phone_number")])
        data = answer.json()
        number = data.get("display_phone_number") if isinstance(data, dict) else None
        return f"{sender.name} is {number or sender.phone_number_id}."

    def templates_unlisted(self) -> str | None:
        return None if self._account.business_account_id else NO_BUSINESS_ACCOUNT

    async def list_templates(self, http: Http) -> list[ProviderTemplate]:
        try:
            return await read_templates(http, f"/{self._account.business_account_id}", [("fields", FIELDS)])
        except AccountError as error:
            raise AccountError(f"{error} {PERMISSION}", hint=error.hint) from error

    async def read_limits(self, http: Http) -> dict[str, NumberLimits]:
        numbers = {sender.name: sender.phone_number_id for sender in self._account.senders}
        return await read_limits(http, numbers, self._account.business_account_id)

    def failure_kind(self, code: str) -> FailureKind | None:
        return kind_of_reported(code)

    def verify(self, request: WebhookRequest) -> bool:
        return is_signed(request, reveal_key(self._account.app_secret, "app_secret"))

    def handshake(self, query: Mapping[str, str]) -> str | None:
        if query.get("hub.mode") != "subscribe":
            return None
        token = reveal_key(self._account.verify_token, "verify_token").encode()
        if not hmac.compare_digest(token, query.get("hub.verify_token", "").encode()):
            return None
        return query.get("hub.challenge")

    def parse_webhook(self, request: WebhookRequest) -> list[Event]:
        return events_in(request.json(), self._account.business_account_id)


def _number(sender: SenderSettings) -> str:
    if not isinstance(sender, MetaSender):
        raise TypeError(f"{sender.name} is not a Meta sender")
    return sender.phone_number_id
