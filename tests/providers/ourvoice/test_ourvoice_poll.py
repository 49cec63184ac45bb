"""What is learnt about messages by polling Our Voice, and how many calls that takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from campaigns.errors import Unavailable
from campaigns.money.costs import Money
from campaigns.states import JobState
from providers.events import Report
from tests.providers.cases.ourvoice import SESSION, TABLE, message
from tests.providers.ourvoice_fake import (
    ADAPTER,
    NOON,
    SENDER,
    Provider,
    honest_page,
    many,
    page_ignored,
)


async def polled(provider: Provider, ids: list[str]) -> list[Report]:
    since, until = NOON - timedelta(hours=1), NOON
    pages = ADAPTER.poll(provider.http(), SENDER, ids, since, until)
    return [report async for page in pages for report in page]


async def test_a_poll_asks_for_one_session_s_own_messages_of_that_time():
    provider = Provider(many(5))
    await polled(provider, ["m1", "m2"])
    [request] = provider.asked
    assert dict(request.url.params.multi_items()) == {
        "filter[direction]": "outgoing",
        "session_id": SESSION,
        "time_from": "2024-01-15T10:58:00.000000Z",
        "time_to": "2024-01-15T12:02:00.000000Z",
        "limit": "100",
        "page": "1",
    }


@pytest.mark.parametrize(
    ("word", "state"),
    [*TABLE.statuses.items(), ("Delivered", JobState.DELIVERED), ("pondering", None), (None, None)],
)
async def test_each_status_and_one_that_we_do_not_know(word, state):
    [report] = await polled(Provider([message(id="m", status=word)]), ["m"])
    assert (report.status, report.state) == (word or "", state)


async def test_a_report_has_times_reason_and_price():
    told = message(
        id="m",
        status="failed",
        reason="Not on WhatsApp",
        cost=0,
        sent_at="2024-01-15T10:45:01.5Z",
        updated_at="2024-01-15T10:45:03Z",
    )
    [report] = await polled(Provider([told]), ["m"])
    sent = datetime(2024, 1, 15, 10, 45, 1, 500_000, tzinfo=UTC)
    failed = datetime(2024, 1, 15, 10, 45, 3, tzinfo=UTC)
    assert report == Report(
        "m",
        "failed",
        JobState.FAILED,
        failed,
        "Not on WhatsApp",
        Money(Decimal(0), "XXX"),
        ((JobState.SENT, sent),),
    )


async def test_a_delivered_report_is_dated_by_its_delivery():
    told = message(
        id="m", status="delivered", sent_at="2024-01-15T10:45:01Z", delivered_at="2024-01-15T10:46:00Z"
    )
    [report] = await polled(Provider([told]), ["m"])
    assert report.at == datetime(2024, 1, 15, 10, 46, tzinfo=UTC)
    assert [state for state, _ in report.times] == [JobState.SENT, JobState.DELIVERED]


async def test_other_people_s_messages_are_left_out():
    reports = await polled(Provider(many(50)), ["m3", "m40"])
    assert sorted(report.message_id for report in reports) == ["m3", "m40"]


async def test_a_poll_walks_the_pages_only_as_far_as_it_must():
    provider = Provider(many(500))
    assert len(await polled(provider, [f"m{number}" for number in range(150)])) == 150
    assert provider.paths == ["messages"] * 2


async def test_messages_missing_from_the_list_are_asked_by_id_and_unknown_ones_left_out():
    provider = Provider(many(30))
    provider.page = lambda messages, limit, page: messages[:5] if page == 1 else []
    reports = await polled(provider, ["m1", "m20", "gone"])
    assert [report.message_id for report in reports] == ["m1", "m20"]
    assert provider.paths == ["messages", "messages/m20", "messages/gone"]


async def test_a_list_that_cannot_be_walked_is_finished_by_id():
    provider = Provider(many(103))
    provider.page = page_ignored
    reports = await polled(provider, [f"m{number}" for number in range(103)])
    assert len(reports) == 103
    assert provider.paths[2:] == ["messages/m100", "messages/m101", "messages/m102"]


async def test_a_few_old_messages_do_not_cost_the_whole_list():
    provider = Provider(many(5_000))
    assert len(await polled(provider, ["m4000", "m4999"])) == 2
    assert len(provider.asked) <= 4


async def test_a_poll_for_nothing_asks_nothing():
    provider = Provider(many(3))
    assert await polled(provider, []) == []
    assert provider.asked == []


async def test_a_poll_gives_what_it_has_before_the_provider_fails():
    provider = Provider(many(200))

    def fails_later(messages: list[dict[str, Any]], limit: int, page: int) -> list[dict[str, Any]]:
        if page > 1:
            raise httpx.ReadError("reset")
        return honest_page(messages, limit, page)

    provider.page = fails_later
    pages = ADAPTER.poll(provider.http(), SENDER, [f"m{n}" for n in range(200)], NOON, NOON)
    got = await anext(pages)
    with pytest.raises(Unavailable):
        await anext(pages)
    assert len(got) == 100
