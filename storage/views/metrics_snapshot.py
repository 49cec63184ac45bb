"""All measures at one moment, for monitoring: a few set-based queries, none of them per lane or campaign."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, Row, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.spec.campaign_spec import PaceSpec
from campaigns.spec.stored import read_stored
from campaigns.states import JobState, RunState
from storage.database.bulk import table_of
from storage.runs.job_counts import Waiting, waiting_groups
from storage.sending.workers import SILENT, call_rates, recent_calls
from storage.tables.lanes import lanes, workers
from storage.tables.predicates import IS_HELD, IS_PENDING, OPEN
from storage.tables.receipts import not_understood, webhook_refusals, webhooks
from storage.tables.runs import jobs, runs
from storage.tables.types import Id, Text

DUE: Final = "due"
"""Instead of a rule: nothing holds the message but its lane's turn."""
LATER: Final = "later"
"""Instead of a rule: its own time has not come."""
LAG_OVER: Final = timedelta(minutes=5)
"""How far back calls are counted to tell whether a lane keeps its pace."""
MOST_WEBHOOKS: Final = 10_000
"""The most unprocessed webhooks that are counted; the oldest are among them."""
MOST_DUE: Final = 20_000
"""So many due messages of a run and lane are counted; if there are more, those that are due later are."""


@frozen
class LaneDue:
    """The due messages of one lane, and the calls lately begun on it."""

    since: datetime
    """When the one that waits longest became due."""
    paces: tuple[tuple[str, PaceSpec], ...]
    """Of each running campaign with a due message: its account and its pace."""
    begun: int
    """Calls begun since `counted_since`."""
    counted_since: datetime
    last_begun_at: datetime | None


@frozen
class MetricsSnapshot:
    at: datetime
    backlog: Mapping[tuple[str, str], int]
    """Messages that wait in running campaigns, by lane and by the rule that holds them, DUE or LATER."""
    due: Mapping[str, LaneDue]
    """Every lane that has a due message."""
    in_doubt: Mapping[str, int]
    paused: Mapping[str, bool]
    """Every lane, and whether it is paused."""
    rates: Mapping[str, float]
    """Calls begun per second on each lane, as `storage.sending.workers.call_rates` counts them."""
    webhooks: Mapping[str, int]
    """Not processed yet, by account; at most MOST_WEBHOOKS in all."""
    webhook_lag: Mapping[str, float]
    """Seconds for which an account's oldest of them has waited."""
    refusals: Mapping[str, int]
    """Webhooks ever refused for a wrong or missing signature, by account."""
    not_understood: Mapping[str, int]
    """Parts of webhooks that were ever not understood, by account."""
    runs: Mapping[str, int]
    """Runs that have not ended, by state."""
    processes: Mapping[str, int]
    """Processes alive lately, by kind."""
    leaders: int
    """Those of them that lead: 1 where all is well."""


async def read_metrics(connection: AsyncConnection, now: datetime, alive_since: datetime) -> MetricsSnapshot:
    """`alive_since`: a process silent since before it is not counted."""
    running = (await connection.scalars(select(runs.c.id).where(runs.c.state == RunState.RUNNING))).all()
    groups = await waiting_groups(connection, running)
    due = await _due(connection, groups, now)
    waiting = await _webhooks(connection)
    alive = await _alive(connection, alive_since)
    refused = await connection.execute(select(webhook_refusals.c.account, webhook_refusals.c["count"]))
    unknown = select(not_understood.c.account, cast(func.sum(not_understood.c["count"]), BigInteger))
    return MetricsSnapshot(
        at=now,
        backlog=_backlog(groups, due, await _held_and_due(connection, groups, now)),
        due=await _due_lanes(connection, due, now),
        in_doubt=await _in_doubt(connection),
        paused=await _paused(connection, now),
        rates=await call_rates(connection, now),
        webhooks={row.account: row.waiting for row in waiting},
        webhook_lag={row.account: _seconds(row.oldest, now) for row in waiting},
        refusals=_dict(refused),
        not_understood=_dict(await connection.execute(unknown.group_by(not_understood.c.account))),
        runs=await _runs(connection),
        processes={row.kind: row.alive for row in alive},
        leaders=sum(row.leading for row in alive),
    )


def _dict(rows: Iterable[Any]) -> dict[str, int]:
    return {row[0]: row[1] for row in rows}


def _seconds(since: datetime, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds())


@frozen
class _Due:
    """The due messages of a run on a lane."""

    run_id: int
    lane: str
    waiting: int
    oldest: datetime


async def _due(connection: AsyncConnection, groups: Sequence[Waiting], now: datetime) -> list[_Due]:
    """Counted within the index `ix_jobs_due`, the few of those that are due and those that are not."""
    pending = Counter[tuple[int, str]]()
    oldest: dict[tuple[int, str], datetime] = {}
    for group in groups:
        key = group.run_id, group.lane
        pending[key] += group.messages
        oldest[key] = min(group.due_at, oldest.get(key, group.due_at))
    begun = [
        {"run_id": run_id, "lane": lane, "pending": pending[run_id, lane]}
        for (run_id, lane), first in oldest.items()
        if first <= now
    ]
    if not begun:
        return []
    given = table_of(connection, begun, run_id=Id, lane=Text(), pending=BigInteger())
    mine = (jobs.c.run_id == given.c.run_id, jobs.c.lane == given.c.lane, IS_PENDING)
    some = (
        select(jobs.c.id).where(*mine, jobs.c.due_at <= now).limit(MOST_DUE + 1).correlate(given).subquery()
    )
    few = select(func.count()).select_from(some).scalar_subquery()
    later = select(func.count(jobs.c.id)).where(*mine, jobs.c.due_at > now).correlate(given).scalar_subquery()
    number = case((few <= MOST_DUE, few), else_=given.c.pending - later)
    rows = await connection.execute(select(given.c.run_id, given.c.lane, number))
    return [_Due(run_id, lane, waiting, oldest[run_id, lane]) for run_id, lane, waiting in rows]


