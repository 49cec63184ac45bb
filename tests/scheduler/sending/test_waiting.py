"""A slice whose transaction has to wait decides by the time at which it decides, not by that at which it began."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event

from scheduler.clock.launch import launch_due
from scheduler.sending.finished_calls import FinishedCalls
from scheduler.sending.lanes import close_lanes, open_lanes
from scheduler.sending.plans import Plans
from scheduler.sending.slicing import open_slice
from storage.database.engine import Engine, writing
from storage.sending.lanes import ensure_lanes, take_lane
from tests.support.accounts import TEMPLATE, account_at
from tests.support.campaigns import job_rows, spec, store_people

CLOSES = datetime(2026, 1, 12, 19, tzinfo=UTC)


async def test_what_waited_past_the_end_of_the_allowed_hours_is_not_sent(
    engine: Engine, tmp_path: Path
) -> None:
    """For another writer on SQLite, for the lock of a budget on PostgreSQL."""
    now = CLOSES - timedelta(seconds=5)
    lanes = open_lanes({"meta": account_at("meta", tmp_path / "key", price="0.05 USD")}, now=lambda: now)
    wanted = spec(
        provider="meta",
        senders=["one"],
        content={"template": TEMPLATE},
        hours={"allow": "09:00-19:00"},
        schedule={"timezone": "UTC"},
        budget={"max": "5.00", "currency": "USD"},
    )
    await store_people(engine, wanted, ["+447700900001"], rotate=0, start_at=now)
    await launch_due(engine, now=lambda: now)
    async with writing(engine) as connection:
        await ensure_lanes(connection, lanes)
        await take_lane(connection, "meta/one", "test", now, now + timedelta(days=1), no_other_runner=True)

    def wait(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal now
        if statement.startswith("BEGIN IMMEDIATE") or "pg_advisory_xact_lock" in statement:
            now = CLOSES + timedelta(seconds=5)

    event.listen(engine.sync_engine, "after_cursor_execute", wait)
    lane = lanes["meta/one"]
    piece = await open_slice(engine, lane, 1, Plans(lane), FinishedCalls(), idle=1e9)
    await close_lanes(lanes)
    assert (piece.calls, [row.held_by for row in await job_rows(engine)]) == ([], ["hours"])
