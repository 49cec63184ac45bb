"""Results of a run's messages: its first, and those around a failure, for the circuit breaker."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from typing import Any, Final

from sqlalchemy import CTE, Select, and_, bindparam, case, func, or_, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.outcomes import MESSAGE_REFUSED, PASSING_ATTEMPTS, FailureKind
from campaigns.states import JobState, RunState
from storage.database.bulk import as_values, by_dialect, is_among
from storage.tables.audience import campaigns
from storage.tables.lanes import lanes
from storage.tables.runs import attempts, jobs, runs
from storage.tables.types import NOW, Id

LOOK: Final = 1_000
"""Newest calls of a run by which a process that takes it over knows what the provider accepts."""
HARD: Final = ("refused", MESSAGE_REFUSED, "provider_failed", "retries_exhausted")
"""Reasons of a failure that count against the run; that a person has opted out does not."""


@frozen
class FailingRun:
    """A running run with failures that count against it."""

    id: int
    spec: str
    """Its campaign file, JSON."""
    failed: tuple[int, ...]
    """The last attempts of the messages that failed, in their order."""


@frozen
class Stretch:
    """So many messages of a run in a row."""

    failed: int
    last: int
    """The last attempt of the last of them."""


@frozen
class First:
    """Results of the messages of one form and variant."""

    accepted: int = 0
    refused: int = 0
    """As they are written, for good."""
    under_way: int = 0
    """On lanes that a process holds: what a dead one left on a lane that nobody takes any more is nobody's answer to
    wait for."""


@frozen
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
_IS_PASSING: Final = attempts.c.outcome == FailureKind.PASSING.value
_earlier: Final = attempts.alias("earlier")
_TRIES: Final = select(func.count()).where(
    _earlier.c.job_id == attempts.c.job_id,
    _earlier.c.number <= attempts.c.number,
    _earlier.c.outcome == FailureKind.PASSING.value,
)
_REFUSED: Final = or_(
    attempts.c.outcome == FailureKind.MESSAGE.value,
    and_(_IS_PASSING, _TRIES.scalar_subquery() >= PASSING_ATTEMPTS),
)
_FIRSTS: Final = (
    select(
        jobs.c.form,
        jobs.c.variant,
        func.count().filter(attempts.c.outcome == "accepted"),
        func.count().filter(_REFUSED),
        func.count().filter(
            jobs.c.state == JobState.SENDING.value,
            attempts.c.number == jobs.c.attempts,
            lanes.c.lease_until > NOW,
        ),
    )
    .join_from(attempts, jobs, jobs.c.id == attempts.c.job_id)
    .outerjoin(lanes, lanes.c.name == jobs.c.lane)
    .where(*_OF_RUN)
    .group_by(jobs.c.form, jobs.c.variant)
)
_NEWEST_REFUSAL: Final = (
    select(attempts.c.code, attempts.c.detail)
    .where(*_OF_RUN, _REFUSED)
    .order_by(attempts.c.id.desc())
    .limit(1)
)


_NEWEST: Final = (
    select(attempts.c.job_id, attempts.c.outcome)
    .where(*_OF_RUN)
    .order_by(attempts.c.id.desc())
    .limit(LOOK)
    .subquery()
)
_ACCEPTED_LATELY: Final = (
    select(jobs.c.form, jobs.c.variant)
    .join(_NEWEST, _NEWEST.c.job_id == jobs.c.id)
    .where(_NEWEST.c.outcome == "accepted")
    .distinct()
)


async def accepted_lately(connection: AsyncConnection, run_id: int) -> set[tuple[str, str | None]]:
    """The forms and variants of which one of the run's newest LOOK calls was accepted: in a long run, all that are
    frequent."""
    rows = await connection.execute(_ACCEPTED_LATELY, {"of_run": run_id})
    return {(form, variant) for form, variant in rows}


async def first_results(connection: AsyncConnection, run_id: int, now: datetime) -> FirstResults:
    """Reads every attempt since the run was last resumed: only for a run with a form or variant of which no message has
    been accepted yet."""
    count = await connection.scalar(select(runs.c.jobs).where(runs.c.id == run_id))
    rows = await connection.execute(_FIRSTS, {"of_run": run_id, "now": now})
    return FirstResults(int(count or 0), {(form, variant): First(*result) for form, variant, *result in rows})


async def newest_refusal(connection: AsyncConnection, run_id: int) -> str:
    """The code and the text of the run's newest message that was refused as it is written."""
    row = (await connection.execute(_NEWEST_REFUSAL, {"of_run": run_id})).first()
    return "" if row is None else ": ".join(filter(None, row))


