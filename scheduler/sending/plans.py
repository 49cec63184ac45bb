"""What a run sends, how fast and under which rules, as frozen at its launch: read once for each run, then kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from campaigns.frozen import frozen
from campaigns.message.content_spec import ContentSpec
from campaigns.message.provider_templates import ProviderTemplate
from campaigns.message.template_category import AUTO, strictest
from campaigns.message.template_match import used_templates
from campaigns.money.costs import Money
from campaigns.money.prices import Price, Prices
from campaigns.phones.user_ids import number_like
from campaigns.rules.decision import Policy
from campaigns.rules.names import Form
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.time.pace import Rate
from campaigns.time.zones import find_zone, instant_of
from campaigns.variants import Split
from providers.settings import AccountSettings
from scheduler.sending.lanes import Lane
from storage.audience.rates import load_cards
from storage.audience.templates import find_templates
from storage.database.engine import Connection
from storage.receipts.same_person import names_user_ids
from storage.runs.runs import RunRow, run_spec

if TYPE_CHECKING:
    from campaigns.message.templates import Renderer
    from campaigns.spec.rules_spec import BudgetSpec, MarketingMessagesSpec


@frozen
class BudgetLine:
    """One limit on what the run may cost."""

    key: str
    limit: Money
    renews_at: datetime | None


@frozen
class Plan:
    contents: Mapping[str | None, ContentSpec]
    """By variant; a campaign without variants has one, of the name None."""
    policies: Mapping[str | None, Policy]
    """The same of its policies, which differ in what its forms are; None: of what any variant may be."""
    gap: timedelta
    """The least time between two sends of the campaign on a lane."""
    rate: Rate | None
    jitter: timedelta
    zone: ZoneInfo
    """The campaign's: its days begin there, and people of whom no zone is known live there."""
    needs_zones: bool
    counts: bool
    """Whether its messages use up the caps of others."""
    budget: BudgetSpec | None
    ramp: tuple[int, ...]
    prices: Prices
    split: Split | None = None
    """How recipients are assigned to variants; None: no variants."""
    marketing: MarketingMessagesSpec | None = None
    """Whether its templates go through Meta's Marketing Messages API; None: as the account's settings say."""
    names_user_ids: bool = False
    """Whether the run has people who are known by a provider's user id alone."""
    test_lasts: timedelta | None = None
    """How long after the launch the winner is named; None: when a person names it."""

    @cached_property
    def renderers(self) -> Mapping[str | None, Renderer]:
        """By variant, made where the first message is written: an estimate writes none."""
        from campaigns.message.templates import renderers_of

        return renderers_of(self.contents)

    @property
    def policy(self) -> Policy:
        """What all its messages have in common."""
        return self.policies[None]

    @cached_property
    def asks_prices(self) -> bool:
        """Whether a rule asks for prices: that of budgets, or that of the cheaper form."""
        return self.budget is not None or any(policy.prefers_cheapest for policy in self.policies.values())

    def category_of(self, variant: str | None) -> str:
        """The category of that variant's messages; None: of a message that awaits its variant."""
        return self.policies[variant].category

    def price(
        self, phone: str, category: str, *, template: bool, window_open: bool, at: datetime
    ) -> Price | None:
        number = number_like(phone)
        return self.prices.price(number, category, template=template, window_open=window_open, at=at)

    def today(self, now: datetime) -> str:
        """The campaign's day, YYYY-MM-DD."""
        return now.astimezone(self.zone).date().isoformat()

    def next_day(self, now: datetime) -> datetime:
        """When the campaign's next day begins."""
        tomorrow = now.astimezone(self.zone).date() + timedelta(days=1)
        return instant_of(datetime.combine(tomorrow, time()), self.zone)

    def next_month(self, now: datetime) -> datetime:
        """When the campaign's next month begins."""
        later = now.astimezone(self.zone).date().replace(day=28) + timedelta(days=4)
        return instant_of(datetime.combine(later.replace(day=1), time()), self.zone)

    def budget_lines(
        self, run: RunRow, now: datetime, current: BudgetSpec | None = None
    ) -> tuple[BudgetLine, ...]:
        """The budgets that a message sent now is paid from. `current`: with these limits, not those of the launch."""
        spec = current or self.budget
        if spec is None:
            return ()
        day = self.today(now)
        lines = (
            (spec.max, f"{run.campaign_id}:run:{run.parent_id or run.id}", None),
            (spec.per_day, f"{run.campaign_id}:day:{day}", self.next_day(now)),
            (spec.per_month, f"{run.campaign_id}:month:{day[:7]}", self.next_month(now)),
        )
        return tuple(
            BudgetLine(key, Money(limit, spec.currency), renews_at)
            for limit, key, renews_at in lines
            if limit is not None
        )

    def ramp_left(self, sent_by_day: Mapping[str, int], now: datetime) -> int | None:
        """How many more may go on the lane today; None: any number. Days without a send are no steps of the ramp."""
        if not self.ramp:
            return None
        today = self.today(now)
        step = len(sent_by_day.keys() - {today})
        return self.ramp[step] - sent_by_day.get(today, 0) if step < len(self.ramp) else None


