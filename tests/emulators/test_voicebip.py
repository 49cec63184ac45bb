"""The emulated Voicebip: what it answers, what it refuses, windows, opt-outs and usage."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.emulators.conftest import FakeClock
from tests.support.cases import each

MESSAGES = "/voicebip/v1/messages"
TEMPLATES = "/voicebip/v1/messages/template"
CONTROL = "/voicebip/_control"
ADA, BOB = "+447700900123", "+447700900124"
ADDRESS = {"agent_id": "agt_PAEZ_njcfm2kycpjs", "from_number": "+447700900100", "to_number": ADA}
TEXT = {"channel": "whatsapp", **ADDRESS, "message_type": "text", "body": "Your order has been confirmed."}
TEMPLATE = {
    **ADDRESS,
    "template_name": "order_confirmation",
    "language_code": "en",
    "parameters": ["ORDER-9182"],
}
URL = "https://example.com/a.png"
BUTTON = {"type": "reply", "reply": {"id": "yes", "title": "Yes"}}
BUTTONS = {"type": "button", "body": {"text": "Coming?"}, "action": {"buttons": [BUTTON]}}
ROW = {"id": "s", "title": "Small", "description": "For one"}
LIST = {
    "type": "list",
    "header": {"type": "text", "text": "Your order"},
    "body": {"text": "Which size?"},
    "footer": {"text": "Thank you"},
    "action": {"button": "Options", "sections": [{"title": "Sizes", "rows": [ROW]}]},
}


def kind(name: str, **fields: Any) -> dict[str, Any]:
    address = {key: value for key, value in TEXT.items() if key != "body"}
    return {**address, "message_type": name, **fields}


async def hears(http: httpx.AsyncClient, *phones: str, text: str = "Hello") -> None:
    answer = await http.post(f"{CONTROL}/inbound", json={"from": list(phones), "text": text})
    assert answer.status_code == 200, answer.text


async def send(http: httpx.AsyncClient, body: Any = None, **fields: Any) -> httpx.Response:
    body = TEXT if body is None else body
    whole = {name: value for name, value in (body | fields).items() if value is not ...}
    return await http.post(TEMPLATES if "template_name" in body else MESSAGES, json=whole)


async def total(http: httpx.AsyncClient) -> int:
    return (await http.get("/_ledger/summary")).json()["total"]


async def test_a_message_is_answered_as_an_sms_is(http: httpx.AsyncClient):
    await hears(http, ADA)
    answer = await send(http)
    body = answer.json()
    assert answer.status_code == 200
    assert body.pop("message_id").startswith("msg_")
    assert body == {
        "channel": "whatsapp",
        "status": "queued",
        "from_number": "+447700900100",
        "to_number": ADA,
        "created_at": "2027-01-15T08:00:00.000000Z",
    }


@pytest.mark.parametrize(
    "body",
    [
        TEXT,
        TEXT | {"body": "é" * 4096},
        kind("image", media_url=URL, media_caption="Look"),
        kind("image", media_url=URL),
        kind("audio", media_url=URL),
        kind("document", media_url=URL, media_caption="Read"),
        kind("video", media_url=URL),
        kind("interactive", interactive=BUTTONS),
        kind("interactive", interactive=LIST),
        TEMPLATE,
        TEMPLATE | {"parameters": []},
    ],
)
async def test_accepts(http: httpx.AsyncClient, body: dict[str, Any]):
    await hears(http, ADA)
    answer = await send(http, body)
    assert answer.status_code == 200, answer.text
    [entry] = (await http.get("/_ledger")).json()["messages"]
    assert (entry["id"], entry["to"]) == (answer.json()["message_id"], ADA[1:])


@each(
    ("body", "field"),
    [
        (TEXT | {"channel": "sms"}, "channel"),
        (TEXT | {"channel": ...}, "channel"),
        (TEXT | {"message_type": "location"}, "message_type"),
        (TEXT | {"message_type": "template"}, "message_type"),
        (TEXT | {"message_type": ["text"]}, "message_type"),
        (TEXT | {"agent_id": ...}, "agent_id"),
        (TEXT | {"agent_id": "PAEZ"}, "agent_id"),
        (TEXT | {"from_number": "447700900100"}, "from_number"),
        (TEXT | {"to_number": "07700900123"}, "to_number"),
        (TEXT | {"to_number": [ADA]}, "to_number"),
        (TEXT | {"to_number": "+447700900908"}, "to_number"),
        (TEXT | {"body": ...}, "body"),
        (TEXT | {"body": ""}, "body"),
        (TEXT | {"body": "x" * 4097}, "body"),
        (TEXT | {"body": 5}, "body"),
        (TEXT | {"media_url": URL}, "media_url"),
        (TEXT | {"reference": "abc"}, "reference"),
        (kind("image"), "media_url"),
        (kind("image", media_url="a.png"), "media_url"),
        (kind("image", media_url=URL, media_caption="x" * 1025), "media_caption"),
        (kind("video", media_url=URL, media_caption="See"), "media_caption"),
        (kind("audio", media_url=URL, media_caption="Hear"), "media_caption"),
        (kind("interactive"), "interactive"),
        (kind("interactive", interactive={"type": "cta_url"}), "interactive"),
        (TEMPLATE | {"channel": "whatsapp"}, "channel"),
        (TEMPLATE | {"template_name": "Order Confirmation"}, "template_name"),
        (TEMPLATE | {"language_code": "english!"}, "language_code"),
        (TEMPLATE | {"parameters": ...}, "parameters"),
        (TEMPLATE | {"parameters": {"order": "1"}}, "parameters"),
        (TEMPLATE | {"parameters": [""]}, "parameters"),
        (TEMPLATE | {"parameters": [5]}, "parameters"),
    ],
)
async def test_refuses_a_wrong_field(http: httpx.AsyncClient, body: dict[str, Any], field: str):
    await hears(http, ADA)
    answer = await send(http, body)
    told = answer.json()
    assert (answer.status_code, told["error_code"]) == (400, "INVALID_ARGUMENT")
    assert told["message"].startswith(field)
    assert told.keys() == {"error_code", "message", "request_id", "documentation_url"}
    assert await total(http) == 0


@each(
    "interactive",
    [
        BUTTONS | {"action": {"buttons": []}},
        BUTTONS | {"action": {"buttons": [BUTTON, BUTTON]}},
        BUTTONS
        | {
            "action": {
                "buttons": [{"type": "reply", "reply": {"id": str(n), "title": str(n)}} for n in range(4)]
            }
        },
        BUTTONS | {"action": {"buttons": [{"type": "reply", "reply": {"id": "1", "title": "x" * 21}}]}},
        BUTTONS | {"action": {"buttons": [{"type": "reply", "reply": {"title": "Yes"}}]}},
        BUTTONS | {"action": {"buttons": [{"type": "url", "url": "https://example.com"}]}},
        BUTTONS | {"body": "Coming?"},
        BUTTONS | {"body": {"text": "x" * 1025}},
        BUTTONS | {"colour": "red"},
        LIST | {"body": {"text": ""}},
        LIST | {"header": {"type": "image"}},
        LIST | {"header": {"type": "text", "text": "x" * 61}},
        LIST | {"footer": {"text": "x" * 61}},
        LIST | {"action": {"button": "x" * 21, "sections": [{"rows": [ROW]}]}},
        LIST | {"action": {"button": "Open", "sections": []}},
        LIST | {"action": {"button": "Open", "sections": [{"rows": []}]}},
        LIST | {"action": {"button": "Open", "sections": [{"rows": [ROW, ROW]}]}},
        LIST | {"action": {"button": "Open", "sections": [{"rows": [ROW]}, {"rows": [ROW | {"id": "l"}]}]}},
        LIST | {"action": {"button": "Open", "sections": [{"rows": [{"id": "s", "title": "x" * 25}]}]}},
        LIST | {"action": {"button": "Open", "sections": [{"rows": [ROW | {"description": "x" * 73}]}]}},
        LIST
        | {"action": {"button": "Open", "sections": [{"rows": [ROW | {"id": str(n)} for n in range(11)]}]}},
    ],
)
async def test_refuses_a_wrong_interactive_object(http: httpx.AsyncClient, interactive: dict[str, Any]):
    await hears(http, ADA)
    answer = await send(http, kind("interactive", interactive=interactive))
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_ARGUMENT")
    assert await total(http) == 0


async def test_a_window_is_open_for_24_hours(http: httpx.AsyncClient, clock: FakeClock):
    closed = await send(http)
    assert (closed.status_code, closed.json()["error_code"]) == (422, "CONVERSATION_WINDOW_EXPIRED")
    assert (await send(http, TEMPLATE)).status_code == 200
    assert (await send(http)).status_code == 422
    await hears(http, ADA)
    clock.move(24 * 3600 - 1)
    assert (await send(http)).status_code == 200
    clock.move(1)
    assert (await send(http)).status_code == 422


async def test_a_window_that_closes_has_an_hour_left(http: httpx.AsyncClient, clock: FakeClock):
    await hears(http, ADA)
    await http.post(f"{CONTROL}/closing", json={"from": ADA})
    clock.move(3599)
    assert (await send(http)).status_code == 200
    clock.move(1)
    assert (await send(http)).status_code == 422


async def test_who_opted_out_gets_nothing(http: httpx.AsyncClient):
    await hears(http, ADA, text="Stop ")
    for body in (TEXT, TEMPLATE):
        answer = await send(http, body)
        assert (answer.status_code, answer.json()["error_code"]) == (422, "RECIPIENT_OPTED_OUT")
    assert (await send(http, TEMPLATE, to_number=BOB)).status_code == 200


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("INSUFFICIENT_BALANCE", 402),
        ("WORKSPACE_BLOCKED", 402),
        ("QUOTA_EXCEEDED", 402),
        ("PERMISSION_DENIED", 403),
    ],
)
async def test_a_workspace_that_cannot_send(http: httpx.AsyncClient, code: str, status: int):
    await http.post(f"{CONTROL}/refuse", json={"error_code": code})
    answer = await send(http, TEMPLATE)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    await http.post(f"{CONTROL}/refuse", json={"error_code": None})
    assert (await send(http, TEMPLATE)).status_code == 200


async def test_unknown_agents_numbers_and_templates(http: httpx.AsyncClient):
    for fields in (
        {"agent_id": "agt_other"},
        {"from_number": "+447700900101"},
        {"template_name": "missing_one"},
    ):
        answer = await send(http, TEMPLATE, **fields)
        assert (answer.status_code, answer.json()["error_code"]) == (404, "NOT_FOUND")


async def test_a_conversation_is_counted_once_a_day(http: httpx.AsyncClient, clock: FakeClock):
    for _ in range(2):
        await send(http, TEMPLATE)
    await send(http, TEMPLATE, to_number=BOB)
    clock.move(24 * 3600)
    await send(http, TEMPLATE)
    assert (await http.get("/voicebip/v1/usage")).json() == {
        "voice_minutes": 0,
        "whatsapp_conversations": 3,
        "sms_messages": 0,
        "total_cost_minor": 7500,
        "currency": "NGN",
    }


@each("value", ["", "Bearer wrong", "test-key"])
@each(("method", "path"), [("POST", MESSAGES), ("POST", TEMPLATES), ("GET", "/voicebip/v1/usage")])
async def test_every_endpoint_wants_the_key(http: httpx.AsyncClient, method: str, path: str, value: str):
    answer = await http.request(method, path, headers={"Authorization": value})
    assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", MESSAGES, 405, "METHOD_NOT_ALLOWED"),
        ("POST", f"{MESSAGES}/", 404, "NOT_FOUND"),
        ("POST", "/voicebip/v2/messages", 404, "NOT_FOUND"),
    ],
)
async def test_unknown_paths_and_methods(
    http: httpx.AsyncClient, method: str, path: str, status: int, code: str
):
    answer = await http.request(method, path)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)


@pytest.mark.parametrize("content", [b"{", b"", b"[]", b"null"])
async def test_a_body_that_is_no_object(http: httpx.AsyncClient, content: bytes):
    answer = await http.post(MESSAGES, content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_ARGUMENT")
