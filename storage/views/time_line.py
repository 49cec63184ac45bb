"""When the messages of a report were sent and when their receipts came, counted in equal stretches of time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from storage.runs.time_counts import Counted, counted_times
from storage.tables.types import from_millis
from storage.views.report_scope import Scope

STRETCHES: Final = 120
"""At most so many."""
AFTERWARDS: Final = timedelta(minutes=10)
"""How long receipts are shown after the last message at least; and for as long as sending took."""


@frozen
class Stretch:
    """What happened from `at` until the next."""

    at: datetime
    """When it begins."""
    sent: int
    """Messages that the provider accepted."""
    received: int
    """Messages whose delivery was confirmed."""


@frozen
class TimeLine:
    stretches: Sequence[Stretch]
    each: timedelta
    """How long each of them is."""
    later: int
    """Confirmations that came after the last of them."""

    @property
    def end(self) -> datetime:
        return self.stretches[-1].at + self.each


async def time_line(connection: AsyncConnection, scope: Scope) -> TimeLine | None:
    """Of the messages that are not purged, and of a person's tries of the newest; None: none of them was sent."""
    each, counted = await counted_times(connection, scope.run_ids)
    sent = [one.at for one in counted if one.sent]
    if not sent:
        return None
    unit = each // timedelta(milliseconds=1)
    first, last = sent[0] // unit * unit, sent[-1]
    newest = max((one.at for one in counted if one.delivered), default=last)
    shown = last + max(last - first, AFTERWARDS // timedelta(milliseconds=1))
    end = max(last, min(newest, shown))
    return _made(counted, first, end, _rounded((end - first) // STRETCHES + 1, unit))


def _rounded(millis: int, unit: int) -> int:
    """Up to whole seconds, or whole minutes from ten minutes on; or to as much as is counted together."""
    unit = max(unit, 1_000 if millis < 600_000 else 60_000)
    return -(-millis // unit) * unit


def _made(counted: Sequence[Counted], first: int, end: int, wide: int) -> TimeLine:
    sent, received = Counter[int](), Counter[int]()
    later = 0
    for one in counted:
        place = max(0, (one.at - first) // wide)
        sent[place] += one.sent
        if one.at > end:
            later += one.delivered
        else:
            received[place] += one.delivered
    stretches = [
        Stretch(from_millis(first + place * wide), sent[place], received[place])
        for place in range((end - first) // wide + 1)
    ]
    return TimeLine(stretches, timedelta(milliseconds=wide), later)
