"""Our Voice's sessions, and where its balance is."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import orjson
import pytest

from campaigns.errors import AccountError, NotFound, Unavailable, UsageError
from campaigns.money.costs import Money
from providers.adapter import Balance
from providers.http.client import Http
from providers.ourvoice.api import (
    Sessions,
)
from tests.providers.cases.answers import CREATED_SESSION as SESSION_BODY
from tests.providers.cases.answers import QR
from tests.providers.cases.ourvoice import MESSAGE, SESSION, taken
from tests.providers.contract import answer, http_for
from tests.providers.ourvoice_fake import (
    ACCOUNT,
    ADAPTER,
    SENDER,
)

PATH = f"/v1/whatsapp/sessions/{SESSION}"


def scripted(*script: tuple[int, Any]) -> tuple[Http, list[tuple[str, str, bytes]]]:
    rest, asked = list(script), []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.path, request.content))
        status, body = rest.pop(0)
        return httpx.Response(status, content=orjson.dumps(body))

    return http_for(ADAPTER, ACCOUNT, handle), asked


async def test_a_new_session_as_documented_comes_with_its_qr_code():
    http, asked = scripted((201, {"success": True, "session": SESSION_BODY, "qr_code": QR}))
    session = await Sessions().create(http)
    assert (session.id, session.status, session.qr_code) == (SESSION, "pending", QR)
    assert session.last_seen_at == datetime(2024, 1, 15, 10, 30, tzinfo=UTC)
    assert QR not in repr(session)
    assert asked == [("POST", "/v1/whatsapp/sessions", b"")]


@pytest.mark.parametrize(
    ("do", "method", "tail"),
    [
        (lambda http: Sessions().show(http, SESSION), "GET", ""),
        (lambda http: Sessions().disconnect(http, SESSION), "PATCH", "/disconnect"),
        (lambda http: Sessions().reconnect(http, SESSION), "PATCH", "/reconnect"),
        (lambda http: Sessions().delete(http, SESSION), "DELETE", ""),
    ],
)
async def test_each_session_call_uses_the_documented_address(do, method, tail):
    shown = (200, {"success": True, "data": SESSION_BODY | {"status": "disconnected"}})
    http, asked = scripted(shown, shown)
    session = await do(http)
    assert asked[0] == (method, PATH + tail, b"")
    assert session is None or session.status == "disconnected"


async def test_a_qr_code_is_shown_as_documented_and_missed_politely():
    http, asked = scripted((200, {"success": True, "qr_code": QR}), (200, {"success": True}))
    assert await Sessions().qr_code(http, SESSION) == QR
    assert asked[0][:2] == ("GET", PATH + "/qr-code")
    with pytest.raises(Unavailable, match="QR"):
        await Sessions().qr_code(http, SESSION)


@pytest.mark.parametrize("wrap", [{}, {"data": []}, {"sessions": []}, []])
async def test_a_list_of_no_sessions(wrap):
    http, _ = scripted((200, wrap))
    if wrap == {}:
        with pytest.raises(Unavailable):
            await Sessions().list_all(http)
    else:
        assert await Sessions().list_all(http) == []


async def test_an_unknown_session_is_not_found():
    http, _ = scripted((404, {"message": "Session not found."}))
    with pytest.raises(NotFound, match="Session not found"):
        await Sessions().show(http, SESSION)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": "connected"}, None),
        (
            {"status": "disconnected", "reason": "Phone offline"},
            ["shop is disconnected (Phone offline)", "reconnect"],
        ),
        ({"status": "pending"}, ["shop is pending", "session qr"]),
        ({"status": "banned"}, ["shop is banned", "another one"]),
        ({"status": "failed"}, ["shop is failed"]),
        ({"status": "dreaming"}, ["shop is dreaming", "session show"]),
    ],
)
async def test_why_a_sender_cannot_send(change, words):
    http, _ = scripted((200, {"data": SESSION_BODY | change}))
    problem = await ADAPTER.sender_problem(http, SENDER)
    assert (problem is None) == (words is None)
    assert all(word in (problem or "") for word in words or [])


async def test_a_sender_without_its_session_has_a_problem_and_a_wrong_key_is_an_error():
    http, _ = scripted((404, {}), (401, {}))
    assert "session list" in (await ADAPTER.sender_problem(http, SENDER) or "")
    with pytest.raises(AccountError):
        await ADAPTER.sender_problem(http, SENDER)


async def test_a_check_describes_its_result():
    http, asked = scripted((200, {"data": [SESSION_BODY, SESSION_BODY | {"status": "connected"}]}))
    assert "1 of 2 sessions are connected" in await ADAPTER.check(http)
    assert asked[0][:2] == ("GET", "/v1/whatsapp/sessions")


def test_the_balance_is_in_the_answer_to_a_send():
    told = answer(201, orjson.dumps(taken(MESSAGE)))
    assert ADAPTER.balance_in(told) == Balance(Money(Decimal(4990), "XXX"), 499)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"data": []}', b'{"data": {"new_balance": null}}', b'{"data": {}}']
)
def test_an_answer_without_a_balance(body):
    assert ADAPTER.balance_in(answer(201, body)) is None


async def test_there_is_no_asking_for_the_balance():
    http, asked = scripted()
    with pytest.raises(UsageError, match="balance"):
        await ADAPTER.balance(http)
    assert asked == []