class Plans:
    """The plans of the runs that one shift of a lane has sent for."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._known: dict[int, Plan] = {}

    async def of(self, connection: Connection, run_id: int) -> Plan:
        if run_id not in self._known:
            spec = CampaignSpec.from_json(await run_spec(connection, run_id))
            plan = await stored_plan(connection, spec, self._lane)
            named = await names_user_ids(connection, run_id)
            self._known[run_id] = replace(plan, names_user_ids=named)
        return self._known[run_id]


async def prices_at(connection: Connection, settings: AccountSettings) -> Prices:
    """What the account charges, as far as it is known."""
    cards = await load_cards(connection, settings.rates) if settings.rates else []
    return Prices(cards, settings.price, settings.home_code, find_zone(settings.rates_timezone))


async def stored_plan(connection: Connection, spec: CampaignSpec, lane: Lane) -> Plan:
    """The plan by the rate cards and the templates that are stored."""
    prices = await prices_at(connection, lane.account.settings)
    return plan_of(spec, lane, prices, await templates_for_category(connection, spec))


async def templates_for_category(connection: Connection, spec: CampaignSpec) -> Sequence[ProviderTemplate]:
    """The stored templates that the campaign takes its category from; none where its file names one."""
    if spec.category != AUTO:
        return ()
    return used_templates(await find_templates(connection, spec.provider), spec.contents.values())


def plan_of(
    spec: CampaignSpec, lane: Lane, prices: Prices, templates: Sequence[ProviderTemplate] = ()
) -> Plan:
    """`templates`: those of the account that the campaign's category may be taken from."""
    gap, policies = spec.pace.gap, _policies(spec, lane, templates)
    policy = policies[None]
    zone = spec.schedule.timezone
    return Plan(
        contents=spec.contents,
        policies=policies,
        gap=lane.adapter.capabilities.delay_between if gap is None else gap,
        rate=spec.pace.rate,
        jitter=spec.pace.jitter or timedelta(),
        zone=find_zone(zone) if zone else ZoneInfo("UTC"),
        needs_zones=policy.hours is not None
        or any(not isinstance(cap.per, timedelta) for cap in policy.caps),
        counts=spec.counts_toward_caps,
        budget=spec.budget,
        ramp=tuple(spec.pace.ramp or ()),
        prices=prices,
        split=spec.split,
        test_lasts=spec.test_lasts,
        marketing=spec.marketing_messages,
    )


def _policies(
    spec: CampaignSpec, lane: Lane, templates: Sequence[ProviderTemplate]
) -> dict[str | None, Policy]:
    of_variants = {
        name: _policy(spec, content, lane, spec.category_of(content, templates))
        for name, content in spec.contents.items()
    }
    forms = frozenset(form for policy in of_variants.values() for form in policy.forms)
    category = strictest(policy.category for policy in of_variants.values())
    common = replace(next(iter(of_variants.values())), forms=forms, category=category)
    return {None: common, **of_variants}


def _policy(spec: CampaignSpec, content: ContentSpec, lane: Lane, category: str) -> Policy:
    given = ((Form.FREE, content.free_form), (Form.TEMPLATE, content.template))
    own = tuple(cap.cap for cap in spec.caps)
    return Policy(
        category=category,
        tags=frozenset(spec.tags),
        account=spec.provider,
        forms=frozenset(form for form, is_given in given if is_given),
        prefers_cheapest=content.prefer == "cheapest",
        waits_for_window=content.closed_window == "wait",
        consent=spec.needed_consent,
        holdout=spec.holdout.holdout(spec.name) if spec.holdout else None,
        caps=(*own, *lane.account.default_caps) if spec.obeys_caps else (),
        min_gap=spec.pace.contact_gap or timedelta(),
        hours=spec.hours.hours if spec.hours else None,
        pair_gap=lane.account.pair_gap,
    )
