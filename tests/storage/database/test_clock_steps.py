"""What a clock that was two hours ahead has written, once it shows the right time again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from campaigns.time.clock import ClockCorrection
from campaigns.time.pace import Rate
from scheduler.clock.launch import launch_due
from storage.database.clock_steps import correct_clock_steps
from storage.database.engine import Engine, reading, writing
from storage.sending.lanes import ensure_lanes
from storage.sending.rate_slots import AHEAD, grant
from storage.sending.workers import SILENT
from storage.tables.contacts import touches, windows
from storage.tables.lanes import lanes, workers
from storage.tables.runs import attempts, jobs
from storage.views.metrics_snapshot import anyone_leads
from tests.support.campaigns import spec, store_campaign

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
BY = 2 * HOUR
SINCE = NOW - MINUTE + BY
"""The clock was ahead for a minute."""
THEN = NOW - 10 * SECOND + BY
"""In that minute, as it showed it."""
LEASE = 30 * SECOND


async def correct_times(engine: Engine) -> None:
    async with writing(engine) as connection:
        await correct_clock_steps(connection, ClockCorrection(BY, SINCE), NOW, LEASE)


async def values_of(engine: Engine, *columns: Any) -> list[Any]:
    async with reading(engine) as connection:
        rows = (await connection.execute(select(*columns).order_by(columns[0].table.c[0]))).all()
    return [row[0] if len(columns) == 1 else tuple(row) for row in rows]


@pytest.fixture
async def job_id(engine: Engine) -> int:
    await store_campaign(engine, spec(), 1, start_at=NOW - HOUR)
    await launch_due(engine, now=lambda: NOW - HOUR)
    return 1


@pytest.mark.parametrize(
    ("job", "due_at"),
    [
        ({"held_by": "retry", "due_at": THEN + 30 * SECOND, "updated_at": THEN}, NOW + 30 * SECOND),
        ({"attempts": 1, "due_at": THEN + 30 * SECOND, "updated_at": THEN}, NOW + 30 * SECOND),
        ({"due_at": THEN, "updated_at": THEN}, NOW),  # launched in that minute
        ({"due_at": THEN + HOUR, "updated_at": THEN}, THEN + HOUR),  # its row's send_at
        ({"held_by": "hours", "due_at": NOW + 9 * HOUR, "updated_at": NOW - MINUTE}, NOW + 9 * HOUR),
    ],
)
async def test_a_message_waits_as_long_as_it_had_to(
    engine: Engine, job_id: int, job: dict[str, Any], due_at: datetime
) -> None:
    async with writing(engine) as connection:
        await connection.execute(update(jobs).values(job))
    await correct_times(engine)
    assert await values_of(engine, jobs.c.due_at) == [due_at]


async def test_a_receipt_is_asked_for_soon(engine: Engine, job_id: int) -> None:
    async with writing(engine) as connection:
        await connection.execute(update(jobs).values(state="sent", poll_at=THEN + 20 * SECOND))
    await correct_times(engine)
    assert await values_of(engine, jobs.c.poll_at) == [NOW + 10 * SECOND]


async def test_a_lane_goes_on(engine: Engine) -> None:
    async with writing(engine) as connection:
        await ensure_lanes(connection, ["a/resting", "b/for good", "c/well"])
        changed = update(lanes).where(lanes.c.name == "a/resting")
        held = {"holder": "worker dead", "lease_until": THEN + LEASE, "last_sent_at": THEN}
        await connection.execute(changed.values(paused_reason="429", paused_until=THEN + 40 * SECOND, **held))
        await connection.execute(update(lanes).where(lanes.c.name == "b/for good").values(paused_reason="x"))
        ahead = {"last_sent_at": NOW - SECOND, "lease_until": NOW + SECOND}
        await connection.execute(update(lanes).where(lanes.c.name == "c/well").values(**ahead))
    await correct_times(engine)
    assert await values_of(engine, lanes.c.paused_until, lanes.c.lease_until, lanes.c.last_sent_at) == [
        (NOW + 30 * SECOND, NOW + LEASE, NOW),
        (None, None, None),
        (None, NOW + SECOND, NOW - SECOND),
    ]


async def test_what_happened_is_moved_to_when_it_did(engine: Engine, job_id: int) -> None:
    attempt = {"job_id": 1, "run_id": 1, "call": "c", "lane": "ourvoice/shop", "epoch": 1}
    touch = {
        "phone": "+1",
        "campaign_id": 1,
        "lane": "x",
        "category": "utility",
        "tags": "[]",
        "counts": True,
    }
    async with writing(engine) as connection:
        await connection.execute(update(jobs).values(state="in_doubt", attempts=2))
        for number, at in ((1, NOW - HOUR), (2, THEN)):
            await connection.execute(
                insert(attempts).values(number=number, intent_at=at, ended_at=at + SECOND, **attempt)
            )
            await connection.execute(insert(touches).values(job_id=number, at=at, **touch))
    await correct_times(engine)
    assert await values_of(engine, attempts.c.intent_at, attempts.c.ended_at) == [
        (NOW - HOUR, NOW - HOUR + SECOND),
        (NOW - 10 * SECOND, NOW - 9 * SECOND),
    ]
    assert await values_of(engine, touches.c.at) == [NOW - HOUR, NOW - 10 * SECOND]


async def test_a_window_that_was_closed_then_is_not_open_now(engine: Engine) -> None:
    async with writing(engine) as connection:
        for phone, until in (("+1", THEN), ("+2", NOW + 20 * HOUR)):
            row = {"phone": phone, "open_until": until, "updated_at": THEN}
            await connection.execute(insert(windows).values(lane="a/b", known_by="provider", **row))
    await correct_times(engine)
    assert await values_of(engine, windows.c.open_until, windows.c.updated_at) == [
        (NOW, NOW - 10 * SECOND),
        (NOW + 20 * HOUR, NOW - 10 * SECOND),
    ]


async def test_a_rate_that_was_given_away_far_ahead_is_not_waited_for(engine: Engine) -> None:
    rate, near = Rate(10, SECOND), {"lead": timedelta(), "within": AHEAD}
    async with writing(engine) as connection:
        await grant(connection, "shop", rate, 5, lambda: NOW + BY, **near)
        assert (await grant(connection, "shop", rate, 5, lambda: NOW, **near)).count == 0
    await correct_times(engine)
    async with writing(engine) as connection:
        assert (
            await grant(connection, "shop", rate, 5, lambda: NOW, **near)
        ).count == 0  # what was given away then may be used still
        assert (await grant(connection, "shop", rate, 5, lambda: NOW + AHEAD, **near)).count > 0


async def test_who_died_while_the_clock_was_ahead_does_not_lead(engine: Engine) -> None:
    row = {"name": "runner x", "kind": "runner", "host": "x", "pid": 1, "leads": True, "since": THEN}
    async with writing(engine) as connection:
        await connection.execute(insert(workers).values(seen_at=THEN, **row))
        assert not await anyone_leads(connection, NOW - SILENT)
        assert await anyone_leads(connection, THEN - SILENT)
