"""What becomes known while a slice is being decided, or just before it, counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from campaigns.phones.user_ids import name_of
from scheduler.actions.control import pause
from scheduler.actions.retrying import retry_failed
from scheduler.clock.launch import launch_due
from scheduler.sending import slicing
from scheduler.sending.finished_calls import FinishedCalls
from scheduler.sending.lanes import Lane, close_lanes, open_lanes
from scheduler.sending.plans import Plans
from scheduler.sending.slicing import Slice, open_slice
from storage.database.engine import Engine, lock_names, open_engine, writing
from storage.receipts.user_ids import learn_numbers
from storage.sending.budgets import budget_lock
from storage.sending.lanes import ensure_lanes, pause_lane, resume_lane, take_lane
from storage.sending.windows import Opening, extend_windows, wake_waiting
from storage.tables.lanes import lanes
from storage.tables.runs import jobs
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import job_rows, spec, store_people
from tests.support.databases import until_it_waits

NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)
ADA = "+447700900001"


@pytest.fixture
async def lane(tmp_path: Path) -> AsyncIterator[Lane]:
    lanes = open_lanes({"meta": account_at("meta", tmp_path / "key", price="0.05 USD")}, now=lambda: NOW)
    yield lanes["meta/one"]
    await close_lanes(lanes)


async def launched(engine: Engine, *others: str, **tables: Any) -> None:
    """A campaign to Ada, and to these others, through the lane, which is taken."""
    wanted = spec(provider="meta", senders=["one"], **tables)
    await store_people(engine, wanted, [ADA, *others], rotate=0, start_at=NOW)
    async with writing(engine) as connection:
        await ensure_lanes(connection, ["meta/one"])
        await take_lane(connection, "meta/one", "test", NOW, NOW + timedelta(days=1), no_other_runner=True)


async def slice_of(engine: Engine, lane: Lane) -> Slice:
    return await open_slice(engine, lane, 1, Plans(lane), FinishedCalls(), idle=1e9)


async def slice_after(
    engine: Engine, url: str, lane: Lane, campaign_id: int, change: Callable[[Engine], Awaitable[object]]
) -> Slice:
    """A slice that waits for the lock of the campaign's budget, until somebody else has made the change."""
    other = open_engine(url)
    async with writing(other) as connection:
        await lock_names(connection, [budget_lock(campaign_id)])
        opening = asyncio.create_task(slice_of(engine, lane))
        await until_it_waits(engine)
        await change(other)
    found = await opening
    await other.dispose()
    return found


async def test_a_slice_that_waited_sends_nothing_of_a_run_that_was_paused_meanwhile(
    postgres_url: str, lane: Lane
) -> None:
    engine = open_engine(postgres_url)
    await launched(engine, content={"template": TEMPLATE}, budget={"max": "5.00", "currency": "USD"})
    await launch_due(engine, now=lambda: NOW)
    piece = await slice_after(engine, postgres_url, lane, 1, lambda other: pause(other, "spring"))
    assert (piece.calls, [row.state for row in await job_rows(engine)]) == ([], ["pending"])
    await engine.dispose()


async def test_a_slice_that_waited_sends_once_to_whom_has_become_known_by_a_number_meanwhile(
    postgres_url: str, lane: Lane
) -> None:
    async def learn(other: Engine) -> None:
        async with writing(other) as connection:
            await learn_numbers(connection, "meta", {"GB.1": ADA}, NOW)

    engine = open_engine(postgres_url)
    content, budget = {"template": TEMPLATE}, {"max": "5.00", "currency": "USD"}
    await launched(engine, name_of("meta", "GB.1"), content=content, budget=budget)
    await launch_due(engine, now=lambda: NOW)
    piece = await slice_after(engine, postgres_url, lane, 1, learn)
    assert [call.call.to for call in piece.calls] == [(ADA,)]
    assert [row.state for row in await job_rows(engine)] == ["sending", "pending"]
    await engine.dispose()


