"""How many calls a key may make in a minute, at this server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from campaigns.frozen import frozen

CALLS: Final = 1_200
WINDOW: Final = timedelta(minutes=1)


@frozen
class Room:
    """What a key has left after a call."""

    allowed: bool
    left: int
    seconds: int
    """Until there is room for all calls again."""

    @property
    def headers(self) -> Mapping[str, str]:
        shown = {"Limit": CALLS, "Remaining": self.left, "Reset": self.seconds}
        return {f"RateLimit-{name}": str(value) for name, value in shown.items()}


class Quota:
    """Counts the calls of each key in windows that begin with its first call."""

    def __init__(self) -> None:
        self._used: dict[int, tuple[datetime, int]] = {}

    def take(self, key_id: int, now: datetime) -> Room:
        """Count one call."""
        begun, used = self._used.get(key_id, (now, 0))
        if not timedelta(0) <= now - begun < WINDOW:
            begun, used = now, 0
        allowed = used < CALLS
        used += allowed
        self._used[key_id] = (begun, used)
        return Room(allowed, CALLS - used, ceil((begun + WINDOW - now).total_seconds()))
