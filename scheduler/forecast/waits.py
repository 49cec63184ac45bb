"""Follows one message through its waits: decides again at each time that a rule names, until no rule holds it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from campaigns.frozen import frozen
from campaigns.money.costs import Money
from campaigns.money.prices import Price
from campaigns.rules.decide import decide
from campaigns.rules.decision import Decision, Facts, Send, Wait
from campaigns.rules.forms import MARGIN, in_window
from campaigns.rules.names import Form, Rule
from scheduler.sending.plans import Plan

MOST: Final = 8
"""How often a message may be held until a time before no time is named for it."""


@dataclass(slots=True)
class Waits:
    """The waits of a message, up to the time of the next decision."""

    at: datetime
    past: list[Wait] = field(default_factory=list)
    winner_assumed: bool = False
    """The variant test ends during the waits: one variant is assumed to win."""

    def outlast(self, decision: Decision, facts: Facts) -> bool:
        """Go on to the end of the wait decided about `facts`; False: it is no wait, or only an event ends it."""
        if (
            decision == Wait(None, Rule.VARIANT)
            and facts.test_ends_at is not None
            and not self.winner_assumed
        ):
            self.winner_assumed = True
            return True
        if not isinstance(decision, Wait) or decision.until is None or decision.until <= self.at:
            return False
        if len(self.past) == MOST:
            return False
        self.past.append(decision)
        self.at = decision.until
        return True


@frozen
class Foreseen:
    """What is expected of a message, as far as is known now."""

    decision: Decision
    """A `Wait` only where nothing but another event ends it."""
    facts: Facts
    """At the time of the decision, the last one that was asked about."""
    held_by: Rule | None
    """The first rule that holds it until a time."""


def in_time(facts: Facts) -> Foreseen:
    """Decide, and where a rule names a time to ask again, decide again as of then; by the end of its test the variants'
    winner is named."""
    waits, decision = Waits(facts.now), decide(facts)
    while waits.outlast(decision, facts):
        facts = replace(facts, now=waits.at, awaits_winner=facts.awaits_winner and not waits.winner_assumed)
        decision = decide(facts)
    held_by = waits.past[0].rule if waits.past else None
    if isinstance(decision, Wait) and decision.until is not None:
        decision = Wait(None, held_by or decision.rule)
    return Foreseen(decision, facts, held_by)


def price_of(plan: Plan, facts: Facts, decision: Decision) -> Price | None:
    """What is reserved for the message at the time of the facts, in the form that was decided; None: not known, or not
    sent."""
    if not isinstance(decision, Send):
        return None
    template = decision.form is Form.TEMPLATE
    return plan.price(
        facts.phone, facts.policy.category, template=template, window_open=in_window(facts), at=facts.now
    )


def charge_of(plan: Plan, facts: Facts, decision: Decision) -> Price | None:
    """What the message costs: its price, or nothing within a free entry point, where prices are Meta's."""
    price = price_of(plan, facts, decision)
    if price is None or not is_free_entry(plan, facts):
        return price
    return replace(price, money=Money(Decimal(0), price.money.currency))


def is_free_entry(plan: Plan, facts: Facts) -> bool:
    until = facts.window.free_until
    return until is not None and facts.now < until - MARGIN and plan.prices.by_card
