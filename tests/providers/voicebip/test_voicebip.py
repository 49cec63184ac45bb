"""What the Voicebip adapter does besides sending: the check, the usage, and which webhooks it believes."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from campaigns.errors import Unavailable, UsageError
from campaigns.message.content import Content, MessageType, Template
from campaigns.outcomes import FailureKind, Refused
from providers.events import WebhookRequest
from providers.http.client import Http
from providers.voicebip.adapter import Voicebip
from providers.voicebip.settings import VoicebipAccount
from tests.providers.cases.voicebip import AGENT, TABLE, error
from tests.providers.cases.voicebip_webhooks import FROM, NOON, RECEIVED, TO, WEBHOOKS, webhook_case
from tests.providers.contract import SECRET_PLACE, answer, http_for

ADAPTER, ACCOUNT = TABLE.adapter(), TABLE.settings()
USAGE = {
    "voice_minutes": 3,
    "whatsapp_conversations": 1234,
    "sms_messages": 0,
    "total_cost_minor": 3085050,
    "currency": "NGN",
}
USED = "Used so far: 1,234 WhatsApp conversations; 30850.50 NGN in all."


def http(body: Any = USAGE) -> Http:
    def handler(request: httpx.Request) -> httpx.Response:
        assert (request.method, request.url.path) == ("GET", "/v1/usage")
        return httpx.Response(200, json=body)

    return http_for(ADAPTER, ACCOUNT, handler)


async def test_a_check_shows_the_usage():
    assert await ADAPTER.check(http()) == f"Voicebip accepts the key. {USED}"


async def test_a_test_key_is_distinguished_from_a_live_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(SECRET_PLACE.removeprefix("env:"), "pk_test_1234")
    assert "test key: messages are only simulated" in await ADAPTER.check(http())
    monkeypatch.setenv(SECRET_PLACE.removeprefix("env:"), "pk_live_1234")
    assert "test key" not in await ADAPTER.check(http())


async def test_what_was_used_is_not_called_a_balance():
    with pytest.raises(UsageError, match="not the remaining balance") as caught:
        await ADAPTER.balance(http())
    assert USED in str(caught.value)


@pytest.mark.parametrize("body", [{}, {"whatsapp_conversations": "many"}, USAGE | {"total_cost_minor": None}])
async def test_a_usage_without_numbers_is_no_trouble(body: Any):
    assert await ADAPTER.check(http(body)) == "Voicebip accepts the key. Its usage is unknown."


async def test_a_usage_that_is_no_usage_is():
    with pytest.raises(Unavailable):
        await ADAPTER.check(http([]))


@pytest.mark.parametrize(
    ("seconds", "believed"),
    [(0, True), (300, True), (301, False), (-300, True), (-301, False), (86_400, False)],
)
def test_a_webhook_is_believed_for_five_minutes(seconds: int, believed: bool):
    case = webhook_case("", RECEIVED)
    assert ADAPTER.verify(case.request(received_at=case.received_at + timedelta(seconds=seconds))) is believed


@pytest.mark.parametrize("at", ["", "yesterday", "1795176000.0", "-1", "٣", "9" * 5000, " 1795176000"])
def test_a_webhook_needs_its_time(at: str):
    case = webhook_case("", RECEIVED)
    assert not ADAPTER.verify(case.request(headers=case.headers | {"x-voicebip-timestamp": at}))


def test_another_time_is_another_signature():
    case = webhook_case("", RECEIVED)
    assert not ADAPTER.verify(case.request(headers=case.headers | {"x-voicebip-timestamp": "1795176001"}))


def test_without_a_webhook_secret_nothing_is_believed():
    keys = {"adapter": "voicebip", "api_key": SECRET_PLACE, "senders": []}
    adapter = Voicebip(VoicebipAccount.model_validate(keys))
    with pytest.raises(UsageError, match="webhook_secret is not set"):
        adapter.verify(webhook_case("", RECEIVED).request())


@pytest.mark.parametrize("number", [None, "", "07700900100", "447700900100"])
def test_a_sender_needs_its_number(number: str | None):
    sender = {"name": "shop", "agent_id": AGENT} | ({} if number is None else {"number": number})
    with pytest.raises(ValidationError, match="number"):
        VoicebipAccount.model_validate({"adapter": "voicebip", "api_key": SECRET_PLACE, "senders": [sender]})
    assert ACCOUNT.senders[0].number == FROM


def test_a_closed_window_cannot_be_what_stops_a_template():
    template = Content(MessageType.TEMPLATE, template=Template("order_confirmation", "en"))
    body = httpx.Response(422, json=error("CONVERSATION_WINDOW_EXPIRED")).content
    [result] = ADAPTER.read(answer(422, body), TABLE.call((TO,), template))
    assert isinstance(result, Refused)
    assert (result.kind, result.code) == (FailureKind.MESSAGE, "CONVERSATION_WINDOW_EXPIRED")


NOT_A_MOMENT = ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "2026-04-09"]
NOT_A_PHONE = ["", "+0", "+" + "9" * 40, "x" * 70_000]
SPOILED = st.sampled_from([None, True, 0, -1, 2**53, 1.5, [], [[]], {}, *NOT_A_MOMENT, *NOT_A_PHONE])


@given(st.sampled_from(WEBHOOKS), st.data())
def test_a_spoiled_webhook_is_read_as_far_as_it_goes(case: Any, data: st.DataObject):
    try:
        body = json.loads(case.body)
    except ValueError:
        body = deepcopy(RECEIVED)
    place = body if isinstance(body, dict) else body[0]
    while isinstance(place, dict) and place:
        name = data.draw(st.sampled_from(sorted(place)))
        if isinstance(place[name], dict) and data.draw(st.booleans()):
            place = place[name]
            continue
        place[name] = deepcopy(data.draw(SPOILED))
        break
    request = WebhookRequest("https://shop.example/", {}, json.dumps(body).encode(), NOON)
    for event in ADAPTER.parse_webhook(request):
        at = getattr(event, "at", None) or getattr(event, "until", NOON)
        assert at.tzinfo is UTC
        assert getattr(event, "phone", TO).startswith("+")


def test_a_webhook_thousands_of_levels_deep_is_no_trouble():
    deep = b"[" * 100_000 + b"]" * 100_000
    assert ADAPTER.parse_webhook(WebhookRequest("", {}, deep, datetime(2026, 1, 1, tzinfo=UTC))) == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("INSUFFICIENT_BALANCE", FailureKind.CAMPAIGN),
        ("131050", FailureKind.OPTED_OUT),
        ("131047", FailureKind.USE_TEMPLATE),
        ("SOMETHING_NEW", None),
    ],
)
def test_a_failure_that_is_reported_later_means_what_it_means_in_an_answer(
    code: str, kind: FailureKind | None
):
    assert ADAPTER.failure_kind(code) is kind
