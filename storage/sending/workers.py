"""The processes that work on one database, and their backlogs; only for display."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import field_names, frozen
from campaigns.states import JobState, RunState
from storage.database.engine import is_sqlite
from storage.database.upserts import upsert_into
from storage.tables.lanes import lanes, workers
from storage.tables.runs import attempts, jobs, runs

SILENT: Final = timedelta(seconds=15)
"""A process silent for as long is dead, stopped or cut off."""
FORGOTTEN: Final = timedelta(days=1)
MOST: Final = 10_000
"""A lane's backlog is counted up to here."""
RATE_OVER: Final = timedelta(seconds=10)
_NEWEST: Final = 20_000
"""Attempts read for the lanes' rates."""


@frozen
class WorkerRow:
    name: str
    """Its name."""
    kind: str
    """runner, clock or worker."""
    host: str
    """The machine's name."""
    pid: int
    """Its process number there."""
    places: int | None
    """How many senders it sends for at once; None: any number, or it does not send."""
    leads: bool
    """Whether it keeps the schedule; of several clocks one does."""
    since: datetime
    """When it started."""
    seen_at: datetime
    """When it last showed that it is alive."""


@frozen
class LaneView:
    """A lane as `drumbeat workers` shows it."""

    name: str
    """The sender, as account/sender."""
    holder: str | None
    """The process that sends for it; null: none does."""
    lease_until: datetime | None
    """Until when that process holds it; null: none does."""
    paused: str | None
    """Why it is paused; null: it is not."""
    backlog: int
    """Messages that are due, at most MOST."""
    lag_seconds: float | None
    """For how long the one that waits longest has been due; None: none is."""
    per_second: float
    """Calls begun, over the last few seconds."""


@frozen
class RecentCalls:
    """How many calls were begun since a moment."""

    by_lane: dict[str, int]
    since: datetime


async def server_time(connection: AsyncConnection) -> datetime:
    """What the PostgreSQL server takes the time to be: what all machines can agree on."""
    seconds = await connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())"))
    return datetime.fromtimestamp(float(seconds), UTC)


async def report_worker(connection: AsyncConnection, row: WorkerRow) -> None:
    """Record that the process is alive; processes long silent are deleted."""
    values = {column: getattr(row, column) for column in field_names(WorkerRow)}
    insert = upsert_into(is_sqlite(connection), workers).values(values)
    upsert = insert.on_conflict_do_update(
        index_elements=[workers.c.name], set_={"seen_at": row.seen_at, "leads": row.leads}
    )
    await connection.execute(upsert)
    await connection.execute(delete(workers).where(workers.c.seen_at < row.seen_at - FORGOTTEN))


async def retire_worker(connection: AsyncConnection, name: str) -> None:
    """The process has ended in good order."""
    await connection.execute(delete(workers).where(workers.c.name == name))


async def list_workers(connection: AsyncConnection) -> list[WorkerRow]:
    """Clocks and runners first, then workers; the oldest first."""
    found = select(workers).order_by(workers.c.kind, workers.c.since)
    return [WorkerRow(*row) for row in await connection.execute(found)]


async def view_lanes(connection: AsyncConnection, now: datetime) -> list[LaneView]:
    """Every lane, by name."""
    rates = await call_rates(connection, now)
    found = await connection.execute(select(lanes).order_by(lanes.c.name))
    views = []
    for row in found.all():
        backlog, oldest = await _backlog(connection, row.name, now)
        paused = row.paused_reason if row.paused_until is None or row.paused_until > now else None
        held = row.holder is not None and row.lease_until is not None and row.lease_until > now
        views.append(
            LaneView(
                row.name,
                row.holder if held else None,
                row.lease_until if held else None,
                paused,
                backlog,
                (now - oldest).total_seconds() if oldest else None,
                rates.get(row.name, 0.0),
            )
        )
    return views


async def _backlog(connection: AsyncConnection, lane: str, now: datetime) -> tuple[int, datetime | None]:
    due = (
        select(jobs.c.due_at)
        .join(runs, runs.c.id == jobs.c.run_id)
        .where(
            runs.c.state == RunState.RUNNING.value,
            jobs.c.lane == lane,
            jobs.c.state == JobState.PENDING.value,
            jobs.c.due_at <= now,
        )
        .limit(MOST)  # each run's come in the order of its index, so the oldest is among them
        .subquery()
    )
    counted = select(func.count(), func.min(due.c.due_at, type_=jobs.c.due_at.type))
    count, oldest = (await connection.execute(counted)).one()
    return count, oldest


async def call_rates(connection: AsyncConnection, now: datetime) -> dict[str, float]:
    """Calls begun per second over the last RATE_OVER, by lane."""
    recent = await recent_calls(connection, now, RATE_OVER)
    seconds = max(0.1, (now - recent.since).total_seconds())
    return {lane: count / seconds for lane, count in recent.by_lane.items()}


async def recent_calls(connection: AsyncConnection, now: datetime, over: timedelta) -> RecentCalls:
    """The calls begun in the last while; of very many only the newest, over the time that those took."""
    newest = select(attempts.c.lane, attempts.c.intent_at).order_by(attempts.c.id.desc()).limit(_NEWEST)
    recent = newest.subquery()
    oldest = func.min(recent.c.intent_at, type_=recent.c.intent_at.type)
    counted = (
        select(recent.c.lane, func.count(), oldest)
        .where(recent.c.intent_at > now - over)
        .group_by(recent.c.lane)
    )
    found = (await connection.execute(counted)).all()
    since = now - over
    if sum(count for _, count, _ in found) == _NEWEST:
        since = min(begun for _, _, begun in found)
    return RecentCalls({lane: count for lane, count, _ in found}, since)
