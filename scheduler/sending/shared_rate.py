"""An account's rate that several processes share: each takes slots from one row of the database."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from typing import Final

from campaigns.time.clock import Now
from campaigns.time.pace import Rate
from scheduler.sending.pacing import SLICE
from storage.database.engine import Connection, Engine, writing
from storage.sending.rate_slots import grant

LEAD: Final = timedelta(seconds=SLICE / 2)
"""Slots begin this long after the request for them, since that transaction must end before the first call."""


class SharedRate:
    """One account's rate."""

    def __init__(self, engine: Engine, account: str, rate: Rate, now: Now) -> None:
        self._engine = engine
        self._account = account
        self.rate = rate
        self._now = now

    async def take(self, connection: Connection, wanted: int) -> tuple[list[float], float]:
        """At most `wanted` slots by the monotonic clock; and when it is worth asking again where there is none."""
        now = self._now() + LEAD
        zero = time.monotonic() + LEAD.total_seconds()
        granted = await grant(connection, self._account, self.rate, wanted, now)

        def by_ours(moment: datetime) -> float:
            return zero + (moment - now).total_seconds()

        return [by_ours(slot) for slot in granted.slots], by_ours(granted.first)

    async def wait(self) -> None:
        """Wait for one slot: for a request that only this limit holds back."""
        slots: list[float] = []
        while not slots:
            async with writing(self._engine) as connection:
                slots, again = await self.take(connection, 1)
            await asyncio.sleep(max(0.0, (slots[0] if slots else again) - time.monotonic()))
