"""Claim the due jobs of one slice: of each run as many as its limits, the lane's and the account's rate allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from scheduler.sending.facts import Claim
from scheduler.sending.first_refusals import FEW
from scheduler.sending.lanes import Lane
from scheduler.sending.pacing import SLICE
from scheduler.sending.plans import Plan, Plans
from scheduler.sending.shared_rate import SharedRate
from storage.database.engine import Connection
from storage.receipts.same_person import one_for_each_person
from storage.runs.runs import RunRow
from storage.runs.variants import Experiment, running_experiment
from storage.sending.intents import DueJob, claim_due
from storage.sending.last_calls import last_call


@dataclass(slots=True)
class Claimed:
    """What a slice has claimed."""

    claims: list[Claim] = field(default_factory=list)
    blocked: list[int] = field(default_factory=list)
    """The runs whose own limits allow no send within this slice."""
    phones: set[str] = field(default_factory=set)
    asked_slots_at: float | None = None
    """When slots of the account's rate were asked for, by the monotonic clock; None: they were not."""

    def add(self, claim: Claim) -> None:
        self.claims.append(claim)
        self.phones.update(job.phone for job in claim.jobs)


async def claim_jobs(
    connection: Connection, lane: Lane, plans: Plans, due: Sequence[RunRow], now: datetime, idle: float
) -> Claimed:
    """Claim what is due of these runs, at most one message to a person, until the slice is full."""
    claimed = Claimed()
    most = 1 if lane.probes else lane.pacer.slice_size()
    for run in lane.pacer.in_turn(due):
        if len(claimed.phones) >= most:
            break
        plan = await plans.of(connection, run.id)
        if not lane.pacer.knows(run.id):
            since = await _idle_of(connection, lane, run, plan, idle)
            lane.pacer.admit(run.id, plan.gap, plan.rate, since, plan.jitter)
        if run.id in lane.on_trial:
            continue
        if lane.pacer.ready_in(run.id) > SLICE:
            claimed.blocked.append(run.id)
            continue
        experiment = await _experiment_of(connection, run, plan)
        jobs = await _claim_run(connection, lane, run.id, now, most - len(claimed.phones))
        if plan.names_user_ids:
            jobs = await one_for_each_person(connection, lane.account.name, run.id, jobs)
        fresh = tuple(job for job in jobs if job.phone not in claimed.phones)
        if fresh:
            lane.pacer.note_turn(run.id)
            claimed.add(Claim(run, plan, fresh, plan.budget_lines(run, now), experiment))
    if claimed.claims and lane.account.shared_rate is not None:
        await _keep_within_rate(connection, lane, lane.account.shared_rate, claimed)
        if not claimed.claims:
            claimed.blocked = [run.id for run in due]
    return claimed


async def _idle_of(connection: Connection, lane: Lane, run: RunRow, plan: Plan, idle: float) -> float:
    """How many seconds ago the run, or else its campaign's run before it, last sent on the lane; `idle`: the lane."""
    if not (plan.gap or plan.rate or plan.jitter):
        return idle
    last = await last_call(connection, run.id, run.campaign_id, lane.name)
    return idle if last is None else max(idle, lane.idle_since(last))


async def _experiment_of(connection: Connection, run: RunRow, plan: Plan) -> Experiment | None:
    """The running test of variants whose winner the rest of the run's recipients wait for."""
    if plan.split is None or not plan.split.has_rest:
        return None
    return await running_experiment(connection, run.campaign_id, run.id)


async def _claim_run(
    connection: Connection, lane: Lane, run_id: int, now: datetime, most: int
) -> list[DueJob]:
    limit = min(lane.pacer.slice_size(run_id), most)
    if run_id not in lane.proven:
        limit = min(limit, FEW)
    return await claim_due(connection, run_id, lane.name, now, limit) if limit > 0 else []


async def _keep_within_rate(connection: Connection, lane: Lane, rate: SharedRate, claimed: Claimed) -> None:
    """Keep as many of the claimed jobs as the account's rate has slots for; the others stay as they were."""
    slots = lane.pacer.slots
    assert slots is not None  # noqa: S101
    lead = slots.lead()
    wanted = sum(len(claim.jobs) for claim in claimed.claims) - slots.left_after(lead)
    if wanted > 0:
        taken = await rate.take(connection, wanted, slots.lead)
        slots.give(taken.moments, taken.again)
        claimed.asked_slots_at = taken.asked_at
    room, kept = slots.left_after(lead), []
    for claim in claimed.claims:
        jobs = claim.jobs[:room]
        room -= len(jobs)
        if jobs:
            kept.append(replace(claim, jobs=jobs))
    claimed.claims = kept
