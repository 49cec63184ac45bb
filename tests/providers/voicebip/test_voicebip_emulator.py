"""The Voicebip adapter against its emulator, over real sockets, webhooks included."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campaigns.errors import AccountError
from campaigns.message.content import (
    Button,
    Content,
    Media,
    Menu,
    MessageType,
    Parameter,
    Row,
    Section,
    Template,
)
from campaigns.outcomes import Accepted, FailureKind, Refused, Result
from campaigns.states import JobState
from providers.adapter import Call
from providers.events import Event, Inbound, Preference, Report, WebhookRequest, WindowUntil
from providers.http.client import Http
from providers.voicebip.adapter import Voicebip, VoicebipAccount
from tests.providers.rawserver import Connection, raw_server
from tests.support.emulator import Emulator, running_emulator
from tests.support.states import settle

AGENT, FROM = "agt_PAEZ_njcfm2kycpjs", "+447700900100"
ADA, BOB = "+447700900123", "+447700900124"
HOOK_SECRET = "whs-Jt3-signing"
URL = "https://example.com/a.png"
HELLO = Content(MessageType.TEXT, "Hello")
ORDER = Content(
    MessageType.TEMPLATE, template=Template("order_confirmation", "en", (Parameter("ORDER-9182"),))
)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
PATIENCE = 20.0


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with running_emulator(read_percent=100) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Emulator:
    running.clear_faults()
    running.reset()
    return running


class Account:
    """An adapter and its way to the emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self.settings = VoicebipAccount.model_validate(
            {
                "adapter": "voicebip",
                "base_url": emulator.voicebip,
                "api_key": "env:EMULATOR_KEY",
                "webhook_secret": "env:HOOK_SECRET",
                "senders": [{"name": "shop", "agent_id": AGENT, "number": FROM}],
            }
        )
        self.emulator = emulator
        self.adapter = Voicebip(self.settings)
        self.http = Http(self.settings.base_url, self.adapter.credentials, timeout=10.0)
        [self.sender] = self.settings.senders

    def control(self, name: str, body: dict[str, Any]) -> None:
        self.emulator.control("POST", f"/voicebip/_control/{name}", body)

    async def send(self, to: str, content: Content = HELLO) -> Result:
        call = Call(self.sender, (to,), content)
        [result] = self.adapter.read(await self.http.exchange(self.adapter.build(call)), call)
        return result


@pytest.fixture
async def account(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Account]:
    monkeypatch.setenv("EMULATOR_KEY", emulator.api_key)
    monkeypatch.setenv("HOOK_SECRET", HOOK_SECRET)
    account = Account(emulator)
    yield account
    await account.http.aclose()


@dataclass
class Ear:
    """Our side of the webhook: every event that arrived, verified and read by the adapter."""

    adapter: Voicebip
    heard: list[Event] = field(default_factory=list)
    grown: asyncio.Condition = field(default_factory=asyncio.Condition)
    refusals: int = 0
    """How many of the next deliveries are answered with an error."""

    async def __call__(self, connection: Connection) -> None:
        head, _, body = (await connection.read_request()).partition(b"\r\n\r\n")
        if self.refusals:
            self.refusals -= 1
            return await connection.write(OK.replace(b"200 OK", b"503 Busy"))
        lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
        headers = {name.lower(): value for name, _, value in lines}
        request = WebhookRequest("/webhooks/account", headers, body, datetime.now(UTC))
        assert self.adapter.verify(request)
        async with self.grown:
            self.heard += self.adapter.parse_webhook(request)
            self.grown.notify_all()
        return await connection.write(OK)

    async def hears(self, count: int) -> list[Event]:
        """The events, once there are so many."""
        async with asyncio.timeout(PATIENCE), self.grown:
            await self.grown.wait_for(lambda: len(self.heard) >= count)
        return self.heard


@asynccontextmanager
async def listening(account: Account, **options: Any) -> AsyncIterator[Ear]:
    ear = Ear(account.adapter)
    async with raw_server(ear) as server:
        account.control("webhook", {"url": f"{server.url()}/hook", "secret": HOOK_SECRET, **options})
        yield ear


@pytest.mark.parametrize(
    "content",
    [
        HELLO,
        ORDER,
        Content(MessageType.IMAGE, "Look", (Media(URL),)),
        Content(MessageType.AUDIO, None, (Media(URL),)),
        Content(MessageType.DOCUMENT, "Read", (Media(URL),)),
        Content(MessageType.VIDEO, None, (Media(URL),)),
        Content(
            MessageType.TEXT,
            "Coming?",
            buttons=(Button("reply", "Yes", id="y"), Button("reply", "No", id="n")),
        ),
        Content(
            MessageType.LIST, "Size?", menu=Menu("Open", (Section((Row("s", "Small"),), "Sizes"),), "Order")
        ),
    ],
    ids=lambda content: f"{content.type}{'+buttons' if content.buttons else ''}",
)
async def test_each_type_is_taken_in_an_open_window(account: Account, content: Content):
    account.control("inbound", {"from": ADA})
    assert account.adapter.unsendable(content) is None
    result = await account.send(ADA, content)
    assert isinstance(result, Accepted)
    [entry] = account.emulator.ledger()
    assert (entry["id"], entry["to"]) == (result.message_id, ADA[1:])


