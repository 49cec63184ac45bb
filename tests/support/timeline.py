"""An event loop whose clock jumps to the next timer instead of waiting: hours of pacing in milliseconds."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar
from unittest.mock import patch

T = TypeVar("T")


class _Jumping(selectors.SelectSelector):
    """Never waits: what would be waited is added to the loop's clock."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        self.elapsed += timeout or 0.0
        return super().select(0)


class Timeline(asyncio.SelectorEventLoop):
    """`time()` starts at 1,000 s and moves only by sleeping."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return 1000.0 + self._jumping.elapsed

    def stall(self, seconds: float) -> None:
        """Nothing runs for so long."""
        self._jumping.elapsed += seconds


def run_on_timeline(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a fresh timeline, whose clock is the system's meanwhile."""
    loop = Timeline()
    try:
        with patch.object(time, "monotonic", loop.time):
            return loop.run_until_complete(main)
    finally:
        loop.close()
