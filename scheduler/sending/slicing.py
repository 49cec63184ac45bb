"""Open one slice: in a single transaction, store what earlier calls came to, take what is due, decide from facts read
in that same transaction, put waits and skips aside, and commit the intents of the calls about to be made."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, assert_never
from uuid import uuid4

import orjson

from campaigns.errors import SpecError
from campaigns.message.content import Content, write_content
from campaigns.outcomes import Accepted, FailureKind, Refused
from campaigns.rules import Form, Send, Skip, Wait, decide
from campaigns.rules.decision import Rule, SkipReason
from campaigns.states import JobState, RunState
from providers.adapter import Call
from scheduler.sending.facts import FRESH, Claim, Known, gather, lock_shared
from scheduler.sending.first_refusals import FEW, FirstMessages
from scheduler.sending.lanes import LEASE, Lane
from scheduler.sending.pacing import SLICE
from scheduler.sending.plans import Plans
from scheduler.sending.reservations import Sending, note_begun, reserve_sends, settle_outcomes
from scheduler.sending.shared_rate import SharedRate
from storage.database.engine import Connection, Engine, undoable, writing
from storage.database.health import is_refusal
from storage.receipts.statuses import Reached, apply_unmatched, settle_locked
from storage.runs.runs import RunRow, open_runs, pause_run
from storage.runs.variants import running_experiment
from storage.sending.freed_room import Freed, wake
from storage.sending.intents import (
    Deferral,
    DueJob,
    Intent,
    any_sending,
    claim_due,
    commit_intents,
    defer_or_skip,
    withdraw_intents,
)
from storage.sending.lanes import Pause, hold_lane, note_refusals, note_sends, pause_lane
from storage.sending.optouts import PreferenceChange, add_preferences
from storage.sending.outcomes import Outcome, store_outcomes
from storage.sending.tier_and_ramp import slide_count

logger = logging.getLogger(__name__)

NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
OF_PERSON: Final = (Rule.FREQUENCY_CAP, Rule.MIN_GAP)
FOR_A_WORD: Final = (Rule.WINDOW, Rule.WINDOW_UNKNOWN, Rule.VARIANT)
SETTLING: Final = timedelta(seconds=0.5)
"""After it a full budget or cap is looked at again: the calls under way have mostly ended, and a refused message gives
its room back."""
BUDGET_REACHED: Final = "budget_reached: the next message would cost more than is left"
UNPRICED: Final = "unpriced: a budget needs prices in its currency; set rates or price of the account"


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call whose intents are committed."""

    run_id: int
    call: Call
    intents: tuple[Intent, ...]


@dataclass(slots=True)
class FinishedCalls:
    """What the calls since the last slice came to."""

    outcomes: list[Outcome] = field(default_factory=list)
    withdrawn: list[Intent] = field(default_factory=list)
    """Intents whose calls were never made: the lane stopped before their turn."""
    lane_pause: Pause | None = None
    refusals: int | None = None
    """How often in a row the sender was refused, where that has changed."""
    run_pauses: dict[int, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.outcomes or self.withdrawn or self.lane_pause or self.run_pauses)

    @property
    def intents(self) -> list[Intent]:
        """Those that have come to something."""
        return [*(outcome.intent for outcome in self.outcomes), *self.withdrawn]

    def pause_lane(self, pause: Pause) -> None:
        if pause.outlasts(self.lane_pause):
            self.lane_pause = pause

    def joined(self, later: FinishedCalls) -> FinishedCalls:
        """This and what ended later, together."""
        whole = FinishedCalls(
            self.outcomes + later.outcomes,
            self.withdrawn + later.withdrawn,
            self.lane_pause,
            self.refusals if later.refusals is None else later.refusals,
            {**later.run_pauses, **self.run_pauses},
        )
        if later.lane_pause is not None:
            whole.pause_lane(later.lane_pause)
        return whole


@dataclass(frozen=True, slots=True)
class Slice:
    calls: list[PlannedCall]
    met: int
    """Jobs that were due and are dealt with: sent, put aside or ended."""
    runs: tuple[int, ...]
    """The running runs, whether or not they had anything due."""
    blocked: tuple[int, ...]
    """Those of them whose own limits let nothing go within this slice."""
    opened: tuple[int, ...]
    """The running and the paused runs: a pause must not make their limits forgotten."""


