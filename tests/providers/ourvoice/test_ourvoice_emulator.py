"""The adapter against the emulator, over real sockets: two readings of one document must agree."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from campaigns.errors import NotFound, Unavailable
from campaigns.message.content import Content, Media, MessageType
from campaigns.money.costs import Money
from campaigns.outcomes import Accepted, FailureKind, Refused, Result
from campaigns.states import JobState
from providers.adapter import Absent, Call, Doubt, Found
from providers.http.client import Answer, Reply
from providers.ourvoice.adapter import OurVoice
from providers.ourvoice.api import MessageFilter, list_messages, show_message
from tests.providers.harness import EmulatedAccount
from tests.support.emulator import Emulator

HELLO = Content(MessageType.TEXT, "Hello from Our Voice!")
NUMBERS = tuple(f"+33639980{number:03d}" for number in range(100, 160))
GRACE = timedelta(minutes=5)


class Account(EmulatedAccount[OurVoice]):
    def __init__(self, emulator: Emulator, timeout: float = 10.0) -> None:
        keys = {
            "base_url": emulator.ourvoice,
            "currency": "XOF",
            "senders": [{"name": "shop", "session_id": emulator.session_id}],
        }
        super().__init__(emulator, OurVoice, keys, timeout)

    async def send_to(self, *to: str, content: Content = HELLO) -> tuple[Reply, list[Result]]:
        return await self.exchange(Call(self.sender, to, content, gap=timedelta(milliseconds=1)))


@pytest.fixture
async def account(emulator: Emulator) -> AsyncIterator[Account]:
    async with Account(emulator) as account:
        yield account


@pytest.mark.parametrize(
    "content",
    [
        HELLO,
        Content(MessageType.IMAGE, "Look", (Media("https://example.com/a.png"),)),
        Content(MessageType.VIDEO, None, (Media("https://example.com/a.mp4"),)),
        Content(MessageType.AUDIO, None, (Media("https://example.com/a.ogg"),)),
        Content(MessageType.DOCUMENT, "Read", (Media("https://example.com/a.pdf"),)),
    ],
    ids=lambda content: content.type,
)
async def test_each_type_is_taken_with_its_cost(emulator: Emulator, account: Account, content: Content):
    reply, [result] = await account.send_to(NUMBERS[0], content=content)
    assert isinstance(result, Accepted)
    assert isinstance(reply, Answer)
    assert result.cost == Money(Decimal(10), "XOF")
    [entry] = emulator.ledger()
    assert (entry["id"], entry["to"], entry["type"]) == (result.message_id, NUMBERS[0][1:], content.type)
    assert (entry["content"], entry["media_url"]) == (content.text, content.media_url)
    balance = account.adapter.balance_in(reply)
    assert balance is not None
    assert balance.amount.currency == "XOF"


async def test_a_batch_is_polled_listed_and_shown(emulator: Emulator, account: Account):
    began = datetime.now(UTC)
    _, results = await account.send_to(*NUMBERS)
    ids = [result.message_id for result in results if isinstance(result, Accepted)]
    assert len(ids) == len(NUMBERS)
    assert {entry["to"]: entry["id"] for entry in emulator.ledger()} == {
        number[1:]: message_id for number, message_id in zip(NUMBERS, ids, strict=True)
    }
    pages = account.adapter.poll(account.http, account.sender, [*ids, "gone"], began, datetime.now(UTC))
    reports = [report async for page in pages for report in page]
    assert sorted(report.message_id for report in reports) == sorted(ids)
    assert all(report.state is not None for report in reports)

    everything = MessageFilter(direction="outgoing", time_from=began - GRACE, time_to=began + GRACE)
    listing = list_messages(account.http, everything, limit=25)
    assert sorted([message.id async for page in listing for message in page]) == sorted(ids)
    two = MessageFilter(to_numbers=NUMBERS[:2], type="text", from_number="2290197000000")
    found = [message async for page in list_messages(account.http, two) for message in page]
    assert {message.to_number for message in found} <= {number[1:] for number in NUMBERS[:2]}
    shown = await show_message(account.http, ids[0])
    assert (shown.to_number, shown.content) == (NUMBERS[0][1:], HELLO.text)


async def test_statuses_arrive_by_poll(account: Account):
    began = datetime.now(UTC)
    _, [result] = await account.send_to(NUMBERS[0])
    assert isinstance(result, Accepted)
    states: set[JobState | None] = set()
    while not states & {JobState.DELIVERED, JobState.READ}:
        assert datetime.now(UTC) < began + timedelta(seconds=20)
        pages = account.adapter.poll(account.http, account.sender, [result.message_id], began, began)
        states |= {report.state async for page in pages for report in page}


@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        ("reset_before", False),
        ("close_before", False),
        ("500", False),
        ("503", False),
        ("reset_after", True),
        ("close_after", True),
        ("500_after", True),
        ("half_answer", True),
        ("garbage", True),
        ("hang_after", True),
    ],
)
async def test_a_doubt_is_settled_by_the_list(emulator: Emulator, account: Account, fault: str, taken: bool):
    intent = datetime.now(UTC)
    emulator.fault(fault, times=1, method="POST")
    impatient = Account(emulator, timeout=0.5 if fault == "hang_after" else 10.0)
    _, [result] = await impatient.send_to(NUMBERS[0])
    await impatient.http.aclose()
    assert isinstance(result, Refused)
    assert result.kind is FailureKind.UNKNOWN
    lookup = await account.adapter.look_up(account.http, account.sender, Doubt(NUMBERS[0], HELLO, intent))
    ledger = emulator.ledger()
    if not taken:
        assert (lookup, ledger) == (Absent(), [])
        return
    assert isinstance(lookup, Found)
    assert [entry["id"] for entry in ledger] == [lookup.report.message_id]
    known = Doubt(NUMBERS[0], HELLO, intent, frozenset({lookup.report.message_id}))
    assert await account.adapter.look_up(account.http, account.sender, known) == Absent()


async def test_a_throttled_send_gets_a_retry_delay(emulator: Emulator, account: Account):
    emulator.fault("429", times=1, method="POST", retry_after=3)
    _, [result] = await account.send_to(NUMBERS[0])
    assert isinstance(result, Refused)
    assert (result.kind, result.retry_after) == (FailureKind.THROTTLED, 3.0)


async def test_refusals_mean_what_they_say(emulator: Emulator, account: Account):
    _, [unfit] = await account.send_to("+0")
    assert isinstance(unfit, Refused)
    assert unfit.kind is FailureKind.MESSAGE
    _, batch = await account.send_to(NUMBERS[0], "+0")
    assert [result.kind for result in batch if isinstance(result, Refused)] == [FailureKind.SPLIT] * 2
    emulator.put_balance(0)
    _, [poor] = await account.send_to(NUMBERS[0])
    assert isinstance(poor, Refused)
    assert poor.kind is FailureKind.CAMPAIGN
    emulator.put_session("banned", "Reported by users")
    _, [down] = await account.send_to(NUMBERS[0])
    assert isinstance(down, Refused)
    assert down.kind is FailureKind.LANE
    problem = await account.adapter.sender_problem(account.http, account.sender)
    assert problem is not None
    assert "banned (Reported by users)" in problem
    assert emulator.ledger() == []


async def test_a_session_s_life(emulator: Emulator, account: Account):
    sessions, http = account.adapter.sessions, account.http
    made = await sessions.create(http)
    assert made.status == "pending"
    assert (made.qr_code or "").startswith("data:image/png;base64,")
    assert (await sessions.qr_code(http, made.id)).startswith("data:image/png;base64,")
    emulator.scan(made.id)
    assert (await sessions.show(http, made.id)).status == "connected"
    with pytest.raises(Unavailable, match="pending"):
        await sessions.qr_code(http, made.id)
    assert (await sessions.disconnect(http, made.id)).status == "disconnected"
    assert (await sessions.reconnect(http, made.id)).status == "connected"
    assert made.id in [session.id for session in await sessions.list_all(http)]
    await sessions.delete(http, made.id)
    with pytest.raises(NotFound):
        await sessions.show(http, made.id)


async def test_the_key_is_checked(account: Account, monkeypatch: pytest.MonkeyPatch):
    assert "1 of 1 sessions are connected" in await account.adapter.check(account.http)
    await account.refuses_another_key(monkeypatch)
