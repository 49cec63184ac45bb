"""Kapso beside sending: its settings, conversations, windows, polling and senders, over both APIs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from campaigns.errors import AccountError, Unavailable, UsageError
from campaigns.message.content import Content, MessageType, Template
from campaigns.outcomes import FailureKind, Refused
from campaigns.states import JobState
from providers.adapter import Call, Doubt, Found, Lookup, Unseen
from providers.events import Billed, WebhookRequest
from providers.http.client import Http
from providers.kapso.adapter import Kapso
from providers.kapso.settings import KapsoAccount
from providers.kapso.webhooks import report_of
from providers.meta.pricing import NOTHING
from tests.providers.contract import SECRET_PLACE

ANN, BEN = "+12025550123", "+12025550124"
CONFIG, OTHER = "config-123abc", "config-456def"
HELLO = Content(MessageType.TEXT, "Hello")
TEMPLATE = Content(MessageType.TEMPLATE, template=Template("sale", "en"))
SINCE = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Provider:
    """Answers by path, and remembers what it was asked."""

    def __init__(self, answers: dict[str, Any], api: str = "legacy", senders: int = 1) -> None:
        self.answers, self.asked = answers, []
        keys = [
            {"name": f"s{n}", "whatsapp_config_id": config, "phone_number_id": f"10{n}"}
            for n, config in enumerate((CONFIG, OTHER)[:senders])
        ]
        self.account = KapsoAccount.model_validate(
            {"adapter": "kapso", "api": api, "api_key": SECRET_PLACE, "senders": keys}
        )
        self.adapter = Kapso(self.account)
        self.sender = self.account.senders[0] if keys else None
        transport = httpx.MockTransport(self._answer)
        self.http = Http(self.account.base_url, self.adapter.credentials, transport=transport)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        path = str(request.url.copy_with(query=None)).removeprefix(self.account.base_url)
        found = self.answers.get(path, (404, {"error": "Not found"}))
        if callable(found):
            found = found(request)
        status, body = found if isinstance(found, tuple) else (200, found)
        return httpx.Response(status, json=body)

    def call(self, content: Content = HELLO, to: str = ANN) -> Call:
        return Call(self.sender, (to,), content)


def listed(*items: dict[str, Any], pages: int = 1) -> dict[str, Any]:
    return {"data": list(items), "meta": {"page": 1, "per_page": 100, "total_pages": pages}}


def chat(number: str = ANN, name: str = "conv-1", **more: Any) -> dict[str, Any]:
    return {"id": name, "phone_number": number, "status": "active", **more}


# Settings


@pytest.mark.parametrize(
    ("api", "url"),
    [
        ("legacy", "https://app.kapso.ai/api/v1"),
        ("current", "https://api.kapso.ai/meta/whatsapp/v24.0"),
    ],
)
def test_each_api_has_its_address(api: str, url: str):
    assert Provider({}, api).account.base_url == url
    keys = {"adapter": "kapso", "api": api, "api_key": SECRET_PLACE, "base_url": "http://127.0.0.1:1/kapso/"}
    assert KapsoAccount.model_validate(keys).base_url == "http://127.0.0.1:1/kapso"


@pytest.mark.parametrize(("api", "key"), [("legacy", "whatsapp_config_id"), ("current", "phone_number_id")])
def test_a_sender_without_the_api_s_own_name_is_an_error(api: str, key: str):
    keys = {"adapter": "kapso", "api": api, "api_key": SECRET_PLACE, "senders": [{"name": "shop"}]}
    with pytest.raises(ValidationError, match=f"sender shop needs its {key}"):
        KapsoAccount.model_validate(keys)


def test_without_a_secret_no_webhook_is_believed():
    request = WebhookRequest("https://shop.example/", {"x-webhook-signature": ""}, b"{}", SINCE)
    with pytest.raises(UsageError, match="webhook_secret is not set"):
        Provider({}).adapter.verify(request)


# Conversations


async def test_the_person_s_conversation_is_found():
    provider = Provider({"/whatsapp_conversations": listed(chat(BEN, "conv-0"), chat())})
    call = await provider.adapter.prepare(provider.http, provider.call())
    assert isinstance(call, Call)
    assert call.conversations == ("conv-1",)
    assert dict(provider.asked[0].url.params) == {
        "phone_number": ANN,
        "q[status_eq]": "active",
        "per_page": "100",
    }
    assert provider.adapter.build(call).url.path.endswith("/whatsapp_conversations/conv-1/whatsapp_messages")


@pytest.mark.parametrize(
    ("chats", "senders", "found"),
    [
        ([], 1, ()),
        ([chat(BEN)], 1, ()),
        ([chat("12025550123")], 1, ("conv-1",)),
        ([chat()], 2, ()),
        ([chat(whatsapp_config_id=OTHER)], 2, ()),
        ([chat(whatsapp_config_id=OTHER)], 1, ()),
        ([chat(whatsapp_config_id=OTHER), chat(name="mine", whatsapp_config_id=CONFIG)], 2, ("mine",)),
    ],
    ids=["none", "somebody else's", "no plus", "whose?", "other sender", "unknown sender", "mine"],
)
async def test_a_conversation_with_another_number_of_ours_is_not_used(chats, senders, found):
    provider = Provider({"/whatsapp_conversations": listed(*chats)}, senders=senders)
    call = await provider.adapter.prepare(provider.http, provider.call())
    assert isinstance(call, Call)
    assert call.conversations == found
    if not found:
        assert provider.adapter.build(call).url.path == "/api/v1/whatsapp_messages"


async def test_a_template_asks_for_no_conversation():
    provider = Provider({})
    call = provider.call(TEMPLATE)
    assert await provider.adapter.prepare(provider.http, call) == call
    assert provider.asked == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, FailureKind.CAMPAIGN), (500, FailureKind.NOT_SENT), (429, FailureKind.NOT_SENT)],
)
async def test_a_conversation_that_cannot_be_asked_for_sends_nothing(status: int, kind: FailureKind):
    provider = Provider({"/whatsapp_conversations": (status, {"error": "No"})})
    refused = await provider.adapter.prepare(provider.http, provider.call())
    assert isinstance(refused, Refused)
    assert refused.kind is kind
    assert [request.method for request in provider.asked] == ["GET"]


async def test_a_conversation_that_no_longer_exists_is_looked_up_again():
    provider = Provider({"/whatsapp_conversations": listed(chat())})
    call = await provider.adapter.prepare(provider.http, provider.call())
    reply = await provider.http.exchange(provider.adapter.build(call))
    [refused] = provider.adapter.read(reply, call)
    assert (refused.kind, refused.code) == (FailureKind.NOT_SENT, "404")


async def test_the_current_api_needs_no_conversation():
    provider = Provider({}, "current")
    call = provider.call()
    assert await provider.adapter.prepare(provider.http, call) == call
    assert provider.asked == []


# Windows


async def test_the_legacy_window_is_a_day_after_the_newest_inbound_message():
    inbound = [
        {"id": "a", "direction": "inbound", "created_at": "2026-11-20T09:00:00Z"},
        {"id": "b", "direction": "outbound", "created_at": "2026-11-20T11:00:00Z"},
        {"id": "c", "direction": "inbound", "created_at": "2026-11-20T10:00:00Z"},
    ]
    messages = "/whatsapp_conversations/conv-1/whatsapp_messages"
    provider = Provider({"/whatsapp_conversations": listed(chat()), messages: listed(*inbound)})
    until = await provider.adapter.window(provider.http, provider.sender, ANN)
    assert until == datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert await provider.adapter.window(provider.http, provider.sender, BEN) is None


async def test_the_current_window_is_a_day_after_last_inbound_at():
    chats = [
        chat(kapso={"last_inbound_at": "2026-11-20T10:00:00Z"}),
        chat(kapso={"last_inbound_at": None}),
        chat(BEN, kapso={"last_inbound_at": "2026-11-20T11:00:00Z"}),
    ]
    provider = Provider({"/100/conversations": {"data": chats}}, "current")
    until = await provider.adapter.window(provider.http, provider.sender, ANN)
    assert until == datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert provider.asked[0].url.params["phone_number"] == ANN
    assert await provider.adapter.window(provider.http, provider.sender, "+12025550125") is None


@pytest.mark.parametrize(
    ("api", "path"), [("legacy", "/whatsapp_conversations"), ("current", "/100/conversations")]
)
async def test_a_window_that_cannot_be_asked_for_is_not_called_closed(api: str, path: str):
    provider = Provider({path: (500, {"error": "x"})}, api)
    with pytest.raises(Unavailable):
        await provider.adapter.window(provider.http, provider.sender, ANN)


# Polling


async def polled(provider: Provider, *ids: str) -> dict[str, JobState | None]:
    pages = provider.adapter.poll(provider.http, provider.sender, ids, SINCE, SINCE)
    return {report.message_id: report.state async for page in pages for report in page}


async def test_the_current_api_is_asked_by_id():
    def message(status: str) -> dict[str, Any]:
        return {
            "id": "wamid.1",
            "timestamp": "1705328096",
            "kapso": {"direction": "outbound", "status": status},
        }

    answers = {
        "/100/messages/wamid.1": message("delivered"),
        "/100/messages/wamid.2": message("pondered"),
        "/100/messages/wamid.4": {"id": "wamid.4"},
    }
    provider = Provider(answers, "current")
    found = await polled(provider, "wamid.1", "wamid.2", "wamid.3", "wamid.4")
    assert found == {"wamid.1": JobState.DELIVERED, "wamid.2": None}
    assert provider.asked[0].url.params["fields"].startswith("kapso(")


async def test_the_legacy_api_is_asked_through_the_conversations_active_since():
    def messages(*items: tuple[str, str | None, str]) -> dict[str, Any]:
        return listed(
            *(
                {"id": name, "whatsapp_message_id": wamid, "status": status, "direction": "outbound"}
                for name, wamid, status in items
            )
        )

    def page(request: httpx.Request) -> dict[str, Any]:
        chats = {"1": [chat(), chat(BEN, "conv-2")], "2": [chat(BEN, "gone"), chat(BEN, "conv-3")]}
        return listed(*chats[request.url.params["page"]], pages=2)

    path = "/whatsapp_conversations/{}/whatsapp_messages".format
    answers: dict[str, Any | Callable[..., Any]] = {
        "/whatsapp_conversations": page,
        path("conv-1"): messages(("m1", "wamid.1", "read"), ("m2", "wamid.2", "sent")),
        path("conv-2"): messages(("m3", "wamid.3", "sent")),
        path("conv-3"): messages(("m4", None, "failed")),
    }
    provider = Provider(answers)
    assert await polled(provider, "wamid.1", "m4", "unknown") == {
        "wamid.1": JobState.READ,
        "m4": JobState.FAILED,
    }
    assert provider.asked[0].url.params["q[last_active_at_gteq]"] == "2026-11-20T11:58:00+00:00"
    provider.asked.clear()
    assert await polled(provider, "wamid.2") == {"wamid.2": JobState.SENT}
    assert [request.url.path for request in provider.asked] == [
        "/api/v1/whatsapp_conversations",
        "/api/v1" + path("conv-1"),
    ]


# Senders and the account


@pytest.mark.parametrize(
    ("api", "path", "key"),
    [("legacy", f"/whatsapp_configs/{CONFIG}", "whatsapp_config_id"), ("current", "/100", "phone_number_id")],
)
async def test_a_sender_that_kapso_does_not_know_is_named(api: str, path: str, key: str):
    assert key in (
        await Provider({}, api).adapter.sender_problem(Provider({}, api).http, Provider({}, api).sender)
    )
    provider = Provider({path: {"data": {"id": CONFIG}}}, api)
    assert await provider.adapter.sender_problem(provider.http, provider.sender) is None


async def test_a_check_describes_its_result():
    legacy = Provider({"/whatsapp_configs": listed({"id": CONFIG}, {"id": "x"})})
    assert "1 of 1 senders are among its 2 numbers" in await legacy.adapter.check(legacy.http)
    current = Provider({"/100": {"id": "100", "display_phone_number": "+1 202-555-0100"}}, "current")
    assert "s0 is +1 202-555-0100" in await current.adapter.check(current.http)
    with pytest.raises(UsageError, match="no sender"):
        await Provider({}, "current", senders=0).adapter.check(current.http)
    refusing = Provider({"/100": (401, {"error": "Invalid or missing API key"})}, "current")
    with pytest.raises(AccountError):
        await refusing.adapter.check(refusing.http)


# A message in doubt

CHATS, IN_CHAT = "/whatsapp_conversations", "/whatsapp_conversations/conv-1/whatsapp_messages"


def sent(**changes: Any) -> dict[str, Any]:
    """As the page's 201 shows a message."""
    return {
        "id": "msg-1",
        "phone_number": ANN,
        "message_type": "text",
        "content": "Hello",
        "direction": "outbound",
        "status": "delivered",
        "whatsapp_message_id": "wamid.1",
        "message_type_data": {"text": "Hello"},
        "created_at": "2026-11-20T12:00:01Z",
        **changes,
    }


