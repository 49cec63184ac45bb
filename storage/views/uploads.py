"""Which campaigns have a list already, recognized by its digest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from campaigns.states import CampaignState
from storage.tables.audience import campaigns, imports

MOST = 5


@frozen
class EarlierUse:
    """A campaign into which the list was loaded."""

    campaign: str
    state: CampaignState
    loaded_at: datetime
    rows: int


async def uses_of_list(connection: AsyncConnection, digests: Collection[str]) -> Sequence[EarlierUse]:
    """The newest few campaigns with a list of one of these digests."""
    query = (
        select(campaigns.c.name, campaigns.c.state, imports.c.created_at, imports.c.rows)
        .join(campaigns, campaigns.c.id == imports.c.campaign_id)
        .where(imports.c.digest.in_(digests))
        .order_by(imports.c.id.desc())
        .limit(MOST)
    )
    return [
        EarlierUse(name, CampaignState(state), at, rows)
        for name, state, at, rows in await connection.execute(query)
    ]
