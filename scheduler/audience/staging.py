"""A list is stored as an edition that is not in use yet, and takes the audience's place at once or not at all."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

from campaigns.frozen import frozen
from storage.audience.audience import open_import
from storage.database.engine import Connection, Engine, by_itself, writing
from storage.runs.editions import (
    Edition,
    abandoned_editions,
    begin_edition,
    copy_part,
    current_edition,
    discard_part,
    take_place,
)
from storage.tables.audience import recipients, rejects

logger = logging.getLogger(__name__)

ABANDONED: Final = timedelta(days=1)
"""No list takes so long to read: the process that began it was killed."""


@frozen
class Stage:
    """Where a list is stored until it is whole."""

    edition: Edition
    before: Edition
    """The audience when it was begun."""
    import_id: int
    empty: bool
    """Whether it takes nothing over from the audience."""

    async def take_place(self, connection: Connection, after: Stage | None = None) -> bool:
        """Replace the audience that was current at the beginning, or the stage `after`; False if another list has
        become the audience meanwhile."""
        return await take_place(connection, after.edition if after else self.before, self.edition)


async def begin_stage(
    connection: Connection, campaign_id: int, *, empty: bool, source: str, digest: str, now: datetime
) -> Stage:
    """Begin it, empty or with what the audience has. The caller holds the campaign's lock, for this transaction."""
    before = await current_edition(connection, campaign_id)
    edition = await begin_edition(connection, before, empty=empty)
    import_id = await open_import(connection, edition, source=source, digest=digest, now=now)
    return Stage(edition, before, import_id, empty)


@asynccontextmanager
async def staged(engine: Engine, stage: Stage, now: datetime) -> AsyncIterator[None]:
    """Fill the stage with what the audience has, and clean up at the end: what did not become the audience, or is it
    no more."""
    try:
        if not stage.empty:
            await _copy_audience(engine, stage)
        yield
    finally:
        try:
            with by_itself():
                await _clean_up(engine, stage, now)
        except Exception:  # the next reading of the list cleans up
            logger.exception("A list's leftovers could not be removed.", extra={"action": "cleanup_failed"})


async def _copy_audience(engine: Engine, stage: Stage) -> None:
    for table in (rejects, recipients):
        last: int | None = 0
        while last is not None:
            async with writing(engine) as connection:
                last = await copy_part(connection, table, stage.before, stage.edition, last)


async def _clean_up(engine: Engine, stage: Stage, now: datetime) -> None:
    campaign_id = stage.before.campaign_id
    async with writing(engine) as connection:
        left = await abandoned_editions(connection, campaign_id, now - ABANDONED)
    for edition in {stage.before, stage.edition, *left}:
        more = True
        while more:
            async with writing(engine) as connection:
                more = await discard_part(connection, edition)
