"""What providers answer to questions, on both databases: polls, look-ups, windows and questions about the sender. Each
documented answer is understood, and then each of its values in turn is hostile. What an adapter does not ask cannot
bring anything in: that is checked too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import httpx
import orjson
import pytest

from campaigns.errors import DrumbeatError
from campaigns.message.content import Content, MessageType
from campaigns.money.costs import Money
from campaigns.states import JobState
from campaigns.untrusted import LONGEST_TEXT, clean, moment_or_none
from providers.adapter import AdapterDefaults, Doubt, Found
from providers.events import Report
from providers.registry import ADAPTERS, adapter_class
from storage.database.engine import Engine, writing
from storage.receipts.statuses import apply_reports
from storage.sending.lanes import ensure_lanes, pause_lane
from tests.providers.bird import test_bird as bird
from tests.providers.cases import ourvoice
from tests.providers.contract import http_for, table_of
from tests.providers.kapso import test_kapso as kapso
from tests.providers.messaging_api import test_messaging_api as messaging
from tests.providers.test_hostile import HOSTILE, assert_clean, spoiled
from tests.support.campaigns import later
from tests.support.sent import sending

QUESTIONS: Final = ("poll", "look_up", "window", "sender_problem")
MOST: Final = 100
"""Spoiled answers of one door."""


@dataclass(frozen=True)
class Door:
    """An adapter's questions, the documented answers by the end of their path, and which of them bring something in."""

    adapter: str
    to: str
    at: datetime
    """When the message was sent that is looked up."""
    text: str
    answers: Mapping[str, Any]
    brings: Sequence[str]
    ids: Sequence[str]
    account: Mapping[str, Any] = field(default_factory=dict)


KAPSO_CHATS = "/whatsapp_conversations"
KAPSO_CURRENT = {"api": "current", "senders": [{"name": "shop", "phone_number_id": "100"}]}
DOORS: Final = {
    "bird": Door(
        "bird",
        bird.TO,
        bird.NOON,
        "Hello",
        {
            "/messages": {"results": [bird.message(reference="a.1")]},
            "/messages/m-1": bird.message(reference="a.1"),
            "/contacts/c-1": {"serviceWindowExpireAt": "2024-04-24T14:45:09Z", "isPermanentSession": False},
        },
        ("poll", "look_up", "window"),
        ("m-1",),
    ),
    "kapso": Door(
        "kapso",
        kapso.ANN,
        kapso.SINCE,
        "Hello",
        {
            KAPSO_CHATS: kapso.listed(kapso.chat()),
            f"{KAPSO_CHATS}/conv-1/whatsapp_messages": kapso.listed(
                kapso.sent(),
                {"id": "in-1", "direction": "inbound", "created_at": "2026-11-20T09:00:00Z"},
            ),
        },
        ("poll", "look_up", "window", "sender_problem"),  # of its configuration: it has none
        ("wamid.1",),
    ),
    "kapso, current": Door(
        "kapso",
        kapso.ANN,
        kapso.SINCE,
        "Hello",
        {
            "/100/conversations": {"data": [kapso.chat(kapso={"last_inbound_at": "2026-11-20T10:00:00Z"})]},
            "/100/messages/wamid.1": {
                "id": "wamid.1",
                "timestamp": "1705328096",
                "kapso": {"direction": "outbound", "status": "failed"},
                "errors": [{"code": 131026, "title": "Undeliverable", "message": "Not on WhatsApp"}],
            },
        },
        ("poll", "window", "sender_problem"),
        ("wamid.1",),
        KAPSO_CURRENT,
    ),
    "messaging_api": Door(
        "messaging_api",
        messaging.TO,
        messaging.NOON - timedelta(hours=3),
        "Hello",
        {
            "/conversations": {"message": "…", "data": [messaging.conversation(id="c")]},
            "/conversations/c": {"data": {"id": "c", "messages": [messaging.message("m1", "delivered")]}},
        },
        ("poll", "window"),
        ("m1",),
    ),
    "ourvoice": Door(
        "ourvoice",
        "+22996000001",
        datetime(2024, 1, 15, 10, 44, 59, tzinfo=UTC),
        "Hello from Our Voice!",
        {
            "/messages": {"success": True, "data": [ourvoice.message(status="failed", reason="Not there")]},
            f"/messages/{ourvoice.MESSAGE['id']}": {"data": ourvoice.message(status="read")},
            f"/sessions/{ourvoice.SESSION}": {
                "data": {"id": ourvoice.SESSION, "status": "disconnected", "reason": "Phone offline"}
            },
        },
        ("poll", "look_up", "sender_problem"),
        (ourvoice.MESSAGE["id"], "another"),
    ),
    "meta": Door(
        "meta",
        "+22996000001",
        later(0),
        "Hello",
        {"/106540352242922": {"id": "106540352242922", "status": "BANNED"}},
        ("sender_problem",),
        (),
    ),
    "voicebip": Door("voicebip", "+22996000001", later(0), "Hello", {}, (), ()),
}
EVERY_DOOR = pytest.mark.parametrize("name", DOORS)


