"""What a campaign would do if it were sent now: recipients, message forms, cost and duration.

Every recipient is put through `decide`, with facts read in pages, and nothing is written. A rule that holds a message
until a time is asked again for that time. What a message costs is a range where its window is not sure: nothing is
known of it, or it may close before the message's turn.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from campaigns.errors import InvalidInput, NotFound
from campaigns.message.provider_templates import ProviderTemplate
from campaigns.money.costs import Money, from_micros
from campaigns.money.prices import SERVICE
from campaigns.rules import Decision, Facts, Form, Send, Skip, Wait, decide
from campaigns.rules.decision import UNLIMITED, Cap, OpenBudget, Rule, SkipReason
from campaigns.rules.forms import MARGIN, in_window
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import CampaignState, RunState
from campaigns.time.clock import Now, utc_now
from providers.http.client import Http
from providers.registry import open_adapter
from providers.settings import AccountSettings
from scheduler.audience.local_time import OwnTimes, own_times
from scheduler.forecast.durations import (
    LaneLoad,
    Limit,
    budget_limit,
    hours_limit,
    pace_limits,
    ramp_limit,
    tier_limit,
)
from scheduler.forecast.forecast import BudgetLeft, Estimate
from scheduler.forecast.waits import Waits, price_of
from scheduler.sending.facts import Claim, Known, reach_of
from scheduler.sending.lanes import Account, Lane
from scheduler.sending.limits import load_limits
from scheduler.sending.pacing import Pacer
from scheduler.sending.plans import Plan, plan_of, prices_at, templates_for_category
from storage.audience.campaigns import Campaign
from storage.database.engine import Connection
from storage.runs.runs import TOO_LATE, RunRow, open_runs, run_spec
from storage.runs.variants import Experiment, experiment_of
from storage.sending.budgets import used_of
from storage.sending.contact_history import recent_history
from storage.sending.optouts import optout_scopes
from storage.sending.tier_and_ramp import sends_by_day, tier_use
from storage.sending.windows import open_windows
from storage.views.estimates import (
    Prospect,
    count_pending,
    count_recipients,
    future_jobs,
    pending_jobs,
)

SPARE: Final = timedelta(minutes=5)
"""How much longer than estimated the sending may take, before a window that closes then is not sure."""
FAR: Final = datetime(9000, 1, 1, tzinfo=UTC)
PLENTY: Final = Decimal(10) ** 15
UNTIL_WINDOW: Final = (SkipReason.WINDOW_CLOSED, SkipReason.DESTINATION_BLOCKED)
"""What an open window would change."""


@dataclass(slots=True)
class _Part:
    """One run, or the one that a launch would make."""

    run: RunRow
    spec: CampaignSpec
    size: int
    pages: AsyncIterator[list[Prospect]]
    plans: dict[str, Plan] = field(default_factory=dict)
    """By lane."""
    sends: Counter[str] = field(default_factory=Counter)
    """Expected messages, by lane."""
    outside: int = 0
    """Those of them that go outside an open window."""
    spare: timedelta = SPARE
    """A window that is open for so long is open when the message's turn comes."""
    experiment: Experiment | None = None
    """The test of its variants; None: no recipient waits for a winner."""
    own_times: OwnTimes | None = None
    """None: the run's time is the time of all."""


