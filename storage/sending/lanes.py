"""Who owns a lane, and whether it may send. The epoch fences: every write of a shift names the epoch it was given."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.states import JobState, RunState
from storage.database.bulk import as_values, is_among
from storage.database.engine import execute_later, is_sqlite
from storage.database.upserts import upsert_into
from storage.runs.first_jobs import has_due
from storage.tables.lanes import lanes
from storage.tables.predicates import IS_PAUSED, OPEN
from storage.tables.runs import jobs, runs
from storage.tables.types import NOW

RUNNER: Final = "runner "
"""How the name of every embedded runner begins, and no other holder's."""

_OF_LANE: Final = lanes.c.name == bindparam("of_lane")
_HOLD: Final = (
    update(lanes)
    .where(_OF_LANE, lanes.c.epoch == bindparam("of_epoch"))
    .values(lease_until=bindparam("lease_until"))
)
_ROWS: Final = select(
    lanes.c.name,
    lanes.c.epoch,
    lanes.c.paused_reason,
    lanes.c.paused_until,
    lanes.c.last_sent_at,
    lanes.c.refusals,
    lanes.c.pause_stays,
)
_NOTE_SENDS: Final = update(lanes).where(_OF_LANE).values(last_sent_at=bindparam("last_sent_at"))


class LaneLost(Exception):
    """Another holder took the lane; nothing of this transaction may stay."""


class Pause(NamedTuple):
    """Why a lane sends nothing, and until when."""

    reason: str
    until: datetime | None
    """None: until its sender is found well, or a person resumes it."""
    stays: bool = False
    """Without an end, and the sender's own state does not show what is wrong: only a person ends it, or the provider's
    notice that it is over."""

    def outlasts(self, other: Pause | None) -> bool:
        """Of several pauses the longest holds; whether the sender is well is asked again after one with an end."""
        if other is None or other.stays or self.stays:
            return other is None or not other.stays
        return self.until is not None and (other.until is None or self.until > other.until)


@frozen
class LaneRow:
    name: str
    epoch: int
    paused_reason: str | None
    paused_until: datetime | None
    last_sent_at: datetime | None
    refusals: int = 0
    pause_stays: bool = False

    def paused(self, now: datetime) -> bool:
        return self.paused_reason is not None and (self.paused_until is None or self.paused_until > now)


async def ensure_lanes(connection: AsyncConnection, names: Iterable[str]) -> None:
    """Make a row for each lane that has none."""
    rows = [{"name": name, "epoch": 0} for name in names]
    if rows:
        await connection.execute(upsert_into(is_sqlite(connection), lanes).on_conflict_do_nothing(), rows)


async def read_lanes(connection: AsyncConnection) -> dict[str, LaneRow]:
    found = (await connection.execute(_ROWS)).all()
    return {row.name: LaneRow(*row) for row in found}


async def take_lane(
    connection: AsyncConnection,
    name: str,
    holder: str,
    now: datetime,
    lease_until: datetime,
    *,
    no_other_runner: bool,
) -> int | None:
    """Take the lane until `lease_until`; returns its new epoch, or None while another holder's lease is valid.

    `no_other_runner`: the caller holds the runner's lock, so no other embedded runner is alive, and the lease of a dead
    one need not expire first; that of a worker must.
    """
    statement = update(lanes).where(lanes.c.name == name, _free(no_other_runner))
    statement = statement.values(holder=holder, lease_until=lease_until, epoch=lanes.c.epoch + 1)
    asked = {"of_holder": holder, "now": now}
    row = (await connection.execute(statement.returning(lanes.c.epoch), asked)).first()
    return None if row is None else int(row.epoch)


def _free(no_other_runner: bool) -> ColumnElement[bool]:
    """Whether `of_holder` may take the lane `now`."""
    dead = [lanes.c.holder.startswith(RUNNER)] if no_other_runner else []
    mine = lanes.c.holder == bindparam("of_holder")
    return or_(lanes.c.holder.is_(None), mine, lanes.c.lease_until <= NOW, *dead)


@frozen
class DueLane:
    """A lane that waits for a shift."""

    name: str
    run_id: int | None
    """The run that goes first of those that have something due; None: only what a dead shift left."""
    priority: int
    """That run's."""


async def due_lanes(
    connection: AsyncConnection, names: Collection[str], holder: str, now: datetime, *, no_other_runner: bool
) -> list[DueLane]:
    """Those of the lanes that `holder`, or a worker for it, may take and that have something to do."""
    asked = {"names": as_values(connection, names), "of_holder": holder, "now": now}
    orphaned, work = _waiting(is_sqlite(connection), no_other_runner)
    found = {name: DueLane(name, None, 0) for name in await connection.scalars(orphaned, asked)}
    found |= {
        row.name: DueLane(*row) for row in await connection.execute(work, asked)
    }  # the last one is the first to go
    return list(found.values())


