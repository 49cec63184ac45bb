"""Replace the kept numbers of messages, by state and by time, the sums of what they cost and the sizes of lists by a
recount."""

from __future__ import annotations

from collections.abc import Sequence

from app.wiring.rights import act
from campaigns.frozen import frozen
from storage.audience.list_sizes import SizeDifference, recount_sizes, size_differences
from storage.database.engine import Engine, writing
from storage.runs.cost_sums import CostDifference, cost_differences, recount_costs
from storage.runs.job_counts import Difference, differences, recount
from storage.runs.time_counts import TimeDifference, recount_times, time_differences


@frozen
class Recount:
    """What was wrong."""

    counts: Sequence[Difference]
    costs: Sequence[CostDifference]
    times: Sequence[TimeDifference]
    lists: Sequence[SizeDifference]


@act("database.recount", about=None)
async def recount_messages(engine: Engine) -> Recount:
    """Count all messages anew, what they cost and when they were sent, and the people of lists; what was wrong. Whoever
    changes messages waits meanwhile."""
    async with writing(engine) as connection:
        found = Recount(
            await differences(connection),
            await cost_differences(connection),
            await time_differences(connection),
            await size_differences(connection),
        )
        if found.counts:
            await recount(connection)
        if found.costs:
            await recount_costs(connection)
        if found.times:
            await recount_times(connection)
        if found.lists:
            await recount_sizes(connection)
        return found
