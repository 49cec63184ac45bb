"""What a campaign's page asks while it is sending: right on both databases, by indexes, and of no more than a bound."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from app.views.campaigns.live_campaign import live_campaign
from app.wiring.settings import Settings
from campaigns.figures import paced
from campaigns.states import JobState
from scheduler.actions.retrying import retry_failed
from scheduler.clock.launch import launch_due
from storage.audience.campaigns import require
from storage.database.engine import Engine, is_sqlite, reading, writing
from storage.sending.lanes import ensure_lanes
from storage.tables.runs import attempts, jobs
from storage.views import live
from storage.views.idle_check import pending_by_rule
from storage.views.live import recent_pace
from storage.views.reports import delivery, failures
from tests.storage.database.test_plans import avoid_whole_reads, rows_handled, statements, whole_reads
from tests.support.campaigns import later, spec, store_campaign

LANE = "ourvoice/shop"
SETTINGS = Settings("sqlite://")
SIZE = 300


async def sending(engine: Engine, size: int = SIZE) -> None:
    """A third failed, a third waits for hours, the rest for its turn."""
    await store_campaign(engine, spec(), size)
    await launch_due(engine)
    call = {"run_id": 1, "number": 1, "call": "c", "lane": LANE, "epoch": 1, "detail": "its words"}
    third = size // 3
    async with writing(engine) as connection:
        await ensure_lanes(connection, [LANE])
        failed = {"state": "failed", "reason": "refused", "code": "422", "attempts": 1}
        await connection.execute(update(jobs).where(jobs.c.id <= third).values(**failed))
        held = {"held_by": "hours", "due_at": later(3600)}
        await connection.execute(update(jobs).where(jobs.c.id > 2 * third).values(**held))
        made = [{**call, "job_id": job, "intent_at": later(job / 10)} for job in range(1, third + 1)]
        await connection.execute(insert(attempts), made)
        await connection.exec_driver_sql("ANALYZE")


async def test_its_numbers_are_those_of_the_reports(engine: Engine) -> None:
    await sending(engine)
    async with reading(engine) as connection:
        campaign = await require(connection, "spring")
        found = await live_campaign(connection, SETTINGS, "spring", later(31))
        assert found.found.states == (await delivery(connection, campaign)).states
        assert found.found.rows == SIZE
        waiting = {(one.held_by, one.messages) for one in await pending_by_rule(connection, campaign.id)}
        assert waiting == {("hours", 100), (None, 100)}
        [reason] = found.reasons
        assert (reason.count, reason.code, reason.provider_text) == (100, "422", "its words")
        assert sum(found.pace.counts) == 100
        pace = await recent_pace(connection, [1], later(10), each=timedelta(seconds=5), many=2)
        assert pace.points == [(later(0), 9.8), (later(5), 10.0)]


async def test_with_retries_the_newest_try_counts(engine: Engine) -> None:
    await sending(engine)
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id <= 10).values(code="131000"))
    await retry_failed(engine, "spring")
    async with reading(engine) as connection:
        campaign = await require(connection, "spring")
        whole = await delivery(connection, campaign)
        found = await live_campaign(connection, SETTINGS, "spring", later(31))
    assert found.found.states == whole.states
    assert sum(whole.states.values()) == SIZE


async def test_before_the_launch_everybody_waits(engine: Engine) -> None:
    await store_campaign(engine, spec(), 3)
    async with reading(engine) as connection:
        found = await live_campaign(connection, SETTINGS, "spring", later(0))
    assert (found.run, found.found.states) == (None, {JobState.PENDING: 3})
    assert (found.reasons, found.holds, found.runs) == ([], [], [])


async def test_it_reads_no_table_whole_and_counts_no_messages(engine: Engine) -> None:
    await sending(engine)
    with statements(engine) as asked:
        async with reading(engine) as connection:
            await live_campaign(connection, SETTINGS, "spring", later(31))
    assert asked
    async with writing(engine) as connection:
        for statement, parameters in asked:
            assert not await whole_reads(connection, statement, parameters), statement
            assert "count(" not in statement or "FROM jobs" not in statement, statement


async def test_failures_are_not_counted_and_calls_are_up_to_a_bound(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "CALLS", 10)
    await sending(engine, 1_500)
    async with reading(engine) as connection:
        campaign = await require(connection, "spring")
        with statements(engine) as asked:
            [reason] = await failures(connection, campaign)
            pace = await recent_pace(connection, [1], later(60), each=timedelta(seconds=5), many=12)
        assert (reason.count, sum(pace.counts)) == (500, 1)
        assert pace.begin == later(50), "the chart begins where what is counted begins"
        if not is_sqlite(connection):
            await avoid_whole_reads(connection)
            for statement, parameters in asked:
                assert await rows_handled(connection, statement, parameters) <= 200, statement


@pytest.mark.parametrize(
    ("gap", "shown"),
    [
        (0.1, ("10 a second", timedelta(seconds=5), 10.0)),
        (1, ("60 a minute", timedelta(seconds=5), 1.0)),
        (40, ("90 an hour", timedelta(minutes=5), 1 / 40)),
        (1_200, ("3 an hour", timedelta(hours=1), 1 / 1_200)),
    ],
)
async def test_a_pace_is_counted_in_the_time_that_fits_it(
    sqlite_engine: Engine, gap: float, shown: tuple[str, timedelta, float]
) -> None:
    """One message after the other, the first after a night: each stretch of the chart holds several."""
    engine, many, night = sqlite_engine, 300, 50_000
    await store_campaign(engine, spec(), many)
    await launch_due(engine)
    call = {"run_id": 1, "number": 1, "call": "c", "lane": LANE, "epoch": 1}
    moments = [later(0), *(later(night + gap * job) for job in range(1, many))]
    rows = [{**call, "job_id": job, "intent_at": at} for job, at in enumerate(moments, 1)]
    async with writing(engine) as connection:
        await connection.execute(insert(attempts), rows)
    text, each, rate = shown
    async with reading(engine) as connection:
        found = await live_campaign(connection, SETTINGS, "spring", moments[-1])
        after = await live_campaign(connection, SETTINGS, "spring", moments[-1] + timedelta(days=1))
    assert (paced(found.per_second, found.unit), found.pace.each) == (text, each)
    assert found.per_second == pytest.approx(rate, rel=0.02)
    sent = [count for count in found.pace.counts if count]
    assert min(sent[1:]) >= 3, "no comb of 0 and 1"
    assert sum(sent) / len(sent) / each.total_seconds() == pytest.approx(rate, rel=0.35)
    assert after.per_second == 0