@cache
def _waiting(sqlite: bool, no_other_runner: bool) -> tuple[Select[Any], Select[Any]]:
    """The lanes on which a dead shift left something, and those with something due: with its runs, the first to go
    last."""
    free = (is_among(sqlite, lanes.c.name, "names"), _free(no_other_runner))
    work = (
        select(lanes.c.name, runs.c.id, runs.c.priority)
        .join_from(lanes, runs, has_due(lanes.c.name))
        .where(*free, ~IS_PAUSED, runs.c.state == RunState.RUNNING.value)
        .order_by(lanes.c.name, runs.c.priority, runs.c.nominal_at.desc(), runs.c.id.desc())
    )
    left = select(jobs.c.id).where(jobs.c.lane == lanes.c.name, jobs.c.state == JobState.SENDING.value, OPEN)
    return select(lanes.c.name).where(*free, left.exists()), work


async def held_lanes(connection: AsyncConnection, now: datetime) -> set[str]:
    """The lanes whose holder's lease runs."""
    held = select(lanes.c.name).where(lanes.c.holder.is_not(None), lanes.c.lease_until > now)
    return set(await connection.scalars(held))


async def hold_lane(connection: AsyncConnection, name: str, epoch: int, lease_until: datetime) -> None:
    """Renew the lease; raises LaneLost, at the latest from the commit, where the epoch has moved on."""

    def check(affected: int) -> None:
        if affected != 1:
            raise LaneLost(name)

    given = {"of_lane": name, "of_epoch": epoch, "lease_until": lease_until}
    await execute_later(connection, _HOLD, given, check)


async def note_sends(connection: AsyncConnection, name: str, until: datetime) -> None:
    """Sends may go out up to `until`: the lane's next owner starts its limits from there."""
    await execute_later(connection, _NOTE_SENDS, {"of_lane": name, "last_sent_at": until})


async def note_last_call(connection: AsyncConnection, name: str, epoch: int, at: datetime) -> None:
    """As `note_sends`, while the lane is still owned, of a call that began later than was noted before."""
    later = update(lanes).where(lanes.c.name == name, lanes.c.epoch == epoch, lanes.c.last_sent_at < at)
    await connection.execute(later.values(last_sent_at=at))


async def release_lane(connection: AsyncConnection, name: str, epoch: int) -> None:
    statement = update(lanes).where(lanes.c.name == name, lanes.c.epoch == epoch)
    await connection.execute(statement.values(holder=None, lease_until=None))


async def pause_lane(
    connection: AsyncConnection,
    name: str,
    reason: str,
    until: datetime | None,
    *,
    stays: bool = False,
    holder: str | None = None,
) -> None:
    """Nothing is sent on the lane until `until`, or with None until its sender is well again; see `Pause.stays`.

    A pause that stays is replaced by no other, and one with an end by none that ends sooner: the provider may have
    asked for it. `holder`: pause only if the lane is free or still this holder's."""
    paused = update(lanes).where(lanes.c.name == name)
    if not stays:
        paused = paused.where(~lanes.c.pause_stays)
    if until is not None:
        paused = paused.where(or_(lanes.c.paused_until.is_(None), lanes.c.paused_until < until))
    if holder is not None:
        paused = paused.where(or_(lanes.c.holder.is_(None), lanes.c.holder == holder))
    await connection.execute(paused.values(paused_reason=reason, paused_until=until, pause_stays=stays))


async def note_refusals(connection: AsyncConnection, name: str, refusals: int) -> None:
    """How often in a row the lane's sender was refused by now."""
    await connection.execute(update(lanes).where(lanes.c.name == name).values(refusals=refusals))


async def note_sender_problem(connection: AsyncConnection, name: str, problem: str) -> None:
    """The sender's own state shows what is wrong, so its being well again ends the lane's pause."""
    ailing = {"paused_reason": problem, "paused_until": None, "pause_stays": False}
    await connection.execute(update(lanes).where(lanes.c.name == name).values(**ailing))


async def sender_recovered(connection: AsyncConnection, name: str) -> None:
    """The sender is well again. A pause that has its own end stays as it is, and one that `stays`."""
    unwell = update(lanes).where(lanes.c.name == name, lanes.c.paused_until.is_(None), ~lanes.c.pause_stays)
    await connection.execute(unwell.values(paused_reason=None))


async def resume_lane(connection: AsyncConnection, name: str, reason: str = "") -> None:
    """End the lane's pause, by a person, or by the provider for reasons that begin with `reason`. A pause that has its
    own end stays as it is."""
    endless = update(lanes).where(lanes.c.name == name, lanes.c.paused_until.is_(None))
    if reason:
        endless = endless.where(lanes.c.paused_reason.startswith(reason, autoescape=True))
    await connection.execute(endless.values(paused_reason=None, pause_stays=False))
