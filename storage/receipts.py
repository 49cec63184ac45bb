"""What is learned after the call: receipts asked for, reports applied by rank, messages in doubt resolved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from sqlalchemy import bindparam, case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.costs import Money
from campaigns.states import JobState, advance, sources
from storage.dispatch import FIRST_POLL, add_events, event
from storage.tables import attempts, jobs

LONGEST_POLL: Final = timedelta(hours=1)
LAST_POLL: Final = timedelta(days=30)
"""`sent` may still become `delivered` this long after."""


class Reported(Protocol):
    """What a provider said about one message: see `providers.base.Report`."""

    @property
    def message_id(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def state(self) -> JobState | None: ...
    @property
    def at(self) -> datetime | None: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def cost(self) -> Money | None: ...
    @property
    def times(self) -> tuple[tuple[JobState, datetime], ...]: ...


@dataclass(frozen=True, slots=True)
class Awaited:
    job_id: int
    message_id: str
    accepted_at: datetime
    polls: int


@dataclass(frozen=True, slots=True)
class DoubtRow:
    job_id: int
    phone: str
    attempts: int
    intent_at: datetime
    asked_from: datetime
    """When the call ended, or was found to have no stored end: the provider is given its time from here."""
    content: str


async def due_receipts(
    connection: AsyncConnection, lane: str, now: datetime, limit: int, *, after: int
) -> list[Awaited]:
    """Messages of the lane whose receipt is to be asked for by `now`, in the order of their jobs from `after` on."""
    columns = (jobs.c.id, jobs.c.provider_message_id, jobs.c.accepted_at, jobs.c.polls)
    due = select(*columns).where(
        jobs.c.lane == lane,
        jobs.c.poll_at <= now,
        jobs.c.provider_message_id.is_not(None),
        jobs.c.id > after,
    )
    return [Awaited(*row) for row in await connection.execute(due.order_by(jobs.c.id).limit(limit))]


async def plan_next_polls(connection: AsyncConnection, asked: Sequence[Awaited], now: datetime) -> None:
    """Ask again later, each time twice as late, until the message is read, has failed or is a month old."""
    if not asked:
        return
    over = or_(jobs.c.state == JobState.READ.value, jobs.c.state == JobState.FAILED.value)
    await connection.execute(
        update(jobs)
        .where(jobs.c.id == bindparam("of_job"))
        .values(
            poll_at=case((over, None), else_=bindparam("to_poll", type_=jobs.c.poll_at.type)),
            polls=jobs.c.polls + 1,
        ),
        [{"of_job": a.job_id, "to_poll": _next_poll(a, now)} for a in asked],
    )


def _next_poll(asked: Awaited, now: datetime) -> datetime | None:
    if now - asked.accepted_at > LAST_POLL:
        return None
    return now + min(FIRST_POLL * float(2 ** min(asked.polls, 20)), LONGEST_POLL)


async def apply_reports(
    connection: AsyncConnection, lane: str, reports: Sequence[Reported], source: str, now: datetime
) -> int:
    """Move each reported job as far as its report's rank allows; how many moves were made.

    A repeated or weaker report moves nothing; times and prices are taken from whichever report names them.
    """
    if not reports:
        return 0
    known = await _jobs_of(connection, lane, [report.message_id for report in reports])
    facts, moves, histories = [], [], []
    for report in reports:
        for job_id, state in known.get(report.message_id, {}).items():
            facts.append(_facts(job_id, report))
            if report.state is None or advance(state, report.state) is state:
                continue
            known[report.message_id][job_id] = report.state
            moves.append(_move(job_id, report.state, report))
            histories.append(event(job_id, report.at or now, source, report.state.value, report.reason))
    await _write_facts(connection, facts, now)
    await _write_moves(connection, moves)
    await add_events(connection, histories, now)
    return len(moves)


async def _jobs_of(
    connection: AsyncConnection, lane: str, message_ids: Sequence[str]
) -> dict[str, dict[int, JobState]]:
    named = (
        select(jobs.c.provider_message_id, jobs.c.id, jobs.c.state)
        .where(jobs.c.lane == lane, jobs.c.provider_message_id.in_(set(message_ids)))
        .with_for_update()
    )
    known: dict[str, dict[int, JobState]] = {}
    for message_id, job_id, state in await connection.execute(named):
        known.setdefault(message_id, {})[job_id] = JobState(state)
    return known


def _facts(job_id: int, report: Reported) -> dict[str, Any]:
    times = dict(report.times)
    if report.at is not None and report.state is not None:
        times.setdefault(report.state, report.at)
    return {
        "of_job": job_id,
        "to_sent_at": times.get(JobState.SENT),
        "to_delivered_at": times.get(JobState.DELIVERED),
        "to_read_at": times.get(JobState.READ),
        "to_cost_micros": report.cost.micros if report.cost else None,
        "to_currency": report.cost.currency if report.cost else None,
    }


async def _write_facts(connection: AsyncConnection, facts: list[dict[str, Any]], now: datetime) -> None:
    if not facts:
        return
    kept = {
        name: func.coalesce(bindparam(f"to_{name}", type_=jobs.c[name].type), jobs.c[name])
        for name in ("sent_at", "delivered_at", "read_at", "cost_micros", "currency")
    }
    await connection.execute(
        update(jobs).where(jobs.c.id == bindparam("of_job")).values(**kept, updated_at=now), facts
    )


def _move(job_id: int, state: JobState, report: Reported) -> dict[str, Any]:
    failed = state is JobState.FAILED
    return {
        "of_job": job_id,
        "to_state": state.value,
        "to_reason": "provider_failed" if failed else None,
        "to_code": (report.reason or report.status) if failed else None,
    }


async def _write_moves(connection: AsyncConnection, moves: list[dict[str, Any]]) -> None:
    if not moves:
        return
    await connection.execute(
        update(jobs)
        .where(jobs.c.id == bindparam("of_job"))
        .values(state=bindparam("to_state"), reason=bindparam("to_reason"), code=bindparam("to_code")),
        moves,
    )


async def mark_orphans(connection: AsyncConnection, lane: str, now: datetime) -> int:
    """Put every job that a dead shift left in `sending` in doubt; how many. Only the lane's new owner may."""
    orphaned = await connection.execute(
        update(jobs)
        .where(jobs.c.lane == lane, jobs.c.state == JobState.SENDING.value)
        .values(state=JobState.IN_DOUBT.value, reason="interrupted", updated_at=now)
        .returning(jobs.c.id)
    )
    ids = [row.id for row in orphaned]
    if ids:
        await connection.execute(
            update(attempts)
            .where(attempts.c.job_id.in_(ids), attempts.c.ended_at.is_(None))
            .values(ended_at=now, outcome="unknown", detail="The sender stopped before an answer was stored.")
        )
        await add_events(connection, [event(job_id, now, "rescue", JobState.IN_DOUBT.value) for job_id in ids], now)
    return len(ids)