async def looked_up(*messages: dict[str, Any], content: Content = HELLO, known: Any = ()) -> Lookup:
    provider = Provider({CHATS: listed(chat()), IN_CHAT: listed(*messages)})
    doubt = Doubt(ANN, content, SINCE, frozenset(known))
    return await provider.adapter.look_up(provider.http, provider.sender, doubt)


async def test_a_message_in_doubt_is_found_in_the_person_s_conversation():
    found = await looked_up(sent(content="Other"), sent(content=" Hello\n"))
    assert isinstance(found, Found)
    assert (found.report.message_id, found.report.state) == ("wamid.1", JobState.DELIVERED)
    without = await looked_up(sent(whatsapp_message_id=None, status="pending"))
    assert isinstance(without, Found)
    assert (without.report.message_id, without.report.state) == ("msg-1", JobState.ACCEPTED)


async def test_of_several_the_oldest_since_the_call_is_taken():
    later = sent(id="msg-2", whatsapp_message_id="wamid.2", created_at="2026-11-20T12:00:02Z")
    long_ago = sent(whatsapp_message_id="wamid.0", created_at="2026-11-20T11:57:59Z")
    found = await looked_up(later, sent(), long_ago)
    assert isinstance(found, Found)
    assert found.report.message_id == "wamid.1"
    other = await looked_up(later, sent(), known=["msg-1", "wamid.1"])
    assert isinstance(other, Found)
    assert other.report.message_id == "wamid.2"


