"""Until when a person's 24-hour window with a lane is open, and how that is known.

A window only grows: an older message that arrives late never shortens it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    delete,
    func,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.states import RunState
from storage.database.bulk import among, as_values, by_dialect, is_among, table_of
from storage.database.engine import is_sqlite
from storage.database.upserts import upsert_into
from storage.tables.contacts import windows
from storage.tables.predicates import IS_PENDING
from storage.tables.runs import jobs, runs
from storage.tables.types import Id

INBOUND: Final = "inbound"
"""The person wrote or called."""
PROVIDER: Final = "provider"
"""The provider reported it."""
UNKNOWN: Final = "window_unknown"
"""`held_by` of a message that waits until the provider has been asked."""
UNANSWERED: Final = "unanswered"
"""The provider was asked and did not answer: taken as closed."""


_WAITS_FOR_WINDOW: Final = text("(jobs.held_by = 'window' OR jobs.held_by = 'window_unknown')")
"""Must repeat the predicate of the index `ix_jobs_window` verbatim."""


@frozen
class Window:
    """`until` may be past: then it is closed."""

    until: datetime
    known_by: str
    known_at: datetime
    free_until: datetime | None = None
    """Until when messages cost nothing, because the person came through an advertisement."""


@frozen
class Opening:
    """Until when a person's window with a lane is open, as reported."""

    phone: str
    lane: str
    until: datetime
    known_by: str
    free: bool = False
    """It is the free entry point, which opens no 24-hour window."""


@by_dialect
def _known_windows(sqlite: bool) -> Select[Any]:
    columns = (windows.c.phone, windows.c.open_until, windows.c.known_by, windows.c.updated_at)
    return select(*columns, windows.c.free_until).where(
        windows.c.lane == bindparam("of_lane"), is_among(sqlite, windows.c.phone, "phones")
    )


async def open_windows(connection: AsyncConnection, lane: str, phones: Collection[str]) -> dict[str, Window]:
    """The last known window of each phone with the lane; a phone that nothing is known of is left out."""
    if not phones:
        return {}
    asked = {"of_lane": lane, "phones": as_values(connection, phones)}
    known = await connection.execute(_known_windows(connection), asked)
    return {phone: Window(*window) for phone, *window in known}


async def open_window(
    connection: AsyncConnection, phone: str, lane: str, until: datetime, known_by: str, now: datetime
) -> None:
    """One person's window with one lane is open until `until`, or longer where that is known already."""
    await extend_windows(connection, [Opening(phone, lane, until, known_by)], now)


async def extend_windows(connection: AsyncConnection, openings: Iterable[Opening], now: datetime) -> None:
    """As `open_window`, for many."""
    furthest: dict[tuple[str, str], Opening] = {}
    free = []
    for opening in openings:
        if opening.free:
            free.append(opening)
            continue
        held = furthest.get((opening.phone, opening.lane))
        if held is None or opening.until > held.until:
            furthest[opening.phone, opening.lane] = opening
    if furthest:
        await _extend(connection, furthest, now)
    if free:
        await _extend_free_entries(connection, free, now)


async def _extend(
    connection: AsyncConnection, furthest: Mapping[tuple[str, str], Opening], now: datetime
) -> None:
    insert = upsert_into(is_sqlite(connection), windows)
    # In one order, so that two writers never wait for each other's rows.
    rows = [
        {"phone": o.phone, "lane": o.lane, "open_until": o.until, "known_by": o.known_by, "updated_at": now}
        for _, o in sorted(furthest.items())
    ]
    longer = {name: insert.excluded[name] for name in ("open_until", "known_by", "updated_at")}
    await connection.execute(
        insert.on_conflict_do_update(
            index_elements=[windows.c.phone, windows.c.lane],
            set_=longer,
            where=insert.excluded.open_until > windows.c.open_until,
        ),
        rows,
    )


async def _extend_free_entries(
    connection: AsyncConnection, openings: Iterable[Opening], now: datetime
) -> None:
    """A person of whom no window is known has a closed one."""
    insert = upsert_into(is_sqlite(connection), windows)
    longer = or_(windows.c.free_until.is_(None), insert.excluded.free_until > windows.c.free_until)
    for opening in sorted(openings, key=lambda one: (one.phone, one.lane, one.until)):
        values = {"phone": opening.phone, "lane": opening.lane, "open_until": now, "updated_at": now}
        await connection.execute(
            insert.values(
                **values, known_by=opening.known_by, free_until=opening.until
            ).on_conflict_do_update(
                index_elements=[windows.c.phone, windows.c.lane],
                set_={"free_until": insert.excluded.free_until},
                where=longer,
            )
        )


