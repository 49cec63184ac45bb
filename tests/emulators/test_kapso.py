"""The emulated Kapso: both APIs strict, one set of conversations, windows that open and close."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from emulators.kapso.chats import DAY, SENDERS
from tests.emulators.conftest import START, FakeClock
from tests.support.cases import each

SHOP, SERVICE = SENDERS
LEGACY, CURRENT = "/kapso/api/v1", "/kapso/meta/whatsapp/v24.0"
ALONE = f"{LEGACY}/whatsapp_messages?whatsapp_config_id={SHOP.config_id}"
META = f"{CURRENT}/{SHOP.phone_number_id}/messages"
KEY = {"X-API-Key": "test-key"}
ANN = "+447700900123"
TEMPLATE = {"message_type": "template", "template_name": "sale", "template_language": "en"}


class Kapso:
    """The calls that most tests make."""

    def __init__(self, http: httpx.AsyncClient, clock: FakeClock) -> None:
        self.http, self.clock = http, clock

    async def post(self, path: str, body: Any) -> httpx.Response:
        return await self.http.post(path, json=body, headers=KEY)

    async def get(self, path: str, **query: Any) -> Any:
        return (await self.http.get(path, params=query or None, headers=KEY)).json()

    async def legacy(self, path: str = ALONE, **message: Any) -> httpx.Response:
        if path.startswith(f"{LEGACY}/whatsapp_messages"):
            message = {"phone_number": ANN, **message}
        return await self.post(path, {"message": message})

    async def meta(self, to: str = ANN, path: str = META, **message: Any) -> httpx.Response:
        return await self.post(path, {"messaging_product": "whatsapp", "to": to, **message})

    async def writes(self, person: str = ANN, **more: Any) -> None:
        answer = await self.post("/kapso/_control/inbound", {"from": person, "text": "Hi", **more})
        assert answer.status_code == 200, answer.text

    async def into(self) -> str:
        """The path of Ann's conversation."""
        [chat] = (await self.get(f"{LEGACY}/whatsapp_conversations", phone_number=ANN))["data"]
        return f"{LEGACY}/whatsapp_conversations/{chat['id']}/whatsapp_messages"


@pytest.fixture
def kapso(http: httpx.AsyncClient, clock: FakeClock) -> Kapso:
    return Kapso(http, clock)


# The legacy API


async def test_a_template_starts_a_conversation(kapso: Kapso) -> None:
    answer = await kapso.legacy(**TEMPLATE, template_params=["Ann"])
    assert answer.status_code == 201, answer.text
    data = answer.json()["data"]
    assert (data["phone_number"], data["direction"], data["status"]) == (ANN, "outbound", "pending")
    assert (data["message_type"], data["processing_status"]) == ("template", "pending")
    assert data["whatsapp_message_id"].startswith("wamid.")
    [chat] = (await kapso.get(f"{LEGACY}/whatsapp_conversations"))["data"]
    assert (chat["phone_number"], chat["status"]) == (ANN, "active")
    [entry] = (await kapso.get("/_ledger"))["messages"]
    assert (entry["provider"], entry["to"], entry["id"]) == ("kapso", ANN[1:], data["whatsapp_message_id"])


async def test_free_form_needs_an_open_window(kapso: Kapso) -> None:
    refused = await kapso.legacy(message_type="text", content="Hello")
    assert (refused.status_code, refused.json()["message"][:9]) == (422, "(#131047)")
    await kapso.writes()
    path = await kapso.into()
    assert (await kapso.legacy(path, message_type="text", content="Hello")).status_code == 201
    kapso.clock.move(DAY - 1)
    assert (await kapso.legacy(path, message_type="text", content="Hello")).status_code == 201
    kapso.clock.move(1)
    assert (await kapso.legacy(path, message_type="text", content="Hello")).status_code == 422
    assert (await kapso.legacy(path, **TEMPLATE)).status_code == 201
    assert (await kapso.get("/_ledger/summary"))["total"] == 3


