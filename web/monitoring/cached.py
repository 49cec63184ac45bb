"""A cache for a costly read: one read serves all callers and is reused for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

SHARE: Final = 20
"""A value is cached for this many times its reading time, so reading takes at most a twentieth of the time."""


class Cached(Generic[T]):
    """The result of `read`, not read again for `seconds`. Callers during a read wait for that read;
    errors are not cached."""

    def __init__(self, read: Callable[[], Awaitable[T]], seconds: float, patience: float) -> None:
        self._read = read
        self._seconds = seconds
        self._patience = patience
        self._fresh_until = float("inf")
        self._reading: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Raises what `read` raises, and TimeoutError after `patience` seconds; the read continues: cancelling
        a query midway would break its connection."""
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
