"""How many messages were sent in each second or minute, and how many were delivered, as the database's triggers keep
it: never read from the messages when it is asked for. Those that a retry has come in place of do not count."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    text,
    type_coerce,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from storage.database.engine import is_sqlite
from storage.tables.counts import time_counts
from storage.tables.runs import jobs, runs
from storage.tables.types import from_millis

KEY: Final = ("run_id", "at")
NUMBERS: Final = ("sent", "delivered")
SHORTEST: Final = 1_000
STEPS: Final = {100_000: SHORTEST, 1_000_000: 10_000}
"""Messages of a run, at most -> the milliseconds that are counted together."""
LONGEST: Final = 60_000
"""Of a larger run. It sends for over a quarter of an hour: no sender may send more than 1,000 a second."""


def _step() -> ColumnElement[int]:
    """Milliseconds that are counted together, by the size of the run: `runs.jobs` stays as the launch has set it."""
    sizes: list[tuple[ColumnElement[bool], ColumnElement[int]]] = [
        (runs.c.jobs <= size, literal_column(str(step))) for size, step in STEPS.items()
    ]
    return case(*sizes, else_=literal_column(str(LONGEST)))


@frozen
class Counted:
    """What happened from a moment on, for as long as is counted together."""

    at: int
    """Milliseconds."""
    sent: int
    delivered: int


async def counted_times(
    connection: AsyncConnection, run_ids: Sequence[int] | Select[tuple[int]]
) -> tuple[timedelta, list[Counted]]:
    """Of these runs, in the order of time; and how much is counted together, where it differs the most."""
    widest = await connection.scalar(select(func.max(_step())).where(runs.c.id.in_(run_ids)))
    at = _plain(time_counts.c.at)
    sums = [cast(func.sum(time_counts.c[name]), BigInteger) for name in NUMBERS]
    some = or_(*(number != 0 for number in sums))
    mine = select(at, *sums).where(time_counts.c.run_id.in_(run_ids))
    found = mine.group_by(time_counts.c.at).having(some).order_by(time_counts.c.at)
    counted = [Counted(*row) for row in await connection.execute(found)]
    return timedelta(milliseconds=widest or SHORTEST), counted


@frozen
class TimeDifference:
    """A moment of a run whose kept numbers are not those of its messages."""

    run_id: int
    at: datetime
    kept_sent: int
    kept_delivered: int
    sent: int
    delivered: int


async def time_differences(connection: AsyncConnection) -> list[TimeDifference]:
    """Where a recount of all messages differs from the kept numbers. Reads all of them: seconds for each million."""
    nothing = [literal(0, BigInteger)] * len(NUMBERS)
    again = _recounted().subquery()
    kept = select(
        *(_plain(time_counts.c[name]) for name in KEY),
        *(time_counts.c[name].label(f"kept_{name}") for name in NUMBERS),
        *(zero.label(name) for name, zero in zip(NUMBERS, nothing, strict=True)),
    )
    counted = select(*(again.c[name] for name in KEY), *nothing, *(again.c[name] for name in NUMBERS))
    both = union_all(kept, counted).subquery()
    sums = {name: func.sum(both.c[name]) for name in (*(f"kept_{one}" for one in NUMBERS), *NUMBERS)}
    differs = [sums[f"kept_{name}"] != sums[name] for name in NUMBERS]
    key = [both.c[name] for name in KEY]
    found = select(*key, *sums.values()).group_by(*key).having(or_(*differs)).order_by(*key)
    return [
        TimeDifference(run_id, from_millis(at), *map(int, numbers))
        for run_id, at, *numbers in await connection.execute(found)
    ]


def _plain(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Milliseconds, where it is a moment."""
    return type_coerce(column, BigInteger).label(column.key)


def _recounted() -> Select[Any]:
    """All messages that a provider took, counted anew."""
    moments = {"sent": jobs.c.accepted_at, "delivered": jobs.c.delivered_at}
    parts = []
    for counted, column in moments.items():
        moment = type_coerce(column, BigInteger)
        numbers = [literal(int(name == counted)).label(name) for name in NUMBERS]
        part = select(jobs.c.run_id.label("run_id"), (moment - moment % _step()).label("at"), *numbers)
        counts = (jobs.c.accepted_at.is_not(None), moment.is_not(None), ~jobs.c.tried_again)
        parts.append(part.join(runs, runs.c.id == jobs.c.run_id).where(*counts))
    each = union_all(*parts).subquery()
    key = [each.c[name] for name in KEY]
    return select(*key, *(func.sum(each.c[name]).label(name) for name in NUMBERS)).group_by(*key)


async def recount_times(connection: AsyncConnection) -> None:
    """Replace the kept numbers by a recount; whoever changes messages waits until this transaction ends."""
    if not is_sqlite(connection):
        await connection.execute(text("LOCK TABLE time_counts IN SHARE ROW EXCLUSIVE MODE"))
    await connection.execute(delete(time_counts))
    await connection.execute(insert(time_counts).from_select([*KEY, *NUMBERS], _recounted()))
