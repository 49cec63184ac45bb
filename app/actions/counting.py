"""Replace the kept numbers of messages by state by a recount."""

from __future__ import annotations

from collections.abc import Sequence

from app.wiring.rights import act
from storage.database.engine import Engine, writing
from storage.runs.job_counts import Difference, differences, recount


@act("database.recount", about=None)
async def recount_messages(engine: Engine) -> Sequence[Difference]:
    """Count all messages anew; what was wrong. Whoever changes messages waits meanwhile."""
    async with writing(engine) as connection:
        found = await differences(connection)
        if found:
            await recount(connection)
        return found