async def move_windows(connection: AsyncConnection, numbers: Mapping[str, str], now: datetime) -> None:
    """These people have other numbers: windows with the former ones are of the new ones."""
    theirs = among(connection, windows.c.phone, set(numbers))
    columns = (
        windows.c.phone,
        windows.c.lane,
        windows.c.open_until,
        windows.c.known_by,
        windows.c.free_until,
    )
    moved: list[Opening] = []
    for former, lane, until, known_by, free_until in await connection.execute(select(*columns).where(theirs)):
        moved.append(Opening(numbers[former], lane, until, known_by))
        if free_until is not None:
            moved.append(Opening(numbers[former], lane, free_until, known_by, free=True))
    if moved:
        await extend_windows(connection, moved, now)
        await connection.execute(delete(windows).where(theirs))


async def unknown_windows(
    connection: AsyncConnection, lane: str, known_since: datetime, now: datetime, most: int
) -> list[str]:
    """The next people for whom a message of a running run waits until the provider has answered whether their window
    is open, and of whom nothing is known since `known_since`."""
    held = _held(lane, UNKNOWN).where(_is_running(), ~_is_known(known_since, now))
    people = held.with_only_columns(jobs.c.phone).group_by(jobs.c.phone).order_by(func.min(jobs.c.id))
    return list((await connection.execute(people.limit(most))).scalars())


async def count_answered(
    connection: AsyncConnection, lane: str, known_since: datetime, now: datetime
) -> tuple[int, int]:
    """How many messages of running runs are held for an answer that has come, and how many of them nothing has woken:
    they were deferred while it came."""
    held = _held(lane, UNKNOWN).where(_is_running(), _is_known(known_since, now))
    asleep = func.count().filter(jobs.c.due_at > now)
    count, sleeping = (await connection.execute(held.with_only_columns(func.count(), asleep))).one()
    return count, sleeping


async def any_unknown_window(connection: AsyncConnection, lanes: Iterable[str]) -> bool:
    """Whether a message of a running run on one of the lanes waits for the provider's answer about a window."""
    for lane in lanes:
        held = _held(lane, UNKNOWN).where(_is_running()).limit(1)
        if (await connection.execute(held)).first() is not None:
            return True
    return False


async def wake_answered(connection: AsyncConnection, lane: str, known_since: datetime, now: datetime) -> None:
    """Decide again now about messages whose awaited answer has arrived."""
    await _wake(connection, _held(lane, UNKNOWN).where(jobs.c.due_at > now, _is_known(known_since, now)), now)


async def wake_waiting(connection: AsyncConnection, people: Iterable[tuple[str, str]], now: datetime) -> None:
    """These windows, (lane, phone), were reported: decide again now about messages that wait for them."""
    named = [
        {"held_by": held_by, "lane": lane, "phone": phone}
        for lane, phone in set(people)
        for held_by in ("window", UNKNOWN)
    ]
    if named:
        given = table_of(connection, named, held_by=Text(), lane=Text(), phone=Text())
        await _wait_for_slices(connection, {one["phone"] for one in named})
        theirs = and_(*(jobs.c[column.name] == column for column in given.c), _WAITS_FOR_WINDOW)
        await _wake(connection, select(jobs.c.id).where(theirs), now)


async def _wait_for_slices(connection: AsyncConnection, phones: Collection[str]) -> None:
    """A slice of PostgreSQL that read the windows before these were stored may be about to make messages of these
    people wait: lock what it decides about, so that what it has decided is seen."""
    if is_sqlite(connection):
        return
    waits = runs.c.spec.contains('"closed_window":"wait"', autoescape=True)
    running = await connection.scalars(select(runs.c.id).where(runs.c.state == RunState.RUNNING, waits))
    if run_ids := running.all():
        theirs = select(jobs.c.id).where(
            among(connection, jobs.c.run_id, run_ids), among(connection, jobs.c.phone, phones), IS_PENDING
        )
        await connection.execute(theirs.order_by(jobs.c.id).with_for_update(of=jobs))


async def _wake(connection: AsyncConnection, waiting: Select[int], now: datetime) -> None:
    locked = waiting.order_by(jobs.c.id).with_for_update(of=jobs)
    ids = [{"id": job_id} for job_id in await connection.scalars(locked)]
    if ids:
        woken = table_of(connection, ids, id=Id)
        due = update(jobs).where(jobs.c.id == woken.c.id, IS_PENDING)
        await connection.execute(due.values(due_at=now, updated_at=now))


def _held(lane: str, held_by: str) -> Select[int]:
    # Written out, so that the planner sees that the partial index holds them.
    rule: ColumnElement[str] = literal_column(f"'{held_by}'")
    return select(jobs.c.id).where(jobs.c.held_by == rule, jobs.c.lane == lane)


def _is_running() -> ColumnElement[bool]:
    return select(runs.c.id).where(runs.c.id == jobs.c.run_id, runs.c.state == RunState.RUNNING).exists()


def _is_known(since: datetime, now: datetime) -> ColumnElement[bool]:
    """Whether the person's window is open, or was lately found closed."""
    known = select(windows.c.phone).where(
        windows.c.phone == jobs.c.phone,
        windows.c.lane == jobs.c.lane,
        or_(windows.c.open_until > now, windows.c.updated_at > since),
    )
    return known.exists()