async def test_refusals_mean_what_they_say(account: Account):
    missing = Content(MessageType.TEMPLATE, template=Template("missing_one", "en"))
    for to, content, kind in (
        (ADA, HELLO, FailureKind.USE_TEMPLATE),
        (ADA, missing, FailureKind.CAMPAIGN),
        ("+447700900908", ORDER, FailureKind.MESSAGE),
    ):
        result = await account.send(to, content)
        assert isinstance(result, Refused)
        assert result.kind is kind
    account.control("inbound", {"from": ADA, "text": "STOP"})
    gone = await account.send(ADA, ORDER)
    assert isinstance(gone, Refused)
    assert gone.kind is FailureKind.OPTED_OUT
    account.control("refuse", {"error_code": "INSUFFICIENT_BALANCE"})
    poor = await account.send(BOB, ORDER)
    assert isinstance(poor, Refused)
    assert (poor.kind, poor.code) == (FailureKind.CAMPAIGN, "INSUFFICIENT_BALANCE")
    assert account.emulator.ledger() == []


async def test_a_throttled_send_is_told_when_to_come_back(account: Account):
    account.emulator.fault("429", times=1, method="POST", retry_after=3)
    result = await account.send(ADA, ORDER)
    assert isinstance(result, Refused)
    assert (result.kind, result.code, result.retry_after) == (FailureKind.THROTTLED, "RATE_LIMITED", 3.0)


@pytest.mark.parametrize(
    "fault", ["reset_before", "500", "reset_after", "500_after", "half_answer", "garbage"]
)
async def test_what_may_have_left_is_in_doubt(account: Account, fault: str):
    account.emulator.fault(fault, times=1, method="POST")
    result = await account.send(ADA, ORDER)
    assert isinstance(result, Refused)
    assert result.kind is FailureKind.UNKNOWN


async def test_statuses_are_heard(account: Account):
    async with listening(account) as ear:
        result = await account.send(ADA, ORDER)
        failed = await account.send("+447700900901", ORDER)
        assert isinstance(result, Accepted)
        assert isinstance(failed, Accepted)
        reports = [event for event in await ear.hears(4) if isinstance(event, Report)]
    states = [report.state for report in reports if report.message_id == result.message_id]
    assert settle(JobState.ACCEPTED, (state for state in states if state)) is JobState.READ
    [bad] = [report for report in reports if report.message_id == failed.message_id]
    assert (bad.state, bad.code, bad.reason) == (JobState.FAILED, "131026", "Number is not on WhatsApp")


async def test_repeated_and_reordered_events_come_to_the_same(account: Account):
    async with listening(account, duplicate=1, reorder=0.5) as ear:
        result = await account.send(ADA, ORDER)
        assert isinstance(result, Accepted)
        reports = [event for event in await ear.hears(6) if isinstance(event, Report)]
    assert {report.message_id for report in reports} == {result.message_id}
    assert settle(JobState.ACCEPTED, (report.state for report in reports if report.state)) is JobState.READ


async def test_persons_are_heard(account: Account):
    async with listening(account) as ear:
        began = datetime.now(UTC)
        account.control("inbound", {"from": ADA, "text": "Hi"})
        await ear.hears(1)
        account.control("closing", {"from": ADA})
        await ear.hears(2)
        account.control("inbound", {"from": BOB, "text": "STOP"})
        wrote, closing, *rest = await ear.hears(4)
    assert isinstance(wrote, Inbound)
    assert (wrote.phone, wrote.number, wrote.text) == (ADA, FROM, "Hi")
    assert isinstance(closing, WindowUntil)
    assert closing.phone == ADA
    assert abs(closing.until - began - timedelta(hours=1)) < timedelta(seconds=PATIENCE)
    assert {type(event) for event in rest} == {Inbound, Preference}
    assert {event.phone for event in rest if isinstance(event, Preference)} == {BOB}


async def test_what_was_not_taken_is_delivered_again(account: Account):
    async with listening(account) as ear:
        ear.refusals = 1
        account.control("inbound", {"from": ADA})
        [wrote] = await ear.hears(1)
    assert isinstance(wrote, Inbound)


async def test_the_key_is_checked(account: Account, monkeypatch: pytest.MonkeyPatch):
    await account.send(ADA, ORDER)
    assert "1 WhatsApp conversations; 25.00 NGN" in await account.adapter.check(account.http)
    monkeypatch.setenv("EMULATOR_KEY", "another-key")
    http = Http(account.settings.base_url, account.adapter.credentials)
    with pytest.raises(AccountError):
        await account.adapter.check(http)
    await http.aclose()
