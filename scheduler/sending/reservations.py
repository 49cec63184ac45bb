"""What a send uses up: reserved in its intent's transaction, settled when the provider reports, freed where nothing
was sent for certain."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from campaigns.frozen import frozen
from campaigns.message.content import Content
from campaigns.money.costs import Money
from campaigns.money.prices import Price
from campaigns.outcomes import Accepted
from campaigns.states import LEFT
from scheduler.sending.facts import Claim, Known
from storage.database.engine import Connection
from storage.sending.budgets import Reservation, reserve, settle
from storage.sending.contact_history import NewHistoryRow, add_to_history, delay_history
from storage.sending.freed_room import Freed, free_room, unsent
from storage.sending.intents import DueJob, Intent
from storage.sending.outcomes import Outcome
from storage.sending.tier_and_ramp import note_daily_sends, note_reached


@frozen
class Sending:
    """A job that the rules allow to be sent, with its content and price."""

    job: DueJob
    variant: str | None
    category: str
    content: Content
    form: str
    """The type of the content."""
    outside: bool
    """Whether it goes outside the person's window."""
    price: Price | None
    most: Money | None
    """What it may cost: its price, or more where such messages have cost more. None: not known."""


async def reserve_sends(connection: Connection, claim: Claim, known: Known, sends: Sequence[Sending]) -> None:
    """Take what these sends use up: room under caps, money, the account's tier, the day's ramp."""
    if not sends:
        return
    run, plan, lane = claim.run, claim.plan, known.lane
    await add_to_history(connection, lane.name, known.begun_by, _history_rows(claim, known, sends))
    keys = tuple(line.key for line in claim.lines)
    if keys:
        # An earlier version left their money reserved until they were tried again.
        await settle(connection, {one.job.id: None for one in sends if one.job.attempts})
        await reserve(connection, [Reservation(one.job.id, keys, one.most) for one in sends if one.most])
    if known.tier.is_counted:
        outside = [one.job.phone for one in sends if one.outside]
        await note_reached(connection, known.tier.pool, outside, known.begun_by)
    if plan.ramp:
        await note_daily_sends(connection, lane.name, run.campaign_id, plan.today(known.now), len(sends))


def _history_rows(claim: Claim, known: Known, sends: Sequence[Sending]) -> list[NewHistoryRow]:
    run, plan = claim.run, claim.plan
    tags = tuple(sorted(plan.policy.tags))
    counts = plan.counts and not run.is_test
    ramp_day = plan.today(known.now) if plan.ramp else None
    return [
        NewHistoryRow(
            one.job.id,
            one.job.phone,
            run.campaign_id,
            one.category,
            tags,
            counts,
            one.outside,
            ramp_day,
        )
        for one in sends
    ]


async def note_begun(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    """Update the contact history for calls that began late."""
    begun = (
        (o.intent, o.ended_at - timedelta(milliseconds=o.latency_ms or 0))
        for o in outcomes
        if o.transition.state in LEFT
    )
    await delay_history(connection, [(i.job.id, at) for i, at in begun if at > i.recorded_at])


async def settle_outcomes(
    connection: Connection, account: str, outcomes: Sequence[Outcome], withdrawn: Sequence[Intent]
) -> Freed:
    """What was not sent gives back all that it had reserved, and what the provider has named is spent; the rest stays
    reserved. Where there is room again."""
    ended = [outcome.intent.job.id for outcome in outcomes if outcome.transition.state not in LEFT]
    free = await unsent(connection, ended + [intent.job.id for intent in withdrawn])
    freed = await free_room(connection, free)
    costs: dict[int, Money | None] = dict.fromkeys(free)
    for outcome in outcomes:
        if isinstance(outcome.result, Accepted) and outcome.result.cost is not None:
            costs[outcome.intent.job.id] = outcome.result.cost
    if costs:
        freed.budgets |= {(account, campaign) for campaign in await settle(connection, costs)}
    return freed
