"""What a campaign's page asks again and again while it is sending: by indexes only, and no more rows than a bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, Select, func, literal, select, text, type_coerce, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.states import JobState, RunState
from storage.audience.campaigns import Campaign
from storage.runs.occurrences import SCHEDULED
from storage.tables import attempts, from_millis, jobs, runs, to_millis
from storage.tables.predicates import IS_PENDING
from storage.views.report_scope import ScheduledRun, Scope
from storage.views.reports import NOT_REACHED, Failure

LOOKED_AT: Final = 5_000
"""Messages of each outcome that are looked at for their reasons."""
CALLS: Final = 25_000
"""The newest calls of a run that are counted."""
IS_HELD: Final = text("jobs.held_by IS NOT NULL")
"""Must repeat the predicate of the partial index `ix_jobs_held` verbatim."""


@dataclass(frozen=True, slots=True)
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
    columns = [runs.c[name] for name in LiveRun.__slots__]
    found = select(*columns).where(runs.c.campaign_id == campaign_id).order_by(runs.c.id.desc())
    rows = (await connection.execute(found.limit(limit))).mappings()
    return [LiveRun(**{**row, "state": RunState(row["state"])}) for row in rows]


async def newest_run(connection: AsyncConnection, campaign_id: int) -> ScheduledRun | None:
    """The newest run by the schedule; None: it was never launched."""
    columns = (runs.c.id, runs.c.nominal_at, runs.c.state, runs.c.edition)
    newest = select(*columns).where(runs.c.campaign_id == campaign_id, SCHEDULED)
    row = (await connection.execute(newest.order_by(runs.c.nominal_at.desc()).limit(1))).first()
    return ScheduledRun(row.id, row.nominal_at, RunState(row.state), row.edition) if row else None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Messages of a lane that wait for the same."""

    lane: str
    held_by: str | None
    messages: int
    due_at: datetime
    """When the first of them is processed again."""


async def waiting_messages(connection: AsyncConnection, campaign: Campaign) -> list[Waiting]:
    """What waits in the campaign's open runs: what a rule holds, and the rest."""
    open_states = runs.c.state.in_([RunState.RUNNING, RunState.PAUSED])
    opened = await connection.scalars(select(runs.c.id).where(runs.c.campaign_id == campaign.id, open_states))
    first = func.min(jobs.c.due_at, type_=jobs.c.due_at.type)
    which = jobs.c.run_id.in_(opened.all())  # named one by one, each is looked up in an index
    by_rule = select(jobs.c.lane, jobs.c.held_by, func.count(), first).where(which, IS_HELD)
    held = [Waiting(*row) for row in await connection.execute(by_rule.group_by(jobs.c.lane, jobs.c.held_by))]
    by_lane = select(jobs.c.lane, func.count(), first).where(which, IS_PENDING).group_by(jobs.c.lane)
    free = []
    for lane, pending, due_at in await connection.execute(by_lane):
        rest = pending - sum(group.messages for group in held if group.lane == lane)
        free += [Waiting(lane, None, rest, due_at)] if rest > 0 else []
    return [*held, *free]


async def reasons_of_newest(connection: AsyncConnection, scope: Scope) -> list[Failure]:
    """Why messages did not arrive, the most frequent first: of each outcome, of so many as are looked at."""
    if not scope.launched:
        return []
    columns = (jobs.c.id, jobs.c.state, jobs.c.reason, jobs.c.code, jobs.c.phone)
    some = [_some(scope, state, *columns) for state in NOT_REACHED]
    looked = union_all(*some).subquery()
    groups = (looked.c.state, looked.c.reason, looked.c.code)
    counted = select(*groups, func.count(), func.min(looked.c.phone), func.max(looked.c.id)).group_by(*groups)
    rows = (await connection.execute(counted)).all()
    texts = await _texts(connection, [row[-1] for row in rows])
    found = [
        Failure(JobState(state), code, reason, texts.get(job_id), count, example)
        for state, reason, code, count, example, job_id in rows
    ]
    return sorted(found, key=lambda one: (NOT_REACHED.index(one.state), -one.count, one.code or ""))


def _some(scope: Scope, state: JobState, *columns: Any) -> Select[Any]:
    """Any of them, as many as are looked at."""
    some = select(*columns).where(scope.jobs, jobs.c.state == state).limit(LOOKED_AT).subquery()
    return select(*some.c)


async def _texts(connection: AsyncConnection, job_ids: Sequence[int]) -> dict[int, str]:
    """The provider's words at the last call of each."""
    newest_last = (
        select(attempts.c.job_id, attempts.c.detail)
        .where(attempts.c.job_id.in_(job_ids), attempts.c.detail.is_not(None))
        .order_by(attempts.c.number)
    )
    return {row.job_id: row.detail for row in await connection.execute(newest_last)}


@dataclass(frozen=True, slots=True)
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
