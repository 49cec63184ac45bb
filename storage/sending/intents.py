"""The queries of one slice, all run in its one transaction: claim what is due, defer or skip, and commit the
intents. Every change of state is guarded by the state it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Delete,
    Executable,
    Insert,
    Integer,
    Select,
    Text,
    Update,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from campaigns.frozen import frozen
from campaigns.money.prices import Price
from campaigns.outcomes import FailureKind
from campaigns.states import JobState, RunState, sources
from storage.database.bulk import as_rows, as_values, by_dialect, given_rows, is_among
from storage.database.engine import execute_later
from storage.runs.first_jobs import has_due
from storage.runs.history import NOT_WAITING, move_later, transition
from storage.tables.audience import recipients
from storage.tables.lanes import lanes
from storage.tables.predicates import IS_PENDING
from storage.tables.runs import attempts, jobs, runs
from storage.tables.types import NOW, Id, to_millis

KEY: Final[dict[str, TypeEngine[Any]]] = {"job_id": Id, "number": Integer()}
_ATTEMPT: Final[dict[str, TypeEngine[Any]]] = {**KEY, "run_id": Id, "call": Text(), "content": Text()}
_MARKS: Final[dict[str, TypeEngine[Any]]] = {
    "form": Text(),
    "category": Text(),
    "variant": Text(),
    "price_micros": BigInteger(),
    "price_currency": Text(),
    "card_id": Id,
    "outside_test": Boolean(),
}
_HELD: Final[dict[str, TypeEngine[Any]]] = {"job_id": Id, "due_at": BigInteger(), "held_by": Text()}
_ENDED: Final[dict[str, TypeEngine[Any]]] = {
    "job_id": Id,
    **dict.fromkeys(("state", "reason", "detail"), Text()),
}


@frozen
class DueJob:
    id: int
    run_id: int
    phone: str
    attempts: int
    held_by: str | None
    vars: str
    """JSON object of the row's columns."""
    region: str | None
    timezone: str | None
    consent_at: datetime | None
    variant: str | None
    goes_alone: bool = False
    """Its batch was refused as a whole."""
    free_refused_at: datetime | None = None
    """When its free form was refused because the window was closed."""
    passing: int = 0
    """How many of its calls ended as `FailureKind.PASSING`."""
    is_twin: bool = False
    """Another job of the run is the same person's."""
    has_arrived: bool = False
    """It is a retry, and the message that it retries was delivered meanwhile."""


@frozen
class Intent:
    """A job about to be sent."""

    job: DueJob
    call: str
    form: str
    content: str
    """The message as JSON, to look for it should it be in doubt."""
    campaign_id: int
    price: Price | None
    """What it is expected to cost; None: unpriced."""
    recorded_at: datetime
    """By when its call should have begun: what caps count from."""
    variant: str | None = None
    """Which of the campaign's variants it is; the job keeps it."""
    category: str | None = None
    """What it is sent as; the job keeps it. None: the campaign's."""
    outside_test: bool = False
    """Whether its person is outside the variant test; the job keeps it."""


@frozen
class Deferral:
    """A job that a rule holds back or ends."""

    job_id: int
    state: JobState
    reason: str | None = None
    due_at: datetime | None = None
    held_by: str | None = None
    detail: str | None = None
    out_of_budget: bool = False
    """The budget has no room for it, and no date is known on which it will."""


_PASSING: Final = select(func.count()).where(
    attempts.c.job_id == jobs.c.id, attempts.c.outcome == FailureKind.PASSING.value
)
_DUE_JOB: Final = (
    jobs.c.id,
    jobs.c.run_id,
    jobs.c.phone,
    jobs.c.attempts,
    jobs.c.held_by,
    recipients.c.vars,
    recipients.c.region,
    recipients.c.timezone,
    recipients.c.consent_at,
    jobs.c.variant,
    jobs.c.goes_alone,
    jobs.c.free_refused_at,
    case((jobs.c.attempts == 0, 0), else_=_PASSING.scalar_subquery()).label("passing"),
)


