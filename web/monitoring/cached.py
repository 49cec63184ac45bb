"""What is costly to read is read once for all who ask, and kept for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

SHARE: Final = 20
"""What took a second to read is kept for as many: reading it takes a twentieth of the time at most."""


class Cached(Generic[T]):
    """The result of `read`, not read again for `seconds`. Who asks while it is read waits for the same reading; an
    error is not kept."""

    def __init__(self, read: Callable[[], Awaitable[T]], seconds: float, patience: float) -> None:
        self._read = read
        self._seconds = seconds
        self._patience = patience
        self._fresh_until = float("inf")
        self._reading: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Raises what `read` raises, and TimeoutError after `patience` seconds; the reading goes on then: a query
        that is cut off midway would leave its connection in pieces."""
        if self._reading is None or (self._reading.done() and self._is_stale(self._reading)):
            self._fresh_until = float("inf")
            self._reading = asyncio.create_task(self._refresh())
        async with asyncio.timeout(self._patience):
            return await asyncio.shield(self._reading)

    def _is_stale(self, reading: asyncio.Task[T]) -> bool:
        return reading.cancelled() or reading.exception() is not None or time.monotonic() >= self._fresh_until

    async def _refresh(self) -> T:
        begun = time.monotonic()
        value = await self._read()
        now = time.monotonic()
        self._fresh_until = now + max(self._seconds, SHARE * (now - begun))
        return value
