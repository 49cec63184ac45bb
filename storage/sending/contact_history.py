"""The contact history: who was written to and when, across campaigns. An entry is added with the intent, and removed if
nothing was sent for certain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    Insert,
    Select,
    Text,
    Update,
    bindparam,
    column,
    delete,
    func,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningDelete
from sqlalchemy.types import TypeEngine

from campaigns.frozen import field_names, frozen
from campaigns.states import JobState
from storage.database.bulk import among, as_rows, as_values, by_dialect, given_array, given_rows, is_among
from storage.database.engine import execute_later
from storage.database.upserts import upsert_into
from storage.tables.contacts import touches
from storage.tables.runs import jobs
from storage.tables.types import Id, to_millis

_NEW: Final[dict[str, TypeEngine[Any]]] = {
    "job_id": Id,
    "phone": Text(),
    "campaign_id": Id,
    "category": Text(),
    "tags": Text(),
    "counts": Boolean(),
    "outside": Boolean(),
    "ramp_day": Text(),
}


@frozen
class HistoryRow:
    job_id: int
    at: datetime
    lane: str
    category: str
    tags: frozenset[str]
    counts: bool
    under_way: bool
    """Whether its call has not ended yet: it may come back, and its room with it."""


@frozen
class NewHistoryRow:
    job_id: int
    phone: str
    campaign_id: int
    category: str
    tags: tuple[str, ...]
    counts: bool
    outside: bool = True
    """Whether it goes outside the person's window: then the account's tier counts the person."""
    ramp_day: str | None = None
    """The day, YYYY-MM-DD, whose ramp counts it."""


@frozen
class Taken:
    """What a message had taken beside money."""

    phone: str
    campaign_id: int
    lane: str
    outside: bool
    ramp_day: str | None


@by_dialect
def _recent(sqlite: bool) -> Select[Any]:
    """PostgreSQL looks each person up: all at once it reads the history of everybody while it has not analyzed it."""
    late = (touches.c.at > bindparam("since"), ~touches.c.void)
    if sqlite:
        found: Any = (
            select(touches).where(is_among(sqlite, touches.c.phone, "phones"), *late).subquery("found")
        )
        source = found
    else:
        phones = func.unnest(given_array("phones", Text()))
        asked = phones.table_valued(column("phone", Text), name="asked").render_derived()
        # With an OFFSET it is not merged into one join of all.
        found = select(touches).where(touches.c.phone == asked.c.phone, *late).offset(0).lateral("found")
        source = asked.join(found, true())
    columns = (
        found.c.phone,
        found.c.job_id,
        found.c.at,
        found.c.lane,
        found.c.category,
        found.c.tags,
        found.c.counts,
        func.coalesce(jobs.c.state == JobState.SENDING.value, False),
    )
    return (
        select(*columns)
        .select_from(source.outerjoin(jobs, jobs.c.id == found.c.job_id))
        .order_by(found.c.at, found.c.id)
    )


async def recent_history(
    connection: AsyncConnection, phones: Sequence[str], since: datetime
) -> dict[str, list[HistoryRow]]:
    """Each phone's entries after `since`, oldest first."""
    asked = {"phones": as_values(connection, dict.fromkeys(phones)), "since": since}
    found = await connection.execute(_recent(connection), asked)
    rows: defaultdict[str, list[HistoryRow]] = defaultdict(list)
    for phone, job_id, at, lane, category, tags, counts, under_way in found:
        rows[phone].append(
            HistoryRow(job_id, at, lane, category, frozenset(orjson.loads(tags)), counts, under_way)
        )
    return dict(rows)


@by_dialect
def _reserve(is_sqlite: bool) -> Insert:
    given = given_rows(is_sqlite, **_NEW)
    shared = bindparam("at", type_=touches.c.at.type), bindparam("lane", type_=Text())
    statement = upsert_into(is_sqlite, touches).from_select(
        [*_NEW, "at", "lane"], select(*given.c, *shared).where(true())
    )
    newer = {name: statement.excluded[name] for name in ("at", "lane", "outside", "ramp_day")}
    return statement.on_conflict_do_update(index_elements=["job_id"], set_={**newer, "void": False})


async def add_to_history(
    connection: AsyncConnection, lane: str, at: datetime, new: Sequence[NewHistoryRow]
) -> None:
    """Add entries; a job that is tried again keeps its single entry, with the newer time."""
    if not new:
        return
    rows = as_rows([_row(touch) for touch in new])
    await execute_later(connection, _reserve(connection), {"rows": rows, "at": at, "lane": lane})


def _row(touch: NewHistoryRow) -> tuple[Any, ...]:
    """The values of `_NEW`."""
    return (
        touch.job_id,
        touch.phone,
        touch.campaign_id,
        touch.category,
        orjson.dumps(touch.tags).decode(),
        touch.counts,
        touch.outside,
        touch.ramp_day,
    )


@by_dialect
def _delay(sqlite: bool) -> Update:
    given = given_rows(sqlite, job_id=Id, at=BigInteger())
    return update(touches).where(touches.c.job_id == given.c.job_id).values(at=given.c.at)


async def delay_history(connection: AsyncConnection, times: Sequence[tuple[int, datetime]]) -> None:
    """Calls that began later than planned: (job id, when)."""
    if times:
        rows = [(job_id, to_millis(at)) for job_id, at in times]
        await execute_later(connection, _delay(connection), {"rows": as_rows(rows)})


_TAKEN: Final = tuple(touches.c[name] for name in field_names(Taken))


@by_dialect
def _release(sqlite: bool) -> ReturningDelete[Any]:
    return delete(touches).where(is_among(sqlite, touches.c.job_id, "job_ids")).returning(*_TAKEN)


@by_dialect
def _held(sqlite: bool) -> Select[Any]:
    return select(*_TAKEN).where(is_among(sqlite, touches.c.job_id, "job_ids"))


async def taken_by(connection: AsyncConnection, job_ids: Sequence[int]) -> list[Taken]:
    """What these messages have taken."""
    asked = {"job_ids": as_values(connection, job_ids)}
    return [Taken(*row) for row in await connection.execute(_held(connection), asked)]


async def release_history(connection: AsyncConnection, job_ids: Sequence[int]) -> list[Taken]:
    """Nothing was sent, for certain: what was reserved is free again. What that was."""
    if not job_ids:
        return []
    asked = {"job_ids": as_values(connection, job_ids)}
    return [Taken(*row) for row in await connection.execute(_release(connection), asked)]


async def void_history(connection: AsyncConnection, job_ids: Sequence[int], *, void: bool) -> set[str]:
    """`void`: the messages have failed, their room is free. Not `void`: they have arrived after all, and it is not.
    Whose messages they are."""
    if not job_ids:
        return set()
    named = among(connection, touches.c.job_id, job_ids)
    changed = update(touches).where(named).values(void=void)
    return set(await connection.scalars(changed.returning(touches.c.phone)))
