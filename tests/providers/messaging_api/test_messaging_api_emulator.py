"""The Messaging API's adapter against its emulator, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from campaigns.message.content import Content, MessageType, Parameter, Template
from campaigns.outcomes import Accepted, FailureKind, Refused
from campaigns.states import JobState
from providers.messaging_api.adapter import MessagingApi
from tests.providers.harness import HELLO, PERSON, EmulatedAccount
from tests.support.emulator import Emulator

NUMBER_ID = "f0e1d2c3-1234-4abc-9def-000011113333"
ADA, BOB = PERSON, "+447700900124"
SHIPPED = Content(
    MessageType.TEMPLATE,
    template=Template("order_shipped", "en", (Parameter("1234", "order_id"),), customer_name="Ada"),
)


class Account(EmulatedAccount[MessagingApi]):
    reference = ""

    def __init__(self, emulator: Emulator) -> None:
        keys = {
            "base_url": emulator.messaging_api,
            "senders": [{"name": "shop", "business_whatsapp_number_id": NUMBER_ID}],
        }
        super().__init__(emulator, MessagingApi, keys)

    def receives_from(self, *phones: str) -> None:
        self.control("inbound", {"from": list(phones)})

    async def states(self, *ids: str) -> set[JobState | None]:
        now = datetime.now(UTC)
        pages = self.adapter.poll(self.http, self.sender, ids, now - timedelta(minutes=5), now)
        return {report.state async for page in pages for report in page}


@pytest.fixture
async def account(emulator: Emulator) -> AsyncIterator[Account]:
    async with Account(emulator) as account:
        yield account


async def test_a_text_goes_only_to_people_who_wrote(account: Account):
    account.receives_from(ADA)
    result = await account.send(ADA)
    assert isinstance(result, Accepted)
    stranger = await account.send(BOB)
    assert isinstance(stranger, Refused)
    assert stranger.kind is FailureKind.USE_TEMPLATE
    [entry] = account.emulator.ledger()
    assert (entry["id"], entry["to"], entry["content"]) == (result.message_id, ADA[1:], "Hello")


async def test_a_template_starts_a_conversation_in_which_a_text_is_refused(account: Account):
    assert isinstance(await account.send(BOB, SHIPPED), Accepted)
    refused = await account.send(BOB)
    assert isinstance(refused, Refused)
    assert (refused.kind, refused.code) == (FailureKind.USE_TEMPLATE, "422")
    assert len(account.emulator.ledger()) == 1


async def test_a_window_is_reported(account: Account):
    assert await account.adapter.window(account.http, account.sender, ADA) is None
    account.receives_from(ADA)
    until = await account.adapter.window(account.http, account.sender, ADA)
    assert until is not None
    assert abs(until - datetime.now(UTC) - timedelta(hours=24)) < timedelta(minutes=1)


async def test_statuses_arrive_by_poll(account: Account):
    account.receives_from(ADA)
    first, second = await account.send(ADA), await account.send(BOB, SHIPPED)
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    began = datetime.now(UTC)
    while await account.states(first.message_id, second.message_id) != {JobState.READ}:
        assert datetime.now(UTC) < began + timedelta(seconds=20)


@pytest.mark.parametrize("answer", [201, 409])
@pytest.mark.parametrize("content", [HELLO, SHIPPED], ids=["text", "template"])
@pytest.mark.parametrize(
    "fault", ["reset_before", "500", "reset_after", "close_after", "500_after", "half_answer", "garbage"]
)
async def test_a_message_in_doubt_may_be_sent_again_with_its_key(
    account: Account, fault: str, content: Content, answer: int
):
    account.control("repeats", {"answer": answer})
    account.receives_from(ADA)
    account.emulator.fault(fault, times=1, method="POST")
    doubt = await account.send(ADA, content, "run7.41")
    assert isinstance(doubt, Refused)
    assert doubt.kind is FailureKind.UNKNOWN
    again = await account.send(ADA, content, "run7.41")
    assert isinstance(again, Accepted)
    assert [entry["id"] for entry in account.emulator.ledger()] == [again.message_id]


async def test_refusals_mean_what_they_say(account: Account):
    account.receives_from(ADA)
    account.emulator.fault("429", times=1, method="POST", retry_after=3)
    slow = await account.send(ADA)
    assert isinstance(slow, Refused)
    assert (slow.kind, slow.retry_after) == (FailureKind.THROTTLED, 3.0)
    missing = Content(MessageType.TEMPLATE, template=Template("missing_one", "en"))
    for to, content, kind in (
        (ADA, missing, FailureKind.CAMPAIGN),
        ("+447700900908", SHIPPED, FailureKind.MESSAGE),
    ):
        result = await account.send(to, content)
        assert isinstance(result, Refused)
        assert result.kind is kind
    assert account.emulator.ledger() == []


async def test_the_key_is_checked(account: Account, monkeypatch: pytest.MonkeyPatch):
    assert "accepts the key" in await account.adapter.check(account.http)
    await account.refuses_another_key(monkeypatch)
