"""What is expected of one message of a run: whether it goes, when and in which form, and what it may cost.

What a message costs is a range where its window is not sure: nothing is known of it, or it may close before the
message's turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from campaigns.frozen import frozen
from campaigns.money.costs import Money, from_micros
from campaigns.money.prices import SERVICE
from campaigns.rules.decision import UNLIMITED, Decision, Facts, OpenBudget, Send, Skip
from campaigns.rules.forms import MARGIN, in_window
from campaigns.rules.names import Form, Rule, SkipReason
from scheduler.forecast.allowance import ServiceMessage
from scheduler.forecast.waits import Foreseen, charge_of, in_time, is_free_entry, price_of
from scheduler.sending.facts import Claim, Known
from scheduler.sending.plans import Plan
from storage.sending.budgets import LearntPrices
from storage.sending.intents import DueJob

FAR: Final = datetime(9000, 1, 1, tzinfo=UTC)
PLENTY: Final = Decimal(10) ** 15
UNTIL_WINDOW: Final = (SkipReason.WINDOW_CLOSED, SkipReason.DESTINATION_BLOCKED)
"""What an open window would change."""


@frozen
class ExpectedCost:
    country: str | None
    category: str
    costs: tuple[Money, ...]
    """In each of the ways in which it may go; none: no price is known."""
    expected: bool
    """It goes as things stand."""
    may_not_go: bool
    free_entry: bool = False
    """It costs nothing because the person came through an advertisement."""
    service: Money | None = None
    """The price of its free form, where that is one of the ways and Meta charges it as a service message."""

    def service_message(self, lane: str) -> ServiceMessage | None:
        """What it saves if it is within the number's free allowance; None: it is no service message."""
        if self.service is None or not self.costs:
            return None
        micros = [cost.micros for cost in self.costs]
        left = micros.copy()
        left[micros.index(self.service.micros)] = 0
        return ServiceMessage(
            lane,
            (self.country, self.category, self.costs[0].currency),
            low=0 if self.may_not_go else min(micros),
            high=max(micros) - max(left),
            expected=self.expected and self.category == SERVICE,
        )


@frozen
class Expected:
    """All that an estimate counts of one message."""

    decision: Decision
    at: datetime
    """When it is decided."""
    held_by: Rule | None
    """The first rule that holds it until a time."""
    window: str | None
    """open, closed or unknown now; None: the provider keeps none."""
    outside: bool
    """Whether it goes outside an open window."""
    cost: ExpectedCost | None
    """None: it goes in no case."""
    last: datetime
    """The last time that was asked about, in any of the ways in which it may go."""


def facts_at(known: Known, claim: Claim, job: DueJob, due_at: datetime) -> Facts:
    """Without what the whole run uses up: the limits account for it. Budgets hold only what has no price."""
    plan, facts = claim.plan, known.facts(claim, job)
    budgets = (OpenBudget("", Money(PLENTY, plan.budget.currency), None),) if plan.budget else ()
    return replace(facts, now=due_at, costs=replace(facts.costs, budgets=budgets), ramp=UNLIMITED)


def expect(
    claim: Claim, facts: Facts, at: datetime, spare: timedelta, learnt: LearntPrices | None = None
) -> Expected:
    """`at`: when the run begins. `spare`: a window that is open for so long is open when the message's turn comes.
    `learnt`: what the campaign's messages have cost where that was more than expected."""
    plan, first = claim.plan, in_time(facts)
    possible = [first, *(in_time(other) for other in _otherwise(plan, first, facts, at, spare))]
    cost = _cost(plan, facts.region, possible)
    return Expected(
        first.decision,
        first.facts.now,
        first.held_by,
        _window_of(facts) if facts.window.applies else None,
        not in_window(first.facts),
        _as_learnt(cost, claim.run.campaign_id, learnt) if cost and learnt else cost,
        max(one.facts.now for one in possible),
    )


def _as_learnt(cost: ExpectedCost, campaign_id: int, learnt: LearntPrices) -> ExpectedCost:
    """Besides what it should cost, also what others of that price have cost: so much is reserved for it."""
    keys = [(campaign_id, each.currency, each.micros) for each in cost.costs]
    dearer = [Money(from_micros(learnt[key]), key[1]) for key in keys if key in learnt]
    return replace(cost, costs=(*cost.costs, *dearer))


def _window_of(facts: Facts) -> str:
    if facts.window.until is None:
        return "unknown"
    return "open" if in_window(facts) else "closed"


def _otherwise(
    plan: Plan, expected: Foreseen, facts: Facts, at: datetime, spare: timedelta
) -> Iterator[Facts]:
    """The facts as they may turn out to be by the message's turn: its window is not sure."""
    decided = expected.decision
    if not facts.window.applies or (isinstance(decided, Skip) and decided.reason not in UNTIL_WINDOW):
        return
    until = facts.window.until
    if until is None:
        yield _priced(replace(facts, window=replace(facts.window, until=FAR)), plan, at)
    elif in_window(facts) and until - MARGIN <= facts.now + spare:
        yield _priced(replace(facts, window=replace(facts.window, until=None)), plan, at)


def _priced(facts: Facts, plan: Plan, at: datetime) -> Facts:
    now = replace(facts, now=at)
    free, template = (price_of(plan, now, Send(form)) for form in (Form.FREE, Form.TEMPLATE))
    costs = replace(
        facts.costs, free=free.money if free else None, template=template.money if template else None
    )
    return replace(facts, costs=costs)


def _cost(plan: Plan, country: str | None, possible: Sequence[Foreseen]) -> ExpectedCost | None:
    sent = [one for one in possible if isinstance(one.decision, Send)]
    if not sent:
        return None
    is_service = plan.prices.by_card and sent[0].decision == Send(Form.FREE)
    prices = [charge_of(plan, one.facts, one.decision) for one in sent]
    return ExpectedCost(
        country,
        SERVICE if is_service else sent[0].facts.policy.category,
        tuple(price.money for price in prices if price is not None) if None not in prices else (),
        expected=possible[0] is sent[0],
        may_not_go=len(sent) < len(possible),
        service=_service_price(plan, sent),
        free_entry=is_free_entry(plan, sent[0].facts),
    )


def _service_price(plan: Plan, sent: Sequence[Foreseen]) -> Money | None:
    free = next((one for one in sent if one.decision == Send(Form.FREE)), None)
    price = charge_of(plan, free.facts, free.decision) if free and plan.prices.by_card else None
    return price.money if price and price.money.micros else None
