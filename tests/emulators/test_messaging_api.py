"""The emulated Messaging API: the page's answers, everything it refuses, windows, keys and statuses."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.emulators.conftest import FakeClock
from tests.support.cases import each

ROOT = "/messaging_api/v1/messaging"
TEMPLATES = f"{ROOT}/messages/template"
NUMBER_ID = "f0e1d2c3-1234-4abc-9def-000011113333"
ADA, BOB = "+447700900123", "+447700900124"
TEMPLATE = {"business_whatsapp_number_id": NUMBER_ID, "phone": ADA, "template_key": "order_shipped"}


class Inbox:
    """The calls that most tests make."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def hears(self, *phones: str) -> None:
        body = {"from": list(phones), "text": "Is my order shipped?"}
        assert (await self.http.post("/messaging_api/_control/inbound", json=body)).status_code == 200

    async def list(self, **query: str) -> list[dict[str, Any]]:
        answer = await self.http.get(f"{ROOT}/conversations", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def show(self, phone: str) -> dict[str, Any]:
        [found] = await self.list(search=phone)
        return (await self.http.get(f"{ROOT}/conversations/{found['id']}")).json()["data"]

    async def text(self, phone: str, text: Any = "Hello", key: str | None = None) -> httpx.Response:
        [found] = await self.list(search=phone)
        path = f"{ROOT}/conversations/{found['id']}/messages"
        return await self.http.post(path, json={"text": text}, headers=_key(key))

    async def template(self, key: str | None = None, **fields: Any) -> httpx.Response:
        body = {name: value for name, value in (TEMPLATE | fields).items() if value is not ...}
        return await self.http.post(TEMPLATES, json=body, headers=_key(key))

    async def count(self) -> int:
        return (await self.http.get("/_ledger/summary")).json()["total"]


def _key(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Idempotency-Key": key}


@pytest.fixture
def inbox(http: httpx.AsyncClient) -> Inbox:
    return Inbox(http)


async def test_a_customer_who_writes_is_listed_as_on_the_page(inbox: Inbox):
    await inbox.hears(ADA)
    [found] = await inbox.list()
    assert len(found.pop("id")) == 36
    assert len(found.pop("businessId")) == 36
    assert found == {
        "customerPhone": ADA,
        "customerName": None,
        "status": "open",
        "mode": "ai",
        "unreadCount": 1,
        "lastInboundAt": "2027-01-15T08:00:00.000Z",
        "lastOutboundAt": None,
    }


async def test_a_text_is_answered_as_on_the_page(inbox: Inbox):
    await inbox.hears(ADA)
    answer = await inbox.text(ADA, "Your order shipped.")
    body = answer.json()
    assert answer.status_code == 201
    assert list(body) == ["message", "data"]
    [conversation] = await inbox.list()
    assert len(body["data"].pop("id")) == 36
    assert body["data"] == {
        "conversationId": conversation["id"],
        "direction": "outbound",
        "messageType": "text",
        "text": "Your order shipped.",
        "deliveryStatus": "sent",
        "createdAt": "2027-01-15T08:00:00.000Z",
    }


async def test_the_newest_message_comes_first_and_its_status_moves_on(inbox: Inbox, clock: FakeClock):
    await inbox.hears(ADA)
    await inbox.text(ADA)
    clock.move(60)
    messages = (await inbox.show(ADA))["messages"]
    assert [message["direction"] for message in messages] == ["outbound", "inbound"]
    assert messages[0]["deliveryStatus"] in ("delivered", "read")


async def test_a_failed_message_says_so(inbox: Inbox, clock: FakeClock):
    await inbox.template(phone="+447700900901")
    clock.move(60)
    assert (await inbox.show("+447700900901"))["messages"][0]["deliveryStatus"] == "failed"


async def test_the_list_is_searched_by_part_of_a_number_or_name(inbox: Inbox, clock: FakeClock):
    await inbox.template(customer_name="Ada Lovelace")
    clock.move(1)
    await inbox.template(phone=BOB)
    assert [each["customerPhone"] for each in await inbox.list()] == [BOB, ADA]
    assert [each["customerPhone"] for each in await inbox.list(search="lovelace")] == [ADA]
    assert [each["customerPhone"] for each in await inbox.list(search="900124")] == [BOB]
    assert await inbox.list(search="nobody") == []
    assert len(await inbox.list(status="pending_customer")) == 2
    assert await inbox.list(mode="human") == await inbox.list(assigned="me") == []


@pytest.mark.parametrize("query", [{"page": "2"}, {"mode": "robot"}, {"assigned": "you"}])
async def test_an_unknown_filter_is_refused(http: httpx.AsyncClient, query: dict[str, str]):
    answer = await http.get(f"{ROOT}/conversations", params=query)
    assert answer.status_code == 422


async def test_a_window_is_open_for_24_hours_after_the_customer_wrote(inbox: Inbox, clock: FakeClock):
    await inbox.hears(ADA)
    clock.move(24 * 3600 - 1)
    assert (await inbox.text(ADA)).status_code == 201
    clock.move(1)
    closed = await inbox.text(ADA)
    assert (closed.status_code, "24-hour" in closed.json()["message"]) == (422, True)
    await inbox.hears(ADA)
    assert (await inbox.text(ADA)).status_code == 201


async def test_a_template_starts_a_conversation_and_opens_no_window(inbox: Inbox):
    assert (await inbox.template(customer_name="Ada Lovelace")).status_code == 201
    [conversation] = await inbox.list()
    assert (conversation["customerName"], conversation["lastInboundAt"]) == ("Ada Lovelace", None)
    assert (await inbox.text(ADA)).status_code == 422


@each(
    ("fields", "status", "field"),
    [
        ({"business_whatsapp_number_id": ...}, 422, "business_whatsapp_number_id"),
        ({"business_whatsapp_number_id": "wn1"}, 422, "business_whatsapp_number_id"),
        ({"business_whatsapp_number_id": 7}, 422, "business_whatsapp_number_id"),
        ({"business_whatsapp_number_id": NUMBER_ID[:-1] + "4"}, 404, "WhatsApp number"),
        ({"phone": ...}, 422, "phone"),
        ({"phone": ADA[1:]}, 422, "phone"),
        ({"phone": [ADA]}, 422, "phone"),
        ({"phone": "+447700900908"}, 422, "phone"),
        ({"template_key": ...}, 422, "template_key"),
        ({"template_key": ""}, 422, "template_key"),
        ({"template_key": "missing_one"}, 404, "Template"),
        ({"customer_name": 5}, 422, "customer_name"),
        ({"variables": ["1"]}, 422, "variables"),
        ({"variables": {"eta": 5}}, 422, "variables"),
        ({"language": "en"}, 422, "language"),
    ],
)
async def test_a_wrong_template_request_is_refused(
    inbox: Inbox, fields: dict[str, Any], status: int, field: str
):
    answer = await inbox.template(**fields)
    assert answer.status_code == status
    assert field in answer.json()["message"]
    assert await inbox.count() == 0


@pytest.mark.parametrize("text", [..., "", "x" * 4097, 5, None, ["Hello"]])
async def test_a_wrong_text_is_refused(inbox: Inbox, text: Any):
    await inbox.hears(ADA)
    [conversation] = await inbox.list()
    path = f"{ROOT}/conversations/{conversation['id']}/messages"
    answer = await inbox.http.post(path, json={} if text is ... else {"text": text})
    assert answer.status_code == 422
    assert await inbox.count() == 0


async def test_a_used_key_sends_nothing_again(inbox: Inbox):
    await inbox.hears(ADA)
    first = await inbox.text(ADA, key="run.1")
    assert (await inbox.text(ADA, key="run.1")).json() == first.json()
    other = await inbox.text(ADA, "Something else", key="run.1")
    assert (other.status_code, list(other.json())) == (409, ["message"])
    await inbox.http.post("/messaging_api/_control/repeats", json={"answer": 409})
    again = await inbox.text(ADA, key="run.1")
    assert (again.status_code, again.json()["data"]["id"]) == (409, first.json()["data"]["id"])
    assert await inbox.count() == 1
    await inbox.text(ADA, key="run.2")
    await inbox.text(ADA)
    assert await inbox.count() == 3


async def test_a_refused_request_does_not_use_its_key(inbox: Inbox):
    await inbox.template(phone=BOB)
    assert (await inbox.text(BOB, key="run.1")).status_code == 422
    await inbox.hears(BOB)
    assert (await inbox.text(BOB, key="run.1")).status_code == 201


async def test_a_template_s_key_holds_too(inbox: Inbox):
    first, second = await inbox.template(key="run.1"), await inbox.template(key="run.1")
    assert first.json() == second.json()
    assert await inbox.count() == 1


@each("value", ["", "Bearer wrong", "test-key", "AccessKey test-key"])
@each(
    ("method", "path"),
    [
        ("GET", f"{ROOT}/conversations"),
        ("GET", f"{ROOT}/conversations/1"),
        ("POST", f"{ROOT}/conversations/1/messages"),
        ("POST", TEMPLATES),
    ],
)
async def test_every_endpoint_wants_the_key(http: httpx.AsyncClient, method: str, path: str, value: str):
    answer = await http.request(method, path, headers={"Authorization": value})
    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{ROOT}/conversations/nowhere", 404),
        ("GET", f"{ROOT}/messages", 404),
        ("PUT", TEMPLATES, 405),
        ("POST", f"{ROOT}/conversations", 405),
        ("POST", "/messaging_api/v1/messages", 404),
    ],
)
async def test_unknown_paths_and_methods(http: httpx.AsyncClient, method: str, path: str, status: int):
    answer = await http.request(method, path)
    assert answer.status_code == status
    assert list(answer.json()) == ["message"]
