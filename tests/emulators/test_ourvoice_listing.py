"""Listing Our Voice messages: order, pages, and each filter."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from emulators.settings import Settings
from tests.emulators.conftest import MESSAGES, SESSION, SESSIONS, OurVoiceClient, spelled
from tests.support.cases import each

NUMBERS = [f"4477009{n:05}" for n in range(100, 125)]


@pytest.fixture
def settings() -> Settings:
    return Settings(read_percent=0)


@pytest.fixture
async def filled(ourvoice: OurVoiceClient) -> OurVoiceClient:
    """25 messages, a second apart; the last image's status is still queued."""
    for number in NUMBERS[:-1]:
        await ourvoice.sent(number)
        ourvoice.clock.move(1)
    await ourvoice.sent(NUMBERS[-1], type="image", media_url="https://example.com/image.jpg")
    return ourvoice


def numbers(messages: list[dict[str, Any]]) -> list[str]:
    return [message["to_number"] for message in messages]


async def test_newest_first_ten_by_default(filled: OurVoiceClient) -> None:
    assert numbers(await filled.found()) == NUMBERS[:-11:-1]


@each("extra", [{}, {"filter_direction": "outgoing"}, {"filter_from_number": "2290197000000"}])
@each("limit", [1, 7, 10, 25, 26, 1000])
async def test_pages_are_complete_and_do_not_overlap(
    filled: OurVoiceClient, limit: int, extra: dict[str, str]
) -> None:
    seen: list[str] = []
    page = 1
    while found := numbers(await filled.found(limit=limit, page=page, **extra)):
        assert len(found) <= limit
        seen += found
        page += 1
    assert seen == NUMBERS[::-1]
    assert page == -(-25 // limit) + 1


@each(
    ("query", "expected"),
    [
        ({"filter_to_number": NUMBERS[3]}, [NUMBERS[3]]),
        ({"filter_to_number": "+" + NUMBERS[3]}, [NUMBERS[3]]),
        ({"filter_to_number": [NUMBERS[3]]}, [NUMBERS[3]]),
        ({"filter_to_number": [NUMBERS[3], NUMBERS[9], NUMBERS[5]]}, [NUMBERS[9], NUMBERS[5], NUMBERS[3]]),
        ({"filter_to_number": [NUMBERS[3], NUMBERS[3]]}, [NUMBERS[3]]),
        ({"filter_to_number": "447700900999"}, []),
        ({"filter_from_number": "2290197000000", "limit": 1}, [NUMBERS[-1]]),
        ({"filter_from_number": "22997000001"}, []),
        ({"filter_status": "queued"}, [NUMBERS[-1]]),
        ({"filter_status": "delivered", "limit": 2}, [NUMBERS[-2], NUMBERS[-3]]),
        ({"filter_status": "read"}, []),
        ({"filter_status": "scheduled"}, []),
        ({"filter_direction": "outgoing", "limit": 1}, [NUMBERS[-1]]),
        ({"filter_direction": "incoming"}, []),
        ({"filter_type": "image"}, [NUMBERS[-1]]),
        ({"filter_type": "video"}, []),
        ({"session_id": SESSION, "limit": 1}, [NUMBERS[-1]]),
        ({"session_id": f"session_{SESSION}", "limit": 1}, [NUMBERS[-1]]),
        ({"session_id": "7f9e1234-abcd-4ef0-8765-aabbccddeeff"}, []),
        ({"session_id": SESSION, "filter_to_number": NUMBERS[3]}, [NUMBERS[3]]),
        ({"time_from": "2027-01-15T08:00:23Z"}, [NUMBERS[-1], NUMBERS[-2]]),
        ({"time_from": "2027-01-15T09:00:23+01:00"}, [NUMBERS[-1], NUMBERS[-2]]),
        ({"time_from": "2027-01-15T08:00:23.000001Z"}, [NUMBERS[-1]]),
        ({"time_to": "2027-01-15T08:00:01.000000Z"}, [NUMBERS[1], NUMBERS[0]]),
        ({"time_to": "2027-01-15T08:00:00"}, [NUMBERS[0]]),
        ({"time_from": "2027-01-15T08:00:03Z", "time_to": "2027-01-15T08:00:04Z"}, [NUMBERS[4], NUMBERS[3]]),
        ({"time_from": "2027-01-15T08:00:04Z", "time_to": "2027-01-15T08:00:03Z"}, []),
        ({"time_from": "2027-01-15T08:00:03Z", "filter_to_number": [NUMBERS[2], NUMBERS[3]]}, [NUMBERS[3]]),
        (
            {"time_to": "2027-01-15T08:00:09Z", "filter_status": "delivered", "limit": 1, "page": 3},
            [NUMBERS[7]],
        ),
    ],
)
async def test_filters(filled: OurVoiceClient, query: dict[str, Any], expected: list[str]) -> None:
    assert numbers(await filled.found(**query)) == expected
    assert numbers(await filled.found(f"{MESSAGES}/{SESSION}/session", **query)) == expected


@each(
    "query",
    [
        {"filter_to_number": "447"},
        {"filter_to_number": [NUMBERS[0], ""]},
        {"filter_from_number": "abc"},
        {"filter_status": "accepted"},
        {"filter_direction": "out"},
        {"filter_type": "sticker"},
        {"filter_name": "x"},
        {"status": "delivered"},
        {"time_from": "yesterday"},
        {"time_to": "2027-01-15T08:00:00 01:00"},
        {"limit": 0},
        {"limit": -1},
        {"limit": "ten"},
        {"limit": 1001},
        {"page": 0},
    ],
)
async def test_a_wrong_query_is_refused(ourvoice: OurVoiceClient, query: dict[str, Any]) -> None:
    answer = await ourvoice.http.get(MESSAGES, params=spelled(query))
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == list(spelled(query))


async def test_an_array_without_brackets_is_refused(ourvoice: OurVoiceClient) -> None:
    answer = await ourvoice.http.get(
        f"{MESSAGES}?filter[to_number]=447700900100&filter[to_number]=447700900101"
    )
    assert answer.status_code == 422
    assert "more than once" in answer.json()["message"]


async def test_created_at_can_be_used_as_a_bound(ourvoice: OurVoiceClient) -> None:
    """What the API printed finds exactly that message again, whatever the fraction of the second."""
    for fraction in (0.1, 0.123456, 0.7, 1e-6, 0.654321):
        ourvoice.clock.now = round(ourvoice.clock.now + 1 + fraction, 6)
        (message,) = await ourvoice.sent("447700900100")
        at = message["created_at"]
        assert [found["id"] for found in await ourvoice.found(time_from=at, time_to=at)] == [message["id"]]


async def test_messages_of_one_session(ourvoice: OurVoiceClient) -> None:
    other = (await ourvoice.http.post(SESSIONS)).json()["session"]
    await ourvoice.http.post(f"/ourvoice/_control/sessions/{other['id']}/scan")
    (first,) = await ourvoice.sent("447700900100")
    (second,) = await ourvoice.sent("447700900100", whatsapp_session_id=other["id"])
    for name in (other["id"], other["session_id"]):
        assert [each["id"] for each in await ourvoice.found(f"{MESSAGES}/{name}/session")] == [second["id"]]
        assert [each["id"] for each in await ourvoice.found(session_id=name)] == [second["id"]]
    both = await ourvoice.found(filter_to_number="447700900100")
    assert [each["id"] for each in both] == [second["id"], first["id"]]
    mine = await ourvoice.found(filter_to_number="447700900100", session_id=SESSION)
    assert [each["id"] for each in mine] == [first["id"]]
    assert await ourvoice.found(f"{MESSAGES}/{SESSION}/session", session_id=other["id"]) == []


async def test_messages_of_an_unknown_session(ourvoice: OurVoiceClient) -> None:
    answer = await ourvoice.http.get(f"{MESSAGES}/7f9e1234-abcd-4ef0-8765-aabbccddeeff/session")
    assert answer.status_code == 404


async def test_a_listed_message_has_every_documented_property(filled: OurVoiceClient) -> None:
    (message,) = await filled.found(limit=1)
    assert set(message) == {
        *("id", "whatsapp_session_id", "campaign_id", "otp_id", "provider_message_id", "from_number"),
        *("to_number", "type", "content", "media_url", "status", "direction", "reason", "cost"),
        *("sent_at", "delivered_at", "read_at", "metadata", "created_at", "updated_at"),
    }
    assert await filled.show(message["id"]) == message


async def test_the_messages_of_one_call_are_listed_last_first(ourvoice: OurVoiceClient) -> None:
    await ourvoice.sent(*NUMBERS[:5])
    listed = await ourvoice.found()
    assert all(newer["created_at"] >= older["created_at"] for newer, older in pairwise(listed))
    assert numbers(listed) == NUMBERS[4::-1]
