"""A worker: executes the shifts that a clock defers, on any machine. Everything but sending is the clock's task."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from campaigns.rules.caps import Cap
from providers.http.client import Transport
from providers.settings import AccountSettings
from scheduler.engines.lane_executor import LaneExecutor
from scheduler.engines.presence import Presence
from scheduler.engines.procrastinate import open_queue, serve
from scheduler.engines.shared_clock import shared_clock
from scheduler.sending.instrumentation import Observe, ignore
from scheduler.sending.lanes import Lane, close_lanes, open_lanes
from storage.database.engine import Engine, writing
from storage.database.origin import refuse_copy
from storage.sending.lanes import ensure_lanes, pause_lane

logger = logging.getLogger(__name__)

UNKNOWN_LANE: Final = timedelta(minutes=1)
"""How long a lane rests after its task reached a worker whose settings lack its sender."""


async def work(
    engine: Engine,
    accounts: Mapping[str, AccountSettings],
    *,
    concurrency: int,
    stop: asyncio.Event,
    default_caps: tuple[Cap, ...] = (),
    transport: Transport | None = None,
    observe: Observe = ignore,
) -> None:
    """Execute shifts of these accounts' lanes until `stop`, at most `concurrency` at once.

    Raises UsageError where the database is no PostgreSQL, or a secret or the queue's tables are missing.
    """
    async with open_queue(engine) as app:
        now = await shared_clock(engine)
        lanes = open_lanes(
            accounts,
            default_caps=default_caps,
            transport=transport,
            now=now,
            observe=observe,
            shared_on=engine,
        )
        presence = Presence(engine, "worker", now, concurrency)
        worker = _Worker(engine, lanes, LaneExecutor(engine, presence.name, stop, held=lambda: now.settled))
        try:
            async with writing(engine) as connection:
                await refuse_copy(connection, engine)
                await ensure_lanes(connection, lanes)
            async with presence.announced():
                await serve(app, worker.work, lanes, concurrency=concurrency, stop=stop)
        finally:
            await close_lanes(lanes)


class _Worker:
    """Finds the lane that a task names."""

    def __init__(self, engine: Engine, lanes: Mapping[str, Lane], executor: LaneExecutor) -> None:
        self._engine = engine
        self._lanes = lanes
        self._executor = executor

    async def work(self, name: str) -> None:
        """One shift of that lane; raises nothing."""
        lane = self._lanes.get(name)
        if lane is not None:
            await self._executor.work(lane)
            return
        logger.error("%s is not in this worker's drumbeat.toml.", name, extra={"action": "lane_unknown"})
        some = next(iter(self._lanes.values()))
        async with writing(self._engine) as connection:
            reason = f"the drumbeat.toml of {self._executor.holder} has no such sender: add it there"
            await pause_lane(connection, name, reason, some.now() + UNKNOWN_LANE)