async def _held_and_due(
    connection: AsyncConnection, groups: Sequence[Waiting], now: datetime
) -> dict[tuple[int, str, str], int]:
    """How many of those that a rule holds are to be decided about now, by run, lane and rule."""
    woken = [
        {"run_id": group.run_id, "lane": group.lane, "held_by": group.held_by}
        for group in groups
        if group.held_by is not None and group.due_at <= now
    ]
    if not woken:
        return {}
    given = table_of(connection, woken, run_id=Id, lane=Text(), held_by=Text())
    alike = [jobs.c[name] == given.c[name] for name in ("run_id", "lane", "held_by")]
    due = select(func.count(jobs.c.id)).where(*alike, IS_HELD, jobs.c.due_at <= now).correlate(given)
    rows = await connection.execute(
        select(given.c.run_id, given.c.lane, given.c.held_by, due.scalar_subquery())
    )
    return {(run_id, lane, rule): number for run_id, lane, rule, number in rows}


def _backlog(
    groups: Sequence[Waiting], due: Sequence[_Due], woken: Mapping[tuple[int, str, str], int]
) -> Counter[tuple[str, str]]:
    """By lane and rule: those that are due count as DUE, whichever rule held them."""
    found = Counter[tuple[str, str]]()
    for group in groups:
        found[group.lane, group.held_by or LATER] += group.messages
    for (_, lane, rule), number in woken.items():
        found[lane, rule] -= number
        found[lane, LATER] += number
    for row in due:
        found[row.lane, DUE] += row.waiting
        found[row.lane, LATER] -= row.waiting
    return +found


async def _due_lanes(connection: AsyncConnection, due: Sequence[_Due], now: datetime) -> dict[str, LaneDue]:
    """`due`: the rows of `_due`."""
    if not due:
        return {}
    specs = select(runs.c.id, runs.c.spec).where(runs.c.id.in_({row.run_id for row in due}))
    paces = {run_id: _pace(json.loads(spec)) for run_id, spec in await connection.execute(specs)}
    begun = await recent_calls(connection, now, LAG_OVER)
    last = dict((await connection.execute(select(lanes.c.name, lanes.c.last_sent_at))).all())
    return {
        lane: LaneDue(
            since=min(row.oldest for row in due if row.lane == lane),
            paces=tuple(paces[row.run_id] for row in due if row.lane == lane),
            begun=begun.by_lane.get(lane, 0),
            counted_since=begun.since,
            last_begun_at=last.get(lane),
        )
        for lane in {row.lane for row in due}
    }


def _pace(spec: Mapping[str, Any]) -> tuple[str, PaceSpec]:
    return spec["provider"], read_stored(PaceSpec, spec.get("pace") or {})


async def _in_doubt(connection: AsyncConnection) -> dict[str, int]:
    counted = select(jobs.c.lane, func.count()).where(OPEN, jobs.c.state == JobState.IN_DOUBT.value)
    return _dict(await connection.execute(counted.group_by(jobs.c.lane)))


async def _paused(connection: AsyncConnection, now: datetime) -> dict[str, bool]:
    found = await connection.execute(select(lanes.c.name, lanes.c.paused_reason, lanes.c.paused_until))
    return {name: reason is not None and (until is None or until > now) for name, reason, until in found}


async def _webhooks(connection: AsyncConnection) -> Sequence[Row[Any]]:
    new = (
        select(webhooks.c.account, webhooks.c.received_at)
        .where(webhooks.c.processed_at.is_(None))
        .order_by(webhooks.c.id)
        .limit(MOST_WEBHOOKS)
        .subquery()
    )
    oldest = func.min(new.c.received_at, type_=new.c.received_at.type)
    counted = select(new.c.account, func.count().label("waiting"), oldest.label("oldest"))
    return (await connection.execute(counted.group_by(new.c.account))).all()


async def _runs(connection: AsyncConnection) -> dict[str, int]:
    open_states = [RunState.RUNNING.value, RunState.PAUSED.value]
    counted = select(runs.c.state, func.count()).where(runs.c.state.in_(open_states)).group_by(runs.c.state)
    found = _dict(await connection.execute(counted))
    return {state: found.get(state, 0) for state in open_states}


async def _alive(connection: AsyncConnection, alive_since: datetime) -> Sequence[Row[Any]]:
    leading = func.sum(case((workers.c.leads, 1), else_=0)).label("leading")
    alive = select(workers.c.kind, func.count().label("alive"), leading).where(
        workers.c.seen_at >= alive_since
    )
    return (await connection.execute(alive.group_by(workers.c.kind))).all()


async def anyone_leads(connection: AsyncConnection, alive_since: datetime) -> bool:
    """Whether a runner or a clock that leads has reported since then."""
    # Further ahead than it may be behind: of a process that ended while its clock was ahead.
    lately = workers.c.seen_at.between(alive_since, alive_since + 2 * SILENT)
    leading = select(workers.c.name).where(workers.c.leads, lately).limit(1)
    return (await connection.execute(leading)).first() is not None
