"""Results of a run's newest messages, for the circuit breaker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import Integer, Select, and_, bindparam, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.outcomes import MESSAGE_REFUSED, PASSING_ATTEMPTS, FailureKind
from campaigns.states import JobState
from storage.tables import attempts, campaigns, jobs, runs

HARD: Final = ("refused", MESSAGE_REFUSED, "provider_failed", "retries_exhausted")
"""Reasons of a failure that count against the run; that a person has opted out does not."""


@dataclass(frozen=True, slots=True)
class Failures:
    """The failures among a run's newest messages."""

    count: int
    often: str | None
    """The most frequent code or reason."""


@dataclass(frozen=True, slots=True)
class First:
    """Results of the messages of one form and variant."""

    accepted: int = 0
    refused: int = 0
    """As they are written, for good."""
    under_way: int = 0


@dataclass(frozen=True, slots=True)
class FirstResults:
    """Results of a run's messages since it was last resumed, by form and variant."""

    jobs: int
    """Of the run, in all."""
    by_kind: Mapping[tuple[str, str | None], First]

    def of(self, kind: tuple[str, str | None]) -> First:
        return self.by_kind.get(kind, First())


_SINCE: Final = func.coalesce(
    select(runs.c.watched_from).where(runs.c.id == bindparam("of_run")).scalar_subquery(), 0
)
_OF_RUN: Final = (attempts.c.run_id == bindparam("of_run"), attempts.c.id > _SINCE)
_REFUSED: Final = or_(
    attempts.c.outcome == FailureKind.MESSAGE.value,
    and_(attempts.c.outcome == FailureKind.PASSING.value, attempts.c.number >= PASSING_ATTEMPTS),
)
_FIRSTS: Final = (
    select(
        jobs.c.form,
        jobs.c.variant,
        func.count().filter(attempts.c.outcome == "accepted"),
        func.count().filter(_REFUSED),
        func.count().filter(jobs.c.state == JobState.SENDING.value, attempts.c.number == jobs.c.attempts),
    )
    .join_from(attempts, jobs, jobs.c.id == attempts.c.job_id)
    .where(*_OF_RUN)
    .group_by(jobs.c.form, jobs.c.variant)
)
_NEWEST_REFUSAL: Final = (
    select(attempts.c.code, attempts.c.detail)
    .where(*_OF_RUN, _REFUSED)
    .order_by(attempts.c.id.desc())
    .limit(1)
)


async def first_results(connection: AsyncConnection, run_id: int) -> FirstResults:
    """Reads every attempt since the run was last resumed: only for a run with a form or variant of which no message has
    been accepted yet."""
    count = await connection.scalar(select(runs.c.jobs).where(runs.c.id == run_id))
    rows = await connection.execute(_FIRSTS, {"of_run": run_id})
    return FirstResults(int(count or 0), {(form, variant): First(*result) for form, variant, *result in rows})


async def newest_refusal(connection: AsyncConnection, run_id: int) -> str:
    """The code and the text of the run's newest message that was refused as it is written."""
    row = (await connection.execute(_NEWEST_REFUSAL, {"of_run": run_id})).first()
    return "" if row is None else ": ".join(filter(None, row))


@cache
def _failed() -> Select[Any, int]:
    newest = (
        select(jobs.c.state, jobs.c.reason, jobs.c.code)
        .join_from(attempts, jobs, jobs.c.id == attempts.c.job_id)
        .where(*_OF_RUN, attempts.c.ended_at.is_not(None), attempts.c.number == jobs.c.attempts)
        .order_by(attempts.c.id.desc())
        .limit(bindparam("newest", type_=Integer()))
        .subquery()
    )
    what = func.coalesce(newest.c.code, newest.c.reason)
    return (
        select(what, func.count())
        .where(newest.c.state == JobState.FAILED.value, newest.c.reason.in_(HARD))
        .group_by(what)
        .order_by(func.count().desc())
    )


async def newest_failures(connection: AsyncConnection, run_id: int, of_last: int) -> Failures:
    """How many of the run's newest `of_last` answered messages have failed, since it last was resumed. A message counts
    once, by its last attempt."""
    found = (await connection.execute(_failed(), {"of_run": run_id, "newest": of_last})).all()
    return Failures(sum(count for _, count in found), found[0][0] if found else None)


async def forget_failures(connection: AsyncConnection, campaign: str) -> None:
    """A person resumes the campaign: what failed before counts no more."""
    newest = select(func.max(attempts.c.id)).scalar_subquery()
    named = select(campaigns.c.id).where(campaigns.c.name == campaign).scalar_subquery()
    await connection.execute(update(runs).where(runs.c.campaign_id == named).values(watched_from=newest))
