"""A message in doubt that its provider neither shows nor can prove absent: it stays in doubt, and is not asked about
for ever at the same pace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from httpx import MockTransport, Request, Response
from sqlalchemy import update

from campaigns.errors import Unavailable
from campaigns.message.content import Content, MessageType, write_content
from campaigns.states import JobState
from campaigns.time.clock import ticks
from providers.adapter import Absent, Doubt, Found, Lookup, Unseen
from providers.events import Report
from providers.http.client import Http
from providers.settings import SenderSettings
from scheduler.engines.shared_clock import SharedClock
from scheduler.receipts.in_doubt import resolve_doubts
from scheduler.receipts.reconcile import reconcile
from scheduler.sending.lanes import Lane, close_lanes, open_lanes
from scheduler.sending.pacing import Pacer
from storage.database.engine import Engine, writing
from storage.tables.runs import attempts, jobs
from tests.support.accounts import account_at
from tests.support.campaigns import job_rows, later, phone
from tests.support.sent import sending
from tests.web.signing import signing_account

HELLO = Content(MessageType.TEXT, "Hello")


async def test_what_is_never_seen_is_looked_for_ever_more_seldom(
    sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sending(sqlite_engine, 1)
    async with writing(sqlite_engine) as connection:
        await connection.execute(update(jobs).values(state="in_doubt"))
        await connection.execute(update(attempts).values(content=write_content(HELLO)))
    account = signing_account()
    clock, asked = [0], []

    async def look_up(http: Http, sender: SenderSettings, doubt: Doubt) -> Lookup:
        asked.append(clock[0])
        return Unseen()

    monkeypatch.setattr(account.adapter, "look_up", look_up)
    lane = Lane("hooked/shop", account, account.settings.senders[0], Pacer([]), now=lambda: later(clock[0]))
    for clock[0] in range(2, 600, 10):
        assert await resolve_doubts(sqlite_engine, lane, asyncio.Event()) == 0
    await account.http.aclose()
    assert asked == [32, 62, 122, 242, 482]  # the call was made at 2, and is settled 30 seconds later
    assert [job.state for job in await job_rows(sqlite_engine)] == ["in_doubt"]


@pytest.mark.parametrize(("ahead", "state"), [(0, "pending"), (-5, "in_doubt"), (5, "in_doubt")])
async def test_nothing_is_absent_where_the_providers_clock_and_ours_differ(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, ahead: int, state: str
) -> None:
    """Its list is asked for from a time by our clock on: what it took may lie before that."""
    lane, _ = await lane_in_doubt(engine, 1, monkeypatch, lambda _: Absent())
    theirs = format_datetime(datetime.now(UTC) - timedelta(minutes=ahead), usegmt=True)
    answer = MockTransport(lambda _: Response(200, headers={"Date": theirs}))
    lane.account.http = Http("http://hooked", transport=answer)
    await lane.http.exchange(Request("GET", "http://hooked/list"))
    await resolve_doubts(engine, lane, asyncio.Event())
    await lane.http.aclose()
    assert [job.state for job in await job_rows(engine)] == [state]


async def test_the_clock_that_is_compared_with_the_providers_is_the_one_that_intents_are_stored_by(
    tmp_path: Path,
) -> None:
    """Of several machines that is the database server's, which may be wrong where each machine's is right."""
    theirs = format_datetime(datetime.now(UTC), usegmt=True)
    transport = MockTransport(lambda _: Response(200, headers={"Date": theirs}))
    server = SharedClock(datetime.now(UTC) + timedelta(minutes=10), ticks())
    lanes = open_lanes({"meta": account_at("meta", tmp_path / "key")}, transport=transport, now=server)
    http = lanes["meta/one"].http
    await http.exchange(Request("GET", "http://hooked/list"))
    await close_lanes(lanes)
    assert http.ahead == pytest.approx(timedelta(minutes=10), abs=timedelta(seconds=5))


async def test_receipts_are_asked_for_as_far_back_as_the_clocks_differ(
    sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane, _ = await lane_in_doubt(sqlite_engine, 1, monkeypatch, lambda _: Absent())
    async with writing(sqlite_engine) as connection:
        accepted = {"state": "accepted", "accepted_at": later(0), "poll_at": later(1)}
        await connection.execute(update(jobs).values(**accepted, provider_message_id="m1"))
    theirs = format_datetime(later(600) - timedelta(hours=1), usegmt=True)
    answer = MockTransport(lambda _: Response(200, headers={"Date": theirs}))
    lane.account.http = Http("http://hooked", transport=answer, now=lane.now)
    await lane.http.exchange(Request("GET", "http://hooked/list"))
    asked: list[datetime] = []

    async def poll(
        _http: Http, _sender: SenderSettings, _ids: Sequence[str], since: datetime, _until: datetime
    ) -> AsyncIterator[list[Report]]:
        asked.append(since)
        yield []

    monkeypatch.setattr(lane.adapter, "poll", poll)
    await reconcile(sqlite_engine, lane)
    await lane.http.aclose()
    assert len(asked) == 1
    assert asked[0] <= later(0) - timedelta(hours=1)


async def lane_in_doubt(
    engine: Engine, count: int, monkeypatch: pytest.MonkeyPatch, answers: Callable[[str], Lookup]
) -> tuple[Lane, list[str]]:
    """A lane with `count` messages in doubt since long ago, and whom the provider was asked about, in that order."""
    await sending(engine, count)
    async with writing(engine) as connection:
        await connection.execute(update(jobs).values(state="in_doubt"))
        await connection.execute(update(attempts).values(content=write_content(HELLO)))
    account, asked = signing_account(), []

    async def look_up(http: Http, sender: SenderSettings, doubt: Doubt) -> Lookup:
        asked.append(doubt.to)
        return answers(doubt.to)

    monkeypatch.setattr(account.adapter, "look_up", look_up)
    monkeypatch.setattr("scheduler.receipts.in_doubt.AT_ONCE", 4)
    lane = Lane("hooked/shop", account, account.settings.senders[0], Pacer([]), now=lambda: later(600))
    return lane, asked


async def test_those_that_are_never_seen_do_not_keep_the_younger_ones(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the last two of eleven are found, and a pass looks at four."""
    there = {phone(9): "m10", phone(10): "m11"}

    def answer(to: str) -> Lookup:
        return Found(Report(there[to], "sent", JobState.SENT)) if to in there else Unseen()

    lane, asked = await lane_in_doubt(engine, 11, monkeypatch, answer)
    resolved = [await resolve_doubts(engine, lane, asyncio.Event()) for _ in range(4)]
    await lane.http.aclose()
    assert resolved == [0, 0, 2, 0]
    assert asked == [phone(number) for number in range(11)]
    assert [job.state for job in await job_rows(engine)] == ["in_doubt"] * 9 + ["sent"] * 2


async def test_lookups_that_always_fail_do_not_keep_the_others(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that failed have their turn again after the last."""
    broken = {phone(number) for number in range(3)}

    def answer(to: str) -> Lookup:
        if to in broken:
            raise Unavailable("The provider did not answer.")
        return Absent()

    lane, asked = await lane_in_doubt(engine, 6, monkeypatch, answer)
    resolved = [await resolve_doubts(engine, lane, asyncio.Event()) for _ in range(3)]
    await lane.http.aclose()
    assert resolved == [0, 3, 0]
    assert asked == [phone(number) for number in (0, 1, 2, 3, 4, 5, 0, 1, 2)]
    assert [job.state for job in await job_rows(engine)] == ["in_doubt"] * 3 + ["pending"] * 3
