"""The test of a run's variants: whether its winner is chosen, how each variant's messages fared, and who waits for it.
A retry belongs to the test of the run that it retries."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Select, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.rules.names import Rule
from campaigns.states import JobState, RunState
from campaigns.variants import Tally
from storage.database.engine import is_sqlite, lock_names
from storage.runs.job_counts import counted_by
from storage.tables.counts import job_counts
from storage.tables.runs import jobs, runs

ARRIVED: Final = (JobState.DELIVERED, JobState.READ)
_FAMILY: Final = func.coalesce(runs.c.parent_id, runs.c.id)
"""The run whose test a run belongs to."""


@frozen
class Experiment:
    """The state of a run's variant test."""

    run_id: int
    launched_at: datetime
    winner: str | None
    reason: str | None
    """Why it is the winner, or why a person has to choose it; None: it is not decided yet."""


@frozen
class Undecided:
    """A variant test that is still running."""

    run_id: int
    campaign_id: int
    launched_at: datetime
    spec: str
    """The campaign file as it was frozen at the launch, JSON."""


async def running_experiment(connection: AsyncConnection, campaign_id: int, run_id: int) -> Experiment:
    """The test that the run belongs to. No winner is stored until this transaction ends: a job that it defers to
    wait for one is not missed. To be read before any job is locked."""
    if not is_sqlite(connection):
        shared = text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:name, 0))")
        await connection.execute(shared, {"name": _lock_of(campaign_id)})
    return await experiment_of(connection, run_id)


async def experiment_of(connection: AsyncConnection, run_id: int) -> Experiment:
    """The test that the run belongs to."""
    own = select(_FAMILY).where(runs.c.id == run_id).scalar_subquery()
    root = runs.alias("root")
    columns = (root.c.id, root.c.launched_at, root.c.winner, root.c.winner_reason)
    return Experiment(*(await connection.execute(select(*columns).where(root.c.id == own))).one())


@cache
def _undecided() -> Select[Any]:
    opened = select(_FAMILY).where(
        runs.c.state.in_([RunState.RUNNING.value, RunState.PAUSED.value]), runs.c.kind != "test"
    )
    root = runs.alias("root")
    return select(root.c.id, root.c.campaign_id, root.c.launched_at, root.c.spec).where(
        root.c.id.in_(opened),
        root.c.winner.is_(None),
        root.c.winner_reason.is_(None),
        root.c.spec.contains('"winner":{', autoescape=True),
    )


async def undecided(connection: AsyncConnection) -> list[Undecided]:
    """The tests of open runs, a winner of which is to be named."""
    return [Undecided(*row) for row in await connection.execute(_undecided())]


async def store_winner(
    connection: AsyncConnection,
    campaign_id: int,
    run_id: int,
    winner: str | None,
    reason: str,
    now: datetime,
    *,
    by_hand: bool = False,
) -> bool:
    """End the run's test, and wake who waited where there is a winner; False where that was done before.

    `winner` None: a person is to choose, who then does so with `by_hand`.
    """
    await lock_names(connection, [_lock_of(campaign_id)])
    still_open = [runs.c.id == run_id, runs.c.winner.is_(None)]
    still_open += [] if by_hand else [runs.c.winner_reason.is_(None)]
    stored = await connection.execute(
        update(runs).where(*still_open).values(winner=winner, winner_reason=reason)
    )
    if stored.rowcount and winner is not None:
        await _wake(connection, run_id, now)
    return bool(stored.rowcount)


def _lock_of(campaign_id: int) -> str:
    return f"winner:{campaign_id}"


async def _wake(connection: AsyncConnection, run_id: int, now: datetime) -> None:
    waiting = (
        jobs.c.run_id.in_(_with_retries(run_id)),
        jobs.c.state == JobState.PENDING.value,
        jobs.c.held_by == Rule.VARIANT.value,
    )
    woken = update(jobs).where(*waiting)
    await connection.execute(woken.values(due_at=now, held_by=None, held_since=None, updated_at=now))


async def count_waiting(connection: AsyncConnection, run_id: int) -> int:
    """How many messages of the test's run, and of its retries, wait for the winner."""
    waiting = (
        job_counts.c.run_id.in_(_with_retries(run_id)),
        job_counts.c.state == JobState.PENDING.value,
        job_counts.c.held_by == Rule.VARIANT.value,
    )
    return int(await connection.scalar(select(func.sum(job_counts.c.jobs)).where(*waiting)) or 0)


def _with_retries(run_id: int) -> Select[tuple[int]]:
    return select(runs.c.id).where(or_(runs.c.id == run_id, runs.c.parent_id == run_id))


@frozen
class Tallies:
    """How messages of a run and its retries fared that the provider accepted."""

    tested: dict[str, Tally]
    """By variant: those of the test."""
    rest: Tally
    """Those of the winner to people outside the test."""


async def tallies(connection: AsyncConnection, run_id: int) -> Tallies:
    """From the kept numbers: no message is looked at. Of people who were retried only the newest try counts."""
    counted = counted_by("variant", "outside_test", "state", "answered").where(
        job_counts.c.run_id.in_(_with_retries(run_id)), job_counts.c.variant != "", ~job_counts.c.tried_again
    )
    tested: dict[str, Tally] = {}
    rest = Tally()
    for variant, outside, state, answered, number in await connection.execute(counted):
        delivered, read = state in ARRIVED, state == JobState.READ
        more = Tally(number, number * delivered, number * read, number * answered)
        if outside:
            rest += more
        else:
            tested[variant] = tested.get(variant, Tally()) + more
    return Tallies(tested, rest)
