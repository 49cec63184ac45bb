"""What a slice's transaction knows about the jobs it has claimed: read in one query to a kind of fact, and kept up with
what the slice itself takes, so that its later decisions see its earlier ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from campaigns.frozen import frozen
from campaigns.money.costs import Money, from_micros
from campaigns.money.prices import Price
from campaigns.rules.caps import CALENDAR_REACH, Calendar
from campaigns.rules.decision import (
    NOT_ASKED,
    UNLIMITED,
    Allowance,
    Costs,
    Facts,
    OpenBudget,
    PastMessage,
    WindowState,
)
from campaigns.rules.forms import MARGIN
from campaigns.rules.names import Form
from campaigns.time.zones import find_zone, zones_of_region
from scheduler.sending.lanes import Lane
from scheduler.sending.limits import Tier, tier_of
from scheduler.sending.pacing import IN_LINE
from scheduler.sending.plans import BudgetLine, Plan
from storage.database.engine import Connection, lock_names
from storage.runs.runs import RunRow
from storage.runs.variants import Experiment
from storage.sending.budgets import LearntPrices, budget_lock, learnt_prices, used_of
from storage.sending.contact_history import HistoryRow, recent_history
from storage.sending.freed_room import ramp_lock
from storage.sending.intents import DueJob, Intent
from storage.sending.optouts import optout_scopes
from storage.sending.tier_and_ramp import TIER_WINDOW, TierUse, sends_by_day, tier_use
from storage.sending.windows import Window, open_windows

FRESH: Final = timedelta(minutes=15)
"""How long a provider's report that a window is closed is trusted: the person may write at any time."""


class Addressed(Protocol):
    """A job, or one that a launch would make."""

    @property
    def phone(self) -> str: ...
    @property
    def region(self) -> str | None: ...
    @property
    def timezone(self) -> str | None: ...
    @property
    def variant(self) -> str | None: ...
    @property
    def free_refused_at(self) -> datetime | None: ...


@frozen
class Claim:
    """The jobs of one run that the slice has taken."""

    run: RunRow
    plan: Plan
    jobs: tuple[DueJob, ...]
    lines: tuple[BudgetLine, ...]
    """The budgets its messages are paid from."""
    experiment: Experiment | None = None
    """How the test of its variants stands; None: no recipient waits for a winner."""

    def variant_of(self, job: Addressed) -> str | None:
        """Which variant the job gets; None: it awaits the winner, or there are no variants."""
        split = self.plan.split
        if split is None or job.variant is not None:
            return job.variant
        if self.experiment is None or split.in_test(job.phone):
            return split.variant_of(job.phone)
        return self.experiment.winner

    def is_outside_test(self, job: Addressed) -> bool:
        """Whether the job's person is not in the test of variants, and gets its winner."""
        split = self.plan.split
        return split is not None and split.has_rest and not split.in_test(job.phone)

    @property
    def test_ends_at(self) -> datetime | None:
        """When the winner is named; None: when a person names it, because the file says so or the test did not help."""
        experiment, lasts = self.experiment, self.plan.test_lasts
        if experiment is None or experiment.reason is not None or lasts is None:
            return None
        return experiment.launched_at + lasts


