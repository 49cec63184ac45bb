"""The forecast for a campaign, added up message by message."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from campaigns.frozen import frozen
from campaigns.money.costs import Money, from_micros
from campaigns.rules.names import Form
from scheduler.forecast.allowance import ServiceMessage, within_allowance
from scheduler.forecast.durations import SECOND, Limit, queue_length
from scheduler.forecast.expected import ExpectedCost

T = TypeVar("T")


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


@frozen
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
    service: Counter[ServiceMessage] = field(default_factory=Counter)
    """Messages that are, or may be, charged as service messages."""
    within_allowance: int = 0
    """Those of them that are expected to be within the numbers' free allowances; their costs are without them."""
    free_entries: int = 0
    """Messages that cost nothing because the person came through an advertisement."""
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

    def add_sends(
        self, count: int, form: Form, lane: str, at: datetime, held_by: str | None, own_time: str
    ) -> None:
        """Messages that may go from `at` on: because a rule holds them until then, or their `own_time` has not come."""
        self.sends += count
        self.forms[form] += count
        self.free_at[lane, at.replace(microsecond=0) + (SECOND if at.microsecond else timedelta())] += count
        if held_by is not None:
            self.held[held_by] += count
        if at > (self.last_hold or self.at):
            self.last_hold, self.last_held_by = at, f"held_by_{held_by}" if held_by else own_time

    def add_costs(self, count: int, each: ExpectedCost, lane: str) -> None:
        """What `count` messages may cost, each of them this."""
        if (service := each.service_message(lane)) is not None:
            self.service[service] += count
        currency = each.costs[0].currency if each.costs else None
        key = (each.country, each.category, currency)
        line = self.costs.setdefault(key, CostRange(*key))
        line.messages += count * each.expected
        self.free_entries += count * (each.expected and each.free_entry)
        line.unpriced += count * (not each.costs)
        if each.costs:
            micros = [cost.micros for cost in each.costs]
            line.low_micros += 0 if each.may_not_go else count * min(micros)
            line.high_micros += count * max(micros)

    def queue(self) -> dict[str, list[tuple[datetime, int]]]:
        """How many may go from when on, earliest first, by lane."""
        found: defaultdict[str, list[tuple[datetime, int]]] = defaultdict(list)
        for (lane, free), count in sorted(self.free_at.items()):
            found[lane].append((free, count))
        return found

    def expire(self, reason: str, going: int, count: int, before: Estimate) -> None:
        """Of `count` messages that were added after `before`, only the first `going` go in time. Their forms, holds and
        costs are those of all, in proportion."""
        self.sends -= count - going
        self.skips[reason] += count - going
        self.forms = before.forms + _apportion(self.forms - before.forms, going)
        held = self.held - before.held
        self.held = before.held + _apportion(held, held.total() * going // count)
        self.free_at -= before.free_at
        queue, self.free_at = self.queue(), before.free_at.copy()
        for lane, waiting in queue.items():
            share = -(-sum(people for _, people in waiting) * going // count)
            self.free_at.update({(lane, free): people for free, people in first_of(waiting, share)})
        self._expire_costs(going, count, before)
        service = self.service - before.service
        self.service = before.service + _apportion(service, service.total() * going // count)

    def apply_allowance(self, left: Mapping[str, int]) -> None:
        """Take off the costs what is within the free allowances that are left, by lane."""
        self.within_allowance, savings = within_allowance(self.service, left)
        for key, (low, high) in savings.items():
            self.costs[key].low_micros = max(0, self.costs[key].low_micros - low)
            self.costs[key].high_micros = max(0, self.costs[key].high_micros - high)

    def _expire_costs(self, going: int, count: int, before: Estimate) -> None:
        past = {key: before.costs.get(key) or CostRange(*key) for key in self.costs}
        messages = Counter({key: line.messages - past[key].messages for key, line in self.costs.items()})
        shares = _apportion(messages, going)
        for key, line in self.costs.items():
            line.messages = past[key].messages + shares[key]
            line.low_micros -= -(-(line.low_micros - past[key].low_micros) * (count - going) // count)
            line.high_micros -= (line.high_micros - past[key].high_micros) * (count - going) // count
            line.unpriced -= (line.unpriced - past[key].unpriced) * (count - going) // count

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


def first_of(waiting: Sequence[tuple[datetime, int]], count: int) -> Iterator[tuple[datetime, int]]:
    """The first `count` of the people in a queue."""
    for free, people in waiting:
        if count <= 0:
            return
        yield free, min(people, count)
        count -= people


def _apportion(counts: Counter[T], total: int) -> Counter[T]:
    """The same in proportion, `total` together."""
    whole = max(1, counts.total())
    shares = Counter({key: count * total // whole for key, count in counts.items()})
    by_rest = sorted(counts, key=lambda key: counts[key] * total % whole, reverse=True)
    shares.update(by_rest[: total - shares.total()])
    return shares