async def test_a_window_is_with_one_number_of_ours(kapso: Kapso) -> None:
    await kapso.writes(to=SERVICE.number)
    assert (await kapso.legacy(message_type="text", content="Hello")).status_code == 422
    other = ALONE.replace(SHOP.config_id, SERVICE.config_id)
    assert (await kapso.legacy(other, message_type="text", content="Hello")).status_code == 201


async def test_a_conversation_ends_after_a_day_of_silence(kapso: Kapso) -> None:
    await kapso.legacy(**TEMPLATE)
    path = await kapso.into()
    kapso.clock.move(DAY)
    assert (await kapso.legacy(path, **TEMPLATE)).status_code == 422
    assert (await kapso.legacy(**TEMPLATE)).status_code == 201
    chats = f"{LEGACY}/whatsapp_conversations"
    found = (await kapso.get(chats, **{"q[status_eq]": "ended"}))["data"]
    assert path.split("/")[-2] in [each["id"] for each in found]
    assert len((await kapso.get(chats, **{"q[last_active_at_gteq]": "2027-01-16T00:00:00Z"}))["data"]) == 1
    assert (await kapso.get(chats))["meta"]["total_count"] == 2


GOOD = [
    {"message_type": "text", "content": "Hello"},
    {"message_type": "image", "media_url": "https://example.com/a.jpg", "caption": "Look"},
    {"message_type": "document", "media_url": "https://example.com/a.pdf", "filename": "a.pdf"},
    {"message_type": "audio", "media_id": "1037543291543636"},
    {"message_type": "location", "latitude": 52.3, "longitude": 4.9, "location_name": "Shop"},
    {"message_type": "reaction", "reaction_emoji": "👍", "reacted_to_message_id": "wamid.1"},
    {"message_type": "contacts", "contacts": [{"formatted_name": "Ada", "phones": [{"phone": "1"}]}]},
    {
        "message_type": "interactive",
        "interactive_type": "button",
        "body_text": "Well?",
        "buttons": [{"id": "y", "title": "Yes"}],
    },
    {
        "message_type": "interactive",
        "interactive_type": "list",
        "header_type": "text",
        "header_text": "Spring",
        "body_text": "Choose",
        "footer_text": "STOP ends it",
        "list_button_text": "Open",
        "sections": [{"title": "All", "rows": [{"id": "a", "title": "A"}]}],
    },
]


@pytest.mark.parametrize("message", GOOD, ids=lambda message: message["message_type"])
async def test_each_legacy_type_is_taken_and_shown(kapso: Kapso, message: dict[str, Any]) -> None:
    await kapso.writes()
    path = await kapso.into()
    if media_id := message.get("media_id"):
        assert (await kapso.legacy(path, **message)).status_code == 422
        await kapso.post("/kapso/_control/media", {"id": media_id})
    answer = await kapso.legacy(path, **message)
    assert answer.status_code == 201, answer.text
    shown = (await kapso.get(path))["data"]
    assert [each["direction"] for each in shown] == ["outbound", "inbound"]
    assert shown[0] == answer.json()["data"]


