"""A provider that refuses again and again: how many calls that costs, and what ends it. The calls are counted at the
provider's side."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from campaigns.states import RunState
from campaigns.time.clock import utc_now
from emulators.settings import Settings
from providers.settings import AccountSettings
from scheduler.actions.control import resume
from scheduler.clock.progress import RunSummary
from scheduler.clock.runner import run
from storage.database.engine import Engine, reading
from storage.runs.runs import open_runs
from storage.sending.lanes import LaneRow, read_lanes
from tests.acceptance.conftest import InMemory
from tests.providers.cases.meta_answers import CAMPAIGNS_FAULT
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import job_rows, phone, spec, store_campaign

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NO_AGENT = (404, {"error_code": "NOT_FOUND", "message": "There is no such agent."})
NO_NUMBER = (404, {"message": "The business_whatsapp_number is not known."})
NAME_REFUSED = (
    400,
    {"error": {"message": "(#131037) WhatsApp provided number needs display name approval", "code": 131037}},
)
NAMED = {"name": "order_shipped", "language": "en", "parameters": {"order_id": "{{ first_name }}"}}
BIRDS = {
    **NAMED,
    "project_id": "3c90c3cc-0d44-4b50-8888-8dd257360521",
    "version": "3c90c3cc-0d44-4b50-8888-8dd257360522",
}
LANE_REFUSALS = {"voicebip": NO_AGENT, "messaging_api": NO_NUMBER, "meta": NAME_REFUSED}


@dataclass
class Bench:
    """A database, an account, and its emulator behind a wall that refuses messages while it stands."""

    engine: Engine
    account: AccountSettings
    transport: InMemory = field(default_factory=lambda: InMemory(Settings()))
    refusal: tuple[int, Any] | None = None
    refuses: frozenset[str] | None = None
    """The numbers whose messages are refused, with their plus; None: everybody's."""
    words: str = ""
    """What the refused messages hold."""
    met: list[str] = field(default_factory=list)
    """Whose messages were refused, in order."""
    posts: int = 0
    """Messages that were asked to be sent, taken or not."""
    at: datetime = NOON

    def __post_init__(self) -> None:
        self.wall = Wall(self)

    async def run(self, **options: Any) -> RunSummary:
        return await run(
            self.engine,
            {self.account.adapter: self.account},
            transport=self.wall,
            **{"now": lambda: self.at, "until_idle": True, "wait_receipts": timedelta(0), **options},
        )

    async def run_at(self, minutes: float) -> int:
        """Run until idle at that time; how many messages were asked to be sent."""
        before, self.at = self.posts, NOON + timedelta(minutes=minutes)
        await self.run()
        return self.posts - before

    async def lane(self) -> LaneRow:
        async with reading(self.engine) as connection:
            return (await read_lanes(connection))[f"{self.account.adapter}/one"]

    async def states(self) -> Counter[str]:
        return Counter(row.state for row in await job_rows(self.engine))


class Wall(httpx.AsyncBaseTransport):
    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        bench = self._bench
        if request.method == "POST":
            bench.posts += 1
            body = request.content.decode()
            person = next((number for number in map(phone, range(100)) if number[1:] in body), "?")
            chosen = bench.words in body and (bench.refuses is None or person in bench.refuses)
            if bench.refusal is not None and chosen:
                bench.met.append(person)
                status, answer = bench.refusal
                return httpx.Response(status, json=answer, request=request)
        return await bench.transport.handle_async_request(request)


async def bench_at(engine: Engine, provider: str, folder: Path, size: int = 40, **tables: Any) -> Bench:
    account = account_at(provider, folder / "key")
    template = {"messaging_api": NAMED, "bird": BIRDS}.get(provider, TEMPLATE)
    tables = {"content": {"template": template}, **tables}
    await store_campaign(engine, spec(provider=provider, senders=["one"], **tables), size)
    return Bench(engine, account)


async def test_a_sender_that_is_refused_is_tried_with_one_message_and_then_left_to_a_person(
    engine: Engine, tmp_path: Path
) -> None:
    """Voicebip cannot be asked whether a sender is well."""
    await is_left_to_a_person(engine, tmp_path, "voicebip")


@pytest.mark.parametrize("provider", ["messaging_api", pytest.param("meta", marks=pytest.mark.large)])
async def test_so_is_a_sender_that_its_provider_reports_as_healthy(
    sqlite_engine: Engine, tmp_path: Path, provider: str
) -> None:
    await is_left_to_a_person(sqlite_engine, tmp_path, provider)


async def is_left_to_a_person(engine: Engine, tmp_path: Path, provider: str) -> None:
    bench = await bench_at(engine, provider, tmp_path)
    bench.refusal = LANE_REFUSALS[provider]
    assert await bench.run_at(0) >= 1
    assert [await bench.run_at(minutes) for minutes in (1, 2, 10, 600)] == [1, 0, 1, 0]
    lane = await bench.lane()
    assert lane.paused(bench.at)
    assert "campaign resume" in (lane.paused_reason or "")
    assert await bench.states() == {"pending": 40}
    await resume(engine, "spring", now=lambda: bench.at)
    assert await bench.run_at(601) == 1
    bench.refusal = None
    await resume(engine, "spring", now=lambda: bench.at)
    await bench.run_at(602)
    assert not (await bench.lane()).paused(bench.at)
    assert "pending" not in await bench.states()