async def find_job(connection: AsyncConnection, job_id: int) -> DueJob:
    """One job, whatever its state, as a slice would claim it."""
    found = select(*_DUE_JOB).join(recipients, recipients.c.id == jobs.c.recipient_id)
    return DueJob(*(await connection.execute(found.where(jobs.c.id == job_id))).one())


@by_dialect
def _due(sqlite: bool) -> Select[Any]:
    return (
        select(*_DUE_JOB)
        .join(recipients, recipients.c.id == jobs.c.recipient_id)
        .where(
            jobs.c.run_id == bindparam("run_id"),
            jobs.c.lane == bindparam("lane"),
            IS_PENDING,
            jobs.c.due_at <= NOW,
        )
        .order_by(jobs.c.due_at, jobs.c.id)
        .limit(bindparam("most", type_=Integer()))
        .with_for_update(of=jobs, skip_locked=True)
    )


async def claim_due(
    connection: AsyncConnection, run_id: int, lane: str, now: datetime, limit: int
) -> list[DueJob]:
    """The run's next jobs on the lane whose time has come, locked: a cancel or an expiry waits for the intents. What
    another transaction has locked is left for the next slice: a slice takes jobs in the order of their times and runs,
    others lock them in that of their ids, so waiting here could deadlock."""
    asked = {"run_id": run_id, "lane": lane, "now": now, "most": limit}
    return [DueJob(*row) for row in (await connection.execute(_due(connection), asked)).all()]


@by_dialect
def _hold(sqlite: bool) -> Update:
    given = given_rows(sqlite, **_HELD)
    return (
        update(jobs)
        .where(jobs.c.id == given.c.job_id, IS_PENDING)
        .values(
            reason=None,
            due_at=func.coalesce(given.c.due_at, jobs.c.due_at),
            held_by=given.c.held_by,
            held_since=_held_since(given.c.held_by),
            updated_at=NOW,
        )
    )


def _held_since(rule: ColumnElement[str]) -> ColumnElement[Any]:
    """Since when the rule holds the job: while it is the same rule, since it first did."""
    return case(
        (rule.is_(None), None),
        (jobs.c.held_by == rule, func.coalesce(jobs.c.held_since, NOW)),
        else_=NOW,
    )


async def defer_or_skip(connection: AsyncConnection, deferrals: Sequence[Deferral], now: datetime) -> None:
    """Write what the rules decided against sending: waits stay pending, skips end."""
    held = [_held_row(deferral) for deferral in deferrals if deferral.state is JobState.PENDING]
    ended = [_ended_row(deferral) for deferral in deferrals if deferral.state is not JobState.PENDING]
    if held:
        await connection.execute(_hold(connection), {"rows": as_rows(held), "now": now})
    if ended:
        await move_later(connection, _end(connection), {"rows": as_rows(ended), "now": now})


@by_dialect
def _end(sqlite: bool) -> Sequence[Executable]:
    given = given_rows(sqlite, **_ENDED)
    guard = and_(jobs.c.id == given.c.job_id, IS_PENDING)
    values = {"state": given.c.state, "reason": given.c.reason, **dict.fromkeys(NOT_WAITING)}
    return transition(sqlite, guard, values, "shift", detail=given.c.detail)


def _held_row(deferral: Deferral) -> tuple[Any, ...]:
    return deferral.job_id, to_millis(deferral.due_at) if deferral.due_at else None, deferral.held_by


def _ended_row(deferral: Deferral) -> tuple[Any, ...]:
    detail = deferral.detail or deferral.reason
    return deferral.job_id, deferral.state.value, deferral.reason, detail


@by_dialect
def _mark_sending(sqlite: bool) -> Sequence[Executable]:
    given = given_rows(sqlite, job_id=Id, **_MARKS)
    may_be_sent = jobs.c.state.in_([state.value for state in sources(JobState.SENDING)])
    values = {
        **{name: given.c[name] for name in _MARKS},
        **dict.fromkeys(("held_by", "held_since", "reason", "code")),
        "state": JobState.SENDING,
        "attempts": jobs.c.attempts + 1,
    }
    return transition(sqlite, and_(jobs.c.id == given.c.job_id, may_be_sent), values, "shift")


