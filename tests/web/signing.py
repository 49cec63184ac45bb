"""A provider of the tests' own: JSON webhooks, signed with HMAC-SHA256 over the raw body.

Its body is a list of events such as {"id": "m1", "status": "sent", "ref": "TOKEN.7"}, {"from": "+4477…", "to": "1001"},
{"stop": "+4477…"}, {"user": "GB.1", "number": "+4477…"}, {"stop": None, "user": "GB.1"}, {"notice": "…"};
{"explode": true} makes its reader break.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import orjson

from campaigns.message.content import Content
from campaigns.outcomes import Accepted, FailureKind, Result
from campaigns.states import JobState
from providers.adapter import AdapterDefaults, Call
from providers.capabilities import Capabilities
from providers.events import (
    Event,
    Inbound,
    Notice,
    Preference,
    Report,
    UserId,
    WebhookRequest,
    WindowUntil,
)
from providers.http.client import Http, Reply, Request
from providers.settings import AccountSettings, SenderSettings
from scheduler.sending.lanes import Account
from tests.support.campaigns import later

SECRET = b"a secret of the tests"
SIGNATURE = "x-signature"
KINDS = {"gone": FailureKind.CAMPAIGN, "banned": FailureKind.LANE, "left": FailureKind.OPTED_OUT}
STATES = {name: JobState(name) for name in ("accepted", "held", "sent", "delivered", "read", "failed")}


class Signing(AdapterDefaults):
    name: ClassVar[str] = "signing"
    capabilities: ClassVar[Capabilities] = Capabilities(
        types=frozenset(), webhooks=True, echoes_reference=True
    )
    account_settings: ClassVar[type[AccountSettings]] = AccountSettings

    def __init__(self, account: AccountSettings) -> None:
        self.verified: list[WebhookRequest] = []

    def credentials(self) -> dict[str, str]:
        return {}

    def unsendable(self, content: Content) -> str | None:
        return None

    def build(self, call: Call) -> Request:
        return Request("POST", "http://provider.invalid/send")

    def read(self, reply: Reply, call: Call) -> list[Result]:
        return [Accepted(f"m-{to}") for to in call.to]

    def failure_kind(self, code: str) -> FailureKind | None:
        return KINDS.get(code)

    async def check(self, http: Http) -> str:
        return "well"

    def verify(self, request: WebhookRequest) -> bool:
        self.verified.append(request)
        given = request.headers.get(SIGNATURE, "")
        return hmac.compare_digest(given.encode(), sign(request.body).encode())

    def handshake(self, query: Mapping[str, str]) -> str | None:
        return query.get("challenge") if query.get("token") == "agreed" else None

    def parse_webhook(self, request: WebhookRequest) -> list[Event]:
        return events_of(request.json())


def events_of(said: Sequence[Mapping[str, Any]]) -> list[Event]:
    return [_event(one) for one in said]


def _event(said: Mapping[str, Any]) -> Event:
    at = later(said.get("at", 0))
    if "explode" in said:
        raise KeyError("this is not what was agreed")
    if "user" in said and "number" in said:
        return UserId(said["user"], said["number"])
    if "from" in said or "from_user" in said:
        return Inbound(
            said.get("from"),
            at,
            said.get("to"),
            said.get("id"),
            said.get("text"),
            said.get("payload"),
            said.get("from_user"),
            said.get("answers"),
        )
    if "until" in said:
        return WindowUntil(said["phone"], later(said["until"]), said.get("to"))
    if "stop" in said or "start" in said:
        action = "out" if "stop" in said else "in"
        return Preference(
            said["stop"] if "stop" in said else said["start"],
            action,
            "marketing",
            None if said.get("undated") else at,
            "the word STOP",
            said.get("user"),
        )
    if "notice" in said:
        subject, effect, language = said.get("subject", "spring"), said.get("effect"), said.get("language")
        kind = said.get("kind", "template_status")
        return Notice(
            kind, subject, said["notice"], at, effect, language, said.get("value"), said.get("undoes")
        )
    return Report(
        said["id"],
        said["status"],
        STATES.get(said["status"]),
        at,
        reason=said.get("reason"),
        code=said.get("code"),
        reference=said.get("ref"),
    )


def sign(body: bytes) -> str:
    return hmac.new(SECRET, body, hashlib.sha256).hexdigest()


def signing_account(name: str = "hooked", senders: Sequence[Mapping[str, str]] = ()) -> Account:
    settings = AccountSettings(
        adapter="signing",
        base_url="http://provider.invalid",
        api_key="env:NO_KEY",
        senders=[
            SenderSettings(**sender)
            for sender in senders or [{"name": "shop", "number": "+447700900001"}, {"name": "help"}]
        ],
    )
    adapter = Signing(settings)
    return Account(name, settings, adapter, Http("http://provider.invalid", adapter.credentials), None)


def body_of(*events: Mapping[str, Any]) -> bytes:
    return orjson.dumps(events)
