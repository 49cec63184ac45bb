"""What the Messaging API's adapter asks besides sending: conversations, windows, statuses."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from campaigns.errors import Unavailable
from campaigns.message.content import Content, MessageType, Template
from campaigns.outcomes import FailureKind, Refused
from campaigns.states import JobState
from providers.adapter import Call
from providers.events import Report
from providers.http.client import Http
from tests.providers.cases.answers import LISTED
from tests.providers.cases.messaging_api import MESSAGE, TABLE, TO
from tests.providers.contract import http_for

ADAPTER, ACCOUNT = TABLE.adapter(), TABLE.settings()
SENDER = ACCOUNT.senders[0]
INBOX = "/api/v1/messaging/conversations"
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
TEN = "2026-01-15T10:01:00.000Z"
HELLO = Content(MessageType.TEXT, "Hello")


def conversation(**changes: Any) -> dict[str, Any]:
    """As the page lists one."""
    return LISTED | changes


class Inbox:
    """Answers as the page does, and remembers what was asked."""

    def __init__(self, *conversations: dict[str, Any], **messages: list[dict[str, Any]]) -> None:
        self.conversations, self.messages = conversations, messages
        self.asked: list[str] = []

    def http(self) -> Http:
        return http_for(ADAPTER, ACCOUNT, self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.raw_path.decode().removeprefix(INBOX))
        if request.url.path == INBOX:
            return httpx.Response(200, json={"message": "…", "data": self.conversations})
        found = self.messages.get(request.url.path.rpartition("/")[2])
        if found is None:
            return httpx.Response(404, json={"message": "Conversation not found"})
        return httpx.Response(200, json={"message": "…", "data": {"id": "1", "messages": found}})

    async def polled(self, *ids: str, since: datetime = NOON - timedelta(hours=3)) -> list[Report]:
        pages = ADAPTER.poll(self.http(), SENDER, ids, since, NOON)
        return [report async for page in pages for report in page]


def message(message_id: str, status: str | None = "sent", **changes: Any) -> dict[str, Any]:
    return MESSAGE | {"id": message_id, "deliveryStatus": status} | changes


async def prepared(inbox: Inbox, content: Content = HELLO) -> Call | Refused:
    return await ADAPTER.prepare(inbox.http(), Call(SENDER, (TO,), content))


async def test_a_text_finds_the_conversation_with_exactly_that_number():
    inbox = Inbox(
        conversation(id="a", customerPhone=f"{TO}4"),
        conversation(id="b", customerName=TO, customerPhone="+33639980001"),
        conversation(id="c"),
        conversation(id="older"),
    )
    call = await prepared(inbox)
    assert isinstance(call, Call)
    assert call.conversations == ("c",)
    assert ADAPTER.build(call).url.path == f"{INBOX}/c/messages"
    assert inbox.asked == ["?search=%2B447700900123"]


async def test_without_a_conversation_a_template_must_go():
    result = await prepared(Inbox(conversation(customerPhone="+33639980001")))
    assert isinstance(result, Refused)
    assert (result.kind, result.code) == (FailureKind.USE_TEMPLATE, "no_conversation")


async def test_a_template_needs_no_conversation():
    inbox = Inbox()
    call = await prepared(inbox, Content(MessageType.TEMPLATE, template=Template("order_shipped", "en")))
    assert isinstance(call, Call)
    assert inbox.asked == []


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {}, FailureKind.CAMPAIGN),
        (404, {}, FailureKind.CAMPAIGN),
        (500, {}, FailureKind.NOT_SENT),
        (200, {"data": "nonsense"}, FailureKind.NOT_SENT),
        (200, [], FailureKind.NOT_SENT),
    ],
)
async def test_a_search_that_fails_has_sent_nothing(status: int, body: Any, kind: FailureKind):
    http = http_for(ADAPTER, ACCOUNT, lambda _: httpx.Response(status, json=body))
    result = await ADAPTER.prepare(http, Call(SENDER, (TO,), HELLO))
    assert isinstance(result, Refused)
    assert result.kind is kind


@pytest.mark.parametrize(
    ("told", "until"),
    [
        ("2026-01-15T09:58:00.000Z", datetime(2026, 1, 16, 9, 58, tzinfo=UTC)),
        ("2026-01-15T10:58:00+01:00", datetime(2026, 1, 16, 9, 58, tzinfo=UTC)),
        (None, None),
        ("yesterday", None),
    ],
)
async def test_a_window_ends_24_hours_after_the_last_inbound(told: str | None, until: datetime | None):
    http = Inbox(conversation(lastInboundAt=told)).http()
    assert await ADAPTER.window(http, SENDER, TO) == until


async def test_an_unknown_person_has_no_window():
    assert await ADAPTER.window(Inbox().http(), SENDER, TO) is None


async def test_statuses_come_from_the_conversations_that_we_wrote_to():
    inbox = Inbox(
        conversation(id="new", lastOutboundAt=TEN),
        conversation(id="gone", lastOutboundAt=TEN),
        conversation(id="untold", lastOutboundAt=None),
        conversation(id="old", lastOutboundAt="2026-01-01T10:00:00.000Z"),
        new=[message("m2", "delivered"), message("m1"), message("in", direction="inbound")],
        untold=[message("m3", "pondering"), {"id": None}, "nonsense"],
        old=[message("m4")],
    )
    assert await inbox.polled("m1", "m2", "m3", "m4", "in") == [
        Report("m2", "delivered", JobState.DELIVERED),
        Report("m1", "sent", JobState.SENT, datetime(2026, 1, 15, 10, 1, tzinfo=UTC)),
        Report("m3", "pondering", None),
    ]
    assert inbox.asked == ["", "/new", "/gone", "/untold"]


async def test_a_poll_ends_when_all_is_known():
    inbox = Inbox(
        conversation(id="a", lastOutboundAt=TEN),
        conversation(id="b", lastOutboundAt=TEN),
        a=[message("m1", "read")],
        b=[message("m2")],
    )
    assert await inbox.polled("m1") == [Report("m1", "read", JobState.READ)]
    assert inbox.asked == ["", "/a"]


async def test_many_reports_come_in_portions():
    ids = [f"m{n}" for n in range(45)]
    inbox = Inbox(
        *[conversation(id=f"c{n}", lastOutboundAt=TEN) for n in range(45)],
        **{f"c{n}": [message(f"m{n}")] for n in range(45)},
    )
    pages = ADAPTER.poll(inbox.http(), SENDER, ids, NOON - timedelta(hours=3), NOON)
    assert [len(page) async for page in pages] == [20, 20, 5]


async def test_a_poll_that_cannot_be_read_is_no_silence():
    http = http_for(ADAPTER, ACCOUNT, lambda _: httpx.Response(200, json={"data": {}}))
    with pytest.raises(Unavailable):
        await anext(ADAPTER.poll(http, SENDER, ["m1"], NOON, NOON))


def test_the_same_message_has_the_same_key_each_time():
    call = TABLE.call((TO,), HELLO, references=("run7.41",))
    keys = {ADAPTER.build(call).headers["Idempotency-Key"] for _ in range(2)}
    assert keys == {"run7.41"}
    template = replace(call, content=Content(MessageType.TEMPLATE, template=Template("order_shipped", "en")))
    assert ADAPTER.build(template).headers["Idempotency-Key"] == "run7.41.template"
    assert ADAPTER.capabilities.idempotent
