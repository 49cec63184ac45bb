"""The form that a message takes, what it may cost, and what the account allows: window, budget, tier, ramp."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from campaigns.money.costs import Money
from campaigns.rules.budget import budget
from campaigns.rules.decide import decide
from campaigns.rules.decision import Decision, OpenBudget, Send, Skip, Wait, WindowState
from campaigns.rules.forms import MARGIN
from campaigns.rules.names import Form, Rule, SkipReason
from campaigns.rules.ramp import ramp
from campaigns.rules.tier import tier
from campaigns.rules.window import window
from tests.support.cases import each
from tests.support.facts import DAY, HOUR, NOW, TICK, facts, usd

FREE, TEMPLATE = Send(Form.FREE), Send(Form.TEMPLATE)
BOTH, ONLY_TEMPLATE = frozenset(Form), frozenset({Form.TEMPLATE})
CLOSED = Skip(SkipReason.WINDOW_CLOSED)
WAITS, ASKED = Wait(None, Rule.WINDOW), Wait(None, Rule.WINDOW_UNKNOWN)
OPEN = {"window_until": NOW + MARGIN + TICK}


@each(
    ("known", "decision"),
    [
        ({"has_windows": False}, FREE),
        ({"has_windows": False, "forms": BOTH}, FREE),
        ({"has_windows": False, "forms": ONLY_TEMPLATE}, TEMPLATE),
        ({}, CLOSED),
        ({"forms": BOTH}, TEMPLATE),
        ({"window_until": NOW + MARGIN}, CLOSED),
        (OPEN, FREE),
        ({**OPEN, "forms": BOTH}, FREE),
        ({**OPEN, "forms": ONLY_TEMPLATE}, TEMPLATE),
        ({**OPEN, "refused_as_free": True}, CLOSED),
        ({**OPEN, "refused_as_free": True, "forms": BOTH}, TEMPLATE),
        ({"has_windows": False, "refused_as_free": True, "forms": BOTH}, TEMPLATE),
        ({"waits_for_window": True}, WAITS),
        ({"waits_for_window": True, "window_until": NOW + MARGIN}, WAITS),
        ({"waits_for_window": True, **OPEN, "refused_as_free": True}, WAITS),
        ({"waits_for_window": True, **OPEN}, FREE),
        ({"waits_for_window": True, "forms": BOTH}, TEMPLATE),
        ({"may_ask_window": True}, ASKED),
        ({"may_ask_window": True, "forms": BOTH}, ASKED),
        ({"may_ask_window": True, "forms": ONLY_TEMPLATE}, TEMPLATE),
        ({"may_ask_window": True, "forms": BOTH, "refused_as_free": True}, TEMPLATE),
    ],
)
def test_window(known: dict[str, Any], decision: Decision) -> None:
    assert window(facts(**{"has_windows": True, **known})) == decision


@pytest.mark.parametrize(
    ("free", "template", "decision"),
    [
        (usd("2"), usd("1"), TEMPLATE),
        (usd("1"), usd("1"), FREE),
        (usd("1"), usd("2"), FREE),
        (None, usd("1"), FREE),
        (usd("1"), None, FREE),
        (usd("2"), Money(Decimal(1), "XOF"), FREE),
    ],
)
def test_the_cheaper_form(free: Money | None, template: Money | None, decision: Decision) -> None:
    known = facts(has_windows=True, **OPEN, forms=BOTH, free_price=free, template_price=template)
    cheapest = replace(known, policy=replace(known.policy, prefers_cheapest=True))
    assert window(cheapest) == decision
    assert window(known) == FREE
    assert window(replace(cheapest, window=WindowState(applies=True))) == TEMPLATE
    assert window(replace(cheapest, policy=replace(cheapest.policy, forms=frozenset({Form.FREE})))) == FREE


RUN = OpenBudget("run", usd("1"), None)
TODAY = OpenBudget("day", usd("1"), NOW + HOUR)
MONTH = OpenBudget("month", usd("1"), NOW + DAY)
IN_FRANCS = OpenBudget("run", Money(Decimal(1000), "XOF"), NOW + HOUR)


def used_up(budget: OpenBudget) -> OpenBudget:
    return replace(budget, left=usd("0.99"))


@each(
    ("budgets", "decision"),
    [
        ((), Send()),
        ((RUN,), Send()),
        ((RUN, TODAY, MONTH), Send()),
        ((used_up(RUN),), Wait(None, Rule.BUDGET)),
        ((RUN, used_up(TODAY)), Wait(NOW + HOUR, Rule.BUDGET)),
        ((used_up(MONTH), used_up(TODAY)), Wait(NOW + DAY, Rule.BUDGET)),
        ((used_up(RUN), used_up(TODAY)), Wait(None, Rule.BUDGET)),
        ((replace(RUN, left=usd("-3")),), Wait(None, Rule.BUDGET)),
        ((IN_FRANCS,), Wait(None, Rule.BUDGET)),
        ((RUN, IN_FRANCS), Wait(None, Rule.BUDGET)),
    ],
)
def test_budget(budgets: tuple[OpenBudget, ...], decision: Decision) -> None:
    assert budget(facts(budgets=budgets, free_price=usd("1")), Form.FREE) == decision


@pytest.mark.parametrize("one", [RUN, TODAY])
def test_what_has_no_price_is_inside_no_budget(one: OpenBudget) -> None:
    known = facts(budgets=(one,), template_price=usd("1"))
    assert budget(known, Form.FREE) == Wait(None, Rule.BUDGET)
    assert budget(known, Form.TEMPLATE) == Send()
    assert budget(replace(known, costs=replace(known.costs, budgets=())), Form.FREE) == Send()


def test_the_budget_is_asked_about_the_form_that_goes() -> None:
    known = facts(
        has_windows=True, forms=BOTH, budgets=(RUN,), free_price=usd("1"), template_price=usd("1.01")
    )
    assert decide(known) == Wait(None, Rule.BUDGET)
    assert decide(replace(known, window=replace(known.window, until=NOW + HOUR))) == FREE


@pytest.mark.parametrize(
    ("known", "decision"),
    [
        ({"tier_left": None}, Send()),
        ({"tier_left": 1}, Send()),
        ({}, Wait(NOW + HOUR, Rule.TIER)),
        ({"tier_left": -1}, Wait(NOW + HOUR, Rule.TIER)),
        (OPEN, Send()),
        ({**OPEN, "forms": ONLY_TEMPLATE}, Send()),
        ({**OPEN, "refused_as_free": True}, Wait(NOW + HOUR, Rule.TIER)),
        ({"window_until": NOW + MARGIN}, Wait(NOW + HOUR, Rule.TIER)),
        ({"has_windows": False}, Wait(NOW + HOUR, Rule.TIER)),
    ],
)
def test_tier(known: dict[str, Any], decision: Decision) -> None:
    full = {"has_windows": True, "tier_left": 0, "tier_frees_at": NOW + HOUR}
    assert tier(facts(**{**full, **known})) == decision


@pytest.mark.parametrize(
    ("left", "decision"),
    [(None, Send()), (1, Send()), (0, Wait(NOW + HOUR, Rule.RAMP)), (-1, Wait(NOW + HOUR, Rule.RAMP))],
)
def test_ramp(left: int | None, decision: Decision) -> None:
    assert ramp(facts(ramp_left=left, ramp_renews_at=NOW + HOUR)) == decision
