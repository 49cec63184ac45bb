"""Repeats the duties; an error in one is logged and stops no other."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import TypeVar

from campaigns.frozen import frozen
from storage.database.health import first_line, is_outage

logger = logging.getLogger(__name__)

T = TypeVar("T")


@frozen
class Duty:
    """Work that is repeated every so many seconds."""

    work: Callable[[], Coroutine[None, None, None]]
    every: float
    sooner: Callable[[], float | None] = lambda: None
    """Seconds until something is to be done that cannot wait for its next turn; None: there is no such thing."""


class Supervisor:
    """Does duties until a stop, each whenever `may_work` allows."""

    def __init__(self, stop: asyncio.Event, may_work: Callable[[], bool]) -> None:
        self._stop = stop
        self._may_work = may_work
        self._loops: list[asyncio.Task[None]] = []
        self._under_way: set[asyncio.Task[None]] = set()

    def start(self, duties: Iterable[Duty]) -> None:
        """Begin with all of them at once."""
        self._loops = [asyncio.create_task(self._repeat(duty)) for duty in duties]

    async def end(self, others: set[asyncio.Task[None]], *, at_once: bool) -> None:
        """Let the duties under way, and `others`, end: cancelled midway they would leave their connections in pieces.
        But `at_once` another clock may be doing them."""
        await cancelled(*self._loops)
        while under_way := self._under_way | others:
            if at_once:
                for task in under_way:
                    task.cancel()
            await asyncio.wait(under_way)

    async def _repeat(self, duty: Duty) -> None:
        """By the monotonic clock: setting the machine's clock neither stops a duty nor hurries it. A missed turn is not
        made up for."""
        begun = time.monotonic()
        while not self._stop.is_set():
            await self._do(duty)
            rest, sooner = duty.every - (time.monotonic() - begun) % duty.every, duty.sooner()
            await asyncio.sleep(rest if sooner is None else min(rest, max(0.0, sooner)))

    async def _do(self, duty: Duty) -> None:
        """During an outage of the database nothing is done; the next turn does it."""
        if self._stop.is_set() or not self._may_work():
            return
        task = asyncio.ensure_future(duty.work())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.wait({task})
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("A duty failed.", exc_info=error, extra={"action": "duty_failed"})


async def do_part(duty: str, name: str, work: Awaitable[T]) -> T | None:
    """Do one part of a duty: an error in it is logged and stops no other part; None then."""
    try:
        return await work
    except Exception as error:
        ids = {"action": "duty_failed", "duty": duty, "of": name}
        trace = None if is_outage(error) else error
        logger.error("A duty failed for %s: %s", name, first_line(error), exc_info=trace, extra=ids)
        return None


async def cancelled(*tasks: asyncio.Task[None]) -> None:
    """Cancel the tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
