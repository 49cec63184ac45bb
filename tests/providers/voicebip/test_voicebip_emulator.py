"""The Voicebip adapter against its emulator, over real sockets, webhooks included."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

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
from campaigns.outcomes import Accepted, FailureKind, Refused
from campaigns.states import JobState
from providers.events import Inbound, Preference, Report, WindowUntil
from providers.voicebip.adapter import Voicebip
from tests.providers.harness import HELLO, HOOK_SECRET, PATIENCE, PERSON, EmulatedAccount, receiving
from tests.support.emulator import Emulator
from tests.support.states import settle

AGENT, FROM = "agt_PAEZ_njcfm2kycpjs", "+447700900100"
ADA, BOB = PERSON, "+447700900124"
URL = "https://example.com/a.png"
ORDER = Content(
    MessageType.TEMPLATE, template=Template("order_confirmation", "en", (Parameter("ORDER-9182"),))
)


class Account(EmulatedAccount[Voicebip]):
    def __init__(self, emulator: Emulator) -> None:
        keys = {
            "base_url": emulator.voicebip,
            "webhook_secret": f"env:{HOOK_SECRET}",
            "senders": [{"name": "shop", "agent_id": AGENT, "number": FROM}],
        }
        super().__init__(emulator, Voicebip, keys)


@pytest.fixture
async def account(emulator: Emulator) -> AsyncIterator[Account]:
    async with Account(emulator) as account:
        yield account


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


async def test_a_throttled_send_gets_a_retry_delay(account: Account):
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


async def test_statuses_arrive(account: Account):
    async with receiving(account) as receiver:
        result = await account.send(ADA, ORDER)
        failed = await account.send("+447700900901", ORDER)
        assert isinstance(result, Accepted)
        assert isinstance(failed, Accepted)
        reports = [event for event in await receiver.receive(4) if isinstance(event, Report)]
    states = [report.state for report in reports if report.message_id == result.message_id]
    assert settle(JobState.ACCEPTED, (state for state in states if state)) is JobState.READ
    [bad] = [report for report in reports if report.message_id == failed.message_id]
    assert (bad.state, bad.code, bad.reason) == (JobState.FAILED, "131026", "Number is not on WhatsApp")


async def test_repeated_and_reordered_events_come_to_the_same(account: Account):
    async with receiving(account, duplicate=1, reorder=0.5) as receiver:
        result = await account.send(ADA, ORDER)
        assert isinstance(result, Accepted)
        reports = [event for event in await receiver.receive(6) if isinstance(event, Report)]
    assert {report.message_id for report in reports} == {result.message_id}
    assert settle(JobState.ACCEPTED, (report.state for report in reports if report.state)) is JobState.READ


async def test_inbound_messages_arrive(account: Account):
    async with receiving(account) as receiver:
        began = datetime.now(UTC)
        account.control("inbound", {"from": ADA, "text": "Hi"})
        await receiver.receive(1)
        account.control("closing", {"from": ADA})
        await receiver.receive(2)
        account.control("inbound", {"from": BOB, "text": "STOP"})
        wrote, closing, *rest = await receiver.receive(4)
    assert isinstance(wrote, Inbound)
    assert (wrote.phone, wrote.number, wrote.text) == (ADA, FROM, "Hi")
    assert isinstance(closing, WindowUntil)
    assert closing.phone == ADA
    assert abs(closing.until - began - timedelta(hours=1)) < timedelta(seconds=PATIENCE)
    assert {type(event) for event in rest} == {Inbound, Preference}
    assert {event.phone for event in rest if isinstance(event, Preference)} == {BOB}


async def test_what_was_not_taken_is_delivered_again(account: Account):
    async with receiving(account) as receiver:
        receiver.refusals = 1
        account.control("inbound", {"from": ADA})
        [wrote] = await receiver.receive(1)
    assert isinstance(wrote, Inbound)


async def test_the_key_is_checked(account: Account, monkeypatch: pytest.MonkeyPatch):
    await account.send(ADA, ORDER)
    assert "1 WhatsApp conversations; 25.00 NGN" in await account.adapter.check(account.http)
    await account.refuses_another_key(monkeypatch)
