"""When the messages of a report were sent and when their receipts came, counted in equal stretches of time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, case, func, literal, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from storage.tables import from_millis, jobs
from storage.views.report_scope import Scope

STRETCHES: Final = 120
"""At most so many."""
SHORTEST: Final = 1_000
"""Milliseconds."""
AFTERWARDS: Final = timedelta(minutes=10)
"""How long receipts are shown after the last message at least; and for as long as sending took."""


@frozen
class Stretch:
    """What happened from `at` until the next."""

    at: datetime
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
    """Of the messages that are not purged; None: none of them was sent."""
    accepted, delivered = (type_coerce(jobs.c[name], BigInteger) for name in ("accepted_at", "delivered_at"))
    sent = (scope.jobs, jobs.c.accepted_at.is_not(None))
    edges = select(func.min(accepted), func.max(accepted), func.max(delivered)).where(*sent)
    first, last, newest = (await connection.execute(edges)).one()
    if first is None:
        return None
    shown = last + max(last - first, AFTERWARDS // timedelta(milliseconds=1))
    end = max(last, min(newest or last, shown))
    wide = max(SHORTEST, _rounded((end - first) // STRETCHES + 1))
    places = (_place(accepted, first, wide), _place(delivered, first, wide, end))
    counted = await connection.execute(select(*places, func.count()).where(*sent).group_by(*places))
    return _made(counted.all(), first, wide, (end - first) // wide + 1)


def _place(
    moment: ColumnElement[int], first: int, wide: int, end: int | None = None
) -> ColumnElement[int | None]:
    place: ColumnElement[Any] = (moment - literal(first, BigInteger)) // literal(wide, BigInteger)
    early = case((moment < first, 0), else_=place)
    return early if end is None else case((moment > end, -1), else_=early)


def _rounded(millis: int) -> int:
    """Up to whole seconds, or whole minutes from ten minutes on."""
    unit = 1_000 if millis < 600_000 else 60_000
    return -(-millis // unit) * unit


def _made(rows: Sequence[Any], first: int, wide: int, many: int) -> TimeLine:
    sent: Counter[int] = Counter()
    received: Counter[int | None] = Counter()
    for sent_in, received_in, count in rows:
        sent[int(sent_in)] += count
        received[None if received_in is None else int(received_in)] += count
    stretches = [
        Stretch(from_millis(first + place * wide), sent[place], received[place]) for place in range(many)
    ]
    return TimeLine(stretches, timedelta(milliseconds=wide), received[-1])
