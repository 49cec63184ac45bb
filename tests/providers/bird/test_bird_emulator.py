"""Bird's adapter against its emulator, over real sockets, webhooks included."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campaigns.message.content import (
    Button,
    Content,
    Location,
    Media,
    Menu,
    MessageType,
    Parameter,
    Row,
    Section,
    Template,
)
from campaigns.outcomes import FailureKind, Refused
from campaigns.states import JobState
from providers.adapter import Absent, Doubt, Found
from providers.bird.adapter import Bird
from providers.events import Event, Inbound, Report
from tests.providers.harness import HELLO, HOOK_SECRET, PERSON, EmulatedAccount, receiving
from tests.support.emulator import Emulator
from tests.support.states import settle

WORKSPACE = "0a5c7a3e-1111-4c7e-9d4b-5d2f1c000001"
CHANNEL = "0a5c7a3e-2222-4c7e-9d4b-5d2f1c000002"
FORM = Content(
    MessageType.TEMPLATE, template=Template("spring", "pt_BR", (Parameter("Ada", "name"),), project_id="p")
)
ONE, TWO = PERSON, "+33639980101"
MENU = Menu("Choose", (Section((Row("a", "One", "First"),), "Top"), Section((Row("b", "Two"),), "More")))


class Account(EmulatedAccount[Bird]):
    def __init__(self, emulator: Emulator) -> None:
        keys = {
            "base_url": emulator.bird,
            "webhook_secret": f"env:{HOOK_SECRET}",
            "workspace_id": WORKSPACE,
            "cap_frequency": True,
            "senders": [{"name": "shop", "channel_id": CHANNEL}],
        }
        super().__init__(emulator, Bird, keys)

    async def look_up(self, to: str = ONE) -> Any:
        doubt = Doubt(to, HELLO, datetime.now(UTC), reference="run.7")
        return await self.adapter.look_up(self.http, self.sender, doubt)

    async def polled_until(self, message_id: str, *states: JobState) -> Report:
        deadline = datetime.now(UTC) + timedelta(seconds=20)
        while datetime.now(UTC) < deadline:
            pages = self.adapter.poll(self.http, self.sender, [message_id], deadline, deadline)
            for report in [each async for page in pages for each in page]:
                if report.state in states:
                    return report
        raise AssertionError(f"{message_id} never became {states}")


@pytest.fixture
async def account(emulator: Emulator) -> AsyncIterator[Account]:
    async with Account(emulator) as account:
        yield account


def writes(emulator: Emulator, *people: str) -> None:
    emulator.control("POST", "/bird/_control/inbound", {"from": list(people), "text": "Hi"})


@pytest.mark.parametrize(
    "content",
    [
        HELLO,
        Content(MessageType.TEXT, "See https://shop.example", preview_url=True, reply_to="m-1"),
        Content(
            MessageType.TEXT,
            "Choose",
            buttons=(
                Button("reply", "Yes"),
                Button("postback", "More", payload="more"),
                Button("link", "Shop", url="https://shop.example"),
            ),
        ),
        Content(
            MessageType.IMAGE,
            "Two",
            (Media("https://a.example/1.png", "One"), Media("https://a.example/2.png")),
        ),
        Content(MessageType.STICKER, None, (Media("https://a.example/1.webp"),)),
        Content(MessageType.VIDEO, "See", (Media("https://a.example/a.mp4"),)),
        Content(MessageType.AUDIO, None, (Media("https://a.example/a.ogg"),)),
        Content(MessageType.DOCUMENT, "Read", (Media("https://a.example/a", filename="prix.pdf"),)),
        Content(
            MessageType.FILES, None, (Media("https://a.example/a.pdf"), Media("https://a.example/b.jpg"))
        ),
        Content(MessageType.LOCATION, location=Location(6.37, 2.39, "Shop", "Cotonou")),
        Content(MessageType.LIST, "Choose", menu=MENU),
        FORM,
    ],
    ids=lambda content: str(content.type),
)
async def test_each_type_is_taken_as_it_was_meant(emulator: Emulator, account: Account, content: Content):
    writes(emulator, ONE)
    message_id = await account.accepted(content=content)
    [entry] = emulator.ledger()
    assert (entry["id"], entry["to"], entry["content"]) == (message_id, ONE[1:], content.text)
    assert entry["media_url"] == content.media_url
    report = await account.polled_until(message_id, JobState.DELIVERED, JobState.READ)
    assert (report.message_id, report.reference) == (message_id, "run.7")


async def test_the_window_decides_what_becomes_of_free_form(emulator: Emulator, account: Account):
    assert await account.window() is None
    report = await account.polled_until(await account.accepted(), JobState.FAILED)
    assert (report.status, report.code) == ("sending_failed", "131047")
    await account.polled_until(await account.accepted(content=FORM), JobState.DELIVERED, JobState.READ)
    assert await account.window() is None
    writes(emulator, ONE)
    window = await account.window()
    assert window is not None
    assert timedelta(hours=23) < window - datetime.now(UTC) <= timedelta(hours=24)
    await account.polled_until(await account.accepted(), JobState.DELIVERED, JobState.READ)


@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        ("reset_before", False),
        ("close_before", False),
        ("503", False),
        ("reset_after", True),
        ("500_after", True),
        ("half_answer", True),
        ("garbage", True),
    ],
)
async def test_a_doubt_is_settled_by_the_list(emulator: Emulator, account: Account, fault: str, taken: bool):
    writes(emulator, ONE)
    emulator.fault(fault, times=1, method="POST")
    result = await account.send()
    assert isinstance(result, Refused)
    assert result.kind is FailureKind.UNKNOWN
    lookup = await account.look_up()
    ids = [entry["id"] for entry in emulator.ledger()]
    if taken:
        assert isinstance(lookup, Found)
        assert ids == [lookup.report.message_id]
    else:
        assert (lookup, ids) == (Absent(), [])


async def test_a_message_is_found_behind_many_others(emulator: Emulator, account: Account):
    writes(emulator, ONE)
    first = await account.accepted()
    for number in range(60):
        await account.send(reference=f"run.{number + 100}")
    lookup = await account.look_up()
    assert isinstance(lookup, Found)
    assert lookup.report.message_id == first


async def test_refusals_mean_what_they_say(emulator: Emulator, account: Account):
    emulator.fault("429", times=1, method="POST", retry_after=3)
    throttled = await account.send()
    assert isinstance(throttled, Refused)
    assert (throttled.kind, throttled.retry_after) == (FailureKind.THROTTLED, 3.0)
    refused = await account.send("+447700900908")
    assert isinstance(refused, Refused)
    assert (refused.kind, refused.code) == (FailureKind.MESSAGE, "InvalidPayload")
    assert "receiver.contacts.0.identifierValue" in refused.text
    lost = account.sender.model_copy(update={"channel_id": WORKSPACE})
    assert "has no channel with this id" in (await account.adapter.sender_problem(account.http, lost) or "")
    assert emulator.ledger() == []


async def test_the_key_is_checked(account: Account, monkeypatch: pytest.MonkeyPatch):
    assert "1 of 1 channels" in await account.adapter.check(account.http)
    await account.refuses_another_key(monkeypatch)


@pytest.mark.parametrize("way", [{}, {"duplicate": 1.0, "reorder": 0.5}], ids=["reliable", "unreliable"])
async def test_webhooks_are_signed_and_complete(account: Account, way: dict[str, float]):
    async with receiving(account, **way) as receiver:
        writes(account.emulator, ONE)
        inbounds = await receiver.receive(1 + len(way) // 2)
        assert len({request.body for request in receiver.requests}) == 1
        message_id = await account.accepted()
        events = await receiver.until(lambda events: states(events) == EVERY_STATE)
    for inbound in inbounds[: 1 + len(way) // 2]:
        assert isinstance(inbound, Inbound)
        assert (inbound.phone, inbound.number, inbound.text) == (ONE, CHANNEL, "Hi")
    reports = [event for event in events if isinstance(event, Report)]
    assert {report.message_id for report in reports} == {message_id}
    assert settle(JobState.SENDING, [report.state for report in reports if report.state]) is JobState.READ
    another = account.settings.model_copy(update={"webhook_secret": account.settings.api_key})
    assert not Bird(another).verify(receiver.requests[-1])


EVERY_STATE = {JobState.ACCEPTED, JobState.SENT, JobState.DELIVERED, JobState.READ}


def states(events: list[Event]) -> set[JobState | None]:
    return {event.state for event in events if isinstance(event, Report)}
