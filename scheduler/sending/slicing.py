"""Open one slice: in a single transaction, store finished calls, claim what is due, decide from facts read in that
same transaction, defer or skip what is not sent, and commit the intents of the calls about to be made."""

from __future__ import annotations

import time
from collections.abc import Callable

from campaigns.frozen import frozen
from campaigns.time.clock import ticks
from scheduler.sending.claiming import claim_jobs
from scheduler.sending.current_claims import as_they_are_now
from scheduler.sending.deciding import decide_claim
from scheduler.sending.facts import gather
from scheduler.sending.finished_calls import FinishedCalls
from scheduler.sending.lanes import Lane
from scheduler.sending.planned_calls import PlannedCall
from scheduler.sending.plans import Plans
from scheduler.sending.storing import settle, store
from storage.database.engine import Engine, writing
from storage.sending.due_runs import due_runs
from storage.sending.freed_room import wake
from storage.sending.lanes import note_sends


@frozen
class Slice:
    calls: list[PlannedCall]
    claimed: int
    """Jobs that were due and are dealt with: to be sent, deferred or skipped."""
    runs: tuple[int, ...]
    """The runs that had something due."""
    blocked: tuple[int, ...]
    """Those of them whose own limits allow no send within this slice."""
    leased_at: float
    """When the lease was renewed, by `ticks`: not before the transaction had its turn."""


async def open_slice(
    engine: Engine,
    lane: Lane,
    epoch: int,
    plans: Plans,
    finished: FinishedCalls,
    *,
    idle: float,
    only_run: int | None = None,
    on_decided: Callable[[], None] = lambda: None,
) -> Slice:
    """Commit the slice, of all running runs or of one; raises LaneLost, with nothing written, where another holder has
    the lane. `on_decided` is called before the commit."""
    async with writing(engine) as connection:
        leased_at, now = ticks(), lane.now()
        await store(connection, lane, epoch, finished, now)
        due = await due_runs(connection, lane.name, now)
        wanted = [run for run in due if only_run in (None, run.id)]
        claimed = await claim_jobs(connection, lane, plans, wanted, now, idle)
        tier, freed = await settle(connection, lane, claimed.claims, finished, now)
        now = lane.now()  # it may have waited for others' locks
        claims = await as_they_are_now(connection, lane, claimed.claims, now)
        known = await gather(connection, lane, tier, claims, now)
        calls = [
            call for claim in claims for call in await decide_claim(connection, epoch, claim, known, freed)
        ]
        if calls:
            await note_sends(connection, lane.name, lane.now() + lane.pacer.reach)
        await wake(connection, freed, now)
        on_decided()
    if lane.pacer.slots is not None and claimed.asked_slots_at is not None:
        lane.pacer.slots.lead.follow(time.monotonic() - claimed.asked_slots_at)
    return Slice(
        calls,
        sum(len(claim.jobs) for claim in claimed.claims),
        tuple(run.id for run in wanted),
        tuple(claimed.blocked),
        leased_at,
    )