async def open_slice(
    engine: Engine, lane: Lane, epoch: int, plans: Plans, ended: FinishedCalls, *, idle: float
) -> Slice:
    """Commit the slice; raises LaneLost, with nothing written, where another holder has the lane."""
    now = lane.now()
    async with writing(engine) as connection:
        await _store(connection, lane, epoch, ended, now)
        opened = await open_runs(connection)
        running = [run for run in opened if run.state is RunState.RUNNING]
        claims, blocked = await _claim(connection, lane, plans, running, now, idle)
        freed = await _settle(connection, lane, claims, ended, now)
        known = await gather(connection, lane, claims, now)
        calls = [call for claim in claims for call in await _prepare(connection, epoch, claim, known, freed)]
        if calls:
            await note_sends(connection, lane.name, now + lane.pacer.reach)
        await wake(connection, freed, now)
    return Slice(
        calls,
        sum(len(claim.jobs) for claim in claims),
        tuple(run.id for run in running),
        tuple(blocked),
        tuple(run.id for run in opened),
    )


async def store_finished(engine: Engine, lane: Lane, epoch: int, ended: FinishedCalls) -> None:
    """Store what calls came to without opening a slice."""
    async with writing(engine) as connection:
        now = lane.now()
        await _store(connection, lane, epoch, ended, now)
        await wake(connection, await _settle(connection, lane, (), ended, now), now)


async def store_apart(engine: Engine, lane: Lane, epoch: int, ended: FinishedCalls) -> None:
    """As `store_finished`, where the database refuses that: each outcome counts for itself. One that is refused even
    without the provider's words stays as it is, and is in doubt once the lane is taken again."""
    async with writing(engine) as connection:
        now = lane.now()
        await _store(connection, lane, epoch, replace(ended, outcomes=[]), now)
        await _settle(connection, lane, (), replace(ended, outcomes=[]), now)
        for outcome in await _store_halves(engine, connection, lane, ended.outcomes, now):
            if await _store_halves(engine, connection, lane, [outcome.without_words()], now):
                logger.error(
                    "How a call ended could not be stored: its message will be in doubt.",
                    extra={"action": "outcome_refused", "lane": lane.name, "job": outcome.intent.job.id},
                )


async def _store_halves(
    engine: Engine, connection: Connection, lane: Lane, outcomes: Sequence[Outcome], now: datetime
) -> list[Outcome]:
    """Store them together, or by halves where the database refuses them; those that are refused alone."""
    if not outcomes:
        return []
    part = FinishedCalls(list(outcomes))
    try:
        async with undoable(connection):
            await _store_outcomes(connection, lane, part, now)
            await _settle(connection, lane, (), part, now)
    except Exception as error:
        if not await is_refusal(engine, error):
            raise
        if len(outcomes) == 1:
            return [outcomes[0]]
        middle = len(outcomes) // 2
        first = await _store_halves(engine, connection, lane, outcomes[:middle], now)
        return first + await _store_halves(engine, connection, lane, outcomes[middle:], now)
    return []


async def _store(connection: Connection, lane: Lane, epoch: int, ended: FinishedCalls, now: datetime) -> None:
    await hold_lane(connection, lane.name, epoch, now + LEASE)
    await _store_outcomes(connection, lane, ended, now)
    if ended.refusals is not None:
        await note_refusals(connection, lane.name, ended.refusals)
    if ended.lane_pause is not None:
        reason, until, stays = ended.lane_pause
        await pause_lane(connection, lane.name, reason, until, stays=stays)
    for run_id, reason in ended.run_pauses.items():
        await pause_run(connection, run_id, reason, now)


async def _store_outcomes(connection: Connection, lane: Lane, ended: FinishedCalls, now: datetime) -> None:
    await store_outcomes(connection, ended.outcomes, now, polls=lane.adapter.capabilities.polls)
    await add_preferences(connection, lane.account.name, _opt_outs(ended.outcomes))
    await withdraw_intents(connection, ended.withdrawn, now)
    await note_begun(connection, ended.outcomes)


async def _settle(
    connection: Connection, lane: Lane, claims: Sequence[Claim], ended: FinishedCalls, now: datetime
) -> Freed:
    """Lock what other lanes decide about too, and bring it up to date with what the calls came to; where that leaves
    room."""
    await lock_shared(connection, lane, claims, ended.intents)
    if lane.account.settings.tier is not None:
        await slide_count(connection, lane.account.name, now)
    freed = await settle_outcomes(connection, lane.account.name, ended.outcomes, ended.withdrawn)
    await _apply_early_reports(connection, lane, ended, now, freed)
    return freed


