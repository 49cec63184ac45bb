"""Our Voice's message list: every filter, every way of paging, every shape of an answer."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from campaigns.errors import Unavailable
from providers.ourvoice.api import (
    CannotPage,
    MessageFilter,
    list_messages,
    messages_in,
    show_message,
)
from tests.providers.cases.ourvoice import MESSAGE, SESSION, message
from tests.providers.contract import http_for
from tests.providers.ourvoice_fake import (
    ACCOUNT,
    ADAPTER,
    Provider,
    at_most,
    honest_page,
    many,
    page_ignored,
)


async def test_every_filter_of_the_list_is_sent_as_documented():
    provider = Provider()
    wanted = MessageFilter(
        to_numbers=["+22996000001", "22961000002"],
        from_number="+22997000000",
        status="delivered",
        direction="outgoing",
        type="text",
        session_id=SESSION,
        time_from=datetime(2024, 1, 15, 13, 30, tzinfo=UTC),
        time_to=datetime(2024, 1, 15, 15, 30, tzinfo=UTC).astimezone(),
    )
    assert [page async for page in list_messages(provider.http(), wanted, limit=10)] == []
    [request] = provider.asked
    assert (request.method, request.url.path) == ("GET", "/v1/whatsapp/messages")
    assert sorted(request.url.params.multi_items()) == sorted(
        [
            ("filter[to_number][]", "22996000001"),
            ("filter[to_number][]", "22961000002"),
            ("filter[from_number]", "22997000000"),
            ("filter[status]", "delivered"),
            ("filter[direction]", "outgoing"),
            ("filter[type]", "text"),
            ("session_id", SESSION),
            ("time_from", "2024-01-15T13:30:00.000000Z"),
            ("time_to", "2024-01-15T15:30:00.000000Z"),
            ("limit", "10"),
            ("page", "1"),
        ]
    )


@pytest.mark.parametrize(
    ("count", "page", "sizes", "calls"),
    [
        (0, honest_page, [], 1),
        (3, honest_page, [3], 1),
        (60, honest_page, [60], 2),
        (100, honest_page, [100], 2),
        (205, honest_page, [100, 100, 5], 3),
        (25, at_most(10), [10, 10, 5], 3),
        (9, page_ignored, [9], 1),
    ],
)
async def test_a_list_is_walked_to_its_end_and_no_message_comes_twice(count, page, sizes, calls):
    provider = Provider(many(count))
    provider.page = page
    pages = [found async for found in list_messages(provider.http(), MessageFilter())]
    assert [len(found) for found in pages] == sizes
    assert len({item.id for found in pages for item in found}) == count
    assert len(provider.asked) == calls


@pytest.mark.parametrize("count", [10, 60, 150])
async def test_a_page_that_repeats_itself_is_an_error_and_not_an_end(count):
    provider = Provider(many(count))
    provider.page = page_ignored
    with pytest.raises(CannotPage, match="repeated"):
        [page async for page in list_messages(provider.http(), MessageFilter())]


async def test_messages_that_move_to_the_next_page_meanwhile_come_once():
    provider = Provider(many(150))

    def one_more_each_time(messages: list[dict[str, Any]], limit: int, page: int) -> list[dict[str, Any]]:
        newer = [message(id=f"new{number}") for number in range(page - 1)]
        return honest_page(newer + messages, limit, page)

    provider.page = one_more_each_time
    found = [item.id async for page in list_messages(provider.http(), MessageFilter()) for item in page]
    assert sorted(found) == sorted(f"m{number}" for number in range(150))


async def test_one_message_with_all_its_fields():
    told = message(
        to_number=["+22996000001"],
        status="read",
        cost=2.5,
        provider_message_id="wa-1",
        otp_id="otp-1",
        sent_at="2024-01-15T10:45:01Z",
        delivered_at="2024-01-15 10:45:02",
        read_at="yesterday",
    )
    found = await show_message(Provider([told]).http(), MESSAGE["id"])
    assert (found.to_number, found.cost, found.provider_message_id, found.otp_id) == (
        "22996000001",
        Decimal("2.5"),
        "wa-1",
        "otp-1",
    )
    assert found.sent_at == datetime(2024, 1, 15, 10, 45, 1, tzinfo=UTC)
    assert found.delivered_at == datetime(2024, 1, 15, 10, 45, 2, tzinfo=UTC)
    assert found.read_at is None


@pytest.mark.parametrize(
    "body",
    [
        [MESSAGE],
        {"data": [MESSAGE]},
        {"data": MESSAGE},
        {"success": True, "message": MESSAGE},
        {"success": True, "messages": [MESSAGE]},
        {"data": {"messages": [MESSAGE], "count": 1}},
        {"data": {"data": [MESSAGE], "current_page": 1}},
        MESSAGE,
    ],
)
def test_each_shape_that_an_answer_may_have(body):
    assert [item.id for item in messages_in(body) or []] == [MESSAGE["id"]]


@pytest.mark.parametrize("body", [None, "queued", 7, {}, {"data": None}, {"message": "Done"}])
def test_what_is_not_a_list_of_messages(body):
    assert messages_in(body) is None


async def test_a_list_that_is_none_is_unavailable():
    http = http_for(ADAPTER, ACCOUNT, lambda _: httpx.Response(200, text="<html>Maintenance</html>"))
    with pytest.raises(Unavailable, match="not a list"):
        [page async for page in list_messages(http, MessageFilter())]
