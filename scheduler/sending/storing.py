"""Store finished calls: outcomes, opt-outs, pauses, and what their messages had reserved."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from campaigns.outcomes import Accepted, FailureKind, Refused
from scheduler.sending.facts import Claim, lock_shared
from scheduler.sending.finished_calls import FinishedCalls
from scheduler.sending.lanes import LEASE, Lane
from scheduler.sending.limits import Tier
from scheduler.sending.reservations import note_begun, settle_outcomes
from storage.database.engine import Connection, Engine, undoable, writing
from storage.database.health import is_refusal
from storage.receipts.statuses import Reached, apply_unmatched, settle_locked
from storage.runs.pausing import pause_run
from storage.sending.freed_room import Freed, wake
from storage.sending.intents import withdraw_intents
from storage.sending.lanes import hold_lane, note_refusals, pause_lane
from storage.sending.optouts import PreferenceChange, add_preferences
from storage.sending.outcomes import Outcome, store_outcomes
from storage.sending.tier_and_ramp import slide_count

logger = logging.getLogger(__name__)


async def store_finished(engine: Engine, lane: Lane, epoch: int, finished: FinishedCalls) -> None:
    """Store finished calls without opening a slice; raises LaneLost, with nothing written, where another holder has
    the lane."""
    async with writing(engine) as connection:
        now = lane.now()
        await store(connection, lane, epoch, finished, now)
        _, freed = await settle(connection, lane, (), finished, now)
        await wake(connection, freed, now)


async def store_one_by_one(engine: Engine, lane: Lane, epoch: int, finished: FinishedCalls) -> None:
    """As `store_finished`, after the database refused that: only the outcomes that it refuses are left out. An outcome
    that is refused even without the provider's text stays open, and is in doubt once the lane is taken again."""
    async with writing(engine) as connection:
        now = lane.now()
        await store(connection, lane, epoch, replace(finished, outcomes=[]), now)
        await settle(connection, lane, (), replace(finished, outcomes=[]), now)
        for outcome in await _store_halves(engine, connection, lane, finished.outcomes, now):
            if await _store_halves(engine, connection, lane, [outcome.without_text()], now):
                logger.error(
                    "How a call ended could not be stored: its message will be in doubt.",
                    extra={"action": "outcome_refused", "lane": lane.name, "job": outcome.intent.job.id},
                )


async def _store_halves(
    engine: Engine, connection: Connection, lane: Lane, outcomes: Sequence[Outcome], now: datetime
) -> list[Outcome]:
    """Store them together, or by halves where the database refuses them; returns those that are refused alone."""
    if not outcomes:
        return []
    part = FinishedCalls(list(outcomes))
    try:
        async with undoable(connection):
            await _store_outcomes(connection, lane, part, now)
            await settle(connection, lane, (), part, now)
    except Exception as error:
        if not await is_refusal(engine, error):
            raise
        if len(outcomes) == 1:
            return [outcomes[0]]
        middle = len(outcomes) // 2
        first = await _store_halves(engine, connection, lane, outcomes[:middle], now)
        return first + await _store_halves(engine, connection, lane, outcomes[middle:], now)
    return []


async def store(
    connection: Connection, lane: Lane, epoch: int, finished: FinishedCalls, now: datetime
) -> None:
    """Renew the lease and store the outcomes and pauses; `settle` must follow in the same transaction."""
    await hold_lane(connection, lane.name, epoch, now + LEASE)
    await _store_outcomes(connection, lane, finished, now)
    if finished.refusals is not None:
        await note_refusals(connection, lane.name, finished.refusals)
    if finished.lane_pause is not None:
        reason, until, stays = finished.lane_pause
        await pause_lane(connection, lane.name, reason, until, stays=stays)
    for run_id, reason in finished.run_pauses.items():
        await pause_run(connection, run_id, reason, now)


async def _store_outcomes(connection: Connection, lane: Lane, finished: FinishedCalls, now: datetime) -> None:
    await store_outcomes(connection, finished.outcomes, now, polls=lane.adapter.capabilities.polls)
    await add_preferences(connection, lane.account.name, _opt_outs(finished.outcomes))
    await withdraw_intents(connection, finished.withdrawn, now)
    await note_begun(connection, finished.outcomes)


async def settle(
    connection: Connection, lane: Lane, claims: Sequence[Claim], finished: FinishedCalls, now: datetime
) -> tuple[Tier, Freed]:
    """Lock the budgets, caps, tier and ramps shared with other lanes, and settle what the finished calls had reserved;
    returns the tier, and where room became free."""
    tier = await lock_shared(connection, lane, claims, finished.intents)
    if tier.is_counted:
        await slide_count(connection, tier.pool, now)
    freed = await settle_outcomes(connection, lane.account.name, finished.outcomes, finished.withdrawn)
    await _apply_early_reports(connection, lane, finished, now, freed)
    return tier, freed


async def _apply_early_reports(
    connection: Connection, lane: Lane, finished: FinishedCalls, now: datetime, freed: Freed
) -> None:
    """A webhook may arrive before the answer that names its message: it is stored as unmatched until here. Its failure
    may concern more than its message, and is left to the inbox."""
    if lane.adapter.capabilities.webhooks:
        accepted = [o.result.message_id for o in finished.outcomes if isinstance(o.result, Accepted)]
        unsettled: list[Reached] = []
        await apply_unmatched(connection, lane.account.name, accepted, now, unsettled, failures=False)
        more = await settle_locked(connection, unsettled)
        freed.people |= more.people
        freed.budgets |= more.budgets


def _opt_outs(outcomes: Sequence[Outcome]) -> list[PreferenceChange]:
    """Recipients who opted out at the provider: stored, so that no other campaign asks again."""
    return [
        PreferenceChange(
            outcome.intent.job.phone,
            "out",
            "marketing",
            outcome.ended_at,
            f"refused with {outcome.result.code}",
        )
        for outcome in outcomes
        if isinstance(outcome.result, Refused) and outcome.result.kind is FailureKind.OPTED_OUT
    ]