@each(
    "message",
    [
        {},
        {"message_type": "sticker", "media_url": "https://example.com/a.webp"},
        {"message_type": "text"},
        {"message_type": "text", "content": 5},
        {"message_type": "text", "content": " "},
        {"message_type": "text", "content": "x" * 4097},
        {"message_type": "text", "content": "Hello", "caption": "x"},
        {"message_type": "text", "content": "Hello", "colour": "red"},
        {"message_type": "image"},
        {"message_type": "image", "media_url": "a.jpg"},
        {"message_type": "image", "media_url": "https://example.com/a.jpg", "media_id": "1"},
        {"message_type": "location", "latitude": "52", "longitude": 4.9},
        {"message_type": "location", "latitude": 91, "longitude": 4.9},
        {"message_type": "interactive", "interactive_type": "flow", "body_text": "x"},
        {"message_type": "interactive", "interactive_type": "button", "body_text": "x"},
        {**GOOD[-2], "buttons": [{"id": str(n), "title": str(n)} for n in range(4)]},
        {**GOOD[-2], "buttons": [{"id": "a", "title": "x" * 21}]},
        {**GOOD[-2], "buttons": [{"title": "a"}]},
        {**GOOD[-1], "sections": [{"rows": [{"id": str(n), "title": "x"} for n in range(11)]}]},
        {**GOOD[-1], "sections": ["x"]},
        {**GOOD[-1], "footer_text": "x" * 61},
        {**GOOD[-1], "header_text": "x" * 61},
        {**GOOD[-1], "header_type": "image"},
        {**GOOD[-2], "header_text": "x"},
        {**GOOD[0], "footer_text": "x"},
        {**TEMPLATE, "template_params": {"name": "Ann"}},
        {**TEMPLATE, "template_params": [1]},
        {**TEMPLATE, "header_type": "location"},
        {"message_type": "contacts", "contacts": [{"first_name": "Ada"}]},
        {"message_type": "contacts", "contacts": ["Ada"]},
    ],
)
async def test_a_legacy_message_that_the_page_does_not_allow_is_refused(
    kapso: Kapso, message: dict[str, Any]
) -> None:
    await kapso.writes()
    answer = await kapso.legacy(await kapso.into(), **message)
    assert answer.status_code in (400, 422)
    assert answer.json().keys() == {"error", "message"}
    assert (await kapso.get("/_ledger/summary"))["total"] == 0


@pytest.mark.parametrize("body", [[], {}, {"message": "Hello"}, {"whatsapp_message": {"content": "Hello"}}])
async def test_a_legacy_body_is_a_message_and_nothing_else(kapso: Kapso, body: Any) -> None:
    assert (await kapso.post(ALONE, body)).status_code == 400


@pytest.mark.parametrize("number", ["0", "447700900abc", "", 447700900123, None])
async def test_a_legacy_number_is_e164(kapso: Kapso, number: Any) -> None:
    assert (await kapso.legacy(**TEMPLATE, phone_number=number)).status_code == 400


@each(
    ("method", "path", "status"),
    [
        ("GET", f"{LEGACY}/whatsapp_conversations?per_page=101", 400),
        ("GET", f"{LEGACY}/whatsapp_conversations?page=0", 400),
        ("GET", f"{LEGACY}/whatsapp_conversations?colour=red", 400),
        ("GET", f"{LEGACY}/whatsapp_conversations?q[last_active_at_gteq]=soon", 400),
        ("GET", f"{LEGACY}/whatsapp_conversations/none/whatsapp_messages", 404),
        ("POST", f"{LEGACY}/whatsapp_conversations/none/whatsapp_messages", 404),
        ("POST", f"{LEGACY}/whatsapp_messages?whatsapp_config_id=none", 404),
        ("POST", f"{LEGACY}/whatsapp_messages?colour=red", 400),
        ("GET", f"{LEGACY}/whatsapp_configs/none", 404),
        ("DELETE", f"{LEGACY}/whatsapp_conversations", 405),
        ("GET", f"{LEGACY}/nothing", 404),
        ("GET", f"{CURRENT}/none", 404),
        ("GET", f"{CURRENT}/{SHOP.phone_number_id}/messages/none", 404),
        ("GET", f"{CURRENT}/{SHOP.phone_number_id}/conversations?colour=red", 400),
    ],
)
async def test_a_wrong_path_or_query_is_refused(kapso: Kapso, method: str, path: str, status: int) -> None:
    content = b'{"message": {}}' if method == "POST" else None
    headers = KEY | {"Content-Type": "application/json"}
    answer = await kapso.http.request(method, path, content=content, headers=headers)
    assert (answer.status_code, answer.json().keys()) == (status, {"error", "message"})


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}])
@pytest.mark.parametrize("path", [ALONE, META])
async def test_the_key_is_asked_for(kapso: Kapso, path: str, headers: dict[str, str]) -> None:
    answer = await kapso.http.post(path, json={}, headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"error": "Invalid or missing API key"})


