"""How many messages are in each state, as the database's triggers keep it: never counted when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.states import JobState
from storage.database.bulk import table_of
from storage.database.engine import is_sqlite
from storage.runs.replies import ANSWERED
from storage.tables.counts import job_counts
from storage.tables.predicates import IS_HELD, IS_PENDING
from storage.tables.runs import jobs
from storage.tables.types import Id, Text

_TEXTS: Final = ("held_by", "reason", "code")
KEY: Final = ("run_id", "lane", "state", *_TEXTS, "variant", "outside_test", "tried_again", "answered")
_OPTIONAL: Final = (*_TEXTS, "variant")
ACCEPTED_VARIANT: Final = case(
    (jobs.c.accepted_at.is_(None), literal_column("''")), else_=func.coalesce(jobs.c.variant, "")
)
"""By which variant a message counts: none until the provider has accepted it."""
_NUMBER: Final = func.sum(job_counts.c.jobs)
FIRST: Final = 1_000
"""Of the messages that are due next so many are looked at for one that no rule holds."""


def counted_by(*names: str) -> Select[Any]:
    """The numbers of messages by these columns of jobs, as `jobs` behind them; groups without any are left out. A WHERE
    is about `job_counts`."""
    shown = [_as_null(job_counts.c[name]) if name in _OPTIONAL else job_counts.c[name] for name in names]
    columns = [column.label(name) for column, name in zip(shown, names, strict=True)]
    number = cast(_NUMBER, BigInteger).label("jobs")
    return select(*columns, number).group_by(*(job_counts.c[name] for name in names)).having(_NUMBER != 0)


def _as_null(column: ColumnElement[str]) -> ColumnElement[Any]:
    return func.nullif(column, "")


async def count_states(
    connection: AsyncConnection, run_ids: Sequence[int] | Select[tuple[int]]
) -> dict[JobState, int]:
    """How many jobs of the runs are in each state, in the order of their journey."""
    counted = counted_by("state").where(job_counts.c.run_id.in_(run_ids))
    found = {JobState(state): number for state, number in await connection.execute(counted)}
    return {state: found[state] for state in JobState if state in found}


@frozen
class Waiting:
    """Messages of a run that wait on a lane for the same."""

    run_id: int
    lane: str
    held_by: str | None
    messages: int
    due_at: datetime
    """When the first of them is due; of very many, some of which a rule holds, not later than that."""


async def waiting_groups(connection: AsyncConnection, run_ids: Sequence[int]) -> list[Waiting]:
    """What waits in these runs, by lane and by the rule that holds it."""
    pending = job_counts.c.state == JobState.PENDING.value
    groups = counted_by("run_id", "lane", "held_by").where(job_counts.c.run_id.in_(run_ids), pending)
    names = ("run_id", "lane", "held_by", "jobs")
    rows = [dict(zip(names, row, strict=True)) for row in await connection.execute(groups)]
    if not rows:
        return []
    given = table_of(connection, rows, run_id=Id, lane=Text(), held_by=Text(), jobs=BigInteger())
    first = case((given.c.held_by.is_(None), _first_free(given)), else_=_first_held(given))
    due_at = func.coalesce(first, 0, type_=jobs.c.due_at.type)
    columns: list[Any] = [*(given.c[name] for name in names), due_at]
    found = await connection.execute(select(*columns))
    return [Waiting(*row) for row in found]


def _first_held(given: FromClause) -> ColumnElement[Any]:
    """The first due of the given run, lane and rule, by `ix_jobs_held`."""
    first = select(func.min(jobs.c.due_at)).where(
        jobs.c.run_id == given.c.run_id,
        IS_HELD,
        jobs.c.held_by == given.c.held_by,
        jobs.c.lane == given.c.lane,
    )
    return first.correlate(given).scalar_subquery()


def _first_free(given: FromClause) -> ColumnElement[Any]:
    """The first due of the given run and lane that no rule holds, by `ix_jobs_due`."""
    mine = (jobs.c.run_id == given.c.run_id, jobs.c.lane == given.c.lane, IS_PENDING)
    next_due = select(jobs.c.due_at, jobs.c.held_by).where(*mine).order_by(jobs.c.due_at, jobs.c.id)
    looked = next_due.correlate(given).limit(FIRST).subquery("looked")
    free = select(looked.c.due_at).where(looked.c.held_by.is_(None)).limit(1).scalar_subquery()
    last = select(func.max(looked.c.due_at)).scalar_subquery()
    return func.coalesce(free, last)


@frozen
class Difference:
    """Messages that are alike, whose kept number is not theirs."""

    run_id: int
    lane: str
    state: str
    held_by: str | None
    reason: str | None
    code: str | None
    variant: str | None
    """Of those that the provider accepted."""
    outside_test: bool
    """Whether their people are outside the variant test."""
    tried_again: bool
    """Whether a retry has come in their place."""
    answered: bool
    kept: int
    counted: int


async def differences(connection: AsyncConnection) -> list[Difference]:
    """Where a recount of all messages differs from the kept numbers. Reads all of them: seconds for each million."""
    nothing = literal(0, BigInteger)
    kept = select(
        *(job_counts.c[name] for name in KEY), job_counts.c.jobs.label("kept"), nothing.label("counted")
    )
    both = union_all(kept, _recounted(nothing)).subquery()
    groups = [both.c[name] for name in KEY]
    sums = [cast(func.sum(both.c[name]), BigInteger) for name in ("kept", "counted")]
    found = (
        select(*groups, *sums)
        .group_by(*groups)
        .having(func.sum(both.c.kept) != func.sum(both.c.counted))
        .order_by(*groups)
    )
    return [
        Difference(run_id, lane, state, held_by or None, reason or None, code or None, variant or None, *rest)
        for run_id, lane, state, held_by, reason, code, variant, *rest in await connection.execute(found)
    ]


def _recounted(*before: ColumnElement[Any]) -> Select[Any]:
    """All messages counted anew, by the key of the counts; `before`: columns between the key and the number."""
    values: dict[str, ColumnElement[Any]] = {
        name: func.coalesce(jobs.c[name], "") if name in _TEXTS else jobs.c[name] for name in KEY[:-1]
    }
    values |= {"variant": ACCEPTED_VARIANT, "answered": ANSWERED}
    each = select(*(values[name].label(name) for name in KEY)).subquery()
    groups = [each.c[name] for name in KEY]
    return select(*groups, *before, func.count().label("number")).group_by(*groups)


async def recount(connection: AsyncConnection) -> None:
    """Replace the kept numbers by a recount; whoever changes messages waits until this transaction ends."""
    if not is_sqlite(connection):
        await connection.execute(text("LOCK TABLE job_counts IN SHARE ROW EXCLUSIVE MODE"))
    await connection.execute(delete(job_counts))
    await connection.execute(insert(job_counts).from_select([*KEY, "jobs"], _recounted()))
