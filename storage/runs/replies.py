"""Who wrote back after a message: what counts as an answer to it, and how messages are marked as answered.

An answer is marked in a transaction of its own, soon after it was stored. That one waits for nobody: what somebody
else has locked, or is being sent just now, it leaves for the next time. So it does not matter whether the answer, a
status or the provider's own response is stored first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    and_,
    bindparam,
    false,
    func,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.states import JobState, RunState
from storage.database.bulk import among, table_of
from storage.tables.contacts import inbound, optouts
from storage.tables.predicates import NOT_COUNTED
from storage.tables.runs import jobs, runs
from storage.tables.types import Id, Text

AT_ONCE: Final = 1_000
"""Answers that are marked in one transaction."""
ANSWERED: Final = func.coalesce(
    and_(
        jobs.c.answered_at > func.coalesce(jobs.c.sent_at, jobs.c.accepted_at),
        jobs.c.provider_message_id.is_not(None),
    ),
    false(),
)
"""Whether the job's person wrote to its account after it was sent. The triggers of migration 0030 count by it."""
_OPTED_OUT: Final = (
    select(optouts.c.id)
    .where(optouts.c.phone == inbound.c.phone, optouts.c.action == "out", optouts.c.at == inbound.c.at)
    .limit(1)
    .scalar_subquery()
    .is_not(None)
)
"""For EXISTS PostgreSQL may read the whole table first."""
_ANSWER: Final = (
    *(inbound.c[name] for name in ("id", "account", "phone")),
    type_coerce(inbound.c.at, BigInteger).label("at"),
)
_UNDER_WAY: Final = (JobState.SENDING.value, JobState.IN_DOUBT.value)
_OPEN_RUNS: Final = (RunState.RUNNING.value, RunState.PAUSED.value)


_NEW: Final = select(inbound.c.id).where(NOT_COUNTED, inbound.c.id > bindparam("after")).limit(1)


async def any_new_answer(connection: AsyncConnection, after: int = 0) -> bool:
    """Whether what somebody wrote is not counted yet, behind this id."""
    return await connection.scalar(_NEW, {"after": after}) is not None


async def mark_answered(connection: AsyncConnection, after: int = 0) -> int:
    """Mark the messages that the oldest new answers behind this id belong to; the last one's id, 0 where there is none.

    A reply that opted its person out is no answer."""
    new = select(*_ANSWER, _OPTED_OUT.label("opted_out")).where(NOT_COUNTED, inbound.c.id > after)
    locked = new.order_by(inbound.c.id).limit(AT_ONCE).with_for_update(skip_locked=True)
    answers = (await connection.execute(locked)).all()
    if not answers:
        return 0
    found = await _answered_by(connection, [one for one in answers if not one.opted_out])
    free = await _lock(connection, {job_id for _, job_id in found})
    newest: dict[int, int] = {}
    for answer, job_id in found:
        if job_id in free:
            newest[job_id] = max(answer.at, newest.get(job_id, 0))
    await _mark(connection, newest)
    waiting = {answer.id for answer, job_id in found if job_id not in free}
    done = [one.id for one in answers if one.id not in waiting]
    await connection.execute(
        update(inbound).where(among(connection, inbound.c.id, done)).values(counted=True)
    )
    return int(answers[-1].id)


async def _answered_by(connection: AsyncConnection, answers: Sequence[Any]) -> list[tuple[Any, int]]:
    """Each answer with each message to its person through the account that they wrote to: those that a provider took,
    and those of which that is not known yet."""
    by_id = {one.id: one for one in answers}
    rows = [{"id": one.id, "phone": one.phone, "account": f"{one.account}/"} for one in answers]
    given = table_of(connection, rows, id=Id, phone=Text(), account=Text())
    theirs = and_(
        jobs.c.phone == given.c.phone,
        func.substr(jobs.c.lane, 1, func.length(given.c.account)) == given.c.account,
    )
    taken = select(given.c.id, jobs.c.id).join(jobs, theirs & jobs.c.provider_message_id.is_not(None))
    # As a value beside each answer and run: for a join, SQLite may read all messages first.
    mine = (jobs.c.run_id == runs.c.id, theirs, func.coalesce(jobs.c.state, "").in_(_UNDER_WAY))
    its_job = select(jobs.c.id).where(*mine).correlate(given, runs).scalar_subquery()
    under_way = select(given.c.id, its_job).join_from(given, runs, runs.c.state.in_(_OPEN_RUNS))
    found = [row for each in (taken, under_way) for row in await connection.execute(each)]
    return [(by_id[one], job) for one, job in found if job is not None]


async def _lock(connection: AsyncConnection, ids: set[int]) -> set[int]:
    """Those of the messages that nobody else changes just now, and that are not being sent."""
    mine = select(jobs.c.id).where(among(connection, jobs.c.id, ids), jobs.c.state != JobState.SENDING.value)
    return set(await connection.scalars(mine.with_for_update(skip_locked=True))) if ids else set()


async def _mark(connection: AsyncConnection, newest: dict[int, int]) -> None:
    """Job -> when its person last wrote, in milliseconds."""
    if newest:
        rows = [{"id": job, "at": at} for job, at in newest.items()]
        given = table_of(connection, rows, id=Id, at=BigInteger())
        later = or_(jobs.c.answered_at.is_(None), type_coerce(jobs.c.answered_at, BigInteger) < given.c.at)
        marked = update(jobs).where(jobs.c.id == given.c.id, later)
        await connection.execute(marked.values(answered_at=given.c.at))
