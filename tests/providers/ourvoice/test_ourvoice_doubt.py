"""Looking for a message in doubt in Our Voice's list."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from campaigns.errors import Unavailable
from campaigns.message.content import Content, Media, MessageType
from campaigns.states import JobState
from providers.adapter import Absent, Doubt, Found, Unseen
from tests.providers.cases.ourvoice import HELLO, MESSAGE, SESSION, message
from tests.providers.ourvoice_fake import (
    ADAPTER,
    SENDER,
    Provider,
    at_most,
    many,
    page_ignored,
)

INTENT = datetime(2024, 1, 15, 10, 44, 59, tzinfo=UTC)
DOUBT = Doubt("+22996000001", HELLO, INTENT)


async def test_a_doubt_is_looked_up_by_sender_recipient_and_time():
    provider = Provider()
    assert await ADAPTER.look_up(provider.http(), SENDER, DOUBT) == Absent()
    assert dict(provider.asked[0].url.params.multi_items()) == {
        "filter[to_number][]": "22996000001",
        "filter[direction]": "outgoing",
        "session_id": SESSION,
        "time_from": "2024-01-15T10:29:59.000000Z",
        "limit": "100",
        "page": "1",
    }


async def test_a_message_found_brings_its_status_with_it():
    lookup = await ADAPTER.look_up(Provider([message(status="delivered")]).http(), SENDER, DOUBT)
    assert isinstance(lookup, Found)
    assert (lookup.report.message_id, lookup.report.state) == (MESSAGE["id"], JobState.DELIVERED)


@pytest.mark.parametrize(
    "changes",
    [
        {"content": "Hello from Our Voice!\r\n"},
        {"content": "Hello from  Our Voice! "},
        {"to_number": "2290196000001"},
        {"to_number": ["+22996000001"]},
        {"direction": None},
        {"created_at": None},
    ],
)
async def test_a_message_that_the_provider_returns_slightly_changed_is_recognised(changes):
    assert isinstance(await ADAPTER.look_up(Provider([message(**changes)]).http(), SENDER, DOUBT), Found)


async def test_accents_may_be_composed_in_another_way():
    doubt = Doubt("+22996000001", Content(MessageType.TEXT, "Ça va, José ?"), INTENT)
    told = message(content=unicodedata.normalize("NFD", "Ça va, José ?"))
    assert isinstance(await ADAPTER.look_up(Provider([told]).http(), SENDER, doubt), Found)


@pytest.mark.parametrize(
    "changes",
    [
        {"content": "Hello from Our V…"},
        {"content": "Hello from Our Voice?"},
        {"content": None},
        {"type": "image", "media_url": "https://example.com/a.png"},
        {"media_url": "https://example.com/a.png"},
        {"id": None},
        {"to_number": None},
    ],
)
async def test_a_message_to_the_person_in_another_form_may_be_ours_and_is_not_sent_again(changes):
    """Nor is it adopted: it could as well be somebody else's."""
    assert await ADAPTER.look_up(Provider([message(**changes)]).http(), SENDER, DOUBT) == Unseen()
    known = replace(DOUBT, known_ids=frozenset({MESSAGE["id"]}))
    claimed = Absent() if "id" not in changes else Unseen()
    assert await ADAPTER.look_up(Provider([message(**changes)]).http(), SENDER, known) == claimed


async def test_a_page_is_counted_whole_though_a_message_of_it_has_no_id():
    provider = Provider(
        [message(id=None, to_number="22996000009"), *many(150, to_number="22996000009"), message()]
    )
    assert isinstance(await ADAPTER.look_up(provider.http(), SENDER, DOUBT), Found)


@pytest.mark.parametrize(
    "changes",
    [
        {"to_number": "22996000009"},
        {"direction": "incoming"},
        {"created_at": "2024-01-15T10:20:00Z"},
    ],
)
async def test_a_message_that_is_not_ours_is_not_adopted_even_if_filters_are_ignored(changes):
    assert await ADAPTER.look_up(Provider([message(**changes)]).http(), SENDER, DOUBT) == Absent()


async def test_media_are_the_same_by_address_and_caption():
    content = Content(MessageType.IMAGE, "Look", (Media("https://example.com/a.png"),))
    doubt = Doubt("+22996000001", content, INTENT)
    told = message(type="image", content="Look", media_url="https://example.com/a.png")
    assert isinstance(await ADAPTER.look_up(Provider([told]).http(), SENDER, doubt), Found)
    other = Provider([told | {"media_url": "https://x"}])
    assert await ADAPTER.look_up(other.http(), SENDER, doubt) == Unseen()


async def test_messages_of_other_jobs_are_skipped_and_the_oldest_of_the_rest_is_ours():
    told = [
        message(id="later", created_at="2024-01-15T10:50:00Z"),
        message(id="ours", created_at="2024-01-15T10:45:00Z"),
        message(id="known", created_at="2024-01-15T10:44:00Z"),
    ]
    doubt = Doubt("+22996000001", HELLO, INTENT, frozenset({"known"}))
    lookup = await ADAPTER.look_up(Provider(told).http(), SENDER, doubt)
    assert isinstance(lookup, Found)
    assert lookup.report.message_id == "ours"


async def test_absent_needs_a_list_read_to_its_end():
    strangers = many(150, content="Something else")
    provider = Provider([*strangers, message()])
    assert isinstance(await ADAPTER.look_up(provider.http(), SENDER, DOUBT), Found)
    provider.page = page_ignored
    with pytest.raises(Unavailable):
        await ADAPTER.look_up(provider.http(), SENDER, DOUBT)
    provider.page = at_most(10)
    assert isinstance(await ADAPTER.look_up(provider.http(), SENDER, DOUBT), Found)
