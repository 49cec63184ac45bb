"""When messages were sent and delivered is counted as they change, and the time line shows what a count of all messages
would. What changes them in earnest is in `test_job_counts.py`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update

from scheduler.clock.launch import launch_due
from storage.audience.campaigns import require
from storage.database.engine import Connection, Engine, writing
from storage.runs.time_counts import recount_times, time_differences
from storage.tables.counts import time_counts
from storage.tables.runs import jobs, runs
from storage.views.report_scope import scope_of
from storage.views.time_line import time_line
from tests.support.campaigns import later, spec, store_campaign

CHANGES: tuple[dict[str, Any], ...] = (
    {"delivered_at": later(3)},  # of a message that was not accepted: it does not count
    {"accepted_at": later(5.5)},
    {"accepted_at": later(75)},
    {"delivered_at": later(3.9)},
    {"run_id": 2, "phone": "+1"},
    {"accepted_at": None},
    {"accepted_at": later(9), "delivered_at": None},
)


async def test_whatever_changes_in_the_times_of_a_message_changes_the_counts(engine: Engine) -> None:
    for name in ("spring", "summer"):
        await store_campaign(engine, spec(name), 2)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        for change in CHANGES:
            await connection.execute(update(jobs).where(jobs.c.id == 1).values(**change))
            assert await time_differences(connection) == [], change
            await assert_time_line_right(connection)
        columns = (time_counts.c.run_id, time_counts.c.at)
        kept = select(*columns).group_by(*columns).having(func.sum(time_counts.c.sent) != 0)
        assert [tuple(row) for row in await connection.execute(kept)] == [(2, later(9))]
        await connection.execute(delete(jobs).where(jobs.c.id == 1))
        assert await time_differences(connection) == []


async def test_a_wrong_number_of_the_time_line_is_found_and_mended(engine: Engine) -> None:
    await store_campaign(engine, spec(), 3)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        await connection.execute(update(jobs).where(jobs.c.id < 3).values(accepted_at=later(5.5)))
        await connection.execute(update(time_counts).values(sent=time_counts.c.sent + 1))
    async with writing(engine) as connection:
        [wrong] = await time_differences(connection)
        assert (wrong.at, wrong.kept_sent, wrong.sent, wrong.delivered) == (later(5), 3, 2, 0)
        await recount_times(connection)
        assert await time_differences(connection) == []


async def assert_time_line_right(connection: Connection) -> None:
    """As it was counted before it was kept: message by message."""
    scope = await scope_of(connection, await require(connection, "spring"))
    sizes = dict((await connection.execute(select(runs.c.id, runs.c.jobs))).all())
    steps = {run: 1 if size < 100_001 else 10 if size < 1_000_001 else 60 for run, size in sizes.items()}
    columns = (jobs.c.run_id, jobs.c.accepted_at, jobs.c.delivered_at)
    taken = await connection.execute(select(*columns).where(scope.jobs, jobs.c.accepted_at.is_not(None)))
    sent, delivered = [], []
    for run, accepted_at, delivered_at in taken:
        sent.append(_floor(accepted_at, steps[run]))
        delivered += [_floor(delivered_at, steps[run])] if delivered_at else []
    line = await time_line(connection, scope)
    assert (line is None) == (not sent)
    if line is None:
        return
    widest = max(steps[run] for run in await connection.scalars(scope.select_run_ids()))
    first = _floor(min(sent), widest)
    last = max(sent)
    end = max(last, min([max(delivered, default=last), last + max(last - first, timedelta(minutes=10))]))
    least = (end - first) / 120
    unit = timedelta(seconds=max(widest, 1 if least < timedelta(minutes=10) else 60))
    assert least < line.each < least + 2 * unit
    assert line.each % unit == timedelta(0)
    wanted = [[first + place * line.each, 0, 0] for place in range((end - first) // line.each + 1)]
    for moment in sent:
        wanted[(moment - first) // line.each][1] += 1
    for moment in delivered:
        if moment <= end:
            wanted[max(0, (moment - first) // line.each)][2] += 1
    assert [[one.at, one.sent, one.received] for one in line.stretches] == wanted
    assert line.later == sum(moment > end for moment in delivered)


def _floor(moment: datetime, seconds: int) -> datetime:
    return later((moment - later(0)) // timedelta(seconds=seconds) * seconds)