async def test_a_body_that_is_no_json_is_refused(kapso: Kapso) -> None:
    answer = await kapso.http.post(ALONE, content=b"{", headers=KEY | {"Content-Type": "application/json"})
    assert answer.status_code == 400
    answer = await kapso.http.post(ALONE, content=b"{}", headers=KEY | {"Content-Type": "text/plain"})
    assert answer.status_code == 415


async def test_a_list_comes_in_pages(kapso: Kapso) -> None:
    for number in range(5):
        await kapso.writes(f"+44770090012{number}")
    pages = [
        await kapso.get(f"{LEGACY}/whatsapp_conversations", page=page, per_page=2) for page in (1, 2, 3, 4)
    ]
    assert [len(page["data"]) for page in pages] == [2, 2, 1, 0]
    assert pages[0]["meta"] == {"page": 1, "per_page": 2, "total_pages": 3, "total_count": 5}


# The current API


META_TEMPLATE = {"type": "template", "template": {"name": "hello_world", "language": {"code": "en_US"}}}


async def test_a_meta_template_is_accepted_in_meta_s_words(kapso: Kapso) -> None:
    answer = await kapso.meta(**META_TEMPLATE, biz_opaque_callback_data="job-7")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    [sent] = body["messages"]
    assert body["contacts"] == [{"input": ANN[1:], "wa_id": ANN[1:]}]
    assert sent["message_status"] == "accepted"
    kapso.clock.move(60)
    shown = await kapso.get(f"{META}/{sent['id']}")
    assert (shown["id"], shown["kapso"]["direction"]) == (sent["id"], "outbound")
    assert {each["biz_opaque_callback_data"] for each in shown["kapso"]["statuses"]} == {"job-7"}


@pytest.mark.parametrize(
    ("change", "status", "wanted"),
    [
        ({"status": "PAUSED"}, 400, 132015),
        ({"parameters": 1}, 400, 132000),
        ({"language": "fr", "status": "REJECTED"}, 200, None),
    ],
)
async def test_a_template_is_checked_as_meta_does(
    kapso: Kapso, change: dict[str, Any], status: int, wanted: int | None
) -> None:
    await kapso.post("/kapso/_control/templates", {"name": "hello_world", "language": "en_US", **change})
    answer = await kapso.meta(**META_TEMPLATE)
    assert (answer.status_code, answer.json().get("error", {}).get("code")) == (status, wanted)


async def test_an_account_that_meta_stopped_sends_nothing(kapso: Kapso) -> None:
    await kapso.post("/kapso/_control/account", {"event": "ACCOUNT_OFFBOARDED"})
    assert (await kapso.meta(**META_TEMPLATE)).json()["error"]["code"] == 133010
    assert (await kapso.post("/kapso/_control/account", {"event": "X"})).status_code == 422
    await kapso.post("/kapso/_control/account", {"event": "ACCOUNT_RECONNECTED"})
    assert (await kapso.meta(**META_TEMPLATE)).status_code == 200


async def test_the_window_holds_for_both_apis(kapso: Kapso) -> None:
    text = {"type": "text", "text": {"body": "Hello"}}
    refused = await kapso.meta(**text)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, 131047)
    await kapso.writes()
    assert (await kapso.meta(**text)).status_code == 200
    chats = f"{CURRENT}/{SHOP.phone_number_id}/conversations"
    [chat] = (await kapso.get(chats, phone_number=ANN, fields="kapso(last_inbound_at)"))["data"]
    assert chat["kapso"]["last_inbound_at"] == "2027-01-15T08:00:00.000000Z"
    assert (await kapso.get(f"{LEGACY}/whatsapp_conversations"))["meta"]["total_count"] == 1