async def test_a_slice_that_waited_sends_no_retry_of_what_has_arrived_meanwhile(
    postgres_url: str, lane: Lane
) -> None:
    engine = open_engine(postgres_url)
    await launched(engine, content={"template": TEMPLATE}, budget={"max": "5.00", "currency": "USD"})
    await launch_due(engine, now=lambda: NOW)
    failed = {"state": "failed", "reason": "provider_failed", "code": "131000", "updated_at": NOW}
    async with writing(engine) as connection:
        await connection.execute(update(jobs).values(**failed))
    assert (await retry_failed(engine, "spring", now=lambda: NOW)).retried == 1

    async def arrives(other: Engine) -> None:
        async with writing(other) as connection:
            await connection.execute(update(jobs).where(jobs.c.id == 1).values(state="delivered"))

    assert (await slice_after(engine, postgres_url, lane, 1, arrives)).calls == []
    assert [row.state for row in await job_rows(engine)] == ["delivered", "pending"]
    await engine.dispose()


async def test_a_lane_that_is_paused_during_its_shift_sends_no_more_until_that_ends(
    engine: Engine, lane: Lane
) -> None:
    """By a webhook: the provider has stopped the account, or limits the number."""
    await launched(engine, content={"template": TEMPLATE})
    await launch_due(engine, now=lambda: NOW)
    for until in (None, NOW + timedelta(seconds=1)):
        async with writing(engine) as connection:
            await resume_lane(connection, "meta/one")
            await pause_lane(connection, "meta/one", "131048: spam", until)
        assert (await slice_of(engine, lane)).claimed == 0
    async with writing(engine) as connection:
        await connection.execute(update(lanes).values(paused_until=NOW))
    assert len((await slice_of(engine, lane)).calls) == 1


async def test_who_writes_while_their_message_is_deferred_wakes_it(
    postgres_url: str, lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, other = open_engine(postgres_url), open_engine(postgres_url)
    await launched(engine, content={"text": "Hi", "closed_window": "wait"})
    await launch_due(engine, now=lambda: NOW)
    writes: list[asyncio.Task[None]] = []

    async def ada_writes() -> None:
        async with writing(other) as connection:
            opening = Opening(ADA, "meta/one", NOW + timedelta(hours=24), "inbound")
            await extend_windows(connection, [opening], NOW)
            await wake_waiting(connection, [("meta/one", ADA)], NOW)

    decide_claim = slicing.decide_claim

    async def as_she_writes(*given: Any) -> Any:
        writes.append(asyncio.create_task(ada_writes()))
        waits = asyncio.create_task(until_it_waits(engine))
        await asyncio.wait([writes[0], waits], return_when=asyncio.FIRST_COMPLETED)
        waits.cancel()
        return await decide_claim(*given)

    monkeypatch.setattr(slicing, "decide_claim", as_she_writes)
    assert (await slice_of(engine, lane)).calls == []
    await writes[0]
    monkeypatch.undo()
    assert len((await slice_of(engine, lane)).calls) == 1
    await other.dispose()
    await engine.dispose()


async def test_a_retry_is_not_sent_once_the_first_message_has_arrived(
    sqlite_engine: Engine, lane: Lane
) -> None:
    await launched(sqlite_engine, content={"template": TEMPLATE})
    await launch_due(sqlite_engine, now=lambda: NOW)
    failed = {"state": "failed", "reason": "provider_failed", "code": "131000", "updated_at": NOW}
    async with writing(sqlite_engine) as connection:
        await connection.execute(update(jobs).values(**failed))
    assert (await retry_failed(sqlite_engine, "spring", now=lambda: NOW)).retried == 1
    async with writing(sqlite_engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id == 1).values(state="delivered"))
    assert (await slice_of(sqlite_engine, lane)).calls == []
    assert [row.state for row in await job_rows(sqlite_engine)] == ["delivered", "pending"]
