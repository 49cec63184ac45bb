"""The queries of one slice, all run in its one transaction: take what is due, put waits and skips aside, commit the
intents, store the outcomes of earlier calls. Every change of state is guarded by the state it comes from."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Text,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from campaigns.outcomes import Accepted, Ack, Result
from campaigns.prices import Price
from campaigns.states import RANK, JobState, RunState, sources
from storage.bulk import table_of
from storage.tables import Id, attempts, events, jobs, optouts, recipients, runs, to_millis

logger = logging.getLogger(__name__)

FIRST_POLL = timedelta(seconds=1)
_EVENT: Final[dict[str, TypeEngine[Any]]] = {
    "job_id": Id,
    "at": BigInteger(),
    "source": Text(),
    "event": Text(),
    "detail": Text(),
}
_KEY: Final[dict[str, TypeEngine[Any]]] = {"job_id": Id, "number": Integer()}
_ATTEMPT: Final[dict[str, TypeEngine[Any]]] = {"run_id": Id, "call": Text(), "content": Text()}
_ENDED: Final[dict[str, TypeEngine[Any]]] = {
    "ended_at": BigInteger(),
    "outcome": Text(),
    "http_status": Integer(),
    "code": Text(),
    "detail": Text(),
    "request_id": Text(),
    "latency_ms": Integer(),
}
_MOVED: Final[dict[str, TypeEngine[Any]]] = {
    "state": Text(),
    "reason": Text(),
    "code": Text(),
    "due_at": BigInteger(),
    "held_by": Text(),
    "held_since": BigInteger(),
    "provider_message_id": Text(),
    "cost_micros": BigInteger(),
    "currency": Text(),
    "accepted_at": BigInteger(),
    "poll_at": BigInteger(),
}


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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
    touch_at: datetime
    """By when its call should have begun: what caps count from."""
    variant: str | None = None
    """Which of the campaign's variants it is; the job keeps it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one job's part of a call ended."""

    intent: Intent
    result: Result
    ack: Ack
    ended_at: datetime
    http_status: int | None
    request_id: str | None
    latency_ms: int | None


@dataclass(frozen=True, slots=True)
class Aside:
    """A job that a rule holds back or ends."""

    job_id: int
    state: JobState
    reason: str | None = None
    due_at: datetime | None = None
    held_by: str | None = None
    detail: str | None = None


async def claim_due(
    connection: AsyncConnection, run_id: int, lane: str, now: datetime, limit: int
) -> list[DueJob]:
    """The run's next jobs on the lane whose time has come, locked: a cancel or an expiry waits for the intents."""
    columns = (
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
    )
    due = (
        select(*columns)
        .join(recipients, recipients.c.id == jobs.c.recipient_id)
        .where(
            jobs.c.run_id == run_id,
            jobs.c.lane == lane,
            jobs.c.state == JobState.PENDING.value,
            jobs.c.due_at <= now,
        )
        .order_by(jobs.c.due_at, jobs.c.id)
        .limit(limit)
        .with_for_update(of=jobs)
    )
    return [DueJob(**row) for row in (await connection.execute(due)).mappings()]


async def next_due(connection: AsyncConnection, lane: str, run_ids: Sequence[int]) -> datetime | None:
    """When the next pending job of the runs on the lane is due; a job that already is gives its own time."""
    soonest = select(func.min(jobs.c.due_at)).where(
        jobs.c.run_id == bindparam("run_id"), jobs.c.lane == lane, jobs.c.state == JobState.PENDING.value
    )
    times = [(await connection.execute(soonest, {"run_id": run_id})).scalar() for run_id in run_ids]
    return min((time for time in times if time is not None), default=None)


async def optout_scopes(connection: AsyncConnection, phones: Sequence[str]) -> dict[str, frozenset[str]]:
    """The scopes that each phone is opted out of now: the newest word on a scope holds."""
    said = select(optouts.c.phone, optouts.c.scope, optouts.c.action).where(optouts.c.phone.in_(phones))
    newest: dict[tuple[str, str], str] = {}
    for phone, scope, action in await connection.execute(said.order_by(optouts.c.id)):
        newest[phone, scope] = action
    scopes: defaultdict[str, set[str]] = defaultdict(set)
    for (phone, scope), action in newest.items():
        if action == "out":
            scopes[phone].add(scope)
    return {phone: frozenset(found) for phone, found in scopes.items()}


