"""The rate that the lanes of one account share, across all processes: its time is granted slot by slot.

A slot is a short stretch of time that belongs to one request. Slots never overlap and never come back: a request that
misses its slot asks for another. So no window ever holds more requests than the rate, however many processes ask, and a
stall is followed by no burst.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.time.clock import Now
from campaigns.time.pace import Rate
from storage.database.engine import is_sqlite
from storage.database.upserts import upsert_into
from storage.tables.lanes import account_grants

LATE: Final = timedelta(milliseconds=100)
"""How late in its slot a request may still begin. As long as a slice: slots of one slice lie close together, and a lane
slower than its account must be able to use them all; timers are late, too, and machines' clocks differ a little."""
AHEAD: Final = timedelta(milliseconds=200)
"""How far ahead slots are given away at least, counted from the lead: two slices' worth. With a longer lead, as far
again: while one transaction lasts, the slots of the one before are used."""
LONGEST_LEAD: Final = timedelta(seconds=2)
"""The most by which the slots of one request begin after it. A process asks for as much as its transactions take."""
FARTHEST: Final = 2 * LONGEST_LEAD
"""How far ahead slots are given away at most."""
_WORTH_IT: Final = timedelta(milliseconds=50)
"""Of what is given away so much must pass before it is worth asking again."""
_MICROSECOND: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@frozen
class Granted:
    """`count` slots from `first` on, `spacing` apart; with none, `first` is when it is worth asking again."""

    count: int
    first: datetime
    spacing: timedelta
    asked_at: datetime
    """From then on the account's row was locked, and the lead counts."""

    @property
    def slots(self) -> list[datetime]:
        """When each request may begin, and at most LATE after it."""
        return [self.first + number * self.spacing for number in range(self.count)]


def slot_spacing(rate: Rate) -> timedelta:
    """The time from slot to slot: the rate's own and so much more that every window of the rate's length keeps to it,
    requests included that are up to LATE late. It costs a tenth of a rate per second, and next to nothing of others."""
    return (rate.per + LATE) / rate.count + _MICROSECOND  # never rounded down


async def grant(
    connection: AsyncConnection,
    account: str,
    rate: Rate,
    wanted: int,
    now: Now,
    *,
    lead: timedelta,
    within: timedelta,
) -> Granted:
    """Grant the account's next slots, at most `wanted`, all between `lead` and `within` from now.

    The account's row is locked until the transaction ends: ask late in it. `now` must be the database's clock, the same
    for all; it is read when others have unlocked the row, however long that took.
    """
    spacing = slot_spacing(rate)
    free_at = await _lock_row(connection, account)
    asked_at = now()
    first = max(free_at, asked_at + lead)
    horizon = asked_at + within
    if wanted <= 0 or first > horizon:
        return Granted(0, max(first - within + _WORTH_IT, asked_at), spacing, asked_at)
    count = min(wanted, (horizon - first) // spacing + 1)
    granted = Granted(count, first, spacing, asked_at)
    given = update(account_grants).where(account_grants.c.account == account)
    await connection.execute(given.values(free_at=_micros(first + count * spacing)))
    return granted


async def _lock_row(connection: AsyncConnection, account: str) -> datetime:
    """The first moment that is not given away yet."""
    missing = (
        upsert_into(is_sqlite(connection), account_grants)
        .values(account=account, free_at=0)
        .on_conflict_do_nothing()
    )
    row = select(account_grants.c.free_at).where(account_grants.c.account == account).with_for_update()
    found = await connection.scalar(row)
    if found is None:
        await connection.execute(missing)
        found = await connection.scalar(row)
    return _EPOCH + int(found or 0) * _MICROSECOND


def _micros(moment: datetime) -> int:
    return -((_EPOCH - moment) // _MICROSECOND)
