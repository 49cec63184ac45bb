"""The lease by which one process owns a lane for a while, and its epoch, which every write of a shift names."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from campaigns.time.clock import ticks
from scheduler.sending.lanes import LEASE, Lane
from storage.database.engine import Connection, Engine, writing
from storage.receipts.receipts import mark_orphans
from storage.sending.lanes import LaneRow, hold_lane, note_last_call, read_lanes, release_lane, take_lane

logger = logging.getLogger(__name__)

TRUSTED_LEASE: Final = 0.9 * LEASE.total_seconds()
"""Seconds for which a lease is relied on: less than it lasts, because a call takes time to leave."""


class Lease:
    """One shift's ownership of its lane. `held`: whether this process may send at all."""

    def __init__(
        self, engine: Engine, lane: Lane, holder: str, *, no_other_runner: bool, held: Callable[[], bool]
    ) -> None:
        self.epoch = 0
        self.held_until = 0.0
        """By `ticks`."""
        self._engine = engine
        self._lane = lane
        self._holder = holder
        self._no_other_runner = no_other_runner
        self._held = held

    async def take(self) -> LaneRow | None:
        """Take the lane, and mark what its owner before left under way as in doubt; None while another owns it."""
        asked_at, now, name = ticks(), self._lane.now(), self._lane.name
        async with writing(self._engine) as connection:
            epoch = await take_lane(
                connection, name, self._holder, now, now + LEASE, no_other_runner=self._no_other_runner
            )
            if epoch is None:
                return None
            row = (await read_lanes(connection))[name]  # not before: its owner may still have sent
            orphans = await mark_orphans(connection, name, now)
        if orphans:
            logger.warning(
                "Messages of an interrupted sender are in doubt.",
                extra={"action": "orphans_in_doubt", "lane": name, "jobs": orphans},
            )
        self.epoch = epoch
        self.renewed(asked_at)
        return row

    def renewed(self, at: float) -> None:
        """A transaction renewed the lease, counted from then on, however long it took to end."""
        self.held_until = at + TRUSTED_LEASE

    async def keep(self, connection: Connection) -> None:
        """Own the lane for longer, to store answers; calls leave no longer than before, since what they were decided
        from grows old. Raises LaneLost."""
        await hold_lane(connection, self._lane.name, self.epoch, self._lane.now() + LEASE)

    def may_send(self) -> bool:
        """Whether the lane is still owned: a process that was stopped, or slept, for longer than its lease starts no
        call."""
        return ticks() < self.held_until and self._held()

    async def release(self, connection: Connection, last_call_at: datetime | None) -> None:
        if last_call_at is not None:
            await note_last_call(connection, self._lane.name, self.epoch, last_call_at)
        await release_lane(connection, self._lane.name, self.epoch)