@dataclass(slots=True)
class Known:
    """All that was read, and what has been taken since."""

    lane: Lane
    now: datetime
    opted_out: dict[str, frozenset[str]]
    windows: dict[str, Window]
    history: dict[str, list[HistoryRow]]
    used: Counter[str]
    """Micro-units of each budget that are reserved or spent."""
    tier: Tier
    tier_use: TierUse | None
    """None: nobody is counted."""
    sent_by_day: dict[int, dict[str, int]]
    """Of each campaign with a ramp: day -> messages sent on this lane."""
    learnt: LearntPrices = field(default_factory=dict)
    """What messages of the claims with a budget have cost where that was more than expected."""
    begun_by: datetime = field(init=False)
    """By when the slice's calls should have begun."""
    newly_reached: set[str] = field(default_factory=set)
    ramped: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.begun_by = self.now + timedelta(seconds=IN_LINE)

    def kind_of(self, claim: Claim, job: DueJob) -> Hashable | None:
        """What tells the job apart from others of the claim, of whom all other facts are the same; None: something
        that is its own, or that changes from one message to the next."""
        plan, phone = claim.plan, job.phone
        if plan.asks_prices or plan.ramp or plan.policy.holdout or self.tier.most is not None:
            return None
        if phone in self.history or phone in self.windows or job.free_refused_at is not None:
            return None
        zones = self.zones(plan, job)
        return claim.variant_of(job), job.region, zones, job.consent_at, self.opted_out.get(phone)

    def facts(self, claim: Claim, job: DueJob) -> Facts:
        """The facts that the rules decide about one job from."""
        plan, run, variant = claim.plan, claim.run, claim.variant_of(job)
        # A job that is tried again must not be held back by its own first try.
        history = [past for past in self.history.get(job.phone, ()) if past.job_id != job.id]
        return Facts(
            self.now,
            run.state,
            plan.policies[variant],
            phone=job.phone,
            region=job.region,
            zones=self.zones(plan, job),
            expires_at=run.expires_at,
            opted_out=self.opted_out.get(job.phone, frozenset()),
            consent_at=job.consent_at,
            history=tuple([_counted(past) for past in history if past.counts]),
            last_message_at=history[-1].at if history else None,
            pair_message_at=max([t.at for t in history if t.lane == self.lane.name], default=None),
            window=self.window(job),
            costs=self._costs(claim, job),
            tier=self._tier(job.phone),
            ramp=self._ramp(claim),
            awaits_winner=plan.split is not None and variant is None,
            test_ends_at=claim.test_ends_at,
        )

    def price(self, claim: Claim, job: DueJob, form: Form) -> Price | None:
        """What the job costs now in that form; None: not known."""
        category = claim.plan.category_of(claim.variant_of(job))
        template, is_open = form is Form.TEMPLATE, self._in_window(job)
        return claim.plan.price(job.phone, category, template=template, window_open=is_open, at=self.now)

    def most(self, claim: Claim, price: Price | None) -> Money | None:
        """What a message of that price may cost: more, where others of the campaign have cost more. None: not known."""
        if price is None:
            return None
        key = (claim.run.campaign_id, price.money.currency, price.money.micros)
        return (
            Money(from_micros(self.learnt[key]), price.money.currency) if key in self.learnt else price.money
        )

    def window(self, job: Addressed) -> WindowState:
        window = self.windows.get(job.phone)
        return WindowState(
            self.lane.adapter.capabilities.windows,
            window.until if window else None,
            self._may_ask(window),
            self._is_refused_as_free(job),
            window.free_until if window else None,
        )

    def _costs(self, claim: Claim, job: DueJob) -> Costs:
        if not claim.plan.asks_prices:
            return NOT_ASKED
        free, template = (
            self.most(claim, self.price(claim, job, form)) for form in (Form.FREE, Form.TEMPLATE)
        )
        return Costs(free, template, tuple([self._open_budget(line) for line in claim.lines]))

    def _may_ask(self, window: Window | None) -> bool:
        if not self.lane.adapter.capabilities.asks_window:
            return False
        return window is None or max(window.until, window.known_at + FRESH) <= self.now

    def _in_window(self, job: DueJob) -> bool:
        window = self.windows.get(job.phone)
        is_open = window is not None and self.now < window.until - MARGIN
        return is_open and not self._is_refused_as_free(job)

    def _is_refused_as_free(self, job: Addressed) -> bool:
        """Whether the provider refused the job because the window is closed, and nothing newer is known: the person
        has not written since, nor is it time to ask again."""
        refused_at, window = job.free_refused_at, self.windows.get(job.phone)
        if refused_at is None or (window is not None and window.known_at > refused_at):
            return False
        return refused_at + FRESH > self.now or not self._may_ask(window)

    def take(self, claim: Claim, job: DueJob, most: Money | None, *, outside: bool) -> None:
        """Note that the job will be sent, perhaps outside a window: later decisions of the slice see what it uses
        up."""
        for line in claim.lines:
            self.used[line.key] += most.micros if most else 0
        use = self.tier_use
        if use is not None and outside and job.phone not in use.already:
            self.newly_reached.add(job.phone)
        if claim.plan.ramp:
            self.ramped[claim.run.campaign_id] += 1

    def is_outside(self, job: DueJob) -> bool:
        """Whether a message to the person now is one outside a window, as those are that a tier counts."""
        return not self._in_window(job)

    def may_come_back(self, job: DueJob) -> bool:
        """Whether a message to the person is under way, whose room is free again should it be refused."""
        return any(past.under_way for past in self.history.get(job.phone, ()))

    def _open_budget(self, line: BudgetLine) -> OpenBudget:
        left = line.limit.micros - self.used[line.key]
        return OpenBudget(line.key, Money(from_micros(left), line.limit.currency), line.renews_at)

    def _tier(self, phone: str) -> Allowance:
        most, use = self.tier.most, self.tier_use
        if most is None or use is None or phone in use.already:
            return UNLIMITED
        oldest = use.oldest_at or self.now
        return Allowance(max(0, most - use.reached - len(self.newly_reached)), oldest + TIER_WINDOW)

    def _ramp(self, claim: Claim) -> Allowance:
        campaign = claim.run.campaign_id
        left = claim.plan.ramp_left(self.sent_by_day.get(campaign, {}), self.now)
        if left is None:
            return UNLIMITED
        return Allowance(max(0, left - self.ramped[campaign]), claim.plan.next_day(self.now))

    def zones(self, plan: Plan, job: Addressed) -> tuple[ZoneInfo, ...]:
        if not plan.needs_zones:
            return ()
        if job.timezone:
            return (find_zone(job.timezone),)
        if job.region and len(of_country := zones_of_region(job.region)) == 1:
            return of_country
        from campaigns.phones.phone_zones import zones_of  # loads the library of phone numbers

        return zones_of(job.phone) or (plan.zone,)


