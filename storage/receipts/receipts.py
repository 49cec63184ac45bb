"""Which receipts are asked for and when, and how messages in doubt are resolved."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import Select, Text, and_, bindparam, case, cast, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.states import JobState, sources
from campaigns.time.clock import NEVER
from storage.database.bulk import as_values, by_dialect, is_among
from storage.runs.history import in_order, move
from storage.sending.freed_room import give_back
from storage.sending.outcomes import FIRST_POLL
from storage.tables.lanes import lanes
from storage.tables.predicates import OPEN
from storage.tables.runs import attempts, jobs, runs
from storage.tables.types import NOW

LONGEST_POLL: Final = timedelta(hours=1)
LAST_POLL: Final = timedelta(days=30)
"""`sent` may still become `delivered` this long after."""


@frozen
class Awaited:
    job_id: int
    message_id: str
    accepted_at: datetime
    polls: int


@frozen
class DoubtRow:
    job_id: int
    phone: str
    attempts: int
    unanswered: int
    """How many of them ended without a reliable answer."""
    intent_at: datetime
    asked_from: datetime
    """When the call ended, or was found to have no stored end: the provider's time to list the message counts from
    here."""
    content: str
    reference: str = ""
    """Our name for the message."""


_OF_LANE: Final = (jobs.c.lane == bindparam("of_lane"), jobs.c.id > bindparam("after"))
_DUE: Final = (
    select(jobs.c.id, jobs.c.provider_message_id, jobs.c.accepted_at, jobs.c.polls)
    .where(*_OF_LANE, jobs.c.poll_at <= NOW, jobs.c.provider_message_id.is_not(None))
    .order_by(jobs.c.id)
    .limit(bindparam("most"))
)


async def due_receipts(
    connection: AsyncConnection, lane: str, now: datetime, limit: int, *, after: int
) -> list[Awaited]:
    """Messages of the lane whose receipt is to be asked for by `now`, in the order of their jobs from `after` on."""
    asked = {"of_lane": lane, "now": now, "after": after, "most": limit}
    return [Awaited(*row) for row in await connection.execute(_DUE, asked)]


@by_dialect
def _first_poll(sqlite: bool) -> Select[Any]:
    mine = (jobs.c.lane == lanes.c.name, jobs.c.poll_at.is_not(None))
    first = select(jobs.c.poll_at).where(*mine).order_by(jobs.c.poll_at).limit(1)
    of_lane = first.correlate(lanes).scalar_subquery()
    return select(func.min(of_lane)).select_from(lanes).where(is_among(sqlite, lanes.c.name, "names"))


async def next_poll(connection: AsyncConnection, names: Collection[str]) -> datetime:
    """When the first receipt of a message of these lanes is to be asked for."""
    found = await connection.scalar(_first_poll(connection), {"names": as_values(connection, names)})
    return NEVER if found is None else found


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


async def mark_orphans(connection: AsyncConnection, lane: str, now: datetime) -> int:
    """Mark every job that a dead shift left in `sending` as in doubt; returns how many. Only the lane's new owner may
    do this."""
    if not await has_orphans(connection, lane):
        return 0
    orphans = and_(jobs.c.lane == lane, jobs.c.state == JobState.SENDING.value, OPEN)
    # Set-based: a list of all the ids may be longer than a statement can take.
    await connection.execute(
        update(attempts)
        .where(
            attempts.c.job_id.in_(in_order(select(jobs.c.id).where(orphans))), attempts.c.ended_at.is_(None)
        )
        .values(ended_at=now, outcome="unknown", detail="The sender stopped before an answer was stored.")
    )
    return await move(
        connection, orphans, {"state": JobState.IN_DOUBT, "reason": "interrupted"}, "rescue", now
    )


async def has_orphans(connection: AsyncConnection, lane: str) -> bool:
    """Whether a job of the lane is marked as being sent: by a shift under way, or by one that died."""
    orphaned = (
        select(jobs.c.id).where(jobs.c.lane == lane, jobs.c.state == JobState.SENDING.value, OPEN).limit(1)
    )
    return (await connection.execute(orphaned)).first() is not None


@cache
def _doubtful() -> Select[Any]:
    past = attempts.alias()
    last = (attempts.c.job_id == jobs.c.id) & (attempts.c.number == jobs.c.attempts)
    unanswered = (
        select(func.count())
        .where(past.c.job_id == jobs.c.id, past.c.outcome == "unknown")
        .correlate(jobs)
        .scalar_subquery()
    )
    columns = (
        jobs.c.id,
        jobs.c.phone,
        jobs.c.attempts,
        unanswered,
        attempts.c.intent_at,
        func.coalesce(attempts.c.ended_at, attempts.c.intent_at, type_=attempts.c.intent_at.type),
        attempts.c.content,
        runs.c.token + "." + cast(jobs.c.id, Text),
    )
    return (
        select(*columns)
        .join(attempts, last)
        .join(runs, runs.c.id == jobs.c.run_id)
        .where(*_OF_LANE, jobs.c.state == JobState.IN_DOUBT.value, OPEN)
        .order_by(jobs.c.id)
        .limit(bindparam("most"))
    )


async def doubts(connection: AsyncConnection, lane: str, limit: int, *, after: int = 0) -> list[DoubtRow]:
    """Jobs of the lane in doubt, with their last attempt, in the order of the jobs from `after` on."""
    asked = {"of_lane": lane, "after": after, "most": limit}
    return [DoubtRow(*row) for row in await connection.execute(_doubtful(), asked)]


@by_dialect
def _any_doubt(sqlite: bool) -> Select[Any]:
    in_doubt = (is_among(sqlite, jobs.c.lane, "names"), jobs.c.state == JobState.IN_DOUBT.value, OPEN)
    return select(jobs.c.id).where(*in_doubt).limit(1)


async def any_doubt(connection: AsyncConnection, names: Collection[str]) -> bool:
    """Whether a message of one of these lanes is in doubt."""
    asked = {"names": as_values(connection, names)}
    return await connection.scalar(_any_doubt(connection), asked) is not None


async def known_message_ids(connection: AsyncConnection, phone: str) -> frozenset[str]:
    """The provider's ids of every message to the phone that belongs to a job."""
    named = select(jobs.c.provider_message_id).where(
        jobs.c.phone == phone, jobs.c.provider_message_id.is_not(None)
    )
    return frozenset((await connection.execute(named)).scalars())


