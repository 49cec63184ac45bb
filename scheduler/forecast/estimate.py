"""What a campaign would do if it were sent now: recipients, message forms, cost and duration.

Every recipient is put through `decide`, with facts read in pages, and nothing is written; recipients whom no rule tells
apart are decided about once. A rule that holds a message until a time is asked again for that time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from campaigns.errors import InvalidInput
from campaigns.message.provider_templates import ProviderTemplate
from campaigns.rules.caps import Cap
from campaigns.rules.decision import Send, Skip, Wait
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import CampaignState, RunState
from campaigns.time.clock import Now, utc_now
from providers.settings import AccountSettings
from scheduler.forecast.allowance import allowance_left
from scheduler.forecast.durations import LaneLoad, pace_limits
from scheduler.forecast.expected import Expected
from scheduler.forecast.forecast import Estimate
from scheduler.forecast.kinds import Kinds
from scheduler.forecast.next_run import NextRun, next_run
from scheduler.forecast.planning import planning_lanes
from scheduler.forecast.run_limits import add_limits
from scheduler.sending.facts import Claim, Known, reach_of
from scheduler.sending.lanes import Lane
from scheduler.sending.limits import Tier
from scheduler.sending.plans import Plan, plan_of, prices_at, templates_for_category
from storage.audience.campaigns import Campaign, find
from storage.database.engine import Connection
from storage.receipts.user_ids import numbers_of_placeholders
from storage.runs.runs import TOO_LATE, RunRow, open_runs, run_spec
from storage.runs.variants import Experiment, experiment_of
from storage.sending.budgets import LearntPrices, learnt_prices
from storage.sending.contact_history import recent_history
from storage.sending.optouts import has_erased, optout_scopes
from storage.sending.tier_and_ramp import sends_by_day
from storage.sending.windows import open_windows
from storage.views.estimates import (
    Prospect,
    count_pending,
    count_recipients,
    future_jobs,
    pending_jobs,
)

T = TypeVar("T")
SPARE: Final = timedelta(minutes=5)
"""How much longer than estimated the sending may take, before a window that closes then is not sure."""


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
    experiment: Experiment | None = None
    """The test of its variants; None: no recipient waits for a winner."""
    next: NextRun | None = None
    """None: it is launched already."""


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

    `progress` receives the number of recipients done. `facts`: the database that knows opt-outs, earlier messages, what
    is left of budgets and ramps, and prices, if the audience is in another one. `templates`: those of the account that
    the category may be taken from;
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
    coming = None if opened else await next_run(connection, campaign, moment)
    if coming is not None and facts is not None:
        coming = coming.known_as(await find(facts, campaign.name))
    result = Estimate(coming.begins_at if coming else moment)
    if coming is not None and templates is None and campaign.has_templates:
        result.warnings += await _template_problems(connection, campaign.spec, moment)
    parts = [await _open_part(connection, run) for run in opened]
    for part in [await _next_part(connection, campaign, coming)] if coming else parts:
        used = (
            await templates_for_category(facts or connection, part.spec) if templates is None else templates
        )
        await _foresee(facts or connection, part, lanes, result, progress, used)
    await _apply_allowance(facts or connection, lanes, result)
    return result


async def _apply_allowance(connection: Connection, lanes: Mapping[str, Lane], result: Estimate) -> None:
    left: dict[str, int] = {}
    for name in sorted({one.lane for one in result.service}):
        lane = lanes[name]
        if lane.adapter.capabilities.service_allowance:
            prices = await prices_at(connection, lane.account.settings)
            left[name] = await allowance_left(connection, name, prices, result.at)
    result.apply_allowance(left)


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


async def _next_part(connection: Connection, campaign: Campaign, coming: NextRun) -> _Part:
    spec, size = campaign.spec, await count_recipients(connection, campaign.id)
    pages = future_jobs(connection, campaign.id, spec.lanes)
    part = _Part(coming.run, spec, size, pages, next=coming)
    if _waits_for_winner(spec):
        part.experiment = Experiment(0, coming.begins_at, None, None)
    return part


async def _foresee(
    connection: Connection,
    part: _Part,
    lanes: Mapping[str, Lane],
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
    learnt = await learnt_prices(connection, {part.run.campaign_id})
    kinds, before = _kinds(part, lanes, learnt), deepcopy(result)
    erased_too = await has_erased(connection)
    async for page in part.pages:
        by_lane: defaultdict[str, list[Prospect]] = defaultdict(list)
        for prospect in page:
            by_lane[prospect.lane].append(prospect)
        for name, prospects in by_lane.items():
            known = await _read(connection, lanes[name], part.plans[name], prospects, result.at, erased_too)
            _count_page(part, kinds[name], known, prospects, result)
            if kinds[name].is_full:
                _count_kinds(part, name, kinds[name], result)
        if progress is not None:
            progress(result.recipients)
    for name in kinds:
        _count_kinds(part, name, kinds[name], result)
    loads = [
        LaneLoad(
            lanes[name], plan, part.sends[name], await sends_by_day(connection, name, part.run.campaign_id)
        )
        for name, plan in part.plans.items()
    ]
    await add_limits(connection, part.run, loads, part.outside, result, before)


def _kinds(part: _Part, lanes: Mapping[str, Lane], learnt: LearntPrices) -> dict[str, Kinds]:
    """None of any lane yet. A window that is open until the run's last message is open for all of them."""
    share = -(-part.size // len(part.plans))
    even = [LaneLoad(lanes[name], plan, share, {}) for name, plan in part.plans.items()]
    longest = max((limit.takes for limit in pace_limits(even)), default=timedelta())
    return {
        name: Kinds(Claim(part.run, plan, (), (), part.experiment), longest + SPARE, learnt)
        for name, plan in part.plans.items()
    }


async def _read(
    connection: Connection,
    lane: Lane,
    plan: Plan,
    prospects: Sequence[Prospect],
    at: datetime,
    erased_too: bool,
) -> Known:
    phones = [prospect.phone for prospect in prospects]
    numbers = await numbers_of_placeholders(connection, phones)
    phones += numbers.values()
    reach = reach_of(plan)
    windowed = lane.adapter.capabilities.windows
    return Known(
        lane,
        at,
        _of_placeholders_too(await optout_scopes(connection, phones, erased_too=erased_too), numbers),
        _of_placeholders_too(await open_windows(connection, lane.name, phones) if windowed else {}, numbers),
        _of_placeholders_too(await recent_history(connection, phones, at - reach) if reach else {}, numbers),
        used=Counter(),
        tier=Tier(None, lane.account.name, is_counted=False),
        tier_use=None,
        sent_by_day={},
    )


def _of_placeholders_too(facts: dict[str, T], numbers: Mapping[str, str]) -> dict[str, T]:
    """What is known of a number is also known of the user id that stands for it."""
    return facts | {name: facts[number] for name, number in numbers.items() if number in facts}


def _count_page(
    part: _Part, kinds: Kinds, known: Known, prospects: Sequence[Prospect], result: Estimate
) -> None:
    """The first of a kind is counted at once, as is everybody who is alone; the others when the kind is."""
    for prospect in prospects:
        result.recipients += 1
        due_at = _due_at(part, prospect, known.now)
        if due_at is None:
            result.skips[TOO_LATE] += 1
            continue
        kind = kinds.of(known, prospect, due_at)
        if kind is None:
            _count(part, prospect.lane, kinds.alone(known, prospect, due_at), 1, result)
            continue
        if not kind.people:
            _count(part, prospect.lane, kind.expected, 1, result)
        kind.people += 1


def _count_kinds(part: _Part, lane: str, kinds: Kinds, result: Estimate) -> None:
    """Count all but the first of each, and forget them."""
    for kind in kinds:
        if kind.people > 1:
            _count(part, lane, kind.expected, kind.people - 1, result)
    kinds.forget()


def _count(part: _Part, lane: str, expected: Expected, people: int, result: Estimate) -> None:
    if expected.window is not None:
        result.windows[expected.window] += people
    match expected.decision:
        case Send(form=form):
            part.sends[lane] += people
            part.outside += people * expected.outside
            is_local = part.next is not None and part.next.own_times is not None
            own_time = "recipient_local_time" if is_local else "send_at"
            result.add_sends(people, form, lane, expected.at, expected.held_by, own_time)
        case Skip(reason=reason):
            result.skips[reason] += people
        case Wait(rule=rule):
            result.waits[rule] += people
    if expected.cost is not None:
        result.add_costs(people, expected.cost, lane)


async def _template_problems(connection: Connection, spec: CampaignSpec, now: datetime) -> list[str]:
    from scheduler.actions.template_checks import template_problem

    problem = await template_problem(connection, spec, now)
    return [f"As things stand, it is not launched: {problem}"] if problem else []


def _due_at(part: _Part, prospect: Prospect, at: datetime) -> datetime | None:
    """From when on the message may go, by its own time; None: that has passed too long ago."""
    if part.next is None:
        return max(at, prospect.due_at or at)
    return part.next.due_at(prospect.timezone, prospect.region, prospect.phone, prospect.due_at)