async def put_aside(connection: AsyncConnection, asides: Sequence[Aside], now: datetime) -> None:
    """Write what the rules decided against sending: waits stay pending, skips end."""
    if not asides:
        return
    await connection.execute(
        update(jobs)
        .where(jobs.c.id == bindparam("job_id"), jobs.c.state == JobState.PENDING.value)
        .values(
            state=bindparam("to_state"),
            reason=bindparam("to_reason"),
            due_at=func.coalesce(bindparam("to_due", type_=jobs.c.due_at.type), jobs.c.due_at),
            held_by=bindparam("to_held"),
            held_since=case(
                (bindparam("to_held").is_(None), None),
                (
                    jobs.c.held_by == bindparam("to_held"),
                    func.coalesce(jobs.c.held_since, literal(now, jobs.c.held_since.type)),
                ),
                else_=literal(now, jobs.c.held_since.type),
            ),
            updated_at=now,
        ),
        [
            {
                "job_id": aside.job_id,
                "to_state": aside.state.value,
                "to_reason": aside.reason,
                "to_due": aside.due_at,
                "to_held": aside.held_by,
            }
            for aside in asides
        ],
    )
    ended = [aside for aside in asides if aside.state is not JobState.PENDING]
    told = [event(a.job_id, now, "shift", a.state.value, a.detail or a.reason) for a in ended]
    await add_events(connection, told, now)


def _held_since(now: datetime) -> ColumnElement[Any]:
    """Since when the rule `to_held` holds the job: as long as it is the same rule, since it first did."""
    moment, rule = literal(now, jobs.c.held_since.type), bindparam("to_held", type_=jobs.c.held_by.type)
    return case(
        (rule.is_(None), None),
        (jobs.c.held_by == rule, func.coalesce(jobs.c.held_since, moment)),
        else_=moment,
    )


async def commit_intents(
    connection: AsyncConnection, lane: str, epoch: int, intents: Sequence[Intent], now: datetime
) -> None:
    """Mark the jobs as being sent and write their attempts: must be committed before the calls are made."""
    if not intents:
        return
    alike: defaultdict[tuple[str, Price | None, str | None], list[int]] = defaultdict(list)
    for intent in intents:
        alike[intent.form, intent.price, intent.variant].append(intent.job.id)
    for (form, price, variant), ids in alike.items():
        marked = await connection.execute(
            update(jobs)
            .where(jobs.c.id.in_(ids), jobs.c.state.in_([s.value for s in sources(JobState.SENDING)]))
            .values(
                state=JobState.SENDING.value,
                form=form,
                variant=variant,
                price_micros=price.money.micros if price else None,
                price_currency=price.money.currency if price else None,
                card_id=price.card_id if price else None,
                attempts=jobs.c.attempts + 1,
                held_by=None,
                held_since=None,
                reason=None,
                code=None,
                updated_at=now,
            )
        )
        if marked.rowcount != len(ids):
            raise RuntimeError(f"{len(ids) - marked.rowcount} jobs of lane {lane} changed under their owner")
    given = table_of(connection, [_attempt(intent) for intent in intents], **_KEY, **_ATTEMPT)
    shared = {
        "lane": literal(lane),
        "epoch": literal(epoch),
        "intent_at": literal(now, attempts.c.intent_at.type),
    }
    made = select(*given.c, *shared.values())
    await connection.execute(insert(attempts).from_select([*given.c.keys(), *shared], made))
    await add_events(connection, [event(i.job.id, now, "shift", "sending") for i in intents], now)


async def withdraw_intents(connection: AsyncConnection, intents: Sequence[Intent], now: datetime) -> None:
    """Take back intents whose calls were never made: the jobs are pending as before, and no attempt is counted."""
    if not intents:
        return
    keys = [{"of_job": intent.job.id, "of_number": intent.job.attempts + 1} for intent in intents]
    await connection.execute(
        delete(attempts).where(
            attempts.c.job_id == bindparam("of_job"),
            attempts.c.number == bindparam("of_number"),
            attempts.c.ended_at.is_(None),
        ),
        keys,
    )
    await connection.execute(
        update(jobs)
        .where(
            jobs.c.id == bindparam("of_job"),
            jobs.c.attempts == bindparam("of_number"),
            jobs.c.state == JobState.SENDING.value,
        )
        .values(
            state=JobState.PENDING.value,
            attempts=jobs.c.attempts - 1,
            held_by=bindparam("to_held"),
            updated_at=now,
        ),
        [{**key, "to_held": intent.job.held_by} for key, intent in zip(keys, intents, strict=True)],
    )
    detail = "the lane stopped before its turn"
    await add_events(connection, [event(i.job.id, now, "shift", "pending", detail) for i in intents], now)


def _attempt(intent: Intent) -> dict[str, Any]:
    return {
        "job_id": intent.job.id,
        "number": intent.job.attempts + 1,
        "run_id": intent.job.run_id,
        "call": intent.call,
        "content": intent.content,
    }


