"""The queries of `retry-failed`: an occurrence is a scheduled run with its retries, and of a person's jobs in it the
newest counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Insert,
    Select,
    Text,
    Update,
    and_,
    case,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.outcomes import AS_TEMPLATE
from campaigns.states import LEFT, JobState, RunState
from storage.database.bulk import among, table_of
from storage.runs.history import NOT_WAITING, in_order, move
from storage.runs.job_counts import counted_by
from storage.tables.counts import job_counts
from storage.tables.runs import jobs, runs
from storage.tables.types import to_millis

MAY_BE_LISTED: Final = (
    JobState.FAILED,
    JobState.SKIPPED,
    JobState.EXPIRED,
    JobState.CANCELLED,
    JobState.IN_DOUBT,
)
ARRIVED: Final = (JobState.DELIVERED, JobState.READ)
_REASON: Final = ("state", "reason", "code")
GIVEN_UP: Final = "given_up"
ALREADY_ARRIVED: Final = "already_arrived"
"""Reason of a retry that was not sent: the first message was delivered in the meantime."""


@frozen
class Occurrence:
    """The newest scheduled run of a campaign, and the runs that belong to it."""

    run_id: int
    state: RunState
    spec: str
    priority: int
    run_ids: tuple[int, ...]
    """Its own, and those of its retries."""


@frozen
class EndedGroup:
    """People whose newest message was not delivered, grouped by reason."""

    state: JobState
    reason: str | None
    code: str | None
    count: int

    @property
    def key(self) -> tuple[str, str, str]:
        return self.state.value, self.reason or "", self.code or ""


async def newest_occurrence(connection: AsyncConnection, campaign_id: int) -> Occurrence | None:
    """The campaign's newest run by its schedule, or None where it was never launched."""
    columns = (runs.c.id, runs.c.state, runs.c.spec, runs.c.priority)
    newest = select(*columns).where(runs.c.campaign_id == campaign_id, runs.c.kind == "scheduled")
    row = (await connection.execute(newest.order_by(runs.c.nominal_at.desc()).limit(1))).first()
    if row is None:
        return None
    retries = await connection.scalars(select(runs.c.id).where(runs.c.parent_id == row.id))
    return Occurrence(row.id, RunState(row.state), row.spec, row.priority, (row.id, *retries))


async def ended_groups(
    connection: AsyncConnection, occurrence: Occurrence, *, given_up: bool
) -> list[EndedGroup]:
    """Who was not reached, by reason, the most frequent first. People who have, or may have, a message are left out."""
    listed = [state.value for state in MAY_BE_LISTED]
    counted: Select[Any]
    if await _only_newest_count(connection, occurrence, given_up):
        counted = counted_by(*_REASON).where(
            job_counts.c.run_id.in_(occurrence.run_ids),
            job_counts.c.state.in_(listed),
            job_counts.c.reason != ALREADY_ARRIVED,
            ~job_counts.c.tried_again,
        )
    else:
        columns = [jobs.c[name] for name in _REASON]
        mine = (
            jobs.c.run_id.in_(occurrence.run_ids),
            jobs.c.state.in_(listed),
            _is_open(occurrence, given_up),
        )
        counted = select(*columns, func.count()).where(*mine).group_by(*columns)
    found = [EndedGroup(JobState(state), *rest) for state, *rest in await connection.execute(counted)]
    return sorted(found, key=lambda group: (-group.count, *group.key))


async def _only_newest_count(connection: AsyncConnection, occurrence: Occurrence, given_up: bool) -> bool:
    """Whether of each person the newest message decides, so that the kept numbers are those of people: no message in
    whose place a retry has come is under way or may have arrived."""
    blocks: list[ColumnElement[bool]] = [job_counts.c.state.in_([*LEFT, JobState.PENDING])]
    if not given_up:
        blocks.append(and_(job_counts.c.state == JobState.CANCELLED, job_counts.c.reason == GIVEN_UP))
    earlier = select(func.sum(job_counts.c.jobs)).where(
        job_counts.c.run_id.in_(occurrence.run_ids), job_counts.c.tried_again, or_(*blocks)
    )
    return not await connection.scalar(earlier)


async def add_retries(
    connection: AsyncConnection,
    occurrence: Occurrence,
    child_id: int,
    groups: Sequence[EndedGroup],
    now: datetime,
    *,
    after: timedelta,
    held_by: str | None,
    given_up: bool,
) -> int:
    """Give each recipient of the groups a job in the child run, due once `after` has passed since the failure; how
    many."""
    if not groups:
        return 0
    query = _retries(occurrence, child_id, _keys(connection, groups), now, after, held_by, given_up)
    made = await connection.execute(query, execution_options={"preserve_rowcount": True})
    await connection.execute(_mark_tried_again(occurrence, child_id))
    return made.rowcount


def _mark_tried_again(occurrence: Occurrence, child_id: int) -> Update:
    """The jobs of the occurrence in whose place those of the child have come."""
    newer = jobs.alias("newer")
    again = select(newer.c.phone).where(newer.c.run_id == child_id)
    older = select(jobs.c.id).where(
        jobs.c.run_id.in_(occurrence.run_ids), jobs.c.phone.in_(again), ~jobs.c.tried_again
    )
    return update(jobs).where(jobs.c.id.in_(in_order(older))).values(tried_again=True)


def _keys(connection: AsyncConnection, groups: Sequence[EndedGroup]) -> Select[Any]:
    """As a table: a provider has as many codes as it likes."""
    named = [dict(zip(_REASON, group.key, strict=True)) for group in groups]
    return select(*table_of(connection, named, **dict.fromkeys(_REASON, Text())).c)


