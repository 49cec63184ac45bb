"""A provider that knows a number by its former spelling: whoever asks it for the person asks by that one too.

For a message in doubt the stakes are high: a list that looks empty would say that it was never sent.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from campaigns.message.content import Content, MessageType
from providers.adapter import Call, Doubt, Found
from providers.http.client import Http
from tests.providers.cases.bird import TABLE as BIRD
from tests.providers.cases.bird_webhooks import OUTBOUND
from tests.providers.cases.kapso import ONE
from tests.providers.cases.kapso import TABLE as KAPSO
from tests.providers.cases.messaging_api import TABLE as MESSAGING
from tests.providers.cases.ourvoice import TABLE as OURVOICE
from tests.providers.cases.ourvoice import message as ourvoice_message
from tests.providers.contract import Table, http_for
from tests.providers.kapso.test_kapso import Provider as KapsoProvider
from tests.providers.kapso.test_kapso import chat

ADA, FORMER = "+525512345678", "+5215512345678"
HELLO = Content(MessageType.TEXT, "Hello")
NOON = datetime(2024, 1, 15, 10, 44, 59, tzinfo=UTC)


def asked_by_former(request: httpx.Request) -> bool:
    return any(FORMER[1:] in value for _, value in request.url.params.multi_items())


def http_of(table: Table, listed: Any, empty: Any, by_path: dict[str, Any] | None = None) -> Http:
    """`listed` where the request asks for the former spelling, `empty` where it asks for another."""

    def handle(request: httpx.Request) -> httpx.Response:
        for ending, body in (by_path or {}).items():
            if request.url.path.endswith(ending):
                return httpx.Response(200, json=body)
        return httpx.Response(200, json=listed if asked_by_former(request) else empty)

    return http_for(table.adapter(), table.settings(), handle)


def bird(**changes: Any) -> dict[str, Any]:
    contact = {"id": "c-1", "identifierKey": "phonenumber", "identifierValue": FORMER}
    body = {"body": {"type": "text", "text": {"text": "Hello"}}, "receiver": {"contacts": [contact]}}
    return OUTBOUND | body | {"status": "sent", "createdAt": None} | changes


async def test_bird_finds_a_message_in_doubt() -> None:
    http = http_of(BIRD, {"results": [bird()]}, {"results": []})
    doubt = Doubt(ADA, HELLO, NOON, reference="run.7")
    assert isinstance(await BIRD.adapter().look_up(http, BIRD.settings().senders[0], doubt), Found)


async def test_bird_finds_a_window() -> None:
    until = "2026-11-20T10:00:00Z"
    contact = {"/contacts/c-1": {"serviceWindowExpireAt": until, "isPermanentSession": False}}
    http = http_of(BIRD, {"results": [bird()]}, {"results": []}, contact)
    found = await BIRD.adapter().window(http, BIRD.settings().senders[0], ADA)
    assert found == datetime(2026, 11, 20, 10, tzinfo=UTC)


async def test_our_voice_finds_a_message_in_doubt() -> None:
    told = ourvoice_message(to_number=FORMER[1:])
    http = http_of(OURVOICE, {"data": [told]}, {"data": []})
    doubt = Doubt(ADA, Content(MessageType.TEXT, told["content"]), NOON)
    assert isinstance(await OURVOICE.adapter().look_up(http, OURVOICE.settings().senders[0], doubt), Found)


async def test_the_messaging_api_finds_conversation_and_window() -> None:
    known = {"id": "c", "customerPhone": FORMER, "lastInboundAt": "2026-11-20T10:00:00Z"}
    http = http_of(MESSAGING, {"data": [known]}, {"data": []})
    adapter, sender = MESSAGING.adapter(), MESSAGING.settings().senders[0]
    call = await adapter.prepare(http, Call(sender, (ADA,), HELLO))
    assert isinstance(call, Call)
    assert call.conversations == ("c",)
    assert await adapter.window(http, sender, ADA) == datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert await adapter.window(http, sender, ONE) is None


@pytest.mark.parametrize("api", ["legacy", "current"])
async def test_kapso_finds_conversation_and_window(api: str) -> None:
    known = chat(FORMER, kapso={"last_inbound_at": "2026-11-20T10:00:00Z"})
    wrote = {"direction": "inbound", "created_at": "2026-11-20T10:00:00Z"}
    made = KapsoProvider({}, api)
    http = http_of(KAPSO, {"data": [known]}, {"data": []}, {"/whatsapp_messages": {"data": [wrote]}})
    until = await made.adapter.window(http, made.sender, ADA)
    assert until == datetime(2026, 11, 20, 10, tzinfo=UTC) + timedelta(days=1)
    if api == "legacy":
        call = await made.adapter.prepare(http, Call(made.sender, (ADA,), HELLO))
        assert isinstance(call, Call)
        assert call.conversations == ("conv-1",)