async def store_outcomes(connection: AsyncConnection, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Store how calls ended: the attempts' ends, the jobs' next states, the events."""
    if not outcomes:
        return
    ended = table_of(connection, [_ended_attempt(outcome) for outcome in outcomes], **_KEY, **_ENDED)
    await connection.execute(
        update(attempts)
        .where(attempts.c.job_id == ended.c.job_id, attempts.c.number == ended.c.number)
        .values({name: ended.c[name] for name in _ENDED})
    )
    moved = table_of(connection, [_moved_job(outcome) for outcome in outcomes], job_id=Id, **_MOVED)
    values: dict[str, Any] = {name: moved.c[name] for name in _MOVED}
    values["due_at"] = func.coalesce(moved.c.due_at, jobs.c.due_at)
    stored = await connection.execute(
        update(jobs)
        .where(jobs.c.id == moved.c.job_id, jobs.c.state == JobState.SENDING.value)
        .values(**values, updated_at=now)
    )
    if stored.rowcount != len(outcomes):
        logger.warning(
            "Some outcomes came late: their jobs had moved on.",
            extra={"action": "outcome_late", "late": len(outcomes) - stored.rowcount},
        )
    await add_events(connection, [_outcome_event(outcome) for outcome in outcomes], now)


def _ended_attempt(outcome: Outcome) -> dict[str, Any]:
    refused = None if isinstance(outcome.result, Accepted) else outcome.result
    return {
        "job_id": outcome.intent.job.id,
        "number": outcome.intent.job.attempts + 1,
        "ended_at": to_millis(outcome.ended_at),
        "outcome": refused.kind.value if refused else "accepted",
        "http_status": outcome.http_status,
        "code": refused.code if refused else None,
        "detail": refused.text[:1000] if refused else None,
        "request_id": outcome.request_id,
        "latency_ms": outcome.latency_ms,
    }


def _moved_job(outcome: Outcome) -> dict[str, Any]:
    ack, result = outcome.ack, outcome.result
    taken = result if isinstance(result, Accepted) else None
    ended_at = to_millis(outcome.ended_at)
    return {
        "job_id": outcome.intent.job.id,
        "state": ack.state.value,
        "reason": ack.reason,
        "code": ack.code,
        "due_at": to_millis(ack.due_at) if ack.due_at else None,
        "held_by": ack.held_by,
        "held_since": ended_at if ack.held_by else None,
        "provider_message_id": taken.message_id if taken else None,
        "cost_micros": taken.cost.micros if taken and taken.cost else None,
        "currency": taken.cost.currency if taken and taken.cost else None,
        "accepted_at": ended_at if taken else None,
        "poll_at": to_millis(outcome.ended_at + FIRST_POLL) if taken and ack.state in RANK else None,
    }


def _outcome_event(outcome: Outcome) -> dict[str, Any]:
    result, ack = outcome.result, outcome.ack
    detail = None if isinstance(result, Accepted) else f"{result.code} {result.text}".strip()[:1000]
    return event(outcome.intent.job.id, outcome.ended_at, "shift", ack.state.value, detail)


def event(job_id: int, at: datetime, source: str, name: str, detail: str | None = None) -> dict[str, Any]:
    return {"job_id": job_id, "at": at, "source": source, "event": name, "detail": detail}


async def add_events(connection: AsyncConnection, rows: Iterable[dict[str, Any]], now: datetime) -> None:
    """Append to the jobs' histories."""
    told = [{**row, "at": to_millis(row["at"])} for row in rows]
    if told:
        given = table_of(connection, told, **_EVENT)
        stored = select(*given.c, literal(now, events.c.stored_at.type))
        await connection.execute(insert(events).from_select([*_EVENT, "stored_at"], stored))


async def any_sending(connection: AsyncConnection, run_id: int) -> bool:
    """Whether a call of the run is under way."""
    sending = (
        select(jobs.c.id).where(jobs.c.run_id == run_id, jobs.c.state == JobState.SENDING.value).limit(1)
    )
    return (await connection.execute(sending)).first() is not None


async def has_due_work(connection: AsyncConnection, lane: str, now: datetime) -> bool:
    """Whether a running run has a job on the lane whose time has come."""
    due = (
        select(jobs.c.id)
        .where(
            jobs.c.run_id == runs.c.id,
            jobs.c.lane == lane,
            jobs.c.state == JobState.PENDING.value,
            jobs.c.due_at <= now,
        )
        .exists()
    )
    found = select(runs.c.id).where(runs.c.state == RunState.RUNNING.value, due).limit(1)
    return (await connection.execute(found)).first() is not None
