"""Our Voice's send call: what it answers, and everything that it refuses."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.emulators.conftest import MESSAGES, SESSION, OurVoiceClient
from tests.support.cases import each

IMAGE = {"type": "image", "media_url": "https://example.com/image.jpg"}


async def test_answer_has_the_documented_shape(ourvoice: OurVoiceClient) -> None:
    answer = await ourvoice.send("447700900123")
    body = answer.json()
    (message,) = body["data"].pop("messages")
    assert answer.status_code == 201
    assert body == {
        "success": True,
        "message": "Message queued for sending",
        "data": {"count": 1, "total_cost": 10, "new_balance": 4990, "remaining_messages": 499},
    }
    assert len(message.pop("id")) == 36
    assert list(message.items()) == [
        ("whatsapp_session_id", SESSION),
        ("campaign_id", None),
        ("from_number", "2290197000000"),
        ("to_number", "447700900123"),
        ("type", "text"),
        ("content", "Hello"),
        ("media_url", None),
        ("status", "queued"),
        ("direction", "outgoing"),
        ("cost", 10),
        ("sent_at", None),
        ("delivered_at", None),
        ("read_at", None),
        ("created_at", "2027-01-15T08:00:00.000000Z"),
        ("updated_at", "2027-01-15T08:00:00.000000Z"),
    ]


async def test_one_message_per_number_in_their_order(ourvoice: OurVoiceClient) -> None:
    answer = await ourvoice.send("447700900123", "+33639980001", "447700900123", **IMAGE)
    data = answer.json()["data"]
    numbers = [message["to_number"] for message in data["messages"]]
    assert numbers == ["447700900123", "33639980001", "447700900123"]
    assert (data["count"], data["total_cost"], data["new_balance"]) == (3, 30, 4970)
    assert len({message["id"] for message in data["messages"]}) == 3


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="text"),
        pytest.param(IMAGE | {"content": "Caption"}, id="image with caption"),
        pytest.param(IMAGE | {"content": ""}, id="image with empty caption"),
        pytest.param(IMAGE | {"type": "video", "content": ...}, id="video"),
        pytest.param(IMAGE | {"type": "document", "content": ...}, id="document"),
        pytest.param(IMAGE | {"type": "audio", "content": ...}, id="audio"),
        pytest.param({"delay_between": 0}, id="no delay"),
    ],
)
async def test_accepts(ourvoice: OurVoiceClient, fields: dict[str, Any]) -> None:
    answer = await post(ourvoice.http, fields)
    assert answer.status_code == 201, answer.text


@each(
    ("fields", "field"),
    [
        ({"whatsapp_session_id": ...}, "whatsapp_session_id"),
        ({"whatsapp_session_id": None}, "whatsapp_session_id"),
        ({"whatsapp_session_id": 7}, "whatsapp_session_id"),
        ({"whatsapp_session_id": f"session_{SESSION}"}, "whatsapp_session_id"),
        ({"to_number": ...}, "to_number"),
        ({"to_number": []}, "to_number"),
        ({"to_number": "447700900123"}, "to_number"),
        ({"to_number": {"0": "447700900123"}}, "to_number"),
        ({"to_number": [447700900123]}, "to_number.0"),
        ({"to_number": ["447700900123", None]}, "to_number.1"),
        ({"to_number": ["447700"]}, "to_number.0"),
        ({"to_number": ["4477009001234567"]}, "to_number.0"),
        ({"to_number": ["07700900123"]}, "to_number.0"),
        ({"to_number": ["44 7700 900123"]}, "to_number.0"),
        ({"to_number": ["447700900123\n"]}, "to_number.0"),
        ({"to_number": ["٤٤٧٧٠٠٩٠٠١٢٣"]}, "to_number.0"),
        ({"to_number": ["447700900908"]}, "to_number.0"),
        ({"type": ...}, "type"),
        ({"type": "location"}, "type"),
        ({"type": ["text"]}, "type"),
        ({"content": ...}, "content"),
        ({"content": "  "}, "content"),
        ({"content": 5}, "content"),
        ({"content": ["Hello"]}, "content"),
        ({"media_url": "https://example.com/image.jpg"}, "media_url"),
        ({"media_url": None}, "media_url"),
        ({"type": "image"}, "media_url"),
        (IMAGE | {"media_url": "image.jpg"}, "media_url"),
        (IMAGE | {"media_url": "ftp://example.com/image.jpg"}, "media_url"),
        (IMAGE | {"media_url": "https://"}, "media_url"),
        (IMAGE | {"media_url": 1}, "media_url"),
        (IMAGE | {"content": None}, "content"),
        (IMAGE | {"type": "audio", "content": "Caption"}, "content"),
        ({"delay_between": "500"}, "delay_between"),
        ({"delay_between": 0.5}, "delay_between"),
        ({"delay_between": True}, "delay_between"),
        ({"delay_between": None}, "delay_between"),
        ({"delay_between": -1}, "delay_between"),
        ({"reference": "abc"}, "reference"),
    ],
)
async def test_refuses_a_wrong_field(ourvoice: OurVoiceClient, fields: dict[str, Any], field: str) -> None:
    answer = await post(ourvoice.http, fields)
    body = answer.json()
    assert answer.status_code == 422
    assert body["success"] is False
    assert list(body["errors"]) == [field]
    assert body["message"] == body["errors"][field][0]
    assert await ourvoice.found() == []


async def test_every_wrong_field_is_named(ourvoice: OurVoiceClient) -> None:
    body = (await post(ourvoice.http, {"to_number": ["1"], "delay_between": -1, "type": "fax"})).json()
    assert set(body["errors"]) == {"to_number.0", "delay_between", "type"}
    assert body["message"].endswith("(and 2 more errors)")


@pytest.mark.parametrize("body", ["[]", '"text"', "null", "7"])
async def test_body_must_be_an_object(http: httpx.AsyncClient, body: str) -> None:
    answer = await http.post(MESSAGES, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("content_type", "content", "status"),
    [
        ("application/json", b"{", 400),
        ("application/json", b"", 400),
        ("application/json", b'{"content": "\xff"}', 400),
        ("application/x-www-form-urlencoded", b"type=text", 415),
        ("text/plain", b"{}", 415),
        ("application/json; charset=utf-8", b"{}", 422),
    ],
)
async def test_content_type_and_json(
    http: httpx.AsyncClient, content_type: str, content: bytes, status: int
) -> None:
    answer = await http.post(MESSAGES, content=content, headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert answer.json()["success"] is False


@each("value", ["", "Bearer", "Bearer wrong", "Basic test-key", "test-key", "AccessKey test-key"])
@each(
    ("method", "path"),
    [
        ("POST", "/messages"),
        ("GET", "/messages"),
        ("GET", "/messages/7f9e1234-abcd-4ef0-8765-aabbccddeeff"),
        ("GET", f"/messages/{SESSION}/session"),
        ("GET", "/sessions"),
        ("POST", "/sessions"),
        ("GET", f"/sessions/{SESSION}"),
        ("DELETE", f"/sessions/{SESSION}"),
        ("GET", f"/sessions/{SESSION}/qr-code"),
        ("PATCH", f"/sessions/{SESSION}/disconnect"),
        ("PATCH", f"/sessions/{SESSION}/reconnect"),
    ],
)
async def test_every_endpoint_wants_the_key(
    http: httpx.AsyncClient, method: str, path: str, value: str
) -> None:
    answer = await http.request(method, f"/ourvoice/v1/whatsapp{path}", headers={"Authorization": value})
    assert (answer.status_code, answer.json()) == (401, {"success": False, "message": "Unauthenticated."})


@each(
    ("method", "path", "status"),
    [
        ("GET", "/ourvoice/v1/whatsapp", 404),
        ("POST", "/ourvoice/v1/messages", 404),
        ("POST", "/ourvoice/v1/whatsapp/messages/", 404),
        ("POST", "/ourvoice/v2/whatsapp/messages", 404),
        ("PUT", MESSAGES, 405),
        ("DELETE", MESSAGES, 405),
        ("POST", f"{MESSAGES}/{SESSION}", 405),
        ("POST", f"/ourvoice/v1/whatsapp/sessions/{SESSION}/disconnect", 405),
        ("GET", f"{MESSAGES}/7f9e1234-abcd-4ef0-8765-aabbccddeeff", 404),
        ("GET", f"{MESSAGES}/not-a-uuid", 404),
    ],
)
async def test_unknown_paths_and_methods(
    http: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await http.request(method, path)
    assert answer.status_code == status
    assert answer.json()["success"] is False


async def test_unknown_session(ourvoice: OurVoiceClient) -> None:
    answer = await ourvoice.send("447700900123", whatsapp_session_id="7f9e1234-abcd-4ef0-8765-aabbccddeeff")
    assert (answer.status_code, answer.json()["message"]) == (404, "WhatsApp session not found.")


async def test_balance_is_never_overdrawn(ourvoice: OurVoiceClient) -> None:
    numbers = [f"4477009{n:05}" for n in range(10, 509)]
    await ourvoice.sent(*numbers)
    answer = await ourvoice.send("447700900123", "447700900124")
    assert answer.status_code == 422
    assert answer.json()["message"] == "Insufficient balance: 20 needed, 10 available."
    assert len(await ourvoice.found(limit=1000)) == 499
    assert (await ourvoice.send("447700900123")).json()["data"]["new_balance"] == 0


async def test_failed_messages_give_their_cost_back(ourvoice: OurVoiceClient) -> None:
    await ourvoice.sent("447700900901", "447700900902", "447700900123")
    ourvoice.clock.move(60)
    assert (await ourvoice.send("447700900124")).json()["data"]["new_balance"] == 5000 - 10 - 10


async def test_balance_can_be_topped_up(ourvoice: OurVoiceClient) -> None:
    await ourvoice.http.post("/ourvoice/_control/balance", json={"balance": 0})
    assert (await ourvoice.send("447700900123")).status_code == 422
    await ourvoice.http.post("/ourvoice/_control/balance", json={"balance": 10})
    assert (await ourvoice.send("447700900123")).status_code == 201


async def test_concurrent_calls_are_all_accepted_once(ourvoice: OurVoiceClient) -> None:
    numbers = [f"336399{n:05}" for n in range(80000, 80200)]
    await asyncio.gather(*(ourvoice.sent(number) for number in numbers))
    summary = (await ourvoice.http.get("/_ledger/summary")).json()
    assert (summary["total"], summary["calls"], summary["requests"]) == (200, 200, 200)
    assert summary["messages_per_recipient"] == {"1": 200}
    assert (await ourvoice.send("447700900123")).json()["data"]["new_balance"] == 5000 - 2010


async def post(http: httpx.AsyncClient, fields: dict[str, Any]) -> httpx.Response:
    """Send the ordinary body with some fields put in its place; `...` leaves a field out."""
    body: dict[str, Any] = {
        "whatsapp_session_id": SESSION,
        "to_number": ["447700900123"],
        "type": "text",
        "content": "Hello",
    }
    body = {name: value for name, value in (body | fields).items() if value is not ...}
    return await http.post(MESSAGES, json=body)
