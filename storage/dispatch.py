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
    await connection.execute(insert(attempts), [_attempt(intent, lane, epoch, now) for intent in intents])
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


def _attempt(intent: Intent, lane: str, epoch: int, now: datetime) -> dict[str, Any]:
    return {
        "job_id": intent.job.id,
        "run_id": intent.job.run_id,
        "number": intent.job.attempts + 1,
        "call": intent.call,
        "lane": lane,
        "epoch": epoch,
        "intent_at": now,
        "content": intent.content,
    }


async def store_outcomes(connection: AsyncConnection, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Store how calls ended: the attempts' ends, the jobs' next states, the events."""
    if not outcomes:
        return
    await connection.execute(
        update(attempts)
        .where(attempts.c.job_id == bindparam("of_job"), attempts.c.number == bindparam("of_number"))
        .values(
            {
                name: bindparam(f"to_{name}")
                for name in (
                    "ended_at",
                    "outcome",
                    "http_status",
                    "code",
                    "detail",
                    "request_id",
                    "latency_ms",
                )
            }
        ),
        [_ended_attempt(outcome) for outcome in outcomes],
    )
    stored = await connection.execute(
        update(jobs)
        .where(jobs.c.id == bindparam("of_job"), jobs.c.state == JobState.SENDING.value)
        .values(
            state=bindparam("to_state"),
            reason=bindparam("to_reason"),
            code=bindparam("to_code"),
            due_at=func.coalesce(bindparam("to_due", type_=jobs.c.due_at.type), jobs.c.due_at),
            held_by=bindparam("to_held"),
            held_since=bindparam("to_since", type_=jobs.c.held_since.type),
            provider_message_id=bindparam("to_message"),
            cost_micros=bindparam("to_cost"),
            currency=bindparam("to_currency"),
            accepted_at=bindparam("to_accepted", type_=jobs.c.accepted_at.type),
            poll_at=bindparam("to_poll", type_=jobs.c.poll_at.type),
            updated_at=now,
        ),
        [_moved_job(outcome) for outcome in outcomes],
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
        "of_job": outcome.intent.job.id,
        "of_number": outcome.intent.job.attempts + 1,
        "to_ended_at": outcome.ended_at,
        "to_outcome": refused.kind.value if refused else "accepted",
        "to_http_status": outcome.http_status,
        "to_code": refused.code if refused else None,
        "to_detail": refused.text[:1000] if refused else None,
        "to_request_id": outcome.request_id,
        "to_latency_ms": outcome.latency_ms,
    }


def _moved_job(outcome: Outcome) -> dict[str, Any]:
    ack, result = outcome.ack, outcome.result
    taken = result if isinstance(result, Accepted) else None
    return {
        "of_job": outcome.intent.job.id,
        "to_state": ack.state.value,
        "to_reason": ack.reason,
        "to_code": ack.code,
        "to_due": ack.due_at,
        "to_held": ack.held_by,
        "to_since": outcome.ended_at if ack.held_by else None,
        "to_message": taken.message_id if taken else None,
        "to_cost": taken.cost.micros if taken and taken.cost else None,
        "to_currency": taken.cost.currency if taken and taken.cost else None,
        "to_accepted": outcome.ended_at if taken else None,
        "to_poll": outcome.ended_at + FIRST_POLL if taken and ack.state in RANK else None,
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
