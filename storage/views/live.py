"""What a campaign's page asks again and again while it is sending: by indexes only, and no more rows than a bound."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, func, literal, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import field_names, frozen
from campaigns.states import RunState
from storage.database.bulk import table_of
from storage.runs.occurrences import SCHEDULED
from storage.tables.runs import attempts, runs
from storage.tables.types import Id, from_millis, to_millis
from storage.views.report_scope import ScheduledRun

CALLS: Final = 25_000
"""The newest calls of a run that are counted."""


@frozen
class LiveRun:
    """A run as the page lists it."""

    id: int
    kind: str
    nominal_at: datetime
    state: RunState
    reason: str | None
    jobs: int
    edition: int

    @property
    def scheduled(self) -> ScheduledRun:
        return ScheduledRun(self.id, self.nominal_at, self.state, self.edition)


async def live_runs(connection: AsyncConnection, campaign_id: int, limit: int) -> list[LiveRun]:
    """The newest runs of every kind, the newest first."""
    columns = [runs.c[name] for name in field_names(LiveRun)]
    found = select(*columns).where(runs.c.campaign_id == campaign_id).order_by(runs.c.id.desc())
    rows = (await connection.execute(found.limit(limit))).mappings()
    return [LiveRun(**{**row, "state": RunState(row["state"])}) for row in rows]


async def newest_run(connection: AsyncConnection, campaign_id: int) -> ScheduledRun | None:
    """The newest run by the schedule; None: it was never launched."""
    columns = (runs.c.id, runs.c.nominal_at, runs.c.state, runs.c.edition)
    newest = select(*columns).where(runs.c.campaign_id == campaign_id, SCHEDULED)
    row = (await connection.execute(newest.order_by(runs.c.nominal_at.desc()).limit(1))).first()
    return ScheduledRun(row.id, row.nominal_at, RunState(row.state), row.edition) if row else None


@frozen
class Pace:
    """Calls in equal stretches of time."""

    begin: datetime
    each: timedelta
    counts: Sequence[int]

    @property
    def points(self) -> list[tuple[datetime, float]]:
        """When each stretch begins, and its messages per second."""
        seconds = self.each.total_seconds()
        return [(self.begin + self.each * place, count / seconds) for place, count in enumerate(self.counts)]

    def begun(self, least: int) -> Pace:
        """Without the stretches before the first call, but `least` of them at least."""
        first = next((place for place, count in enumerate(self.counts) if count), 0)
        first = max(0, min(first - 1, len(self.counts) - least))
        return Pace(self.begin + self.each * first, self.each, self.counts[first:])


async def recent_pace(
    connection: AsyncConnection, run_ids: Sequence[int], now: datetime, *, each: timedelta, many: int
) -> Pace:
    """How many messages of these runs were sent in each of the last stretches; the one that is not over is left out,
    and so are the earliest where there are more calls than are counted."""
    wide = each // timedelta(milliseconds=1)
    end = to_millis(now) // wide * wide
    begin = first = end - wide * many
    counts = [0] * many
    for run_id in run_ids:
        newest = await connection.scalar(select(func.max(attempts.c.id)).where(attempts.c.run_id == run_id))
        if newest is None:
            continue
        at = type_coerce(attempts.c.intent_at, BigInteger)
        counted = (attempts.c.run_id == run_id, attempts.c.id > newest - CALLS)
        place = (at - literal(begin, BigInteger)) // literal(wide, BigInteger)
        inside = select(place, func.count()).where(*counted, at >= begin, at < end).group_by(place)
        for number, count in await connection.execute(inside):
            counts[int(number)] += count
        if newest > CALLS:
            oldest = await connection.scalar(select(func.min(at)).where(*counted))
            first = max(first, -(-int(oldest or 0) // wide) * wide)
    shown = min(many, (first - begin) // wide)
    return Pace(from_millis(begin + shown * wide), each, counts[shown:])


async def calls_per_run(
    connection: AsyncConnection, run_ids: Sequence[int], now: datetime, *, each: timedelta, many: int
) -> dict[int, int]:
    """How many messages of each of these runs were sent in the last stretches together, as `recent_pace` counts them;
    in one statement, however many runs there are."""
    if not run_ids:
        return {}
    wide = each // timedelta(milliseconds=1)
    end = to_millis(now) // wide * wide
    given = table_of(connection, [{"run_id": one} for one in run_ids], run_id=Id)
    other = attempts.alias("other")
    newest = (
        select(func.max(other.c.id))
        .where(other.c.run_id == given.c.run_id)
        .correlate(given)
        .scalar_subquery()
    )
    at = type_coerce(attempts.c.intent_at, BigInteger)
    counted = (
        select(func.count())
        .where(
            attempts.c.run_id == given.c.run_id,
            attempts.c.id > newest - CALLS,
            at >= end - wide * many,
            at < end,
        )
        .correlate(given)
        .scalar_subquery()
    )
    return dict((await connection.execute(select(given.c.run_id, counted))).all())


@frozen
class LastCalls:
    """The newest call of a run, and the one that was `apart` calls before it."""

    newest: datetime
    before: datetime
    apart: int

    @property
    def gap(self) -> timedelta:
        """The mean time between two of them."""
        return (self.newest - self.before) / self.apart


async def last_calls(connection: AsyncConnection, run_ids: Sequence[int], apart: int) -> dict[int, LastCalls]:
    """Of each of these runs that has so many; in one statement, however many runs there are."""
    if not run_ids:
        return {}
    given = table_of(connection, [{"run_id": one} for one in run_ids], run_id=Id)
    moments = [
        select(attempts.c.intent_at)
        .where(attempts.c.run_id == given.c.run_id)
        .order_by(attempts.c.id.desc())
        .limit(1)
        .offset(offset)
        .correlate(given)
        .scalar_subquery()
        for offset in (0, apart)
    ]
    found = await connection.execute(select(given.c.run_id, *moments))
    return {run: LastCalls(newest, before, apart) for run, newest, before in found if before is not None}
