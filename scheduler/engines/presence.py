"""Reports at intervals that this process is alive, for `drumbeat workers`."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final
from uuid import uuid4

from campaigns.time.clock import Now
from scheduler.engines.shared_clock import SharedClock
from storage.database.engine import Engine, writing
from storage.database.health import first_line
from storage.sending.workers import WorkerRow, report_worker, retire_worker

logger = logging.getLogger(__name__)

BEAT: Final = 5.0


class Presence:
    """This process, as `drumbeat workers` shows it. `kind` is runner, clock or worker; `healthy`: whether it still does
    the work that it leads."""

    def __init__(
        self,
        engine: Engine,
        kind: str,
        now: Now,
        places: int | None = None,
        healthy: Callable[[], bool] = lambda: True,
    ) -> None:
        host, pid, since = socket.gethostname(), os.getpid(), now()
        name = f"{kind} {host}:{pid}:{uuid4().hex[:8]}"
        self._engine = engine
        self._now = now
        self._healthy = healthy
        self._row = WorkerRow(name, kind, host, pid, places, False, since, since)
        self._turn = asyncio.Lock()
        """Held while a report is written: an older state must not overwrite a newer one."""

    @property
    def name(self) -> str:
        """Names it as the holder of lanes."""
        return self._row.name

    async def announce(self, *, leads: bool | None = None) -> None:
        """Report now. What the database does not take is reported again soon."""
        if leads is not None:
            self._row = replace(self._row, leads=leads)
        async with self._turn:
            await self._tell()

    async def _tell(self) -> None:
        try:
            if isinstance(self._now, SharedClock):
                await self._now.set(self._engine)
            self._row = replace(self._row, seen_at=self._now())
            leads = self._row.leads and self._healthy()
            async with writing(self._engine) as connection:
                await report_worker(connection, replace(self._row, leads=leads))
        except Exception as error:
            logger.warning(
                "The database does not answer: %s",
                first_line(error),
                extra={"action": "presence_not_reported"},
            )

    @asynccontextmanager
    async def announced(self) -> AsyncIterator[None]:
        """Report the process as alive while the context lasts."""
        reporting = asyncio.create_task(self._keep_reporting(), name="presence")
        try:
            yield
        finally:
            reporting.cancel()
            await asyncio.wait({reporting})
            await self._retire()

    async def _keep_reporting(self) -> None:
        while True:
            await self.announce()
            await asyncio.sleep(BEAT)

    async def _retire(self) -> None:
        try:
            async with writing(self._engine) as connection:
                await retire_worker(connection, self.name)
        except Exception as error:
            logger.warning(
                "The database does not answer: %s",
                first_line(error),
                extra={"action": "presence_not_reported"},
            )