_FAILED: Final = and_(jobs.c.state == JobState.FAILED.value, jobs.c.reason.in_(HARD))
_LAST: Final = attempts.c.number == jobs.c.attempts
"""A message counts once, by its last attempt: called, answered or failed."""


@by_dialect
def _counting(sqlite: bool) -> Select[Any]:
    since = func.coalesce(runs.c.watched_from, 0)
    return (
        select(attempts.c.run_id, runs.c.spec, attempts.c.id)
        .join_from(jobs, attempts, and_(attempts.c.job_id == jobs.c.id, _LAST))
        .join(runs, runs.c.id == attempts.c.run_id)
        .where(is_among(sqlite, jobs.c.id, "job_ids"), _FAILED)
        .where(runs.c.state == RunState.RUNNING.value, attempts.c.id > since)
        .order_by(attempts.c.run_id, attempts.c.id)
    )


async def failing_runs(connection: AsyncConnection, job_ids: Collection[int]) -> list[FailingRun]:
    """The running runs of which these messages failed, with the failures that count: none from before the run was last
    resumed."""
    rows = await connection.execute(_counting(connection), {"job_ids": as_values(connection, job_ids)})
    found = groupby(rows, key=lambda row: (row.run_id, row.spec))
    return [FailingRun(run_id, spec, tuple(row.id for row in rows)) for (run_id, spec), rows in found]


_FAILS: Final = case((_FAILED, 1), else_=0).label("failed")


def _called() -> Select[Any]:
    """The messages of a run that were called since it was last resumed."""
    columns = (attempts.c.id, _FAILS, jobs.c.code, jobs.c.reason)
    return select(*columns).join_from(attempts, jobs, jobs.c.id == attempts.c.job_id).where(*_OF_RUN, _LAST)


@lru_cache(64)
def _around(of_last: int) -> CTE:
    """The messages from the attempt `first` to the attempt `last`, and before and after them all that share a stretch
    of `of_last` messages with one of these."""
    called = _called().with_only_columns(attempts.c.id, _FAILS)
    first, last = bindparam("first", type_=Id), bindparam("last", type_=Id)
    before = called.where(attempts.c.id < first).order_by(attempts.c.id.desc()).limit(of_last - 1)
    after = called.where(attempts.c.id > last).order_by(attempts.c.id).limit(of_last - 1)
    between = called.where(attempts.c.id.between(first, last))
    parts = (select(part.subquery()) for part in (before, between, after))
    return union_all(*parts).cte("around")


@lru_cache(64)
def _worst(of_last: int) -> Select[Any]:
    around = _around(of_last)
    ended_by = func.sum(around.c.failed).over(order_by=around.c.id, rows=(1 - of_last, 0))
    stretch = select(around.c.id, ended_by.label("failed")).subquery()
    return select(stretch).order_by(stretch.c.failed.desc(), stretch.c.id).limit(1)


async def worst_stretch(
    connection: AsyncConnection, run_id: int, first: int, last: int, of_last: int
) -> Stretch | None:
    """Of all stretches of `of_last` messages of the run with an attempt from `first` to `last`, the one with the most
    failures."""
    place = {"of_run": run_id, "first": first, "last": last}
    worst = (await connection.execute(_worst(of_last), place)).first()
    return None if worst is None else Stretch(int(worst.failed), worst.id)


async def most_frequent(
    connection: AsyncConnection, run_id: int, stretch: Stretch, of_last: int
) -> str | None:
    """The most frequent code or reason of the failures in a stretch of `of_last` messages."""
    called = _called().where(attempts.c.id <= stretch.last).order_by(attempts.c.id.desc()).limit(of_last)
    each = called.subquery()
    what = func.coalesce(each.c.code, each.c.reason)
    often = select(what).where(each.c.failed == 1).group_by(what).order_by(func.count().desc(), what).limit(1)
    found: str | None = await connection.scalar(often, {"of_run": run_id})
    return found


async def forget_failures(connection: AsyncConnection, campaign: str) -> None:
    """A person resumes the campaign: what failed before counts no more."""
    newest = select(func.max(attempts.c.id)).scalar_subquery()
    named = select(campaigns.c.id).where(campaigns.c.name == campaign).scalar_subquery()
    await connection.execute(update(runs).where(runs.c.campaign_id == named).values(watched_from=newest))
