"""Facts about a job that may be sent, with the changes that a test needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.money.costs import Money
from campaigns.rules.decision import Allowance, Costs, Facts, PastMessage, Policy, WindowState
from campaigns.states import RunState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""A Sunday."""
TICK = timedelta(milliseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
GROUPS: dict[str, tuple[Any, dict[str, str]]] = {
    "window": (
        WindowState,
        {
            "has_windows": "applies",
            "window_until": "until",
            "may_ask_window": "may_ask",
            "refused_as_free": "refused_as_free",
        },
    ),
    "costs": (Costs, {"free_price": "free", "template_price": "template", "budgets": "budgets"}),
    "tier": (Allowance, {"tier_left": "left", "tier_frees_at": "renews_at"}),
    "ramp": (Allowance, {"ramp_left": "left", "ramp_renews_at": "renews_at"}),
}
"""Of each group of facts: the test's name for a part -> its own."""
_POLICY = {field.name for field in fields(Policy)}


def facts(**known: Any) -> Facts:
    """Keys of `Policy` go into the policy, those of `GROUPS` into their groups, the others are facts."""
    asked: dict[str, Any] = {"category": "marketing"}
    asked |= {name: known.pop(name) for name in _POLICY & known.keys()}
    given: dict[str, Any] = {"now": NOW, "run_state": RunState.RUNNING, "policy": Policy(**asked)}
    for group, (kind, names) in GROUPS.items():
        given[group] = kind(**{part: known.pop(name) for name, part in names.items() if name in known})
    return Facts(**(given | known))


def past_messages(
    ago: Iterable[timedelta], category: str = "marketing", tags: Iterable[str] = (), account: str = "shop"
) -> tuple[PastMessage, ...]:
    """Messages that the person got so long before `NOW`, the oldest first."""
    return tuple(
        PastMessage(NOW - before, category, frozenset(tags), account) for before in sorted(ago, reverse=True)
    )


def zones(*names: str) -> tuple[ZoneInfo, ...]:
    return tuple(map(ZoneInfo, names))


def usd(amount: str) -> Money:
    return Money(Decimal(amount), "USD")
