"""How many messages of a report's scope are alike, from the kept counts, and one of each group as an example."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from storage.database.bulk import table_of
from storage.database.engine import is_sqlite
from storage.runs.job_counts import counted_by
from storage.runs.retries import ALREADY_ARRIVED
from storage.tables.counts import job_counts
from storage.tables.runs import attempts, jobs, runs
from storage.tables.types import Id, Text
from storage.views.report_scope import Scope

Key = tuple[Any, ...]
GROUP: Final = ("run_id", "state", "reason", "code")
"""By what an example can be looked for."""


async def count_by(connection: AsyncConnection, scope: Scope, *names: str) -> Counter[Key]:
    """How many jobs of the scope count, by these columns. Of people who were retried only the newest try counts."""
    kept = counted_by(*names).where(
        job_counts.c.run_id.in_(scope.run_ids),
        job_counts.c.reason != ALREADY_ARRIVED,
        ~job_counts.c.tried_again,
    )
    return Counter({tuple(key): number for *key, number in await connection.execute(kept)})


async def occurrences_of(connection: AsyncConnection, scope: Scope) -> dict[int, int]:
    """The scheduled run that each run of the scope belongs to: its own, or the one that it retries."""
    found = select(runs.c.id, func.coalesce(runs.c.parent_id, runs.c.id)).where(runs.c.id.in_(scope.run_ids))
    return dict((await connection.execute(found)).all())


@frozen
class Example:
    """One of the messages that are alike."""

    phone: str | None
    text: str | None
    """What the provider answered."""


NO_EXAMPLE: Final = Example(None, None)


async def examples_of(connection: AsyncConnection, groups: Iterable[Key]) -> dict[Key, Example]:
    """The first message of each group, a key in the order of `GROUP`."""
    rows = [dict(zip(GROUP, key, strict=True)) for key in groups]
    by_column = {
        "code": [row for row in rows if row["code"] is not None],
        "reason": [row for row in rows if row["code"] is None and row["reason"] is not None],
        "state": [row for row in rows if row["code"] is None and row["reason"] is None],
    }
    firsts: dict[int, Key] = {}
    for column, wanted in by_column.items():
        if wanted:
            for *key, job_id in await connection.execute(_firsts(connection, column, wanted)):
                firsts |= {job_id: tuple(key)} if job_id is not None else {}
    phones = select(jobs.c.id, jobs.c.phone).where(jobs.c.id.in_(firsts))
    texts = await _texts(connection, list(firsts))
    return {
        firsts[job_id]: Example(phone, texts.get(job_id))
        for job_id, phone in await connection.execute(phones)
    }


def _firsts(connection: AsyncConnection, column: str, wanted: Sequence[Mapping[str, Any]]) -> Select[Any]:
    """The id of each group's first job, by the index of its run and this column. PostgreSQL takes an equality for one
    value only, and may then read the table in the order of its ids; see `Range`."""
    given = table_of(connection, wanted, run_id=Id, **dict.fromkeys(GROUP[1:], Text()))
    asked, value = jobs.c[column], given.c[column]
    within: list[Any] = [asked == value] if is_sqlite(connection) else [asked >= value, asked <= value]
    if column != "state":
        within.append(text(f"jobs.{column} IS NOT NULL"))  # the predicate of the partial index
    others = [_as_text(jobs.c[name]) == _as_text(given.c[name]) for name in GROUP[1:] if name != column]
    mine = (jobs.c.run_id == given.c.run_id, ~jobs.c.tried_again)
    first = select(jobs.c.id).where(*mine, *within, *others)
    first = first.order_by(asked, jobs.c.id).limit(1).correlate(given)
    return select(*(given.c[name] for name in GROUP), first.scalar_subquery())


def _as_text(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Compared so, no index of the column is used in place of the wanted one."""
    return func.coalesce(column, "")


async def _texts(connection: AsyncConnection, job_ids: Sequence[int]) -> dict[int, str]:
    """What the provider answered to the last call of each."""
    newest_last = (
        select(attempts.c.job_id, attempts.c.detail)
        .where(attempts.c.job_id.in_(job_ids), attempts.c.detail.is_not(None))
        .order_by(attempts.c.number)
    )
    return {row.job_id: row.detail for row in await connection.execute(newest_last)}
