"""Makes verified webhooks durable, many in one commit: whoever waits for one goes on once it is safe.

One task writes, in a thread beside the event loop. While a commit is under way the next webhooks gather, so the busier
it is, the more of them share one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from campaigns.clock import Now
from storage.engine import Engine, open_blocking
from storage.inbox import Arrival, count_refusals, keep_webhooks

logger = logging.getLogger(__name__)

MOST_WAITING: Final = 2_000
"""Webhooks that may wait for their commit; one more is asked to come again."""
MOST_AT_ONCE: Final = 500
BYTES_AT_ONCE: Final = 8 * 1024 * 1024
ANSWER_WITHIN: Final = 8.0
"""Seconds for the commit. Providers give up after ten, and then send the webhook again."""
LOOK: Final = 1.0
"""Seconds of a commit after which it is looked who has waited too long."""
COUNT_EVERY: Final = 1.0
"""Seconds in which refusals gather before they are counted: a flood of them costs next to nothing."""


class Busy(Exception):
    """Too many webhooks wait already, or the recorder is closing."""


class NotStored(Exception):
    """The database did not take the webhook."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A webhook, and since when and how its commit is waited for."""

    arrival: Arrival
    since: float
    committed: asyncio.Future[None]


class Recorder:
    """An async context: on leaving it, what waits is still written."""

    def __init__(self, engine: Engine, now: Now, stored: Callable[[], None] | None = None) -> None:
        self._engine = open_blocking(engine)
        self._now = now
        self._stored = stored
        """Called after each commit of webhooks."""
        self._waiting: deque[Waiting] = deque()
        self._refused: Counter[str] = Counter()
        self._wake = asyncio.Event()
        self._open = False
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Recorder:
        self._open = True
        self._writer = asyncio.create_task(self._write(), name="webhook recorder")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._open = False
        self._wake.set()
        if self._writer is not None:
            await self._writer
        self._engine.dispose()

    async def record(self, arrival: Arrival) -> None:
        """Returns once the webhook is committed. Raises Busy, NotStored, TimeoutError."""
        if not self._open or len(self._waiting) >= MOST_WAITING:
            raise Busy
        loop = asyncio.get_running_loop()
        waiting = Waiting(arrival, loop.time(), loop.create_future())
        self._waiting.append(waiting)
        self._wake.set()
        await waiting.committed

    def refuse(self, account: str) -> None:
        """Count a webhook that was refused."""
        self._refused[account] += 1

    async def _write(self) -> None:
        while self._open or self._waiting:
            await self._something_to_write()
            await self._commit()
        await self._commit()

    async def _something_to_write(self) -> None:
        if not self._waiting:
            self._wake.clear()
            try:
                async with asyncio.timeout(COUNT_EVERY):
                    await self._wake.wait()
            except TimeoutError:
                return

    async def _commit(self) -> None:
        batch = self._next_batch()
        refused, self._refused = self._refused, Counter()
        if not (batch or refused):
            return
        storing = asyncio.create_task(asyncio.to_thread(self._store, batch, refused))
        while not (await asyncio.wait([storing], timeout=LOOK))[0]:
            self._give_up(batch)
        try:
            storing.result()
        except Exception as error:
            self._refused += refused
            logger.exception("Webhooks could not be stored.", extra={"action": "webhooks_not_stored"})
            _answer(batch, NotStored(str(error)))
            return
        _answer(batch, None)
        if batch and self._stored is not None:
            self._stored()

    def _store(self, batch: Sequence[Waiting], refused: Mapping[str, int]) -> None:
        with self._engine.begin() as connection:
            keep_webhooks(connection, [one.arrival for one in batch])
            count_refusals(connection, refused, self._now())

    def _give_up(self, batch: Sequence[Waiting]) -> None:
        """Nobody waits too long; what is not stored yet still will be."""
        latest = asyncio.get_running_loop().time() - ANSWER_WITHIN
        _answer([one for one in (*batch, *self._waiting) if one.since < latest], TimeoutError())

    def _next_batch(self) -> list[Waiting]:
        batch: list[Waiting] = []
        size = 0
        while self._waiting and len(batch) < MOST_AT_ONCE and size < BYTES_AT_ONCE:
            batch.append(self._waiting.popleft())
            size += len(batch[-1].arrival.body)
        return batch


def _answer(batch: Sequence[Waiting], error: Exception | None) -> None:
    for one in batch:
        if one.committed.done():  # whoever waited has given up
            continue
        if error is None:
            one.committed.set_result(None)
        else:
            one.committed.set_exception(error)
