"""Decide about each claimed job: send it now, defer it, or skip it; and commit what was decided."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, assert_never

import orjson

from campaigns.errors import SpecError
from campaigns.rules.decide import decide
from campaigns.rules.decision import Decision, Send, Skip, Wait
from campaigns.rules.names import WAITS_FOR_EVENT, Form, Rule, SkipReason
from campaigns.states import JobState
from campaigns.time.clock import NEVER as NEVER  # re-exported
from scheduler.sending.facts import FRESH, Claim, Known
from scheduler.sending.first_refusals import FirstMessages
from scheduler.sending.planned_calls import PlannedCall, plan_calls
from scheduler.sending.reservations import Sending, reserve_sends
from storage.database.engine import Connection
from storage.receipts.same_person import SAME_PERSON
from storage.runs.pausing import OUT_OF_BUDGET, pause_run
from storage.sending.freed_room import Freed
from storage.sending.intents import Deferral, DueJob, any_sending, commit_intents, defer_or_skip

OF_PERSON: Final = (Rule.FREQUENCY_CAP, Rule.MIN_GAP)
SETTLING: Final = timedelta(seconds=0.5)
"""After it a full budget or cap is checked again: the calls under way have mostly ended, and a refused message frees
its room."""
BUDGET_REACHED: Final = (
    f"{OUT_OF_BUDGET}: the next message would cost more than is left of the budget; "
    "the campaign goes on once the budget is raised"
)
UNPRICED: Final = (
    "unpriced: no price of the next message is known in the budget's currency, so it cannot be kept within the budget; "
    "import a rate card in that currency, or set the account's price, then resume the campaign"
)


async def decide_claim(
    connection: Connection, epoch: int, claim: Claim, known: Known, freed: Freed
) -> list[PlannedCall]:
    """The calls to make for one claim, their intents committed; the claim's other jobs are deferred or skipped. Adds to
    `freed` the rules that held its jobs and now have room for others."""
    sends, deferrals = await _decide_jobs(connection, claim, known)
    calls = plan_calls(claim, known, sends)
    deferrals = await _wait_or_pause(connection, claim, known, deferrals, sends)
    _note_room(claim, known, deferrals, freed)
    await defer_or_skip(connection, deferrals, known.now)
    intents = [intent for call in calls for intent in call.intents]
    await commit_intents(connection, known.lane.name, epoch, intents, known.now)
    await reserve_sends(connection, claim, known, sends)
    return calls


async def _decide_jobs(
    connection: Connection, claim: Claim, known: Known
) -> tuple[list[Sending], list[Deferral]]:
    sends: list[Sending] = []
    deferrals: list[Deferral] = []
    trial = FirstMessages(connection, known.lane, claim.run, known.now)
    of_kinds: dict[Hashable, Decision] = {}
    for job in claim.jobs:
        decided = _decide(claim, job, known, of_kinds)
        if isinstance(decided, Deferral):
            deferrals.append(decided)
        elif await trial.admits(decided.form, decided.variant):
            known.take(claim, job, decided.most, outside=decided.outside)
            sends.append(decided)
    return sends, deferrals


def decision_of(claim: Claim, job: DueJob, known: Known, of_kinds: dict[Hashable, Decision]) -> Decision:
    """What the rules decide about a job, asked once for those that no rule tells apart."""
    kind = known.kind_of(claim, job)
    if kind is None:
        return decide(known.facts(claim, job))
    found = of_kinds.get(kind)
    if found is None:
        found = of_kinds[kind] = decide(known.facts(claim, job))
    return found


def _decide(
    claim: Claim, job: DueJob, known: Known, of_kinds: dict[Hashable, Decision]
) -> Deferral | Sending:
    if job.is_twin:
        return Deferral(job.id, JobState.SKIPPED, reason=SAME_PERSON)
    if job.has_arrived:  # the clock ends it, and counts the message that arrived
        return Deferral(job.id, JobState.PENDING, due_at=known.now + SETTLING)
    match decision_of(claim, job, known, of_kinds):
        case Wait(until=until, rule=rule):
            due_at = _wake_at(until, rule, claim, known, job)
            out_of_budget = rule is Rule.BUDGET and until is None
            return Deferral(
                job.id, JobState.PENDING, due_at=due_at, held_by=rule, out_of_budget=out_of_budget
            )
        case Skip(reason=SkipReason.FREQUENCY_CAP) if known.may_come_back(job):
            later = known.now + SETTLING
            return Deferral(job.id, JobState.PENDING, due_at=later, held_by=Rule.FREQUENCY_CAP)
        case Skip(reason=reason, state=state):
            return Deferral(job.id, state, reason=reason)
        case Send(form=form):
            return _render(claim, job, form, known)
        case other:
            assert_never(other)


def _wake_at(until: datetime | None, rule: Rule, claim: Claim, known: Known, job: DueJob) -> datetime | None:
    """When to decide again. A job that waits for an event is woken by the event, so it waits until the run expires; but
    a provider that can be asked about windows is asked again sooner. A rule about a person with a message under way is
    checked again soon: a refused message would free its room."""
    if until is not None and rule in OF_PERSON and known.may_come_back(job):
        return min(until, known.now + SETTLING)
    if until is not None or rule not in WAITS_FOR_EVENT:
        return until
    end = claim.run.expires_at or NEVER
    asks = rule is Rule.WINDOW and known.lane.adapter.capabilities.asks_window
    return min(end, known.now + FRESH) if asks else end


def _render(claim: Claim, job: DueJob, form: Form, known: Known) -> Deferral | Sending:
    variant = claim.variant_of(job)
    try:
        content = claim.plan.renderers[variant].render(orjson.loads(job.vars), template=form is Form.TEMPLATE)
    except SpecError as error:
        return Deferral(job.id, JobState.FAILED, reason="not_rendered", detail=str(error))
    price = known.price(claim, job, form)
    return Sending(
        job,
        variant,
        claim.plan.category_of(variant),
        content,
        content.type.value,
        known.is_outside(job),
        price,
        known.most(claim, price),
    )


async def _wait_or_pause(
    connection: Connection,
    claim: Claim,
    known: Known,
    deferrals: list[Deferral],
    sends: Sequence[Sending],
) -> list[Deferral]:
    """Jobs for which the run's budget has no room wait while calls are under way, since a refused message costs
    nothing. With none under way the run is paused."""
    over_budget = {deferral.job_id for deferral in deferrals if deferral.out_of_budget}
    if not over_budget:
        return deferrals
    if not sends and not await any_sending(connection, claim.run.id, known.now):
        reason = BUDGET_REACHED if _any_priced(claim, known, over_budget) else UNPRICED
        await pause_run(connection, claim.run.id, reason, known.now)
        return deferrals
    later = known.now + SETTLING
    return [replace(deferral, due_at=later) if deferral.out_of_budget else deferral for deferral in deferrals]


def _any_priced(claim: Claim, known: Known, job_ids: set[int]) -> bool:
    """Whether the price of any of these jobs is known in a currency of the budget."""
    currencies = {line.limit.currency for line in claim.lines}
    prices = (
        known.price(claim, job, form)
        for job in claim.jobs
        if job.id in job_ids
        for form in claim.plan.policy.forms
    )
    return any(price is not None and price.money.currency in currencies for price in prices)


def _note_room(claim: Claim, known: Known, deferrals: Sequence[Deferral], freed: Freed) -> None:
    """Of the rules that held jobs of the claim, those that hold none of them now have room for more."""
    lane = known.lane
    held = {job.held_by for job in claim.jobs} - {deferral.held_by for deferral in deferrals}
    if Rule.BUDGET in held:
        freed.budgets.add((lane.account.name, claim.run.campaign_id))
    if Rule.RAMP in held:
        freed.ramps.add((lane.name, claim.run.campaign_id))
    if Rule.TIER in held:
        freed.tiers.add(known.tier.pool)
