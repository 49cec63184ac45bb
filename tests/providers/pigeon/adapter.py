"""Pigeon Post: a short text to a loft. It numbers its letters, keeps our reference and tells what became of them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import ClassVar, Final

import orjson
from pydantic import Field

from campaigns.message.content import Content, MessageType
from campaigns.outcomes import Accepted, FailureKind, Refused, Result
from campaigns.states import JobState
from providers.adapter import Absent, AdapterDefaults, Call, Doubt, Found, Lookup
from providers.capabilities import Capabilities
from providers.events import Event, Report, WebhookRequest
from providers.http.client import JSON_HEADERS, Answer, Http, Reply, Request
from providers.http.failures import REFUSALS, general_refusal, unanswered
from providers.settings import AccountSettings, SecretPlace, SenderSettings
from providers.values import first_text, moment, table, tables

STATUSES: Final = {
    "taken": JobState.ACCEPTED,
    "flying": JobState.SENT,
    "landed": JobState.DELIVERED,
    "lost": JobState.FAILED,
}
LONGEST: Final = 80


class PigeonSender(SenderSettings):
    loft: str = Field(min_length=1)


class PigeonAccount(AccountSettings):
    webhook_secret: SecretPlace | None = None
    senders: Sequence[PigeonSender] = Field(default_factory=list)


class Pigeon(AdapterDefaults):
    name: ClassVar = "pigeon"
    capabilities: ClassVar = Capabilities(
        types=frozenset({MessageType.TEXT}),
        polls=True,
        webhooks=True,
        echoes_reference=True,
        looks_up=True,
        windows=False,
    )
    account_settings: ClassVar[type[AccountSettings]] = PigeonAccount

    def __init__(self, account: PigeonAccount) -> None:
        self._account = account

    def credentials(self) -> dict[str, str]:
        return {"X-Feather": self._account.api_key.reveal()}

    def unsendable(self, content: Content) -> str | None:
        if content.type is not MessageType.TEXT or content.buttons:
            return "A pigeon carries a text and nothing else."
        if not 1 <= len(content.text or "") <= LONGEST:
            return f"content.text must have 1 to {LONGEST} characters."
        return None

    def build(self, call: Call) -> Request:
        letter = {"loft": call.sender.loft, "to": call.to[0], "words": call.content.text}
        if call.references:
            letter["ref"] = call.references[0]
        url = f"{self._account.base_url}/letters"
        return Request("POST", url, headers=JSON_HEADERS, content=orjson.dumps(letter))

    def read(self, reply: Reply, call: Call) -> list[Result]:
        if not isinstance(reply, Answer):
            return [unanswered(reply)]
        letter = first_text(table(reply.json()).get("letter"))
        if reply.ok and letter:
            return [Accepted(letter)]
        if reply.ok:
            return [Refused(FailureKind.UNKNOWN, str(reply.status), "The answer names no letter.")]
        kind = REFUSALS.get(reply.status, FailureKind.CAMPAIGN)
        return [general_refusal(reply) or Refused(kind, str(reply.status), reply.text)]

    async def poll(
        self, http: Http, sender: SenderSettings, ids: Sequence[str], since: datetime, until: datetime
    ) -> AsyncIterator[list[Report]]:
        for letter in ids:
            yield [_report((await http.get(f"/letters/{letter}")).json())]

    async def look_up(self, http: Http, sender: SenderSettings, doubt: Doubt) -> Lookup:
        found = (await http.get("/letters", [("ref", doubt.reference or "")])).json()
        letters = tables(table(found).get("letters"))
        return Found(_report(letters[0])) if letters else Absent()

    async def check(self, http: Http) -> str:
        await http.get("/letters")
        return "The post office knows the feather."

    def verify(self, request: WebhookRequest) -> bool:
        if self._account.webhook_secret is None:
            return False
        secret = self._account.webhook_secret.reveal().encode()
        wanted = hmac.new(secret, request.body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(wanted.encode(), request.headers.get("x-pigeon-signature", "").encode())

    def parse_webhook(self, request: WebhookRequest) -> list[Event]:
        told = table(request.json())
        return [_report(told)] if first_text(told.get("letter")) else []


def _report(told: object) -> Report:
    letter = table(told)
    status = first_text(letter.get("state")) or ""
    return Report(
        first_text(letter.get("letter")) or "",
        status,
        STATUSES.get(status),
        moment(letter.get("at")),
        reference=first_text(letter.get("ref")),
    )
