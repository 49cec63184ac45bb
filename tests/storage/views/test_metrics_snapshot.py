"""Where everything stands, read for monitoring: right on both databases, and without reading all jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, update

from scheduler.actions.control import pause
from scheduler.clock.launch import launch_due
from storage.database.engine import Engine, open_blocking, reading, writing
from storage.receipts.inbox import Arrival, count_refusals, keep_webhooks
from storage.sending.lanes import ensure_lanes, pause_lane
from storage.sending.workers import SILENT, WorkerRow, report_worker
from storage.tables.runs import attempts, jobs
from storage.views.metrics_snapshot import MetricsSnapshot, anyone_leads, read_metrics
from tests.support.campaigns import later, spec, store_campaign

LANE = "ourvoice/shop"
NOW = later(100)
PARTIAL = {
    "SCAN jobs USING INDEX ix_jobs_due",
    "SCAN jobs USING COVERING INDEX ix_jobs_open",
    "SCAN webhooks USING INDEX ix_webhooks_new",
}
"""Indexes that hold what waits or is open, and nothing that is over."""


async def metrics_snapshot(engine: Engine) -> MetricsSnapshot:
    async with reading(engine) as connection:
        return await read_metrics(connection, NOW, NOW - SILENT)


async def put(engine: Engine, numbers: range, **values: Any) -> None:
    """Change jobs, by their places from 1."""
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id.in_(numbers)).values(**values))


async def call(engine: Engine, at: Sequence[float]) -> None:
    """A campaign with a call at each of these seconds."""
    await store_campaign(engine, spec(), len(at))
    await launch_due(engine, now=lambda: later(0))
    common = {"number": 1, "call": "a call", "lane": LANE, "epoch": 1}
    rows = [{**common, "job_id": job, "intent_at": later(second)} for job, second in enumerate(at, 1)]
    async with writing(engine) as connection:
        await connection.execute(insert(attempts), rows)


async def test_an_empty_database_has_no_work(engine: Engine) -> None:
    found = await metrics_snapshot(engine)
    assert not any((found.backlog, found.in_doubt, found.rates, found.webhooks, found.processes))
    assert (found.runs, found.leaders) == ({"running": 0, "paused": 0}, 0)


@pytest.mark.parametrize("most", [1, 20_000])
async def test_waiting_messages_are_counted_by_lane_and_rule(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """The due ones, or where they are many, those that are not."""
    monkeypatch.setattr("storage.views.metrics_snapshot.MOST_DUE", most)
    await store_campaign(engine, spec(), 10)
    await launch_due(engine, now=lambda: later(0))
    await put(engine, range(1, 3), due_at=later(40))
    await put(engine, range(3, 6), due_at=later(500), held_by="hours")
    await put(engine, range(6, 7), due_at=later(500))
    await put(engine, range(7, 8), state="in_doubt")
    await put(engine, range(8, 11), due_at=later(60), held_by="retry")
    found = await metrics_snapshot(engine)
    assert found.backlog == {(LANE, "due"): 5, (LANE, "hours"): 3, (LANE, "later"): 1}
    due = found.due[LANE]
    assert (due.since, due.begun, due.last_begun_at) == (later(40), 0, None)
    assert [(account, pace.delay_between) for account, pace in due.paces] == [("ourvoice", 0)]
    assert found.in_doubt == {LANE: 1}
    assert found.runs == {"running": 1, "paused": 0}


async def test_a_paused_campaign_has_no_backlog(engine: Engine) -> None:
    await store_campaign(engine, spec(), 10)
    await launch_due(engine, now=lambda: later(0))
    await pause(engine, "spring")
    found = await metrics_snapshot(engine)
    assert (found.backlog, found.due, found.runs) == ({}, {}, {"running": 0, "paused": 1})


async def test_lanes_and_their_pauses(engine: Engine) -> None:
    async with writing(engine) as connection:
        await ensure_lanes(connection, ["a/for-good", "a/for-now", "a/no-more", "a/well"])
        await pause_lane(connection, "a/for-good", "banned", None)
        await pause_lane(connection, "a/for-now", "throttled", later(101))
        await pause_lane(connection, "a/no-more", "throttled", later(99))
    found = await metrics_snapshot(engine)
    assert found.paused == {"a/for-good": True, "a/for-now": True, "a/no-more": False, "a/well": False}


async def test_rates_are_those_of_the_last_seconds(engine: Engine) -> None:
    await call(engine, [89] * 4 + [95] * 6)
    assert (await metrics_snapshot(engine)).rates == {LANE: 0.6}


async def test_rates_hold_where_there_are_more_calls_than_are_looked_at(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.sending.workers._NEWEST", 6)
    await call(engine, range(91, 101))
    assert (await metrics_snapshot(engine)).rates == {LANE: 6 / 5}


async def test_webhooks_that_wait_and_those_refused(engine: Engine) -> None:
    blocking = open_blocking(engine)
    with blocking.begin() as connection:
        arrivals = [
            Arrival(account, later(at), "http://x", "{}", b"[]")
            for account, at in [("bird", 70), ("meta", 90), ("bird", 95)]
        ]
        keep_webhooks(connection, arrivals)
        count_refusals(connection, {"meta": 4}, NOW)
    blocking.dispose()
    found = await metrics_snapshot(engine)
    assert found.webhooks == {"bird": 2, "meta": 1}
    assert found.webhook_lag == {"bird": 30.0, "meta": 10.0}
    assert found.refusals == {"meta": 4}


async def test_a_silent_leader_does_not_count(engine: Engine) -> None:
    def process(name: str, kind: str, seen: float, leads: bool) -> WorkerRow:
        return WorkerRow(name, kind, "host", 1, None, leads, later(0), later(seen))

    async with writing(engine) as connection:
        for row in (
            process("one", "clock", 99, True),
            process("two", "clock", 98, False),
            process("three", "worker", 97, False),
            process("dead", "worker", 10, False),
        ):
            await report_worker(connection, row)
    found = await metrics_snapshot(engine)
    assert (found.processes, found.leaders) == ({"clock": 2, "worker": 1}, 1)
    async with reading(engine) as connection:
        assert await anyone_leads(connection, NOW - SILENT)
        assert not await anyone_leads(connection, NOW + timedelta(seconds=1))


async def test_no_query_reads_all_jobs_or_webhooks(sqlite_engine: Engine) -> None:
    await store_campaign(sqlite_engine, spec(), 50)
    await launch_due(sqlite_engine)
    asked: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(sqlite_engine.sync_engine, "before_cursor_execute", note)
    await metrics_snapshot(sqlite_engine)
    event.remove(sqlite_engine.sync_engine, "before_cursor_execute", note)
    selects = [query for query in asked if query[0].startswith("SELECT")]
    assert len(selects) < 13
    async with reading(sqlite_engine) as connection:
        for statement, parameters in selects:
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps = [row[-1] for row in plan]
            scans = {step for step in steps if step.startswith(("SCAN jobs", "SCAN webhooks"))}
            assert scans <= PARTIAL, steps
