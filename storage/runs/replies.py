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
    CompoundSelect,
    Row,
    and_,
    exists,
    false,
    func,
    or_,
    select,
    type_coerce,
    union,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.states import JobState, RunState
from storage.database.bulk import among, table_of
from storage.tables.contacts import inbound, optouts
from storage.tables.predicates import NOT_COUNTED
from storage.tables.runs import jobs, runs
from storage.tables.types import Id

AT_ONCE: Final = 1_000
"""Answers that are marked in one transaction."""
ANSWERED: Final = func.coalesce(
    and_(
        jobs.c.answered_at > func.coalesce(jobs.c.sent_at, jobs.c.accepted_at),
        jobs.c.provider_message_id.is_not(None),
    ),
    false(),
)
"""Whether the job's person wrote to its account after it was sent. The triggers of migration 0029 count by it."""
_UNDER_WAY: Final = (JobState.SENDING.value, JobState.IN_DOUBT.value)
_OPEN_RUNS: Final = (RunState.RUNNING.value, RunState.PAUSED.value)


async def any_new_answer(connection: AsyncConnection, after: int = 0) -> bool:
    """Whether what somebody wrote is not counted yet, behind this id."""
    found = select(inbound.c.id).where(NOT_COUNTED, inbound.c.id > after)
    return await connection.scalar(found.limit(1)) is not None


async def mark_answered(connection: AsyncConnection, after: int = 0) -> int:
    """Mark the messages that the oldest new answers behind this id belong to; the last one's id, 0 where there is none.

    A reply that opted its person out is no answer."""
    new = select(inbound.c.id, inbound.c.phone).where(NOT_COUNTED, inbound.c.id > after)
    locked = new.order_by(inbound.c.id).limit(AT_ONCE).with_for_update(skip_locked=True)
    answers = (await connection.execute(locked)).all()
    if not answers:
        return 0
    ids = [answer.id for answer in answers]
    found = (await connection.execute(_answered_by(connection, ids))).all()
    free = await _lock(connection, found)
    newest: dict[int, int] = {}
    for row in found:
        if row.job_id in free:
            newest[row.job_id] = max(row.at, newest.get(row.job_id, 0))
    await _mark(connection, newest)
    waiting = {row.id for row in found if row.job_id not in free}
    done = [one for one in ids if one not in waiting]
    await connection.execute(
        update(inbound).where(among(connection, inbound.c.id, done)).values(counted=True)
    )
    return int(ids[-1])


def _answered_by(connection: AsyncConnection, ids: Sequence[int]) -> CompoundSelect[Any]:
    """The messages to these people through the accounts that they wrote to: those that a provider took, and those of
    which that is not known yet."""
    given = table_of(connection, [{"id": one} for one in ids], id=Id)
    mine = inbound.join(given, given.c.id == inbound.c.id)
    account = inbound.c.account.concat("/")
    same_account = func.substr(jobs.c.lane, 1, func.length(account)) == account
    opted_out = exists().where(
        optouts.c.phone == inbound.c.phone, optouts.c.action == "out", optouts.c.at == inbound.c.at
    )
    columns = (inbound.c.id, jobs.c.id.label("job_id"), type_coerce(inbound.c.at, BigInteger).label("at"))
    taken = and_(jobs.c.phone == inbound.c.phone, jobs.c.provider_message_id.is_not(None))
    open_runs = runs.join(jobs, jobs.c.run_id == runs.c.id)
    under_way = and_(jobs.c.phone == inbound.c.phone, jobs.c.state.in_(_UNDER_WAY))
    return union(
        select(*columns).select_from(mine.join(jobs, taken)).where(same_account, ~opted_out),
        select(*columns)
        .select_from(mine.join(open_runs, under_way))
        .where(runs.c.state.in_(_OPEN_RUNS), same_account, ~opted_out),
    )


async def _lock(connection: AsyncConnection, found: Sequence[Row[Any]]) -> set[int]:
    """Those of the messages that nobody else changes just now, and that are not being sent."""
    ids = {row.job_id for row in found}
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
