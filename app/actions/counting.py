"""Replace the kept numbers of messages by state, and the sums of what they cost, by a recount."""

from __future__ import annotations

from collections.abc import Sequence

from app.wiring.rights import act
from campaigns.frozen import frozen
from storage.database.engine import Engine, writing
from storage.runs.cost_sums import CostDifference, cost_differences, recount_costs
from storage.runs.job_counts import Difference, differences, recount


@frozen
class Recount:
    """What was wrong."""

    counts: Sequence[Difference]
    costs: Sequence[CostDifference]


@act("database.recount", about=None)
async def recount_messages(engine: Engine) -> Recount:
    """Count all messages anew, and what they cost; what was wrong. Whoever changes messages waits meanwhile."""
    async with writing(engine) as connection:
        found = Recount(await differences(connection), await cost_differences(connection))
        if found.counts:
            await recount(connection)
        if found.costs:
            await recount_costs(connection)
        return found