@each(
    ("change", "code"),
    [
        ({"messaging_product": "sms"}, 100),
        ({"type": "carrier-pigeon"}, 100),
        ({"to": "0"}, 100),
        ({"colour": "red"}, 100),
        ({"recipient_type": "group"}, 100),
        ({"text": "Hello"}, 100),
        ({"text": {}}, 131008),
        ({"text": {"body": ""}}, 100),
        ({"text": {"body": "x" * 4097}}, 131009),
        ({"text": {"body": "x", "preview_url": "yes"}}, 100),
        ({"biz_opaque_callback_data": "x" * 513}, 131009),
        ({"context": {"id": "wamid.1"}}, 131008),
        ({"type": "image", "text": None, "image": {"caption": "x"}}, 100),
        ({"type": "template", "text": None, "template": {"name": "sale"}}, 131008),
    ],
)
async def test_what_meta_does_not_allow_is_refused_with_its_code(
    kapso: Kapso, change: dict[str, Any], code: int
) -> None:
    await kapso.writes()
    body = {"messaging_product": "whatsapp", "to": ANN, "type": "text", "text": {"body": "Hello"}} | change
    body = {name: value for name, value in body.items() if value is not None}
    answer = await kapso.post(META, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert answer.json()["error"].keys() == {"message", "type", "code", "error_data", "fbtrace_id"}


REPLY = {"type": "reply", "reply": {"id": "y", "title": "Yes"}}
ROW = {"id": "a", "title": "A"}
BUTTON = {"type": "button", "body": {"text": "x"}, "action": {"buttons": [REPLY]}}


@each(
    ("interactive", "taken"),
    [
        (BUTTON, True),
        ({**BUTTON, "footer": {"text": "x" * 60}, "header": {"type": "text", "text": "x" * 60}}, True),
        ({**BUTTON, "header": {"type": "image", "image": {"id": "1037543291543636"}}}, True),
        ({**BUTTON, "footer": {"text": "x" * 61}}, False),
        ({**BUTTON, "footer": {"text": " "}}, False),
        ({**BUTTON, "footer": "x"}, False),
        ({**BUTTON, "footer": {"text": "x", "type": "text"}}, False),
        ({**BUTTON, "header": {"type": "text", "text": "x" * 61}}, False),
        ({**BUTTON, "header": {"type": "text", "text": "x", "image": {}}}, False),
        ({**BUTTON, "header": {"type": "audio", "audio": {"id": "1"}}}, False),
        ({**BUTTON, "header": {"type": "image", "image": {"id": "a file"}}}, False),
        ({**BUTTON, "header": {"type": "image", "image": {"id": "1", "caption": "x"}}}, False),
        ({"type": "button", "body": {"text": "x"}, "action": {"buttons": [REPLY, REPLY]}}, False),
        ({"type": "button", "body": {"text": "x"}, "action": {"buttons": []}}, False),
        (
            {"type": "list", "body": {"text": "x"}, "action": {"button": "o", "sections": [{"rows": [ROW]}]}},
            True,
        ),
        (
            {
                "type": "list",
                "body": {"text": "x"},
                "action": {"button": "o", "sections": [{"rows": [ROW]}, {"rows": [ROW]}]},
            },
            False,
        ),
        (
            {
                "type": "cta_url",
                "body": {"text": "x"},
                "action": {
                    "name": "cta_url",
                    "parameters": {"display_text": "Shop", "url": "https://example.com"},
                },
            },
            True,
        ),
        ({"type": "carousel", "body": {"text": "x"}, "action": {}}, False),
    ],
)
async def test_an_interactive_message_is_checked(kapso: Kapso, interactive: Any, taken: bool) -> None:
    await kapso.writes()
    await kapso.post("/kapso/_control/media", {"id": "1037543291543636"})
    answer = await kapso.meta(type="interactive", interactive=interactive)
    assert answer.status_code == (200 if taken else 400), answer.text


async def test_an_unknown_number_of_ours_is_meta_s_error(kapso: Kapso) -> None:
    answer = await kapso.meta(path=f"{CURRENT}/1/messages", **META_TEMPLATE)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 33)


