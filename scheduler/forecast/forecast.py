"""The forecast for a campaign, added up message by message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from campaigns.money.costs import Money, from_micros
from campaigns.rules import Form
from scheduler.forecast.durations import SECOND, Limit, queue_length


@dataclass(slots=True)
class CostRange:
    """What the messages of one country and category may cost, in one currency (None: no price is known)."""

    country: str | None
    category: str
    currency: str | None
    messages: int = 0
    """Those that are expected to be sent."""
    low_micros: int = 0
    high_micros: int = 0
    unpriced: int = 0

    @property
    def low(self) -> Decimal:
        return from_micros(self.low_micros)

    @property
    def high(self) -> Decimal:
        return from_micros(self.high_micros)


@dataclass(frozen=True, slots=True)
class BudgetLeft:
    """One of its budgets, and whether the worst case fits it."""

    kind: str
    """run, day or month."""
    left: Money
    enough: bool


@dataclass(slots=True)
class Estimate:
    """Everything that is expected, from `at` on."""

    at: datetime
    recipients: int = 0
    sends: int = 0
    skips: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    """Messages that go only once something else happens, by the rule that holds them."""
    held: Counter[str] = field(default_factory=Counter)
    """Messages that go later than their turn, by the first rule that holds them; they are among the sends."""
    forms: Counter[Form] = field(default_factory=Counter)
    windows: Counter[str] = field(default_factory=Counter)
    """open, closed or unknown now; empty where the provider keeps none."""
    costs: dict[tuple[str | None, str, str | None], CostRange] = field(default_factory=dict)
    limits: list[Limit] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """Why it may be wrong."""
    budgets: list[BudgetLeft] = field(default_factory=list)
    free_at: Counter[tuple[str, datetime]] = field(default_factory=Counter)
    """How many messages may go from when on, by lane and to the second."""
    last_hold: datetime | None = None
    """Until when the longest hold of a message that goes in the end lasts."""
    last_held_by: str = ""
    """What held it: `held_by_RULE`, or where its own time is later `recipient_local_time` or `send_at`."""

    @property
    def binding(self) -> Limit | None:
        """The limit that decides how long it takes; None: nothing holds it up."""
        slowest = max(self.limits, key=lambda limit: limit.takes, default=None)
        return slowest if slowest is not None and slowest.takes else None

    @property
    def takes(self) -> timedelta:
        return self.binding.takes if self.binding else timedelta()

    @property
    def ends_at(self) -> datetime:
        return self.at + self.takes

    @property
    def held_share(self) -> float:
        """Of the messages that go, those that go later than their turn."""
        return round(self.held.total() / self.sends, 4) if self.sends else 0.0

    def add_send(self, form: Form, lane: str, at: datetime, held_by: str | None, own_time: str) -> None:
        """A message that may go from `at` on: because a rule holds it until then, or its `own_time` has not come."""
        self.sends += 1
        self.forms[form] += 1
        self.free_at[lane, at.replace(microsecond=0) + (SECOND if at.microsecond else timedelta())] += 1
        if held_by is not None:
            self.held[held_by] += 1
        if at > (self.last_hold or self.at):
            self.last_hold, self.last_held_by = at, f"held_by_{held_by}" if held_by else own_time

    def add_cost(
        self,
        country: str | None,
        category: str,
        costs: Sequence[Money],
        *,
        expected: bool,
        may_not_go: bool,
    ) -> None:
        """What one message may cost; none: it may go, and no price is known. `expected`: it goes as things stand."""
        currency = costs[0].currency if costs else None
        key = (country, category, currency)
        line = self.costs.setdefault(key, CostRange(*key))
        line.messages += expected
        line.unpriced += not costs
        if costs:
            micros = [cost.micros for cost in costs]
            line.low_micros += 0 if may_not_go else min(micros)
            line.high_micros += max(micros)

    def add_holds(self, interval: timedelta) -> None:
        """The longest hold of a message is a limit too, with those that go after it, one each `interval`."""
        if self.last_hold is not None:
            value = f"until {self.last_hold:%Y-%m-%d %H:%M} UTC"
            takes = max(self.last_hold - self.at, queue_length(self.free_at, self.at, interval))
            self.limits.append(Limit(self.last_held_by, value, takes))

    def totals(self) -> list[CostRange]:
        """One range for each currency."""
        sums: dict[str | None, CostRange] = {}
        for line in self.costs.values():
            if line.currency is not None:
                total = sums.setdefault(line.currency, CostRange(None, "", line.currency))
                total.messages += line.messages
                total.low_micros += line.low_micros
                total.high_micros += line.high_micros
        return list(sums.values())

    @property
    def unpriced(self) -> int:
        return sum(line.unpriced for line in self.costs.values())
