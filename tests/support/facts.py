"""Facts about a job that may go, with what a test says otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.money.costs import Money
from campaigns.rules import Facts, Policy
from campaigns.rules.decision import Touch
from campaigns.states import RunState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""A Sunday."""
TICK = timedelta(milliseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
_POLICY = {field.name for field in fields(Policy)}


def facts(**known: Any) -> Facts:
    """Keys of `Policy` go into the policy, the others are facts."""
    asked: dict[str, Any] = {"category": "marketing"}
    asked |= {name: known.pop(name) for name in _POLICY & known.keys()}
    given: dict[str, Any] = {"now": NOW, "run_state": RunState.RUNNING, "policy": Policy(**asked)}
    return Facts(**(given | known))


def touched(
    ago: Iterable[timedelta], category: str = "marketing", tags: Iterable[str] = (), account: str = "shop"
) -> tuple[Touch, ...]:
    """Messages that the person got so long before `NOW`, the oldest first."""
    return tuple(
        Touch(NOW - before, category, frozenset(tags), account) for before in sorted(ago, reverse=True)
    )


def zones(*names: str) -> tuple[ZoneInfo, ...]:
    return tuple(map(ZoneInfo, names))


def usd(amount: str) -> Money:
    return Money(Decimal(amount), "USD")