def _counted(past: HistoryRow) -> PastMessage:
    return PastMessage(past.at, past.category, past.tags, past.lane.partition("/")[0])


async def lock_shared(
    connection: Connection, lane: Lane, claims: Sequence[Claim], ended: Sequence[Intent]
) -> Tier:
    """Lock, in one order for all, what other lanes decide about too: whom caps protect, budgets, the account's tier;
    and the lane's ramps. Returns the tier as it is for the rest of the transaction."""
    names = [
        job.phone
        for claim in claims
        if claim.plan.policy.caps or claim.plan.policy.min_gap
        for job in claim.jobs
    ]
    names += [budget_lock(claim.run.campaign_id) for claim in claims if claim.lines]
    names += [budget_lock(intent.campaign_id) for intent in ended if intent.price]
    if any(claim.plan.ramp for claim in claims):
        names.append(ramp_lock(lane.name))
    expected = await tier_of(connection, lane.account)
    waited = await lock_names(connection, names + expected.locks)
    tier = await tier_of(connection, lane.account) if waited and expected.locks else expected
    if tier.locks != expected.locks:  # while it waited for the lock, the account's portfolio became known
        await lock_names(connection, tier.locks)
    return tier


async def gather(
    connection: Connection, lane: Lane, tier: Tier, claims: Sequence[Claim], now: datetime
) -> Known:
    """Read what the rules ask about the claimed jobs, from what `lock_shared` has locked."""
    phones = [job.phone for claim in claims for job in claim.jobs]
    reach = max((reach_of(claim.plan) for claim in claims), default=timedelta())
    lines = {line.key: line for claim in claims for line in claim.lines}
    capabilities = lane.adapter.capabilities
    known = Known(
        lane,
        now,
        await optout_scopes(connection, phones),
        await open_windows(connection, lane.name, phones) if capabilities.windows else {},
        await recent_history(connection, phones, now - reach) if reach else {},
        Counter(await used_of(connection, lines)),
        tier,
        await tier_use(connection, tier.pool, phones, now) if tier.is_counted else None,
        {
            claim.run.campaign_id: await sends_by_day(connection, lane.name, claim.run.campaign_id)
            for claim in claims
            if claim.plan.ramp
        },
        await learnt_prices(connection, {claim.run.campaign_id for claim in claims if claim.lines}),
    )
    known.begun_by = lane.now() + lane.pacer.reach
    return known


def reach_of(plan: Plan) -> timedelta:
    """How far back the campaign's rules look."""
    policy = plan.policy
    caps = [CALENDAR_REACH if isinstance(cap.per, Calendar) else cap.per for cap in policy.caps]
    return max([policy.min_gap, policy.pair_gap, *caps])
