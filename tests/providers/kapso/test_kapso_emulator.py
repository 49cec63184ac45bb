"""The adapter against the emulator, over real sockets and over both APIs: two readings of the pages must agree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campaigns.message.content import (
    Button,
    Contact,
    ContactPhone,
    Content,
    Location,
    Media,
    Menu,
    MessageType,
    Parameter,
    Reaction,
    Row,
    Section,
    Template,
    TemplateHeader,
)
from campaigns.outcomes import Accepted, FailureKind, Refused
from campaigns.states import JobState
from providers.adapter import Doubt, Found, Unseen
from providers.events import Inbound, Report, WindowUntil
from providers.kapso.adapter import Kapso
from tests.providers.harness import (
    HELLO,
    HOOK_SECRET,
    PERSON,
    EmulatedAccount,
    Receiver,
    receiving,
)
from tests.support.emulator import Emulator

ANN, BEN = PERSON, "+447700900124"
SHOP, SHOP_CONFIG = "123456789012345", "4a5b6c7d-8e9f-4a1b-8c3d-4e5f6a7b8c9d"
TEMPLATE = Content(
    MessageType.TEMPLATE,
    template=Template("spring_sale", "en", (Parameter("Ann"),), TemplateHeader(text="Spring")),
)
PATHS = {"legacy": "/api/v1", "current": "/meta/whatsapp/v24.0"}
BOTH = pytest.mark.parametrize("account", ["legacy", "current"], indirect=True)


class Account(EmulatedAccount[Kapso]):
    def __init__(self, emulator: Emulator, api: str) -> None:
        self.api = api
        keys = {
            "api": api,
            "base_url": emulator.base_url + "/kapso" + PATHS[api],
            "webhook_secret": f"env:{HOOK_SECRET}",
            "senders": [{"name": "shop", "phone_number_id": SHOP, "whatsapp_config_id": SHOP_CONFIG}],
        }
        super().__init__(emulator, Kapso, keys)

    def writes(self, person: str = ANN, text: str = "Hi") -> None:
        self.control("inbound", {"from": person, "text": text})


@pytest.fixture
async def account(emulator: Emulator, request: pytest.FixtureRequest) -> AsyncIterator[Account]:
    async with Account(emulator, request.param) as account:
        account.control("templates", {"name": "spring_sale", "language": "en", "header": "TEXT"})
        yield account


CONTENTS = [
    HELLO,
    TEMPLATE,
    Content(MessageType.IMAGE, "Look", (Media("https://example.com/a.png"),)),
    Content(MessageType.VIDEO, None, (Media("https://example.com/a.mp4"),)),
    Content(MessageType.AUDIO, None, (Media("https://example.com/a.ogg"),)),
    Content(MessageType.DOCUMENT, "Read", (Media("https://example.com/a.pdf", filename="a.pdf"),)),
    Content(MessageType.LOCATION, location=Location(52.34, 4.9, "Shop", "1 High St")),
    Content(MessageType.REACTION, reaction=Reaction("wamid.1", "👍")),
    Content(
        MessageType.CONTACTS,
        contacts=(Contact("Ada Stone", "Ada", phones=(ContactPhone("+447700900125", "WORK"),)),),
    ),
    Content(MessageType.TEXT, "Well?", buttons=(Button("reply", "Yes", id="y"), Button("reply", "No"))),
    Content(
        MessageType.LIST,
        "Choose",
        menu=Menu("Open", (Section((Row("a", "A", "First"), Row("b", "B")), "All"),), "Menu"),
    ),
]


@BOTH
@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: content.type)
async def test_each_type_is_taken(account: Account, content: Content):
    account.writes()
    result = await account.send(content=content)
    assert isinstance(result, Accepted), result
    [entry] = account.emulator.ledger()
    assert (entry["id"], entry["to"], entry["provider"]) == (result.message_id, ANN[1:], "kapso")
    assert entry["session"] == SHOP


@BOTH
async def test_a_closed_window_asks_for_the_template(account: Account):
    refused = await account.send()
    assert isinstance(refused, Refused)
    assert (refused.kind, refused.code) == (FailureKind.USE_TEMPLATE, "131047")
    assert isinstance(await account.send(content=TEMPLATE), Accepted)
    assert await account.adapter.window(account.http, account.sender, ANN) is None
    account.writes()
    until = await account.adapter.window(account.http, account.sender, ANN)
    assert until is not None
    assert abs(until - datetime.now(UTC) - timedelta(hours=24)) < timedelta(minutes=1)
    assert isinstance(await account.send(), Accepted)


@BOTH
async def test_statuses_arrive_by_poll(account: Account):
    began = datetime.now(UTC)
    results = [await account.send(to, TEMPLATE) for to in (ANN, BEN, "+447700900901")]
    ids = [result.message_id for result in results if isinstance(result, Accepted)]
    assert len(ids) == 3
    states: dict[str, JobState | None] = {}
    while set(states.values()) != {JobState.READ, JobState.FAILED}:
        assert datetime.now(UTC) < began + timedelta(seconds=20)
        pages = account.adapter.poll(account.http, account.sender, [*ids, "gone"], began, began)
        states |= {report.message_id: report.state async for page in pages for report in page}
    assert states == dict(zip(ids, (JobState.READ, JobState.READ, JobState.FAILED), strict=True))


@BOTH
async def test_an_unreachable_person_is_final(account: Account):
    refused = await account.send("+447700900908", TEMPLATE)
    assert isinstance(refused, Refused)
    assert (refused.kind, refused.code) == (FailureKind.RECIPIENT, "131026")
    assert account.emulator.ledger() == []


@BOTH
@pytest.mark.parametrize(
    ("fault", "kind", "taken"),
    [
        ("429", FailureKind.THROTTLED, 0),
        ("503", FailureKind.UNKNOWN, 0),
        ("reset_before", FailureKind.UNKNOWN, 0),
        ("reset_after", FailureKind.UNKNOWN, 1),
        ("500_after", FailureKind.UNKNOWN, 1),
        ("half_answer", FailureKind.UNKNOWN, 1),
    ],
)
async def test_a_fault_has_its_documented_meaning(
    account: Account, fault: str, kind: FailureKind, taken: int
):
    account.emulator.fault(fault, times=1, method="POST", retry_after=60)
    result = await account.send(content=TEMPLATE)
    assert isinstance(result, Refused)
    assert result.kind is kind
    assert result.retry_after == (60.0 if fault == "429" else None)
    assert len(account.emulator.ledger()) == taken


@BOTH
async def test_the_sender_and_the_key_are_checked(account: Account, monkeypatch: pytest.MonkeyPatch):
    assert "Kapso accepts the key" in await account.adapter.check(account.http)
    assert await account.adapter.sender_problem(account.http, account.sender) is None
    stranger = account.sender.model_copy(update={"phone_number_id": "1", "whatsapp_config_id": "1"})
    assert "Kapso has no" in (await account.adapter.sender_problem(account.http, stranger) or "")
    await account.refuses_another_key(monkeypatch)


# Webhooks


@pytest.fixture
async def receiver(account: Account) -> AsyncIterator[Receiver]:
    async with receiving(account) as receiver:
        yield receiver


@BOTH
async def test_statuses_arrive_by_webhook_with_our_reference(account: Account, receiver: Receiver):
    account.writes()
    result = await account.send(reference="job-7")
    assert isinstance(result, Accepted)
    every = {JobState.SENT, JobState.DELIVERED, JobState.READ}
    events = await receiver.until(lambda found: every <= {_state(event) for event in found})
    [inbound] = [event for event in events if isinstance(event, Inbound)]
    assert (inbound.phone, inbound.number, inbound.text) == (ANN, SHOP, "Hi")
    reports = [event for event in events if isinstance(event, Report)]
    assert {report.message_id for report in reports} == {result.message_id}
    assert {report.state for report in reports} == every
    assert {report.reference for report in reports} == {"job-7" if account.api == "current" else None}
    windows = {event.until for event in events if isinstance(event, WindowUntil)}
    assert len(windows) == 1
    assert abs(windows.pop() - inbound.at - timedelta(hours=24)) <= timedelta(seconds=1)


@pytest.mark.parametrize("account", ["current"], indirect=True)
async def test_a_failure_and_a_batch_arrive_by_webhook(account: Account, receiver: Receiver):
    await account.send("+447700900901", TEMPLATE)
    [report] = await receiver.receive(1)
    assert isinstance(report, Report)
    assert (report.state, report.code) == (JobState.FAILED, "131026")
    wrote = [{"from": ANN, "text": "One"}, {"from": ANN, "text": "Two"}]
    account.control("inbound", wrote)
    _, *events = await receiver.receive(3)
    assert [event.text for event in events if isinstance(event, Inbound)] == ["One", "Two"]


def _state(event: Any) -> JobState | None:
    return event.state if isinstance(event, Report) else None


@pytest.mark.parametrize("account", ["legacy"], indirect=True)
@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: content.type)
async def test_a_legacy_message_in_doubt_of_any_type_is_found(account: Account, content: Content) -> None:
    await asyncio.to_thread(account.writes)
    before = datetime.now(UTC)
    doubt = Doubt(ANN, content, before)
    assert await account.adapter.look_up(account.http, account.sender, doubt) == Unseen()
    taken = await account.send(content=content)
    assert isinstance(taken, Accepted)
    found = await account.adapter.look_up(account.http, account.sender, doubt)
    assert isinstance(found, Found)
    assert found.report.message_id == taken.message_id
    known = Doubt(ANN, content, before, frozenset([taken.message_id]))
    assert await account.adapter.look_up(account.http, account.sender, known) == Unseen()
    assert (
        await account.adapter.look_up(account.http, account.sender, Doubt(BEN, content, before)) == Unseen()
    )
