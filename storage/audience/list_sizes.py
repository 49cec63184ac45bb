"""How many people are in the audience of each campaign, as it was counted when their list took its place: never counted
when it is asked for."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from storage.tables.audience import campaigns, recipients

_COUNTED: Final[Any] = campaigns.c.purged_recipients + (
    select(func.count())
    .select_from(recipients)
    .where(recipients.c.campaign_id == campaigns.c.id, recipients.c.edition == campaigns.c.edition)
    .correlate(campaigns)
    .scalar_subquery()
)


@frozen
class SizeDifference:
    """A campaign whose kept number of people is not theirs."""

    campaign: str
    kept: int
    counted: int


async def size_differences(connection: AsyncConnection) -> list[SizeDifference]:
    """Where a recount of all people differs from the kept numbers. Reads all of them: a second for some millions."""
    each = select(campaigns.c.name, campaigns.c.recipients, _COUNTED.label("counted")).subquery()
    found = select(*each.c).where(each.c.recipients != each.c.counted).order_by(each.c.name)
    return [SizeDifference(*row) for row in await connection.execute(found)]


async def recount_sizes(connection: AsyncConnection) -> None:
    """Replace the kept numbers by a recount; who loads a list or purges one waits until this transaction ends."""
    await connection.execute(select(campaigns.c.id).order_by(campaigns.c.id).with_for_update())
    await connection.execute(update(campaigns).values(recipients=_COUNTED))
