"""An account's rate that several processes share: each takes slots from one row of the database."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

from campaigns.frozen import frozen
from campaigns.time.clock import Now
from campaigns.time.pace import Rate
from scheduler.sending.slot_lead import SlotLead
from storage.database.engine import Connection, Engine, writing
from storage.sending.rate_slots import LATE, grant


@frozen
class Taken:
    """Slots, by the monotonic clock."""

    moments: list[float]
    again: float
    """When it is worth asking again where there is none."""
    asked_at: float


class SharedRate:
    """One account's rate."""

    def __init__(self, engine: Engine, account: str, rate: Rate, now: Now) -> None:
        self._engine = engine
        self._account = account
        self.rate = rate
        self._now = now
        self._lead = SlotLead(account)

    async def take(self, connection: Connection, wanted: int, lead: SlotLead) -> Taken:
        """At most `wanted` slots, none sooner than the lead from when they are asked for."""
        granted = await grant(
            connection, self._account, self.rate, wanted, self._now, lead=lead(), within=lead.within
        )
        zero, now = time.monotonic(), self._now()
        lead.note_granted(granted.count)

        def by_ours(moment: datetime) -> float:
            return zero + (moment - now).total_seconds()

        moments = [by_ours(slot) for slot in granted.slots]
        return Taken(moments, by_ours(granted.first), by_ours(granted.asked_at))

    async def wait(self) -> None:
        """Wait for one slot: for a request that only this limit holds back. One that is missed is asked for again."""
        while True:
            async with writing(self._engine) as connection:
                taken = await self.take(connection, 1, self._lead)
            self._lead.follow(time.monotonic() - taken.asked_at)
            moment = taken.moments[0] if taken.moments else taken.again
            await asyncio.sleep(max(0.0, moment - time.monotonic()))
            if taken.moments and time.monotonic() <= moment + LATE.total_seconds():
                return