async def test_a_sender_that_sends_again_after_one_refusal_starts_anew(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    bench = await bench_at(sqlite_engine, "voicebip", tmp_path)
    bench.refusal, bench.refuses = NO_AGENT, frozenset({phone(0)})
    for minutes in (0, 1):
        await bench.run_at(minutes)
    bench.refusal = None
    await bench.run_at(10)
    assert (await bench.lane()).refusals == 0
    assert "pending" not in await bench.states()


WRONG_PARAMETER = (
    400,
    {
        "error": {
            "message": "(#132012) Parameter format does not match format in the created template",
            "code": 132012,
            "error_data": {"details": "header: Format mismatch, expected IMAGE, received UNKNOWN"},
        }
    },
)
NOT_VALID = (422, {"message": "The given data was invalid."})
INVALID_ARGUMENT = (400, {"error_code": "INVALID_ARGUMENT", "message": "parameters[0] is too long"})
MESSAGE_REFUSALS = {
    "kapso": WRONG_PARAMETER,
    "voicebip": INVALID_ARGUMENT,
    "messaging_api": NOT_VALID,
    "bird": NOT_VALID,
    "ourvoice": NOT_VALID,
}


async def test_a_refusal_that_is_the_campaigns_fault_pauses_it_after_a_few_and_loses_no_recipient(
    engine: Engine, tmp_path: Path
) -> None:
    bench = await bench_at(engine, "meta", tmp_path, 60)
    bench.refusal = WRONG_PARAMETER
    await bench.run()
    assert len(bench.met) == len(set(bench.met)) == 5
    assert await bench.states() == {"pending": 60}
    reason = await why_paused(bench)
    for part in ("132012", "expected IMAGE", "fix the template", "then resume the campaign"):
        assert part in reason
    await resume(engine, "spring", now=lambda: bench.at)
    await bench.run_at(10)
    assert len(bench.met) == 10
    bench.refusal = None
    await resume(engine, "spring", now=lambda: bench.at)
    await bench.run_at(20)
    assert await bench.states() == {"accepted": 60}
    assert await taken(bench) == {phone(number): 1 for number in range(60)}


ONE_AT_EACH = (("meta", 131009), ("kapso", 132001))


@pytest.mark.parametrize(
    ("provider", "code"),
    [
        *ONE_AT_EACH,
        *(
            pytest.param(provider, code, marks=pytest.mark.large)  # what a code means is in test_meta_codes
            for provider in ("meta", "kapso")
            for code in CAMPAIGNS_FAULT
            if (provider, code) not in ONE_AT_EACH
        ),
    ],
)
async def test_so_it_is_with_each_code_that_is_the_campaigns_fault(
    sqlite_engine: Engine, tmp_path: Path, provider: str, code: int
) -> None:
    bench = await bench_at(sqlite_engine, provider, tmp_path, 8)
    bench.refusal = (400, {"error": {"message": f"(#{code}) No", "code": code}})
    await bench.run()
    assert 1 <= len(bench.met) <= 5
    assert await bench.states() == {"pending": 8}
    assert str(code) in await why_paused(bench)
    bench.refusal = None
    await resume(sqlite_engine, "spring", now=lambda: bench.at)
    await bench.run_at(20)
    assert await taken(bench) == {phone(number): 1 for number in range(8)}


@pytest.mark.parametrize("provider", MESSAGE_REFUSALS)
async def test_so_it_is_at_every_provider(sqlite_engine: Engine, tmp_path: Path, provider: str) -> None:
    content = {"content": {"text": "Hi {{ first_name }}"}} if provider == "ourvoice" else {}
    bench = await bench_at(sqlite_engine, provider, tmp_path, 20, **content)
    bench.refusal = MESSAGE_REFUSALS[provider]
    await bench.run()
    assert len(set(bench.met)) <= 5
    assert await bench.states() == {"pending": 20}
    bench.refusal = None
    await resume(sqlite_engine, "spring", now=lambda: bench.at)
    await bench.run_at(20)
    assert await taken(bench) == {phone(number): 1 for number in range(20)}


async def test_a_row_that_is_refused_among_others_that_are_taken_fails_alone(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    bench = await bench_at(sqlite_engine, "meta", tmp_path, 20)
    bench.refusal, bench.refuses = WRONG_PARAMETER, frozenset(map(phone, (0, 1, 2, 12)))
    await bench.run(now=utc_now)
    ends = Counter((row.state, row.reason) for row in await job_rows(sqlite_engine))
    assert ends == {("accepted", None): 16, ("failed", "message_refused"): 4}


async def test_a_few_people_are_not_called_for_again_and_again(sqlite_engine: Engine, tmp_path: Path) -> None:
    bench = await bench_at(sqlite_engine, "meta", tmp_path, 2)
    bench.refusal = WRONG_PARAMETER
    await bench.run(now=utc_now)
    assert sorted(bench.met) == [phone(0), phone(1)]
    assert "all of the first 2 messages" in await why_paused(bench)


async def test_a_variant_that_is_refused_stops_the_run_though_the_other_is_taken(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    variants = [
        {"name": name, "share": 50, "content": {"template": {**TEMPLATE, "name": template}}}
        for name, template in (("a", TEMPLATE["name"]), ("b", "wrong_one"))
    ]
    bench = await bench_at(sqlite_engine, "meta", tmp_path, 60, variants=variants)
    bench.refusal, bench.words = WRONG_PARAMETER, "wrong_one"
    await bench.run()
    assert len(set(bench.met)) == 5
    assert "failed" not in await bench.states()
    assert "132012" in await why_paused(bench)


async def why_paused(bench: Bench) -> str:
    async with reading(bench.engine) as connection:
        [run] = await open_runs(connection)
    assert run.state is RunState.PAUSED
    return run.reason or ""


async def taken(bench: Bench) -> Counter[str]:
    """How many messages each person got, by the emulator's ledger."""
    return Counter("+" + message["to"].removeprefix("+") for message in await bench.transport.ledger())