async def _apply_early_reports(
    connection: Connection, lane: Lane, ended: FinishedCalls, now: datetime, freed: Freed
) -> None:
    """Webhooks about a message may come before the answer that names it: they are kept until here."""
    if lane.adapter.capabilities.webhooks:
        taken = [o.result.message_id for o in ended.outcomes if isinstance(o.result, Accepted)]
        unsettled: list[Reached] = []
        await apply_unmatched(connection, lane.account.name, taken, now, unsettled)
        more = await settle_locked(connection, unsettled)
        freed.people |= more.people
        freed.budgets |= more.budgets


def _opt_outs(outcomes: Sequence[Outcome]) -> list[PreferenceChange]:
    """Who has told the provider to be left alone: kept, so that no other campaign asks again."""
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


async def _claim(
    connection: Connection, lane: Lane, plans: Plans, running: Sequence[RunRow], now: datetime, idle: float
) -> tuple[list[Claim], list[int]]:
    """Take what is due of each run, at most one message to a person; and which runs' own limits let nothing go."""
    claims: list[Claim] = []
    blocked: list[int] = []
    taken: set[str] = set()
    most = 1 if lane.probes else lane.pacer.slice_size()
    for run in lane.pacer.in_turn(running):
        plan = await plans.of(connection, run.id)
        lane.pacer.admit(run.id, plan.gap, plan.rate, idle, plan.jitter)
        if run.id in lane.on_trial:
            continue
        if lane.pacer.ready_in(run.id) > SLICE:
            blocked.append(run.id)
            continue
        waits = plan.split is not None and plan.split.has_rest
        experiment = await running_experiment(connection, run.campaign_id, run.id) if waits else None
        limit = min(lane.pacer.slice_size(run.id), most - len(taken))
        limit = limit if run.id in lane.proven else min(limit, FEW)
        due = await claim_due(connection, run.id, lane.name, now, limit) if limit > 0 else []
        fresh = tuple(job for job in due if job.phone not in taken)
        taken.update(job.phone for job in fresh)
        if fresh:
            lane.pacer.note_turn(run.id)
            claims.append(Claim(run, plan, fresh, plan.budget_lines(run, now), experiment))
    if not claims or lane.account.shared_rate is None:
        return claims, blocked
    granted = await _within_rate(connection, lane, lane.account.shared_rate, claims)
    return granted, blocked if granted else [run.id for run in running]


async def _within_rate(
    connection: Connection, lane: Lane, rate: SharedRate, claims: Sequence[Claim]
) -> list[Claim]:
    """As many of the claimed jobs as the account's rate has slots for; the others stay as they were."""
    slots = lane.pacer.slots
    assert slots is not None  # noqa: S101
    wanted = sum(len(claim.jobs) for claim in claims) - slots.left
    slots.give(*await rate.take(connection, wanted))
    room, kept = slots.left, []
    for claim in claims:
        jobs = claim.jobs[:room]
        room -= len(jobs)
        if jobs:
            kept.append(replace(claim, jobs=jobs))
    return kept


async def _prepare(
    connection: Connection, epoch: int, claim: Claim, known: Known, freed: Freed
) -> list[PlannedCall]:
    """Decide about each claimed job; put aside what waits or ends, and commit the intents of what goes. Where jobs that
    waited for room find it, there may be `freed` room for others."""
    asides: list[Deferral] = []
    sends: list[Sending] = []
    trial = FirstMessages(connection, known.lane, claim.run, known.now)
    for job in claim.jobs:
        decided = _decide(claim, job, known)
        if isinstance(decided, Deferral):
            asides.append(decided)
        elif await trial.admits(decided.content.type.value, claim.variant_of(job)):
            known.take(claim, job, decided.most)
            sends.append(decided)
    capabilities = known.lane.adapter.capabilities
    largest = 1 if claim.plan.jitter else capabilities.batch
    slice_key, spacing = uuid4().hex, known.lane.pacer.spacing(claim.run.id)
    calls = [
        _plan_call(claim, known, group, f"{slice_key}{number:x}", spacing)
        for number, group in enumerate(_batches(sends, largest))
    ]
    if any(map(_is_broke, asides)):
        asides = await _stop_or_wait(connection, claim, known, asides, sends)
    _note_room(claim, known.lane, asides, freed)
    await defer_or_skip(connection, asides, known.now)
    await commit_intents(
        connection, known.lane.name, epoch, [intent for call in calls for intent in call.intents], known.now
    )
    await reserve_sends(connection, claim, known, sends)
    return calls