async def estimate(
    connection: Connection,
    campaign: Campaign,
    account: AccountSettings,
    *,
    default_caps: tuple[Cap, ...] = (),
    now: Now = utc_now,
    progress: Callable[[int], None] | None = None,
    facts: Connection | None = None,
    templates: Sequence[ProviderTemplate] | None = None,
) -> Estimate:
    """What is expected of a campaign whose provider is `account`, of its next run or of what is left of the open one.

    `progress` receives the number of recipients done. `facts`: the database that knows opt-outs, earlier messages and
    prices, if the audience is in another one. `templates`: those of the account that the category may be taken from;
    None: as stored.
    Raises InvalidInput where the campaign is over, NotFound where the account lacks one of its senders.
    """
    moment = now()
    lanes = planning_lanes(campaign.spec, account, default_caps)
    opened = [
        run for run in await open_runs(connection) if run.campaign_id == campaign.id and not run.is_test
    ]
    if not opened and campaign.state in (CampaignState.COMPLETED, CampaignState.CANCELLED):
        raise InvalidInput(
            f"{campaign.name} is {campaign.state}; nothing of it is left to send.",
            hint=f"drumbeat report cost {campaign.name}",
        )
    opens_at = campaign.spec.schedule.opens_at(campaign.start_at or moment)
    result = Estimate(moment if opened else max(moment, opens_at))
    for part in [await _open_part(connection, run) for run in opened] or [
        await _next_part(connection, campaign, result.at)
    ]:
        used = (
            await templates_for_category(facts or connection, part.spec) if templates is None else templates
        )
        await _foresee(facts or connection, part, lanes, result, progress, used)
    return result


def planning_lanes(
    spec: CampaignSpec, settings: AccountSettings, default_caps: tuple[Cap, ...]
) -> dict[str, Lane]:
    """The campaign's lanes, to estimate with: without the secrets that sending needs."""
    http = Http(settings.base_url)
    account = Account(spec.provider, settings, open_adapter(settings), http, None, default_caps)
    senders = {f"{spec.provider}/{sender.name}": sender for sender in settings.senders}
    if missing := [name for name in spec.lanes if name not in senders]:
        raise NotFound(
            f"There is no sender {missing[0]}.", hint=f"Known are {', '.join(sorted(senders)) or 'none'}."
        )
    return {name: Lane(name, account, sender, Pacer([])) for name, sender in senders.items()}


async def _open_part(connection: Connection, run: RunRow) -> _Part:
    """What is pending of a run, as if it were not paused."""
    spec = CampaignSpec.from_json(await run_spec(connection, run.id))
    size = await count_pending(connection, run.id)
    part = _Part(replace(run, state=RunState.RUNNING), spec, size, pending_jobs(connection, run.id))
    if _waits_for_winner(spec):
        part.experiment = await experiment_of(connection, run.id)
    return part


def _waits_for_winner(spec: CampaignSpec) -> bool:
    return spec.split is not None and spec.split.has_rest


async def _next_part(connection: Connection, campaign: Campaign, at: datetime) -> _Part:
    spec, schedule, nominal_at = campaign.spec, campaign.spec.schedule, campaign.start_at or at
    local = schedule.recipient_local_time
    own = await own_times(connection, campaign.id, schedule, nominal_at) if local else None
    planned_at = max([nominal_at, *(own.times.values() if own else ())])
    run = RunRow(
        id=0,
        campaign_id=campaign.id,
        name=campaign.name,
        state=RunState.RUNNING,
        reason=None,
        expires_at=schedule.deadline(planned_at),
        token="",
    )
    size = await count_recipients(connection, campaign.id)
    part = _Part(run, spec, size, future_jobs(connection, campaign.id, spec.lanes), own_times=own)
    if _waits_for_winner(spec):
        part.experiment = Experiment(0, at, None, None)
    return part


