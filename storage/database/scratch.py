"""A temporary database with one campaign: a check does all that a load does in it, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from campaigns.states import CampaignState
from storage.database.engine import open_scratch, writing
from storage.tables.all_tables import metadata
from storage.tables.audience import campaigns

NAME: Final = "check"
"""The campaign in it."""


@asynccontextmanager
async def scratch_campaign(now: datetime) -> AsyncIterator[tuple[AsyncEngine, int]]:
    """An engine and the id of an empty campaign; both disappear at the end, however the process ends."""
    engine = open_scratch()
    try:
        async with writing(engine) as connection:
            await connection.run_sync(metadata.create_all, checkfirst=False)  # nothing is in it
            new = insert(campaigns).values(
                name=NAME,
                state=CampaignState.DRAFT,
                spec="{}",
                category="",
                created_at=now,
                updated_at=now,
            )
            campaign_id = int((await connection.execute(new.returning(campaigns.c.id))).scalar_one())
        yield engine, campaign_id
    finally:
        await engine.dispose()