async def has_orphans(connection: AsyncConnection, lane: str) -> bool:
    """Whether a job of the lane is marked as being sent: by a shift under way, or by one that died."""
    orphaned = select(jobs.c.id).where(jobs.c.lane == lane, jobs.c.state == JobState.SENDING.value).limit(1)
    return (await connection.execute(orphaned)).first() is not None


async def doubts(connection: AsyncConnection, lane: str, limit: int) -> list[DoubtRow]:
    """Jobs of the lane in doubt, with their last attempt, oldest first."""
    last = (attempts.c.job_id == jobs.c.id) & (attempts.c.number == jobs.c.attempts)
    columns = (
        jobs.c.id,
        jobs.c.phone,
        jobs.c.attempts,
        attempts.c.intent_at,
        func.coalesce(attempts.c.ended_at, attempts.c.intent_at, type_=attempts.c.intent_at.type),
        attempts.c.content,
    )
    doubtful = select(*columns).join(attempts, last).where(jobs.c.lane == lane, jobs.c.state == JobState.IN_DOUBT.value)
    return [DoubtRow(*row) for row in await connection.execute(doubtful.order_by(attempts.c.intent_at).limit(limit))]


async def known_message_ids(connection: AsyncConnection, phone: str) -> frozenset[str]:
    """The provider's ids of every message to the phone that belongs to a job."""
    named = select(jobs.c.provider_message_id).where(
        jobs.c.phone == phone, jobs.c.provider_message_id.is_not(None)
    )
    return frozenset((await connection.execute(named)).scalars())


async def adopt_message(connection: AsyncConnection, doubt: DoubtRow, message_id: str, now: datetime) -> bool:
    """The provider has the message: the job is `accepted` under its id. False where the job has moved on."""
    return await _leave_doubt(
        connection,
        doubt,
        JobState.ACCEPTED,
        f"found at the provider as {message_id}",
        now,
        provider_message_id=message_id,
        accepted_at=doubt.intent_at,
        poll_at=now,
    )


async def send_again(connection: AsyncConnection, doubt: DoubtRow, now: datetime) -> bool:
    """The provider does not have the message: the job is `pending` again. False where the job has moved on."""
    return await _leave_doubt(
        connection, doubt, JobState.PENDING, "not at the provider", now, due_at=now, held_by="retry"
    )


async def give_up(connection: AsyncConnection, doubt: DoubtRow, now: datetime) -> bool:
    """The provider never kept it, as often as it was tried: the job has failed. False where it has moved on."""
    return await _leave_doubt(
        connection, doubt, JobState.FAILED, "not at the provider after the last attempt", now
    )


async def _leave_doubt(
    connection: AsyncConnection, doubt: DoubtRow, state: JobState, detail: str, now: datetime, **values: Any
) -> bool:
    # The attempt's number guards against a doubt of an earlier attempt being answered late.
    moved = await connection.execute(
        update(jobs)
        .where(
            jobs.c.id == doubt.job_id,
            jobs.c.attempts == doubt.attempts,
            jobs.c.state == JobState.IN_DOUBT.value,
            jobs.c.state.in_([s.value for s in sources(state)]),
        )
        .values(
            state=state.value,
            reason="retries_exhausted" if state is JobState.FAILED else None,
            updated_at=now,
            **values,
        )
    )
    if moved.rowcount:
        await add_events(connection, [event(doubt.job_id, now, "lookup", state.value, detail)], now)
    return bool(moved.rowcount)


