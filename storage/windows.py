"""Until when a person's 24-hour window with a lane is open, and how that is known.

A window only grows: an older message that arrives late never shortens it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.engine import is_sqlite
from storage.tables import windows

INBOUND: Final = "inbound"
"""The person wrote or called."""
PROVIDER: Final = "provider"
"""The provider said so."""


@dataclass(frozen=True, slots=True)
class Window:
    """`until` may be past: then it is closed."""

    until: datetime
    known_by: str


@dataclass(frozen=True, slots=True)
class Opening:
    """A word about a person's window with a lane."""

    phone: str
    lane: str
    until: datetime
    known_by: str


async def open_windows(connection: AsyncConnection, lane: str, phones: Collection[str]) -> dict[str, Window]:
    """The last known window of each phone with the lane; a phone that nothing is known of is left out."""
    if not phones:
        return {}
    known = select(windows.c.phone, windows.c.open_until, windows.c.known_by).where(
        windows.c.lane == lane, windows.c.phone.in_(phones)
    )
    return {row.phone: Window(row.open_until, row.known_by) for row in await connection.execute(known)}


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
    insert = (sqlite.insert if is_sqlite(connection) else postgresql.insert)(windows)
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
