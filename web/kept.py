"""What is costly to read is read once for all who ask, and kept for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

SHARE: Final = 20
"""What took a second to read is kept for as many: reading it takes a twentieth of the time at most."""


class Kept(Generic[T]):
    """The result of `read`, at least `seconds` old before it is read again; who asks meanwhile waits for the same
    reading. An error is not kept."""

    def __init__(self, read: Callable[[], Awaitable[T]], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._fresh_until = float("-inf")
        self._value: T | None = None
        self._reading = asyncio.Lock()

    async def get(self) -> T:
        """Raises what `read` raises."""
        async with self._reading:
            if self._value is None or time.monotonic() >= self._fresh_until:
                begun = time.monotonic()
                self._value = await self._read()
                took = time.monotonic() - begun
                self._fresh_until = time.monotonic() + max(self._seconds, SHARE * took)
            return self._value