# Outcomes and faults


async def test_the_magic_numbers_hold(kapso: Kapso) -> None:
    refused = await kapso.meta("447700900908", **META_TEMPLATE)
    assert refused.json()["error"]["code"] == 131026
    answer = await kapso.meta("447700900901", **META_TEMPLATE)
    kapso.clock.move(60)
    shown = await kapso.get(f"{META}/{answer.json()['messages'][0]['id']}")
    assert shown["kapso"]["status"] == "failed"
    assert shown["kapso"]["statuses"][-1]["errors"][0]["code"] == 131026


async def test_faults_speak_kapso_s_words(kapso: Kapso) -> None:
    await kapso.http.post("/_faults", json={"kind": "429", "retry_after": 60})
    answer = await kapso.legacy(**TEMPLATE)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert answer.json()["error"] == "Rate limit exceeded"


async def test_a_reset_forgets_the_chats(kapso: Kapso) -> None:
    await kapso.writes()
    await kapso.http.post("/_reset")
    assert (await kapso.get(f"{LEGACY}/whatsapp_conversations"))["data"] == []
    assert kapso.clock.now == START


# The control plane


async def test_many_write_at_once(kapso: Kapso) -> None:
    people = [ANN, "+447700900124"]
    answer = await kapso.post("/kapso/_control/inbound", {"from": people, "text": "Hi"})
    assert len(answer.json()["ids"]) == 2
    for person in people:
        assert (await kapso.meta(person, type="text", text={"body": "Hello"})).status_code == 200


@each(
    ("path", "body"),
    [
        ("inbound", {}),
        ("inbound", {"from": "nobody"}),
        ("inbound", {"from": [ANN, 5]}),
        ("inbound", {"from": ANN, "to": "447700900999"}),
        ("inbound", ["Hi"]),
        ("webhook", {}),
        ("webhook", {"url": "http://127.0.0.1:1/"}),
        ("webhook", {"url": "shop.example", "secret": "s"}),
        ("webhook", {"url": 5, "secret": "s"}),
        ("webhook", {"url": "http://127.0.0.1:1/", "secret": "s", "colour": "red"}),
        ("webhook", {"url": "http://127.0.0.1:1/", "secret": "s", "delay": "long"}),
        ("webhook", {"url": "http://127.0.0.1:1/", "secret": "s", "duplicate": 2}),
    ],
)
async def test_a_wrong_control_call_says_so(kapso: Kapso, path: str, body: Any) -> None:
    answer = await kapso.post(f"/kapso/_control/{path}", body)
    assert answer.status_code in (400, 422)
    assert answer.json().keys() == {"error", "message"}


async def test_the_list_of_templates_is_metas_without_next(kapso: Kapso) -> None:
    listed = f"{CURRENT}/215589313241560/message_templates"
    await kapso.post("/kapso/_control/templates", {"name": "extra", "language": "fr"})
    first = await kapso.get(listed, limit=5)
    assert (len(first["data"]), "next" in first["paging"]) == (5, False)
    rest = await kapso.get(listed, limit=5, after=first["paging"]["cursors"]["after"])
    assert [each["name"] for each in rest["data"]] == ["store_map", "extra"]
    for query, status in (({"limit": 101}, 400), ({"fields": "name"}, 400), ({"after": "x"}, 400)):
        assert (await kapso.http.get(listed, params=query, headers=KEY)).status_code == status, query
    assert (await kapso.http.get(f"{CURRENT}/1/message_templates", headers=KEY)).status_code == 404
    assert (await kapso.http.get(listed)).status_code == 401