async def is_claimed(connection: AsyncConnection, doubt: DoubtRow, lane: str, message_id: str) -> bool:
    """Whether the message belongs to another job, or may: one to the same phone is being sent just now."""
    taken = select(jobs.c.id).where(jobs.c.phone == doubt.phone, jobs.c.provider_message_id == message_id)
    if (await connection.execute(taken.limit(1))).first() is not None:
        return True
    other = select(jobs.c.id).where(
        jobs.c.lane == lane, jobs.c.state == JobState.SENDING.value, jobs.c.phone == doubt.phone, OPEN
    )
    return (await connection.execute(other.limit(1))).first() is not None


async def adopt_message(
    connection: AsyncConnection, doubt: DoubtRow, message_id: str, now: datetime, *, polls: bool = True
) -> bool:
    """The provider has the message: the job is `accepted` under its id. False where the job has moved on. `polls`:
    whether the provider can be asked for receipts."""
    return await _leave_doubt(
        connection,
        doubt,
        JobState.ACCEPTED,
        f"found at the provider as {message_id}",
        now,
        provider_message_id=message_id,
        accepted_at=doubt.intent_at,
        poll_at=now if polls else None,
    )


async def send_again(connection: AsyncConnection, doubt: DoubtRow, now: datetime) -> bool:
    """The provider does not have the message: the job is `pending` again. False where the job has moved on."""
    return await _leave_doubt(
        connection, doubt, JobState.PENDING, "not at the provider", now, due_at=now, held_by="retry"
    )


async def give_up(connection: AsyncConnection, doubt: DoubtRow, now: datetime) -> bool:
    """The provider never accepted it in any attempt: the job has failed. False if the job has changed since."""
    return await _leave_doubt(
        connection, doubt, JobState.FAILED, "not at the provider after the last attempt", now
    )


async def _leave_doubt(
    connection: AsyncConnection, doubt: DoubtRow, state: JobState, detail: str, now: datetime, **values: Any
) -> bool:
    # The attempt's number guards against a late answer about an earlier attempt.
    guard = and_(
        jobs.c.id == doubt.job_id,
        jobs.c.attempts == doubt.attempts,
        jobs.c.state == JobState.IN_DOUBT.value,
        jobs.c.state.in_([s.value for s in sources(state)]),
    )
    values |= {"state": state, "reason": "retries_exhausted" if state is JobState.FAILED else None}
    moved = await move(connection, guard, values, "lookup", now, detail=detail)
    if moved:
        await give_back(connection, [doubt.job_id], now)
    return bool(moved)
