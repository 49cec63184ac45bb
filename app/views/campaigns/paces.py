"""How fast a run is sent now, and in what stretches of time its pace is drawn: seconds for a fast one, hours for a slow
one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from storage.views.live import LastCalls

PACE_OF: Final = timedelta(seconds=5)
STRETCHES: Final = 3
"""Their mean is the pace of now, unless it is slow."""
APART: Final = 5
"""So many messages apart are those from which a slow pace is read."""
_SLOW: Final = 15
"""Messages in the last stretches: with fewer the pace is slow."""
_CHARTS: Final = (
    (PACE_OF, 60),
    (timedelta(seconds=15), 60),
    (timedelta(minutes=1), 60),
    (timedelta(minutes=5), 60),
    (timedelta(minutes=15), 48),
    (timedelta(hours=1), 48),
)
_LEAST: Final = 3
"""Messages in a stretch of a chart: with fewer, it would show nothing but 0 and 1."""


def pace_of_now(counted: int, last: LastCalls | None, now: datetime) -> float:
    """Messages a second. `counted`: those of the last stretches."""
    over = PACE_OF * STRETCHES
    measured = counted / over.total_seconds()
    if counted >= _SLOW or last is None or not last.gap:
        return measured
    if now - last.newest > max(over, APART * last.gap):
        return 0.0
    return 1 / last.gap.total_seconds()


def chart_stretches(last: LastCalls | None, limit: float | None) -> tuple[timedelta, int]:
    """How long each stretch of a chart is, and how many there are. `limit`: messages a second at most."""
    gap = last.gap if last else timedelta(seconds=1 / limit) if limit else timedelta(0)
    return next((chart for chart in _CHARTS if chart[0] >= _LEAST * gap), _CHARTS[-1])