def _note_room(claim: Claim, lane: Lane, asides: Sequence[Deferral], freed: Freed) -> None:
    """Of the rules that held jobs of the claim, those that hold none of them now have room for more."""
    held = {job.held_by for job in claim.jobs} - {aside.held_by for aside in asides}
    if Rule.BUDGET in held:
        freed.budgets.add((lane.account.name, claim.run.campaign_id))
    if Rule.RAMP in held:
        freed.ramps.add((lane.name, claim.run.campaign_id))
    if Rule.TIER in held:
        freed.tiers.add(lane.account.name)


def _is_broke(aside: Deferral) -> bool:
    return aside.held_by == Rule.BUDGET and aside.due_at is None


async def _stop_or_wait(
    connection: Connection, claim: Claim, known: Known, asides: list[Deferral], sends: Sequence[Sending]
) -> list[Deferral]:
    """The run's budget has no room for these. While calls are under way some may come back: a refused message costs
    nothing. Else the run is paused."""
    if not sends and not await any_sending(connection, claim.run.id):
        reason = BUDGET_REACHED if _any_priced(claim, known, asides) else UNPRICED
        await pause_run(connection, claim.run.id, reason, known.now)
        return asides
    later = known.now + SETTLING
    return [replace(aside, due_at=later) if _is_broke(aside) else aside for aside in asides]


def _any_priced(claim: Claim, known: Known, asides: Sequence[Deferral]) -> bool:
    """Whether the price of any message that the budget holds is known in the budget's currency."""
    broke = {aside.job_id for aside in asides if _is_broke(aside)}
    currencies = {line.limit.currency for line in claim.lines}
    prices = (
        known.price(claim.plan, job, form)
        for job in claim.jobs
        if job.id in broke
        for form in claim.plan.policy.forms
    )
    return any(price is not None and price.money.currency in currencies for price in prices)


def _decide(claim: Claim, job: DueJob, known: Known) -> Deferral | Sending:
    match decide(known.facts(claim, job)):
        case Wait(until=until, rule=rule):
            due_at = _wake_at(until, rule, claim, known, job)
            return Deferral(job.id, JobState.PENDING, due_at=due_at, held_by=rule)
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
    """A word that is waited for, the recipient's, the provider's or the winner's, may come at any time: it wakes the
    job. A provider that can be asked about windows is asked again, and so is a rule about a person to whom a message is
    under way: should it be refused, there is room."""
    if until is not None and rule in OF_PERSON and known.may_come_back(job):
        return min(until, known.now + SETTLING)
    if until is not None or rule not in FOR_A_WORD:
        return until
    end = claim.run.expires_at or NEVER
    asks = rule is Rule.WINDOW and known.lane.adapter.capabilities.asks_window
    return min(end, known.now + FRESH) if asks else end


def _render(claim: Claim, job: DueJob, form: Form, known: Known) -> Deferral | Sending:
    try:
        renderer = claim.plan.renderers[claim.variant_of(job)]
        content = renderer.render(orjson.loads(job.vars), template=form is Form.TEMPLATE)
    except SpecError as error:
        return Deferral(job.id, JobState.FAILED, reason="not_rendered", detail=str(error))
    price = known.price(claim.plan, job, form)
    return Sending(job, content, price, known.most(claim, price))


def _batches(sends: Sequence[Sending], largest: int) -> list[list[Sending]]:
    """Jobs of equal content together, at most `largest`; a job to be sent alone is alone."""
    if largest == 1:
        return [[one] for one in sends]
    groups: list[list[Sending]] = []
    filling: dict[Content, list[Sending]] = {}
    for one in sends:
        group = filling.get(one.content)
        if group is None or len(group) >= largest or one.job.goes_alone:
            group = []
            groups.append(group)
            if not one.job.goes_alone:
                filling[one.content] = group
        group.append(one)
    return groups


def _plan_call(
    claim: Claim, known: Known, group: Sequence[Sending], key: str, spacing: timedelta
) -> PlannedCall:
    run, lane, content = claim.run, known.lane, group[0].content
    stored = write_content(content)
    call = Call(
        lane.sender,
        tuple([one.job.phone for one in group]),
        content,
        spacing,
        references=tuple([f"{run.token}.{one.job.id}" for one in group]),
        category=run.category,
    )
    touch_at = known.begun_by
    intents = [
        Intent(
            one.job,
            key,
            content.type.value,
            stored,
            run.campaign_id,
            one.price,
            touch_at,
            claim.variant_of(one.job),
        )
        for one in group
    ]
    return PlannedCall(run.id, call, tuple(intents))
