"""What a send uses up: reserved in its intent's transaction, settled on the provider's word, given back where nothing
was sent for certain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from campaigns.message.content import Content
from campaigns.money.costs import Money
from campaigns.money.prices import Price
from campaigns.outcomes import Accepted
from campaigns.states import LEFT
from scheduler.sending.facts import Claim, Known
from storage.database.engine import Connection
from storage.sending.budgets import Reservation, reserve, settle
from storage.sending.contact_history import NewTouch, add_touches, delay_touches, release_touches
from storage.sending.intents import DueJob, Intent
from storage.sending.outcomes import Outcome
from storage.sending.tier_and_ramp import note_daily_sends, note_reached


@dataclass(frozen=True, slots=True)
class Sending:
    """A job that the rules let go, with what it says and costs."""

    job: DueJob
    content: Content
    price: Price | None


async def reserve_sends(connection: Connection, claim: Claim, known: Known, sends: Sequence[Sending]) -> None:
    """Take what these sends use up: room under caps, money, the account's tier, the day's ramp."""
    if not sends:
        return
    run, plan, lane = claim.run, claim.plan, known.lane
    tags = tuple(sorted(plan.policy.tags))
    counts = plan.counts and not run.is_test
    touches = [
        NewTouch(one.job.id, one.job.phone, run.campaign_id, plan.category, tags, counts) for one in sends
    ]
    await add_touches(connection, lane.name, known.begun_by, touches)
    keys = tuple(line.key for line in claim.lines)
    if keys:
        await settle(connection, {one.job.id: None for one in sends if one.job.attempts})
        await reserve(
            connection, [Reservation(one.job.id, keys, one.price.money) for one in sends if one.price]
        )
    if known.tier is not None:
        outside = [one.job.phone for one in sends if known.is_outside(one.job)]
        await note_reached(connection, lane.account.name, outside, known.begun_by)
    if plan.ramp:
        await note_daily_sends(connection, lane.name, run.campaign_id, plan.today(known.now), len(sends))


async def give_back(connection: Connection, outcomes: Sequence[Outcome], withdrawn: Sequence[Intent]) -> None:
    """Free the room of what was not sent, and move the touches of calls that began late."""
    free = [outcome.intent.job.id for outcome in outcomes if outcome.ack.state not in LEFT]
    await release_touches(connection, [*free, *(intent.job.id for intent in withdrawn)])
    begun = (
        (o.intent, o.ended_at - timedelta(milliseconds=o.latency_ms or 0))
        for o in outcomes
        if o.ack.state in LEFT
    )
    await delay_touches(connection, [(i.job.id, at) for i, at in begun if at > i.touch_at])


async def settle_outcomes(
    connection: Connection, outcomes: Sequence[Outcome], withdrawn: Sequence[Intent] = ()
) -> None:
    """Money: what the provider has named is spent, what was not sent is free again; the rest stays reserved."""
    costs: dict[int, Money | None] = {intent.job.id: None for intent in withdrawn}
    for outcome in outcomes:
        if outcome.ack.state not in LEFT:
            costs[outcome.intent.job.id] = None
        elif isinstance(outcome.result, Accepted) and outcome.result.cost is not None:
            costs[outcome.intent.job.id] = outcome.result.cost
    await settle(connection, costs)
