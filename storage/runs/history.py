"""What happened to each job, in the order in which it was stored: one row to an event, never changed.

A change of state and its event are one: a job's history names a state only where the job has entered it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Executable,
    Insert,
    Select,
    Text,
    insert,
    literal,
    null,
    select,
)
from sqlalchemy import update as update_of
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from storage.database.batched_sqlite import RowcountCheck, any_rowcount
from storage.database.bulk import as_rows, by_dialect, given_rows
from storage.database.engine import execute_later, is_sqlite
from storage.tables.runs import events, jobs
from storage.tables.types import NOW, Id, to_millis

EVENT: Final[dict[str, TypeEngine[Any]]] = {
    "job_id": Id,
    "at": BigInteger(),
    "source": Text(),
    "event": Text(),
    "detail": Text(),
}
_STORED: Final = (*EVENT, "stored_at")
NOT_WAITING: Final = ("held_by", "held_since", "code")
"""What says why a pending job waits: null once it ends without a call, else the code of an earlier refusal would pass
for the reason."""
AT_ONCE: Final = 10_000
"""Jobs of a run that one transaction ends: with SQLite all who write wait for it, and give up after half a minute."""


def event(job_id: int, at: datetime, source: str, name: str, detail: str | None = None) -> dict[str, Any]:
    return {"job_id": job_id, "at": to_millis(at), "source": source, "event": name, "detail": detail}


@by_dialect
def _add_events(sqlite: bool) -> Insert:
    given = given_rows(sqlite, **EVENT)
    return insert(events).from_select(_STORED, select(*given.c, NOW))


async def add_events(connection: AsyncConnection, rows: Iterable[dict[str, Any]], now: datetime) -> None:
    """Append to the histories of jobs that the transaction has locked; the rows are `event`'s."""
    added = [[row[name] for name in EVENT] for row in rows]
    if added:
        await connection.execute(_add_events(connection), {"rows": as_rows(added), "now": now})


def transition(
    sqlite: bool,
    guard: ColumnElement[bool],
    values: Mapping[str, Any],
    source: str,
    *,
    at: ColumnElement[Any] = NOW,
    detail: ColumnElement[Any] | str | None = None,
) -> Sequence[Executable]:
    """The statements that move the jobs of the guard and add an event to exactly those; their parameter is `now`.

    On PostgreSQL others write meanwhile: events are added for what the UPDATE returns. SQLite returns no columns of the
    rows that it was given, but has one writer: what the guard finds before the UPDATE is what the UPDATE moves.
    """
    text = null() if detail is None else _as_column(detail)
    columns = [
        at.label("at"),
        literal(source).label("source"),
        _as_column(values["state"]).label("event"),
        text.label("detail"),
        NOW.label("stored_at"),
    ]
    moves = update_of(jobs).where(guard).values({**values, "updated_at": NOW})
    if sqlite:
        return insert(events).from_select(_STORED, select(jobs.c.id, *columns).where(guard)), moves
    moved = moves.returning(jobs.c.id, *columns).cte("moved")
    add = insert(events).from_select(_STORED, select(*moved.c))
    # Without the option psycopg does not report how many rows an INSERT ... SELECT made.
    return (add.execution_options(preserve_rowcount=True),)


def _as_column(value: ColumnElement[Any] | str) -> ColumnElement[Any]:
    return value if isinstance(value, ColumnElement) else literal(str(value))


async def move_later(
    connection: AsyncConnection,
    statements: Sequence[Executable],
    parameters: dict[str, Any],
    on_rowcount: RowcountCheck = any_rowcount,
) -> None:
    """Execute a transition that is made once, as `execute_later` does; `on_rowcount` receives the number of moved
    jobs."""
    *others, last = statements
    for statement in others:
        await execute_later(connection, statement, parameters)
    await execute_later(connection, last, parameters, on_rowcount)


async def move(
    connection: AsyncConnection,
    guard: ColumnElement[bool],
    values: Mapping[str, Any],
    source: str,
    now: datetime,
    *,
    detail: str | None = None,
) -> int:
    """Move the jobs of the guard and add their events; how many."""
    moved = 0
    for statement in transition(is_sqlite(connection), guard, values, source, detail=detail):
        moved = (await connection.execute(statement, {"now": now})).rowcount
    return moved


def in_order(chosen: Select[tuple[int]]) -> Select[tuple[int]]:
    """The ids of the jobs that the query chooses, each locked in the order of the ids: every transaction that locks
    many jobs and may wait for one uses this order, so that no two wait for each other."""
    locked = chosen.order_by(jobs.c.id).with_for_update(of=jobs).subquery("locked")
    return select(locked.c.id)
