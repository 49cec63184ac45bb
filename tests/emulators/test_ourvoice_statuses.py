"""What becomes of an Our Voice message as time goes by."""

from __future__ import annotations

import pytest

from emulators import outcomes
from emulators.settings import Settings
from tests.emulators.conftest import START, OurVoiceClient

LATER = (0, 0.1, 0.5, 1.5, 29, 31, 3599, 3601, 7200)
RANK = {"queued": 0, "sent": 1, "delivered": 2, "read": 3, "failed": 4}


@pytest.fixture
def settings() -> Settings:
    return Settings(read_percent=100)


@pytest.mark.parametrize(
    ("number", "statuses"),
    [
        ("447700900123", "queued sent delivered read read read read read read"),
        ("447700900901", "queued failed failed failed failed failed failed failed failed"),
        ("447700900902", "queued sent failed failed failed failed failed failed failed"),
        ("447700900903", "queued sent sent sent sent sent sent sent sent"),
        ("447700900904", "queued queued queued queued queued queued queued delivered read"),
        ("447700900905", "read read read read read read read read read"),
        ("447700900906", "queued sent delivered delivered delivered delivered delivered delivered delivered"),
        ("33639980907", "queued sent sent sent sent delivered delivered delivered delivered"),
    ],
)
async def test_statuses_over_time(ourvoice: OurVoiceClient, number: str, statuses: str) -> None:
    (message,) = await ourvoice.sent(number)
    seen = []
    for later in LATER:
        ourvoice.clock.now = START + later
        seen.append(await ourvoice.show(message["id"]))
    assert " ".join(shown["status"] for shown in seen) == statuses
    assert all(shown["to_number"] == number for shown in seen)


async def test_times_are_told_when_they_have_come(ourvoice: OurVoiceClient) -> None:
    (message,) = await ourvoice.sent("447700900123")
    ourvoice.clock.move(0.7)
    shown = await ourvoice.show(message["id"])
    assert (shown["sent_at"], shown["delivered_at"], shown["read_at"]) == (
        "2027-01-15T08:00:00.100000Z",
        "2027-01-15T08:00:00.500000Z",
        None,
    )
    assert shown["updated_at"] == shown["delivered_at"]
    assert shown["provider_message_id"].startswith("3EB0")
    ourvoice.clock.move(1)
    assert (await ourvoice.show(message["id"]))["read_at"] == "2027-01-15T08:00:01.500000Z"


@pytest.mark.parametrize(
    ("number", "reason", "sent"),
    [("447700900901", "Number is not on WhatsApp", False), ("447700900902", "Message expired", True)],
)
async def test_a_failed_message_costs_nothing_and_says_why(
    ourvoice: OurVoiceClient, number: str, reason: str, sent: bool
) -> None:
    (message,) = await ourvoice.sent(number)
    assert message["cost"] == 10
    ourvoice.clock.move(60)
    shown = await ourvoice.show(message["id"])
    assert (shown["status"], shown["cost"], shown["reason"]) == ("failed", 0, reason)
    assert (shown["sent_at"] is not None, shown["delivered_at"]) == (sent, None)


async def test_the_messages_of_a_call_leave_delay_between_apart(ourvoice: OurVoiceClient) -> None:
    await ourvoice.sent("447700900001", "447700900002", "447700900003", delay_between=1000)
    ourvoice.clock.move(1.5)
    assert [message["status"] for message in await ourvoice.found()] == ["queued", "delivered", "read"]
    entries = (await ourvoice.http.get("/_ledger")).json()["messages"]
    assert [entry["left_at"] - START for entry in entries] == [0, 1, 2]


async def test_delay_between_is_half_a_second_by_default(ourvoice: OurVoiceClient) -> None:
    await ourvoice.sent("447700900001", "447700900002")
    entries = (await ourvoice.http.get("/_ledger")).json()["messages"]
    assert [entry["left_at"] - START for entry in entries] == [0, 0.5]


def test_about_a_third_reads_and_always_the_same_numbers() -> None:
    numbers = [f"4477009{n:05}" for n in range(1000, 11000)]
    outcome = [outcomes.plan(number, START, Settings()).outcome for number in numbers]
    assert 3300 < outcome.count("read") < 3700
    assert outcome == [outcomes.plan(number, START, Settings()).outcome for number in numbers]


@pytest.mark.parametrize("suffix", ["0901", "0902", "0903", "0904", "0905", "0906", "0907", "0123"])
def test_a_status_never_goes_back(suffix: str) -> None:
    plan = outcomes.plan(f"44770090{suffix}", START, Settings(read_percent=100))
    ranks = [RANK[plan.status(START + tenths / 10)] for tenths in range(50_000)]
    assert ranks == sorted(ranks)
    times = [at for at in (START, plan.sent_at, plan.delivered_at, plan.read_at) if at is not None]
    assert times == sorted(times)


@pytest.mark.parametrize(
    "options", [{"sent_after": 1, "delivered_after": 0.5}, {"sent_after": -1}, {"read_percent": 101}]
)
def test_settings_that_cannot_be(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        Settings.parse(options)


def test_unknown_setting_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'ballance'.*balance"):
        Settings.parse({"ballance": 1})
