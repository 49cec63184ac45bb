"""Bird's emulator: strict on what it is asked, and what becomes of a message inside and outside the window."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from emulators.bird.messages import CHANNEL_ID, WORKSPACE_ID
from emulators.settings import Settings
from tests.emulators.conftest import FakeClock
from tests.support.cases import each

CHANNEL = f"/bird/workspaces/{WORKSPACE_ID}/channels/{CHANNEL_ID}"
MESSAGES = f"{CHANNEL}/messages"
TO = "+33639980100"
TEXT = {"type": "text", "text": {"text": "Hello"}}
TEMPLATE = {"projectId": "p", "version": "latest", "locale": "en"}


def order(number: str = TO, **fields: Any) -> dict[str, Any]:
    contact = {"identifierKey": "phonenumber", "identifierValue": number}
    return {"receiver": {"contacts": [contact]}, "body": TEXT} | fields


class Client:
    """The calls that most tests make."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def send(self, body: Any) -> httpx.Response:
        return await self.http.post(MESSAGES, json=body)

    async def sent(self, number: str = TO, **fields: Any) -> dict[str, Any]:
        answer = await self.send(order(number, **fields))
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def writes(self, *numbers: str) -> None:
        body = {"from": list(numbers), "text": "Hi"}
        assert (await self.http.post("/bird/_control/inbound", json=body)).status_code == 200

    async def show(self, message_id: str) -> dict[str, Any]:
        return (await self.http.get(f"{MESSAGES}/{message_id}")).json()

    async def listed(self, **query: str) -> dict[str, Any]:
        answer = await self.http.get(MESSAGES, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def settings() -> Settings:
    return Settings(read_percent=0)


@pytest.fixture
def key() -> dict[str, str]:
    return {"Authorization": "AccessKey test-key"}


@pytest.fixture
def bird(http: httpx.AsyncClient) -> Client:
    return Client(http)


async def test_an_answer_has_the_documented_fields(bird: Client):
    await bird.writes(TO)
    answer = await bird.sent(reference="run.7", meta={"extraInformation": {"useCase": "utility"}})
    required = {"id", "channelId", "sender", "receiver", "status", "lastStatusAt", "createdAt", "updatedAt"}
    assert required <= answer.keys()
    assert (answer["status"], answer["reference"], answer["direction"]) == ("accepted", "run.7", "outgoing")
    assert answer["body"] == TEXT
    assert answer["receiver"]["contacts"][0]["identifierValue"] == TO
    [entry] = (await bird.http.get("/_ledger")).json()["messages"]
    assert (entry["id"], entry["to"], entry["content"]) == (answer["id"], TO[1:], "Hello")


async def test_its_life_inside_the_window(bird: Client, clock: FakeClock):
    await bird.writes(TO)
    message = await bird.sent()
    seen = []
    for seconds in (0, 0.2, 0.5, 10):
        clock.move(seconds)
        seen.append((await bird.show(message["id"]))["status"])
    assert seen == ["accepted", "sent", "delivered", "delivered"]


async def test_outside_the_window_free_form_fails_and_a_template_goes(bird: Client, clock: FakeClock):
    free = await bird.sent()
    template = await bird.sent(body=None, template=TEMPLATE)
    clock.move(1)
    failed = await bird.show(free["id"])
    assert (failed["status"], failed["failure"]["source"]) == (
        "sending_failed",
        {"name": "whatsapp", "code": "131047"},
    )
    assert (await bird.show(template["id"]))["status"] == "delivered"
    await bird.writes(TO)
    clock.move(24 * 3600)
    again = await bird.sent()
    clock.move(1)
    assert (await bird.show(again["id"]))["status"] == "sending_failed"


@pytest.mark.parametrize(
    ("number", "status"),
    [("+447700900901", "sending_failed"), ("+447700900902", "delivery_failed"), ("+447700900903", "sent")],
)
async def test_magic_numbers(bird: Client, clock: FakeClock, number: str, status: str):
    await bird.writes(number)
    message = await bird.sent(number)
    clock.move(60)
    assert (await bird.show(message["id"]))["status"] == status


async def test_the_window_is_told_by_the_contact_s_id(bird: Client, clock: FakeClock):
    message = await bird.sent()
    path = f"{CHANNEL}/contacts/{message['receiver']['contacts'][0]['id']}"
    assert (await bird.http.get(path)).json() == {"serviceWindowExpireAt": None, "isPermanentSession": False}
    await bird.writes(TO)
    assert (await bird.http.get(path)).json()["serviceWindowExpireAt"] == "2027-01-16T08:00:00.000000Z"
    assert (await bird.http.get(f"{CHANNEL}/contacts/nobody")).status_code == 404


async def test_the_list_is_paged_newest_first_and_by_person(bird: Client):
    other = "+33639980101"
    await bird.writes(TO)
    ids = [(await bird.sent())["id"] for _ in range(3)]
    await bird.sent(other)
    first = await bird.listed(phonenumber=TO, limit="2")
    rest = await bird.listed(phonenumber=TO, limit="2", pageToken=first["nextPageToken"])
    assert [each["id"] for each in first["results"] + rest["results"][:1]] == ids[::-1]
    assert rest["results"][1]["direction"] == "incoming"
    assert "nextPageToken" not in rest
    assert len((await bird.listed())["results"]) == 5
    for query in (
        {"limit": "0"},
        {"limit": "x"},
        {"phonenumber": " 33639980100"},
        {"to": TO},
        {"pageToken": "x"},
    ):
        assert (await bird.http.get(MESSAGES, params=query)).status_code == 422


def of(kind: str, **inner: Any) -> dict[str, Any]:
    return order(body={"type": kind, kind: inner})


LABEL = {"metadata": {"description": {"label": "x" * 73}}}


@each(
    ("body", "field"),
    [
        ([], "body"),
        ({}, "receiver"),
        (order(colour="red"), "colour"),
        (order(receiver={"contacts": []}), "receiver.contacts"),
        (order("33639980100"), "receiver.contacts.0.identifierValue"),
        (order("+447700900908"), "receiver.contacts.0.identifierValue"),
        (order(template=TEMPLATE), "body"),
        (order(body=None), "body"),
        (order(body={"type": "contacts", "contacts": []}), "body.type"),
        (order(body={"type": "text", "text": {"text": ""}}), "body.text.text"),
        (order(body={"type": "text", "text": {"text": "x"}, "image": {}}), "body.image"),
        (of("image", images=[{"mediaURL": "https://a.example/"}]), "body.image.images.0.mediaUrl"),
        (of("image", images=[{"mediaUrl": "a.png"}]), "body.image.images.0.mediaUrl"),
        (of("file", files=[{"mediaUrl": "https://a.example/"}]), "body.file.files.0.contentType"),
        (of("location", coordinates={"latitude": 91}), "body.location.coordinates.latitude"),
        (of("location", coordinates={"latitude": "1"}), "body.location.coordinates.latitude"),
        (of("list"), "body.list.text"),
        (
            of(
                "list",
                text="x",
                items=[{"actions": [{"type": "postback", "postback": {"text": "x", **LABEL}}]}],
            ),
            "body.list.items.0.actions.0.postback.metadata.description.label",
        ),
        (
            of("text", text="x", actions=[{"type": "link", "link": {"text": "x"}}]),
            "body.text.actions.0.link.url",
        ),
        (order(body=None, template={"projectId": "p"}), "template.version"),
        (order(body=None, template=TEMPLATE | {"locale": "pt_BR"}), "template.locale"),
        (
            order(body=None, template=TEMPLATE | {"parameters": [{"type": "text", "key": "a"}]}),
            "template.parameters.0.type",
        ),
        (order(replyTo={"id": "x"}), "replyTo.type"),
        (order(capFrequency=True), "capFrequency"),
        (order(capFrequency="yes"), "capFrequency"),
        (order(reference=7), "reference"),
    ],
    ids=str,
)
async def test_a_wrong_field_is_named_and_nothing_is_taken(bird: Client, body: Any, field: str):
    answer = await bird.send(body)
    assert (answer.status_code, answer.json()["code"]) == (422, "InvalidPayload")
    assert field in answer.json()["details"]
    assert (await bird.http.get("/_ledger")).json()["count"] == 0


async def test_capping_goes_with_marketing(bird: Client):
    await bird.sent(capFrequency=True, meta={"extraInformation": {"useCase": "marketing"}})


async def test_key_path_type_and_method_are_checked(bird: Client):
    http = bird.http
    wrong = {"Authorization": "Bearer test-key"}
    assert (await http.post(MESSAGES, json=order(), headers=wrong)).status_code == 401
    assert (await http.post(MESSAGES.replace(CHANNEL_ID, WORKSPACE_ID), json=order())).status_code == 404
    assert (await http.post(MESSAGES.replace(WORKSPACE_ID, CHANNEL_ID), json=order())).status_code == 404
    assert (await http.put(MESSAGES, json=order())).status_code == 405
    assert (await http.post(MESSAGES, content=b"{}")).status_code == 415
    json = {"Content-Type": "application/json"}
    broken = await http.post(MESSAGES, content=b"{", headers=json)
    assert (broken.status_code, broken.json()["code"]) == (400, "InvalidRequest")
    assert (await http.get(f"{MESSAGES}/nothing")).json()["message"].endswith("message not found")
    assert (await http.post("/bird/_control/inbound", json={"from": "0"})).status_code == 422
