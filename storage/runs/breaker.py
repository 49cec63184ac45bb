"""How a run's newest messages fared: what the circuit breaker looks at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import Integer, Select, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.states import JobState
from storage.tables import attempts, campaigns, jobs, runs

HARD: Final = ("refused", "provider_failed", "retries_exhausted")
"""Reasons of a failure that speak against going on; that a person has opted out does not."""


@dataclass(frozen=True, slots=True)
class Failures:
    """Of a run's newest messages."""

    count: int
    often: str | None
    """The code or reason that is met most often."""


@cache
def _failed() -> Select[Any, int]:
    since = select(runs.c.watched_from).where(runs.c.id == bindparam("of_run")).scalar_subquery()
    newest = (
        select(attempts.c.job_id)
        .where(
            attempts.c.run_id == bindparam("of_run"),
            attempts.c.ended_at.is_not(None),
            attempts.c.id > func.coalesce(since, 0),
        )
        .order_by(attempts.c.id.desc())
        .limit(bindparam("newest", type_=Integer()))
        .subquery()
    )
    what = func.coalesce(jobs.c.code, jobs.c.reason)
    return (
        select(what, func.count())
        .join(newest, newest.c.job_id == jobs.c.id)
        .where(jobs.c.state == JobState.FAILED.value, jobs.c.reason.in_(HARD))
        .group_by(what)
        .order_by(func.count().desc())
    )


async def newest_failures(connection: AsyncConnection, run_id: int, of_last: int) -> Failures:
    """How many of the run's newest `of_last` answered attempts came to a failed message, since it last was resumed."""
    found = (await connection.execute(_failed(), {"of_run": run_id, "newest": of_last})).all()
    return Failures(sum(count for _, count in found), found[0][0] if found else None)


async def forget_failures(connection: AsyncConnection, campaign: str) -> None:
    """A person resumes the campaign: what failed before counts no more."""
    newest = select(func.max(attempts.c.id)).scalar_subquery()
    named = select(campaigns.c.id).where(campaigns.c.name == campaign).scalar_subquery()
    await connection.execute(update(runs).where(runs.c.campaign_id == named).values(watched_from=newest))