async def _foresee(
    connection: Connection,
    part: _Part,
    lanes: dict[str, Lane],
    result: Estimate,
    progress: Callable[[int], None] | None,
    templates: Sequence[ProviderTemplate],
) -> None:
    for name in part.spec.lanes:
        prices = await prices_at(connection, lanes[name].account.settings)
        part.plans[name] = plan_of(part.spec, lanes[name], prices, templates)
        quarterly = lanes[name].adapter.capabilities.quarterly_rates
        warning = prices.out_of_date(result.at, quarterly=quarterly)
        if warning is not None and warning not in result.warnings:
            result.warnings.append(warning)
    share = -(-part.size // len(part.plans))
    even = [LaneLoad(lanes[name], plan, share, {}) for name, plan in part.plans.items()]
    longest = max((limit.takes for limit in pace_limits(even)), default=timedelta())
    part.spare = longest + SPARE
    async for page in part.pages:
        by_lane: defaultdict[str, list[Prospect]] = defaultdict(list)
        for prospect in page:
            by_lane[prospect.lane].append(prospect)
        for name, prospects in by_lane.items():
            known = await _read(connection, lanes[name], part.plans[name], prospects, result.at)
            for prospect in prospects:
                _count(part, known, prospect, result)
        if progress is not None:
            progress(result.recipients)
    await _add_limits(connection, part, lanes, result)


async def _read(
    connection: Connection, lane: Lane, plan: Plan, prospects: Sequence[Prospect], at: datetime
) -> Known:
    phones = [prospect.job.phone for prospect in prospects]
    reach = reach_of(plan)
    return Known(
        lane,
        at,
        await optout_scopes(connection, phones),
        await open_windows(connection, lane.name, phones) if lane.adapter.capabilities.windows else {},
        await recent_history(connection, phones, at - reach) if reach else {},
        used=Counter(),
        tier=None,
        sent_by_day={},
    )


@dataclass(frozen=True, slots=True)
class _Foreseen:
    """What is expected of a message, as far as is known now."""

    decision: Decision
    """A `Wait` only where nothing but another event ends it."""
    facts: Facts
    """At the time of the decision."""
    held_by: Rule | None
    """The first rule that holds it until a time."""


def _in_time(facts: Facts) -> _Foreseen:
    """Decide, and where a rule names a time to ask again, decide again as of then; by the end of its test the variants'
    winner is named."""
    waits, decision = Waits(facts.now), decide(facts)
    while waits.outlast(decision, facts):
        facts = replace(facts, now=waits.at, awaits_winner=facts.awaits_winner and not waits.winner_assumed)
        decision = decide(facts)
    held_by = waits.past[0].rule if waits.past else None
    if isinstance(decision, Wait) and decision.until is not None:
        decision = Wait(None, held_by or decision.rule)
    return _Foreseen(decision, facts, held_by)


def _count(part: _Part, known: Known, prospect: Prospect, result: Estimate) -> None:
    plan = part.plans[prospect.lane]
    result.recipients += 1
    due_at = _due_at(part, prospect, known.now)
    if due_at is None:
        result.skips[TOO_LATE] += 1
        return
    facts = _facts(part, known, prospect, due_at)
    expected = _in_time(facts)
    if facts.window.applies:
        result.windows[_window_of(facts)] += 1
    match expected.decision:
        case Send(form=form):
            part.sends[prospect.lane] += 1
            part.outside += not in_window(expected.facts)
            own_time = "recipient_local_time" if part.own_times else "send_at"
            result.add_send(form, prospect.lane, expected.facts.now, expected.held_by, own_time)
        case Skip(reason=reason):
            result.skips[reason] += 1
        case Wait(rule=rule):
            result.waits[rule] += 1
    possible = [expected, *(_in_time(other) for other in _otherwise(part, plan, expected, facts, known.now))]
    _add_cost(plan, facts.region, possible, result)


def _due_at(part: _Part, prospect: Prospect, at: datetime) -> datetime | None:
    """From when on the message may go, by its own time; None: that has passed too long ago."""
    job, lateness = prospect.job, part.spec.schedule.lateness
    due_at = at
    if part.own_times is not None:
        own = part.own_times.of(job.timezone, job.region, job.phone)
        if lateness is not None and own < at - lateness:
            return None
        due_at = max(at, own)
    return max(due_at, prospect.due_at or due_at)


def _facts(part: _Part, known: Known, prospect: Prospect, due_at: datetime) -> Facts:
    """Without what the whole run uses up: the limits account for it. Budgets hold only what has no price."""
    plan = part.plans[prospect.lane]
    facts = known.facts(Claim(part.run, plan, (prospect.job,), (), part.experiment), prospect.job)
    budgets = (OpenBudget("", Money(PLENTY, plan.budget.currency), None),) if plan.budget else ()
    return replace(facts, now=due_at, costs=replace(facts.costs, budgets=budgets), ramp=UNLIMITED)


def _window_of(facts: Facts) -> str:
    if facts.window.until is None:
        return "unknown"
    return "open" if in_window(facts) else "closed"


def _otherwise(part: _Part, plan: Plan, expected: _Foreseen, facts: Facts, at: datetime) -> Iterator[Facts]:
    """The facts as they may turn out to be by the message's turn: its window is not sure."""
    decided = expected.decision
    if not facts.window.applies or (isinstance(decided, Skip) and decided.reason not in UNTIL_WINDOW):
        return
    until = facts.window.until
    if until is None:
        yield _priced(replace(facts, window=replace(facts.window, until=FAR)), plan, at)
    elif in_window(facts) and until - MARGIN <= facts.now + part.spare:
        yield _priced(replace(facts, window=replace(facts.window, until=None)), plan, at)


def _priced(facts: Facts, plan: Plan, at: datetime) -> Facts:
    now = replace(facts, now=at)
    free, template = (price_of(plan, now, Send(form)) for form in (Form.FREE, Form.TEMPLATE))
    costs = replace(
        facts.costs, free=free.money if free else None, template=template.money if template else None
    )
    return replace(facts, costs=costs)


def _add_cost(plan: Plan, country: str | None, possible: Sequence[_Foreseen], result: Estimate) -> None:
    sent = [one for one in possible if isinstance(one.decision, Send)]
    if not sent:
        return
    is_service = plan.prices.by_card and sent[0].decision == Send(Form.FREE)
    prices = [price_of(plan, one.facts, one.decision) for one in sent]
    result.add_cost(
        country,
        SERVICE if is_service else sent[0].facts.policy.category,
        [price.money for price in prices if price is not None] if None not in prices else [],
        expected=possible[0] is sent[0],
        may_not_go=len(sent) < len(possible),
    )


async def _add_limits(connection: Connection, part: _Part, lanes: dict[str, Lane], result: Estimate) -> None:
    """What the limits of the whole run make of its length."""
    run, plan = part.run, next(iter(part.plans.values()))
    loads = [
        LaneLoad(lanes[name], own, part.sends[name], await sends_by_day(connection, name, run.campaign_id))
        for name, own in part.plans.items()
    ]
    found: list[Limit | None] = [*pace_limits(loads), ramp_limit(loads, result.at)]
    longest = max((limit.takes for limit in found if limit), default=timedelta())
    if plan.policy.hours is not None:
        found.append(hours_limit(plan.policy.hours, longest, result.at.astimezone(plan.zone).date()))
    account = loads[0].lane.account
    await load_limits(connection, account)
    if account.tier is not None:
        use = await tier_use(connection, account.pool, (), result.at)
        found.append(tier_limit(account.tier, use.reached, part.outside))
    found += await _budget_limits(connection, run, plan, result)
    result.limits += [limit for limit in found if limit is not None]
    result.add_holds(longest / max(1, max(load.sends for load in loads) - 1))


async def _budget_limits(
    connection: Connection, run: RunRow, plan: Plan, result: Estimate
) -> list[Limit | None]:
    lines = plan.budget_lines(run, result.at)
    used = await used_of(connection, [line.key for line in lines])
    found = []
    for line in lines:
        cost = sum(total.high_micros for total in result.totals() if total.currency == line.limit.currency)
        left = max(0, line.limit.micros - used.get(line.key, 0))
        found.append(budget_limit(line, used.get(line.key, 0), cost, result.at))
        kind = line.key.split(":")[1]
        result.budgets.append(
            BudgetLeft(
                kind, Money(from_micros(left), line.limit.currency), cost <= left and not result.unpriced
            )
        )
    return found
