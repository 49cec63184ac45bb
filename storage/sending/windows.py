"""Until when a person's 24-hour window with a lane is open, and how that is known.

A window only grows: an older message that arrives late never shortens it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, bindparam, literal_column, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.states import JobState
from storage.database.bulk import among, as_values, by_dialect, is_among
from storage.database.engine import is_sqlite
from storage.tables import jobs, windows

INBOUND: Final = "inbound"
"""The person wrote or called."""
PROVIDER: Final = "provider"
"""The provider said so."""
UNANSWERED: Final = "unanswered"
"""The provider was asked and did not tell: closed, for all we know."""


@dataclass(frozen=True, slots=True)
class Window:
    """`until` may be past: then it is closed."""

    until: datetime
    known_by: str
    known_at: datetime


@dataclass(frozen=True, slots=True)
class Opening:
    """A word about a person's window with a lane."""

    phone: str
    lane: str
    until: datetime
    known_by: str


@by_dialect
def _known_windows(sqlite: bool) -> Select[Any]:
    columns = (windows.c.phone, windows.c.open_until, windows.c.known_by, windows.c.updated_at)
    return select(*columns).where(
        windows.c.lane == bindparam("of_lane"), is_among(sqlite, windows.c.phone, "phones")
    )


async def open_windows(connection: AsyncConnection, lane: str, phones: Collection[str]) -> dict[str, Window]:
    """The last known window of each phone with the lane; a phone that nothing is known of is left out."""
    if not phones:
        return {}
    asked = {"of_lane": lane, "phones": as_values(connection, phones)}
    known = await connection.execute(_known_windows(connection), asked)
    return {phone: Window(*word) for phone, *word in known}


async def open_window(
    connection: AsyncConnection, phone: str, lane: str, until: datetime, known_by: str, now: datetime
) -> None:
    """One person's window with one lane is open until `until`, or longer where that is known already."""
    await extend_windows(connection, [Opening(phone, lane, until, known_by)], now)


async def extend_windows(connection: AsyncConnection, openings: Iterable[Opening], now: datetime) -> None:
    """As `open_window`, for many."""
    furthest: dict[tuple[str, str], Opening] = {}
    for opening in openings:
        held = furthest.get((opening.phone, opening.lane))
        if held is None or opening.until > held.until:
            furthest[opening.phone, opening.lane] = opening
    if not furthest:
        return
    insert = (sqlite_dialect.insert if is_sqlite(connection) else postgresql.insert)(windows)
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


async def unknown_windows(connection: AsyncConnection, lane: str, most: int) -> list[str]:
    """People for whom a message waits until the provider has told whether their window is open."""
    held = _held(lane, "window_unknown").with_only_columns(jobs.c.phone).distinct().limit(most)
    return list((await connection.execute(held)).scalars())


async def any_unknown_window(connection: AsyncConnection, lanes: Iterable[str]) -> bool:
    """Whether a message on one of the lanes waits for the provider's word about a window."""
    for lane in lanes:
        if (await connection.execute(_held(lane, "window_unknown").limit(1))).first() is not None:
            return True
    return False


async def wake_waiting(connection: AsyncConnection, people: Iterable[tuple[str, str]], now: datetime) -> None:
    """A word about these windows, (lane, phone), has come: what waits for it is decided again now."""
    phones: dict[str, set[str]] = {}
    for lane, phone in people:
        phones.setdefault(lane, set()).add(phone)
    for lane, theirs in sorted(phones.items()):
        for held_by in ("window", "window_unknown"):
            waiting = _held(lane, held_by).where(among(connection, jobs.c.phone, theirs))
            locked = waiting.order_by(jobs.c.id).with_for_update(of=jobs)
            ids = list((await connection.execute(locked)).scalars())
            if ids:
                await connection.execute(
                    update(jobs)
                    .where(among(connection, jobs.c.id, ids), jobs.c.state == JobState.PENDING.value)
                    .values(due_at=now, updated_at=now)
                )


def _held(lane: str, held_by: str) -> Select[int]:
    # Written out, so that the planner sees that the partial index holds them.
    rule: ColumnElement[str] = literal_column(f"'{held_by}'")
    return select(jobs.c.id).where(jobs.c.held_by == rule, jobs.c.lane == lane)
