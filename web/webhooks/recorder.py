"""Verifies webhooks and stores them durably, many in one commit: each caller continues once its webhook is safe.

A separate thread does it. While a commit is under way the next webhooks queue up, so the busier it is, the more of them
share a commit; the thread continues with them without the event loop, which reads the next requests meanwhile:
signatures and packing take most of a large body's time, and need no interpreter.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from campaigns.frozen import frozen
from campaigns.time.clock import Now
from storage.database.engine import Engine, open_blocking
from storage.receipts.inbox import Arrival, count_refusals, keep_webhooks

logger = logging.getLogger(__name__)

MOST_WAITING: Final = 2_000
"""Webhooks that may wait for their commit; further ones are asked to try again."""
MOST_AT_ONCE: Final = 500
BYTES_AT_ONCE: Final = 8 * 1024 * 1024
ANSWER_WITHIN: Final = 8.0
"""Seconds for the commit. Providers give up after ten and then send the webhook again."""
GATHER: Final = 0.003
"""Least seconds between the starts of two commits, so that more webhooks share one."""
LOOK: Final = 1.0
"""Seconds between two checks for callers that have waited too long."""
COUNT_EVERY: Final = 1.0
"""Seconds between two counts of refusals, so that a flood of them costs next to nothing."""


class Busy(Exception):
    """Too many webhooks wait already, or the recorder is closing."""


class NotStored(Exception):
    """The database did not store the webhook."""


@frozen
class Waiting:
    """A webhook that waits for its commit."""

    verified: Verified
    since: float
    stored: asyncio.Future[bool]


Verified = Callable[[], Arrival | None]
"""Verifies a webhook and packs it; None if it is not genuine."""


class Recorder:
    """An async context: on leaving it, waiting webhooks are still written."""

    def __init__(self, engine: Engine, now: Now, stored: Callable[[], None] | None = None) -> None:
        self._engine = open_blocking(engine)
        self._now = now
        self._stored = stored
        """Called after each commit of webhooks."""
        self._waiting: deque[Waiting] = deque()
        self._writing: list[Waiting] = []
        self._refused: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._wake = threading.Event()
        self._open = False
        self._writer = threading.Thread(target=self._write, name="webhook recorder")

    async def __aenter__(self) -> Recorder:
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._writer.start()
        self._watch = asyncio.create_task(self._give_up_in_time(), name="webhook patience")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._open = False
        self._wake.set()
        await asyncio.to_thread(self._writer.join)
        self._watch.cancel()
        self._engine.dispose()

    async def record(self, verified: Verified) -> bool:
        """Returns once the webhook is committed, or False if it is not genuine; `verified` is called in the thread.
        Raises its errors, and Busy, NotStored, TimeoutError."""
        if not self._open or len(self._waiting) >= MOST_WAITING:
            raise Busy
        waiting = Waiting(verified, self._loop.time(), self._loop.create_future())
        self._waiting.append(waiting)
        if not self._wake.is_set():
            self._wake.set()
        return await waiting.stored

    def refuse(self, account: str) -> None:
        """Count a webhook that was refused."""
        with self._counting:
            self._refused[account] += 1

    async def _give_up_in_time(self) -> None:
        """Answer callers that have waited too long; their webhooks are still stored."""
        while True:
            await asyncio.sleep(LOOK)
            latest = self._loop.time() - ANSWER_WITHIN
            late = [one for one in (*self._writing, *self._waiting) if one.since < latest]
            _fail(late, TimeoutError())

    def _write(self) -> None:
        """The thread."""
        counted = -math.inf
        while self._open or self._waiting:
            if not self._waiting:
                self._wake.wait(COUNT_EVERY)
            self._wake.clear()
            begun = time.monotonic()
            self._keep()
            if begun - counted >= COUNT_EVERY:
                self._count()
                counted = begun
            self._rest(until=begun + GATHER)
        self._count()

    def _rest(self, until: float) -> None:
        if self._open:
            time.sleep(max(0.0, until - time.monotonic()))

    def _keep(self) -> None:
        batch = self._writing = []
        arrivals = self._next_arrivals(batch)
        if not batch:
            return
        try:
            with self._engine.begin() as connection:
                keep_webhooks(connection, arrivals)
        except Exception as error:
            logger.exception("Webhooks could not be stored.", extra={"action": "webhooks_not_stored"})
            self._loop.call_soon_threadsafe(_fail, batch, NotStored(str(error)))
        else:
            self._loop.call_soon_threadsafe(self._confirm, batch)

    def _count(self) -> None:
        with self._counting:
            refused, self._refused = self._refused, Counter()
        if not refused:
            return
        try:
            with self._engine.begin() as connection:
                count_refusals(connection, refused, self._now())
        except Exception:
            with self._counting:
                self._refused += refused
            logger.exception("Refusals could not be counted.", extra={"action": "refusals_not_counted"})

    def _confirm(self, batch: Sequence[Waiting]) -> None:
        _answer(batch, stored=True)
        if self._stored is not None:
            self._stored()

    def _next_arrivals(self, batch: list[Waiting]) -> list[Arrival]:
        """Verify the next webhooks: fills `batch` with the genuine ones; the others are answered at once."""
        arrivals: list[Arrival] = []
        refused: list[Waiting] = []
        size = 0
        while self._waiting and len(batch) + len(refused) < MOST_AT_ONCE and size < BYTES_AT_ONCE:
            one = self._waiting.popleft()
            try:
                arrival = one.verified()
            except Exception as error:
                self._loop.call_soon_threadsafe(_fail, [one], error)
                continue
            if arrival is None:
                refused.append(one)
                continue
            batch.append(one)
            arrivals.append(arrival)
            size += len(arrival.body)
        if refused:
            self._loop.call_soon_threadsafe(partial(_answer, refused, stored=False))
        return arrivals


def _answer(batch: Sequence[Waiting], *, stored: bool) -> None:
    for one in batch:
        if not one.stored.done():  # the caller may have given up
            one.stored.set_result(stored)


def _fail(batch: Sequence[Waiting], error: Exception) -> None:
    for one in batch:
        if not one.stored.done():
            one.stored.set_exception(error)
