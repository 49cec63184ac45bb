"""Meta's free allowance: the first service messages that reach people from a number in a month cost nothing.

Which of the messages arrive first is not known: the range of costs goes from the dearest of them being free to the
cheapest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, time
from typing import Final

from campaigns.frozen import frozen
from campaigns.money.prices import FREE_SERVICE_MESSAGES, Prices
from storage.database.engine import Connection
from storage.views.estimates import count_delivered_service

CostKey = tuple[str | None, str, str | None]
"""Country, category, currency."""


@frozen
class ServiceMessage:
    """One that may be charged as a service message."""

    lane: str
    cost: CostKey
    low: int
    """How much less it costs at least, in micro-units, if it is within the allowance."""
    high: int
    """The same of what it costs at most."""
    expected: bool
    """It goes as a service message as things stand; otherwise it may."""


Savings = dict[CostKey, tuple[int, int]]
"""How much less low and high are, in micro-units."""
NONE: Final = (0, 0)


async def allowance_left(connection: Connection, lane: str, prices: Prices, at: datetime) -> int:
    """How many of the number's free messages are left in its month, by what the database knows."""
    if not prices.frees_service_messages(at):
        return 0
    first = at.astimezone(prices.zone).date().replace(day=1)
    since = datetime.combine(first, time(), prices.zone)
    return FREE_SERVICE_MESSAGES - await count_delivered_service(
        connection, lane, since, FREE_SERVICE_MESSAGES
    )


def within_allowance(messages: Counter[ServiceMessage], left: Mapping[str, int]) -> tuple[int, Savings]:
    """How many are expected to be within the allowances that are left, by lane, and what is saved."""
    within, savings = 0, Savings()
    for lane, room in left.items():
        mine = {one: count for one, count in messages.items() if one.lane == lane}
        sure = {one: count for one, count in mine.items() if one.expected}
        expected = min(room, sum(sure.values()))
        within += expected
        for one, count in _first(sorted(mine.items(), key=lambda item: -item[0].low), room):
            low, high = savings.get(one.cost, NONE)
            savings[one.cost] = (low + count * one.low, high)
        for one, count in _first(sorted(sure.items(), key=lambda item: item[0].high), expected):
            low, high = savings.get(one.cost, NONE)
            savings[one.cost] = (low, high + count * one.high)
    return within, savings


def _first(
    messages: Iterable[tuple[ServiceMessage, int]], count: int
) -> Iterable[tuple[ServiceMessage, int]]:
    for one, people in messages:
        if count <= 0:
            return
        yield one, min(people, count)
        count -= people