@by_dialect
def _add_attempts(sqlite: bool) -> Insert:
    given = given_rows(sqlite, **_ATTEMPT)
    shared = {
        "lane": bindparam("lane", type_=Text()),
        "epoch": bindparam("epoch", type_=BigInteger()),
        "intent_at": NOW,
    }
    return insert(attempts).from_select([*_ATTEMPT, *shared], select(*given.c, *shared.values()))


async def commit_intents(
    connection: AsyncConnection, lane: str, epoch: int, intents: Sequence[Intent], now: datetime
) -> None:
    """Mark the jobs as being sent and write their attempts: must be committed before the calls are made."""
    if not intents:
        return

    def check(marked: int) -> None:
        if marked != len(intents):
            raise RuntimeError(f"{len(intents) - marked} jobs of lane {lane} changed under their owner")

    # Rows of their own: to take longer ones apart for every statement takes longer.
    marks, made = as_rows(list(map(_marks_row, intents))), as_rows(list(map(_attempt_row, intents)))
    await move_later(connection, _mark_sending(connection), {"rows": marks, "now": now}, check)
    given = {"rows": made, "now": now, "lane": lane, "epoch": epoch}
    await execute_later(connection, _add_attempts(connection), given)


def _attempt_row(intent: Intent) -> tuple[Any, ...]:
    """The values of `_ATTEMPT`."""
    job = intent.job
    return job.id, job.attempts + 1, job.run_id, intent.call, intent.content


def _marks_row(intent: Intent) -> tuple[Any, ...]:
    """The job and the values of `_MARKS`."""
    price = intent.price
    return (
        intent.job.id,
        intent.form,
        intent.category,
        intent.variant,
        price.money.micros if price else None,
        price.money.currency if price else None,
        price.card_id if price else None,
        intent.outside_test,
    )


@by_dialect
def _take_back_attempts(sqlite: bool) -> Delete:
    given = given_rows(sqlite, **KEY)
    theirs = tuple_(attempts.c.job_id, attempts.c.number).in_(select(given.c.job_id, given.c.number))
    # By their jobs first: for the pairs alone, either database may read all attempts.
    its = is_among(sqlite, attempts.c.job_id, "job_ids")
    return delete(attempts).where(its, theirs, attempts.c.ended_at.is_(None))


@by_dialect
def _take_back_jobs(sqlite: bool) -> Sequence[Executable]:
    given = given_rows(sqlite, **KEY, held_by=Text())
    guard = and_(
        jobs.c.id == given.c.job_id,
        jobs.c.attempts == given.c.number,
        jobs.c.state == JobState.SENDING.value,
    )
    values = {"state": JobState.PENDING, "attempts": jobs.c.attempts - 1, "held_by": given.c.held_by}
    return transition(sqlite, guard, values, "shift", detail="the lane stopped before its turn")


async def withdraw_intents(connection: AsyncConnection, intents: Sequence[Intent], now: datetime) -> None:
    """Take back intents whose calls were never made: the jobs are pending as before, and no attempt is counted."""
    if not intents:
        return
    rows = [(i.job.id, i.job.attempts + 1, i.job.held_by) for i in intents]
    given = {"rows": as_rows(rows)}
    job_ids = as_values(connection, [intent.job.id for intent in intents])
    await execute_later(connection, _take_back_attempts(connection), {**given, "job_ids": job_ids})
    await move_later(connection, _take_back_jobs(connection), {**given, "now": now})


async def any_sending(connection: AsyncConnection, run_id: int, now: datetime) -> bool:
    """Whether a call of the run is under way, on a lane that a process holds."""
    sending = (
        select(jobs.c.id)
        .join(lanes, lanes.c.name == jobs.c.lane)
        .where(jobs.c.run_id == run_id, jobs.c.state == JobState.SENDING.value, lanes.c.lease_until > now)
        .limit(1)
    )
    return (await connection.execute(sending)).first() is not None


async def has_due_work(connection: AsyncConnection, lane: str, now: datetime) -> bool:
    """Whether a running run has a job on the lane whose time has come."""
    due = has_due(literal(lane))
    found = select(runs.c.id).where(runs.c.state == RunState.RUNNING.value, due).limit(1)
    return (await connection.execute(found, {"now": now})).first() is not None