@dataclass
class Seen:
    """What came in, by question."""

    reports: list[Report] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    brought: set[str] = field(default_factory=set)


async def asked(door: Door, answers: Mapping[str, tuple[int, bytes]]) -> Seen:
    """All questions, while the provider answers with these bodies, by the end of the path."""
    table = table_of(door.adapter)
    keys = {**table.account, "adapter": door.adapter, "api_key": "env:CONTRACT_TEST_KEY", **door.account}
    account = adapter_class(door.adapter).account_settings.model_validate(keys)
    adapter, sender = adapter_class(door.adapter)(account), account.senders[0]

    def answer(request: httpx.Request) -> httpx.Response:
        fitting = [end for end in answers if request.url.path.endswith(end)]
        status, body = answers[max(fitting, key=len)] if fitting else (404, b"{}")
        return httpx.Response(status, content=body)

    http, seen = http_for(adapter, account, answer), Seen()
    doubt = Doubt(door.to, Content(MessageType.TEXT, door.text), door.at, reference="a.1")

    async def poll() -> bool:
        pages = adapter.poll(http, sender, door.ids, door.at, door.at + timedelta(days=1))
        found = [report async for page in pages for report in page]
        seen.reports += found
        return bool(found)

    async def look_up() -> bool:
        found = await adapter.look_up(http, sender, doubt)
        seen.reports += [found.report] if isinstance(found, Found) else []
        return isinstance(found, Found)

    async def window() -> bool:
        until = await adapter.window(http, sender, door.to)
        assert until is None or until.tzinfo is not None
        return until is not None

    async def sender_problem() -> bool:
        problem = await adapter.sender_problem(http, sender)
        seen.problems += [problem] if problem else []
        return problem is not None

    for question in (poll, look_up, window, sender_problem):
        try:
            if await question():
                seen.brought.add(question.__name__)
        except DrumbeatError as error:
            seen.problems.append(str(error))
    return seen


def plain(door: Door) -> dict[str, tuple[int, bytes]]:
    return {end: (200, orjson.dumps(document)) for end, document in door.answers.items()}


def hostile(door: Door) -> Iterator[dict[str, tuple[int, bytes]]]:
    """The documented answers, one value of one of them hostile; and refusals in hostile words."""
    for end, document in door.answers.items():
        for body in spoiled(document):
            yield {**plain(door), end: (200, body)}
    for status in (400, 401, 404):  # others are read as 400 is
        for body in (b"raw \0 and \xff", *(b'{"message": %s}' % value for value in HOSTILE)):
            yield {"": (status, body)}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTRACT_TEST_KEY", "sk-never-to-be-seen")


@EVERY_DOOR
async def test_each_documented_answer_brings_something_in(name: str) -> None:
    door = DOORS[name]
    assert (await asked(door, plain(door))).brought == set(door.brings)


def test_what_is_not_asked_brings_nothing_in() -> None:
    assert {door.adapter for door in DOORS.values()} == set(ADAPTERS)
    for name in ADAPTERS:
        brings = {question for door in DOORS.values() if door.adapter == name for question in door.brings}
        for question in set(QUESTIONS) - brings - {"sender_problem"}:
            assert getattr(adapter_class(name), question) is getattr(AdapterDefaults, question), name


@EVERY_DOOR
async def test_every_answer_to_a_question_can_be_stored(engine: Engine, name: str) -> None:
    door = DOORS[name]
    bodies = list(hostile(door))
    reports, problems = list[Report](), set[str]()
    for body in bodies[:: len(bodies) // MOST + 1]:
        seen = await asked(door, body)
        reports += seen.reports
        problems |= set(seen.problems)
    assert_clean(reports)
    assert all(moment_or_none(report.at) == report.at for report in reports)
    assert [problem for problem in problems if problem != clean(problem, LONGEST_TEXT)] == []
    assert problems
    lane = f"{door.adapter}/shop"
    await sending(engine, 1, account=door.adapter)
    async with writing(engine) as connection:
        await ensure_lanes(connection, [lane])
        for problem in problems:
            await pause_lane(connection, lane, problem, None)
        await apply_reports(connection, lane, reports, "poll", later(5))


def test_a_report_holds_no_time_and_no_amount_that_cannot_be() -> None:
    odd = datetime(9999, 12, 31, tzinfo=UTC)
    times = ((JobState.SENT, odd), (JobState.READ, later(1)))
    amounts = [Money(Decimal(amount), "USD") for amount in ("1e30", "-1e30", "NaN", "Infinity")]
    for amount in amounts:
        report = Report("m\0", "s", None, odd, "r\0", amount, times)
        assert (report.message_id, report.reason, report.at, report.cost) == ("m", "r", None, None)
        assert report.times == times[1:]
