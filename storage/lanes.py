"""Who owns a lane, and whether it may send. The epoch fences: every write of a shift names the epoch it was given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.engine import is_sqlite
from storage.tables import lanes


class LaneLost(Exception):
    """Another holder took the lane; nothing of this transaction may stay."""


@dataclass(frozen=True, slots=True)
class LaneRow:
    name: str
    epoch: int
    paused_reason: str | None
    paused_until: datetime | None
    last_sent_at: datetime | None

    def paused(self, now: datetime) -> bool:
        return self.paused_reason is not None and (self.paused_until is None or self.paused_until > now)


async def ensure_lanes(connection: AsyncConnection, names: Iterable[str]) -> None:
    """Make a row for each lane that has none."""
    insert = sqlite.insert if is_sqlite(connection) else postgresql.insert
    rows = [{"name": name, "epoch": 0} for name in names]
    if rows:
        await connection.execute(insert(lanes).on_conflict_do_nothing(), rows)


async def read_lanes(connection: AsyncConnection) -> dict[str, LaneRow]:
    columns = (
        lanes.c.name,
        lanes.c.epoch,
        lanes.c.paused_reason,
        lanes.c.paused_until,
        lanes.c.last_sent_at,
    )
    found = (await connection.execute(select(*columns))).all()
    return {row.name: LaneRow(*row) for row in found}


async def take_lane(
    connection: AsyncConnection, name: str, holder: str, now: datetime, lease_until: datetime, *, sole: bool
) -> int | None:
    """Own the lane until `lease_until`; its new epoch, or None while another holder's lease runs.

    `sole`: the caller has proof that no other process is alive (it holds the runner's lock), so a lease left behind
    by a dead one need not run out.
    """
    free = or_(lanes.c.holder.is_(None), lanes.c.holder == holder, lanes.c.lease_until <= now)
    statement = update(lanes).where(lanes.c.name == name)
    if not sole:
        statement = statement.where(free)
    statement = statement.values(holder=holder, lease_until=lease_until, epoch=lanes.c.epoch + 1)
    row = (await connection.execute(statement.returning(lanes.c.epoch))).first()
    return None if row is None else int(row.epoch)


async def hold_lane(connection: AsyncConnection, name: str, epoch: int, lease_until: datetime) -> None:
    """Renew the lease; raises LaneLost where the epoch has moved on."""
    held = update(lanes).where(lanes.c.name == name, lanes.c.epoch == epoch).values(lease_until=lease_until)
    if (await connection.execute(held)).rowcount != 1:
        raise LaneLost(name)


async def note_sends(connection: AsyncConnection, name: str, until: datetime) -> None:
    """Sends may go out up to `until`: whoever owns the lane next starts its limits from there."""
    await connection.execute(update(lanes).where(lanes.c.name == name).values(last_sent_at=until))


async def release_lane(connection: AsyncConnection, name: str, epoch: int) -> None:
    statement = update(lanes).where(lanes.c.name == name, lanes.c.epoch == epoch)
    await connection.execute(statement.values(holder=None, lease_until=None))


async def pause_lane(connection: AsyncConnection, name: str, reason: str, until: datetime | None) -> None:
    """Nothing is sent on the lane until `until`, or with None until its sender is well again."""
    await connection.execute(
        update(lanes).where(lanes.c.name == name).values(paused_reason=reason, paused_until=until)
    )


async def resume_lane(connection: AsyncConnection, name: str) -> None:
    """The sender is well again. A pause that has its own end is left alone."""
    unwell = update(lanes).where(lanes.c.name == name, lanes.c.paused_until.is_(None))
    await connection.execute(unwell.values(paused_reason=None))
