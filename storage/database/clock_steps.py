"""Correct what a clock that was ahead has written, once it shows the right time again. Set-based, in one transaction.

Moments that wait for something far ahead would keep it waiting, and moments in which something happened would be to
come. What the rules decide about is only made due again: they decide again, by the right time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, Column, ColumnElement, case, literal, select, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.states import JobState
from campaigns.time.clock import ClockCorrection
from storage.tables.contacts import touches, windows
from storage.tables.lanes import account_grants, lanes
from storage.tables.runs import attempts, jobs
from storage.tables.types import to_millis

_MILLISECOND: Final = timedelta(milliseconds=1)


async def correct_clock_steps(
    connection: AsyncConnection, correction: ClockCorrection, now: datetime, lease: timedelta
) -> None:
    """Correct what was written from `correction.since` on. `lease`: the longest that a lane is held from now."""
    by = correction.by // _MILLISECOND
    await connection.execute(_jobs(correction.since, now))
    await connection.execute(_polls(by, now))
    for moment in (lanes.c.paused_until, lanes.c.last_sent_at):
        ahead = update(lanes).where(moment > now)
        await connection.execute(ahead.values({moment.name: _later(now, _millis(moment) - by)}))
    given_away = account_grants.c.free_at
    ahead = update(account_grants).where(given_away > to_millis(now) * 1000)
    await connection.execute(ahead.values(free_at=given_away - by * 1000))
    too_long = update(lanes).where(lanes.c.lease_until > now + lease)
    await connection.execute(too_long.values(lease_until=now + lease))
    written = touches.c.at >= correction.since
    await connection.execute(update(touches).where(written).values(at=_moved(touches.c.at, by)))
    await connection.execute(_windows(correction.since, by, now))
    doubtful = select(jobs.c.id).where(jobs.c.state == JobState.IN_DOUBT.value)
    asked = update(attempts).where(attempts.c.intent_at >= correction.since, attempts.c.job_id.in_(doubtful))
    columns = (attempts.c.intent_at, attempts.c.ended_at)
    await connection.execute(asked.values({column.name: _moved(column, by) for column in columns}))


def _jobs(since: datetime, now: datetime) -> Any:
    """A wait keeps its length, counted from now; a wait for the row's own `send_at`, or for a time of day, stays."""
    wait = _millis(jobs.c.due_at) - _millis(jobs.c.updated_at)
    planned = jobs.c.held_by.is_not(None) | (jobs.c.attempts > 0) | (wait <= 0)
    written = update(jobs).where(jobs.c.state == JobState.PENDING.value, jobs.c.updated_at >= since, planned)
    return written.values(due_at=_moment(to_millis(now) + wait, jobs.c.due_at), updated_at=now)


def _windows(since: datetime, by: int, now: datetime) -> Any:
    """A window that was closed when it was written stays closed."""
    closed = windows.c.open_until <= windows.c.updated_at
    written = update(windows).where(windows.c.updated_at >= since)
    open_until = case((closed, literal(now, windows.c.open_until.type)), else_=windows.c.open_until)
    return written.values(open_until=open_until, updated_at=_moved(windows.c.updated_at, by))


def _polls(by: int, now: datetime) -> Any:
    ahead = update(jobs).where(jobs.c.poll_at > now)
    return ahead.values(poll_at=_later(now, _millis(jobs.c.poll_at) - by))


def _millis(column: Column[Any]) -> ColumnElement[int]:
    return type_coerce(column, BigInteger)


def _moment(millis: ColumnElement[int], column: Column[Any]) -> ColumnElement[Any]:
    return type_coerce(millis, column.type)


def _moved(column: Column[Any], by: int) -> ColumnElement[Any]:
    return _moment(_millis(column) - by, column)


def _later(now: datetime, millis: ColumnElement[int]) -> ColumnElement[Any]:
    present = literal(to_millis(now), BigInteger)
    return _moment(case((millis > present, millis), else_=present), lanes.c.paused_until)