@pytest.mark.parametrize(
    "change",
    [
        {"direction": "inbound"},
        {"content": "Hello!"},
        {"message_type": "image"},
        {"created_at": "2026-11-20T11:57:59Z"},
        {"created_at": None},
        {"id": None, "whatsapp_message_id": None},
    ],
)
async def test_a_message_that_may_be_another_s_is_not_adopted(change: dict[str, Any]):
    assert await looked_up(sent(**change)) == Unseen()


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({"template_name": "sale", "template_language": "en"}, True),
        ({"template_name": "sale"}, False),
        ({"template_name": "other", "template_language": "en"}, False),
        ({}, False),
    ],
)
async def test_a_template_is_found_if_the_list_names_it(data: dict[str, Any], found: bool):
    message = sent(message_type="template", content="Big sale", message_type_data=data)
    assert isinstance(await looked_up(message, content=TEMPLATE), Found) is found


async def test_what_is_not_seen_proves_nothing():
    assert await looked_up() == Unseen()
    nobody = Provider({CHATS: listed()})
    doubt = Doubt(ANN, HELLO, SINCE)
    assert await nobody.adapter.look_up(nobody.http, nobody.sender, doubt) == Unseen()
    silent = Provider({CHATS: (500, {})})
    with pytest.raises(Unavailable):
        await silent.adapter.look_up(silent.http, silent.sender, doubt)
    current = Provider({}, "current")
    with pytest.raises(Unavailable):
        await current.adapter.look_up(current.http, current.sender, doubt)


def test_what_each_api_can_do():
    legacy, current = Provider({}).adapter.capabilities, Provider({}, "current").adapter.capabilities
    assert (legacy.echoes_reference, legacy.looks_up) == (False, True)
    assert (current.echoes_reference, current.looks_up) == (True, False)
    assert Kapso.capabilities == current
    assert MessageType.STICKER in current.types - legacy.types


def test_a_price_is_not_lost_to_a_later_status_without_one() -> None:
    pricing = {"billable": True, "type": "regular", "category": "marketing"}
    sent, delivered = {"status": "sent", "pricing": pricing}, {"status": "delivered", "pricing": None}
    report = report_of("wamid.1", "delivered", {"kapso": {"statuses": [sent, delivered]}})
    assert report.billed == Billed("marketing", None)


def test_a_message_that_fails_after_it_was_sent_is_not_charged() -> None:
    pricing = {"billable": True, "type": "regular", "category": "marketing"}
    history = [{"status": "sent", "pricing": pricing}, {"status": "failed", "errors": [{"code": 131049}]}]
    report = report_of("wamid.1", "failed", {"kapso": {"statuses": history}})
    assert (report.cost, report.billed) == (NOTHING, None)