def _retries(
    occurrence: Occurrence,
    child_id: int,
    keys: Select[Any],
    now: datetime,
    after: timedelta,
    held_by: str | None,
    given_up: bool,
) -> Insert:
    ready_at = type_coerce(jobs.c.updated_at, BigInteger) + literal(round(after.total_seconds() * 1000))
    moment = literal(to_millis(now), BigInteger)
    chosen: dict[str, ColumnElement[Any]] = {
        "run_id": literal(child_id),
        "recipient_id": jobs.c.recipient_id,
        "phone": jobs.c.phone,
        "lane": jobs.c.lane,
        "variant": jobs.c.variant,
        "state": literal(JobState.PENDING.value),
        "held_by": literal(held_by),
        "free_refused_at": jobs.c.updated_at if held_by == AS_TEMPLATE else null(),
        "due_at": case((ready_at > moment, ready_at), else_=moment),
        "updated_at": moment,
    }
    key = tuple_(jobs.c.state, func.coalesce(jobs.c.reason, ""), func.coalesce(jobs.c.code, ""))
    source = (
        select(*chosen.values())
        .where(
            jobs.c.run_id.in_(occurrence.run_ids),
            key.in_(keys),
            _is_open(occurrence, given_up),
        )
        .order_by(jobs.c.id)
    )
    return insert(jobs).from_select(list(chosen), source)


def _is_open(occurrence: Occurrence, given_up: bool) -> ColumnElement[bool]:
    """The job is the person's newest of the occurrence, and no other of theirs is under way or may have arrived."""
    other = jobs.alias("other")
    blocks = [other.c.id > jobs.c.id, other.c.state.in_([*LEFT, JobState.PENDING])]
    if not given_up:
        blocks.append(and_(other.c.state == JobState.CANCELLED, other.c.reason == GIVEN_UP))
    found = select(other.c.id).where(
        other.c.run_id.in_(occurrence.run_ids),
        other.c.phone == jobs.c.phone,
        other.c.id != jobs.c.id,
        or_(*blocks),
    )
    return ~found.exists()


_ANY_RETRY: Final = (
    select(runs.c.id)
    .where(runs.c.kind == "retry", runs.c.state.in_([RunState.RUNNING, RunState.PAUSED]))
    .limit(1)
)


@cache
def _arrived() -> Select[tuple[int]]:
    """The pending retries of people whose first message was delivered in the meantime."""
    earlier, child = jobs.alias("earlier"), runs.alias("child")
    return (
        select(jobs.c.id)
        .join(child, child.c.id == jobs.c.run_id)
        .join(runs, or_(runs.c.id == child.c.parent_id, runs.c.parent_id == child.c.parent_id))
        .join(earlier, and_(earlier.c.run_id == runs.c.id, earlier.c.phone == jobs.c.phone))
        .where(
            child.c.kind == "retry",
            child.c.state.in_([RunState.RUNNING, RunState.PAUSED]),
            jobs.c.state == JobState.PENDING.value,
            earlier.c.state.in_(ARRIVED),
        )
    )


async def any_arrived(connection: AsyncConnection) -> bool:
    """Whether there is such a retry. Reads them all where there is none, but locks nothing."""
    if await connection.scalar(_ANY_RETRY) is None:
        return False
    return await connection.scalar(_arrived().limit(1)) is not None


async def arrived_before(
    connection: AsyncConnection, parent_id: int, phones: Collection[str]
) -> frozenset[str]:
    """Those of the phones to which a message of the occurrence was delivered: nothing more of it goes to them, though
    their retry is not ended yet."""
    family = select(runs.c.id).where(or_(runs.c.id == parent_id, runs.c.parent_id == parent_id))
    theirs = (jobs.c.run_id.in_(family), among(connection, jobs.c.phone, phones), jobs.c.state.in_(ARRIVED))
    return frozenset(await connection.scalars(select(jobs.c.phone).where(*theirs)))


async def skip_arrived(connection: AsyncConnection, now: datetime) -> int:
    """End these retries; returns how many."""
    guard = and_(jobs.c.id.in_(in_order(_arrived())), jobs.c.state == JobState.PENDING.value)
    values = {"state": JobState.SKIPPED, "reason": ALREADY_ARRIVED, **dict.fromkeys(NOT_WAITING)}
    moved = await move(connection, guard, values, "clock", now)
    if moved:
        await connection.execute(_unmark_tried_again(now))
    return moved


def _unmark_tried_again(now: datetime) -> Update:
    """The jobs in whose place none but retries that were needless, as has become known now, had come."""
    needless, child, run = jobs.alias("needless"), runs.alias("child"), runs.alias("run")
    other, its_run = jobs.alias("other"), runs.alias("its_run")
    same_occurrence = func.coalesce(run.c.parent_id, run.c.id) == child.c.parent_id
    again = (
        select(other.c.id)
        .join(its_run, its_run.c.id == other.c.run_id)
        .where(
            its_run.c.parent_id == child.c.parent_id,
            its_run.c.id > run.c.id,
            other.c.phone == jobs.c.phone,
            other.c.reason.is_distinct_from(ALREADY_ARRIVED),
        )
        .correlate(jobs, run, child)
    )
    older = (
        select(jobs.c.id)
        .select_from(needless)
        .join(child, child.c.id == needless.c.run_id)
        .join(run, and_(same_occurrence, run.c.id < child.c.id))
        .join(jobs, and_(jobs.c.run_id == run.c.id, jobs.c.phone == needless.c.phone))
        .where(
            child.c.kind == "retry",
            child.c.state.in_([RunState.RUNNING, RunState.PAUSED]),
            needless.c.reason == ALREADY_ARRIVED,
            needless.c.updated_at == now,
            jobs.c.tried_again,
            ~again.exists(),
        )
    )
    return update(jobs).where(jobs.c.id.in_(in_order(older))).values(tried_again=False)
