"""What the limits of the whole run make of its length, and whom they leave unsent when the run expires."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from campaigns.frozen import frozen
from campaigns.money.costs import Money, from_micros
from campaigns.rules.names import SkipReason
from scheduler.forecast.durations import (
    LaneLoad,
    Limit,
    budget_limit,
    hours_limit,
    pace_limits,
    queue_length,
    ramp_limit,
    tier_limit,
)
from scheduler.forecast.forecast import BudgetLeft, Estimate, first_of
from scheduler.sending.limits import tier_of
from scheduler.sending.plans import BudgetLine
from storage.database.engine import Connection
from storage.runs.runs import RunRow
from storage.sending.budgets import used_of
from storage.sending.tier_and_ramp import tier_use


async def add_limits(
    connection: Connection,
    run: RunRow,
    loads: Sequence[LaneLoad],
    outside: int,
    result: Estimate,
    before: Estimate,
) -> None:
    """`outside`: how many go to people outside their windows. `before`: the result without this run."""
    account, lines = loads[0].lane.account, loads[0].plan.budget_lines(run, result.at)
    used = await used_of(connection, [line.key for line in lines])
    tier = await tier_of(connection, account)
    reached = (await tier_use(connection, tier.pool, (), result.at)).reached if tier.most is not None else 0
    messages = _Messages(loads, outside, tier.most, reached, lines, used, result)
    if run.expires_at is not None:
        going = messages.most_before(run.expires_at)
        if going < messages.count:
            result.expire(SkipReason.EXPIRED, going, messages.count, before)
            messages = messages.first(going)
    result.limits += messages.limits()
    result.add_holds(messages.interval)
    result.budgets += messages.budgets()


@frozen
class _Messages:
    """The messages that a run is to send, and what is known of its limits."""

    loads: Sequence[LaneLoad]
    outside: int
    tier: int | None
    """The most people whom the account may reach in 24 hours; None: no limit."""
    reached: int
    """How many people the account has reached within the tier's 24 hours."""
    lines: Sequence[BudgetLine]
    used: Mapping[str, int]
    result: Estimate

    @property
    def count(self) -> int:
        return sum(load.sends for load in self.loads)

    @property
    def interval(self) -> timedelta:
        """From one message of the busiest lane to the next."""
        return _longest(self._paces()) / max(1, max(load.sends for load in self.loads) - 1)

    def _paces(self) -> list[Limit]:
        ramp = ramp_limit(self.loads, self.result.at)
        return [*pace_limits(self.loads), *([ramp] if ramp else ())]

    def limits(self, share: float = 1.0) -> list[Limit]:
        """`share`: of the cost of all."""
        found: list[Limit | None] = list(self._paces())
        at, plan = self.result.at, self.loads[0].plan
        if plan.policy.hours is not None:
            sending = _longest(self._paces())
            found.append(hours_limit(plan.policy.hours, sending, at.astimezone(plan.zone).date()))
        if self.tier is not None:
            found.append(tier_limit(self.tier, self.reached, self.outside))
        found += [
            budget_limit(line, self.used.get(line.key, 0), round(self._cost(line) * share), at)
            for line in self.lines
        ]
        return [limit for limit in found if limit is not None]

    def budgets(self) -> list[BudgetLeft]:
        return [self._budget(line) for line in self.lines]

    def _budget(self, line: BudgetLine) -> BudgetLeft:
        left = max(0, line.limit.micros - self.used.get(line.key, 0))
        enough = self._cost(line) <= left and not self.result.unpriced
        return BudgetLeft(line.key.split(":")[1], Money(from_micros(left), line.limit.currency), enough)

    def _cost(self, line: BudgetLine) -> int:
        """The most that all may cost, in micro-units of the budget's currency."""
        totals = self.result.totals()
        return sum(total.high_micros for total in totals if total.currency == line.limit.currency)

    def first(self, going: int) -> _Messages:
        """So many of them, of each lane its share."""
        count = max(1, self.count)
        loads = [replace(load, sends=-(-load.sends * going // count)) for load in self.loads]
        return replace(self, loads=loads, outside=-(-self.outside * going // count))

    def most_before(self, expires_at: datetime) -> int:
        """How many of them go before the run expires."""
        queue = self.result.queue()

        def is_late(going: int) -> bool:
            part = self.first(going)
            turns = {
                (load.lane.name, free): people
                for load in part.loads
                for free, people in first_of(queue.get(load.lane.name, ()), load.sends)
            }
            waits = queue_length(turns, self.result.at, part.interval)
            takes = max(waits, _longest(part.limits(going / self.count)))
            return self.result.at + takes >= expires_at

        if not self.count or not is_late(self.count):
            return self.count
        return bisect_left(range(1, self.count + 1), True, key=is_late)


def _longest(limits: Sequence[Limit]) -> timedelta:
    return max((limit.takes for limit in limits), default=timedelta())
