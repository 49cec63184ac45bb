"""How long sending takes: what each limit by itself requires, from the first message to the last. The longest binds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from itertools import dropwhile
from typing import Final

from campaigns.frozen import frozen
from campaigns.rules.decision import Hours
from campaigns.rules.hours import describe_hours
from campaigns.time.pace import Rate, write_duration
from scheduler.sending.lanes import Lane
from scheduler.sending.pacing import SHORTEST_GAP
from scheduler.sending.plans import BudgetLine, Plan

SECOND: Final = timedelta(seconds=1)
DAY: Final = timedelta(days=1)
MONTH: Final = timedelta(days=30)
YEAR: Final = timedelta(days=365)


@frozen
class Limit:
    name: str
    value: str
    """As it is written, with its unit."""
    takes: timedelta
    """From the first message to the last, were it the only limit."""


@frozen
class LaneLoad:
    """The messages of a run that one lane is to send."""

    lane: Lane
    plan: Plan
    sends: int
    sent_by_day: Mapping[str, int]
    """What the campaign has sent on it already: YYYY-MM-DD -> count."""


def pace_limits(loads: Sequence[LaneLoad]) -> list[Limit]:
    """The limits that set a pace, each for its slowest lane."""
    found = [limit for load in loads for limit in _lane_limits(load)]
    account = loads[0].lane.account.settings.rate if loads else None
    if account is not None:
        found.append(_rate_limit("account_rate", account, sum(load.sends for load in loads)))
    slowest = {limit.name: limit for limit in sorted(found, key=lambda limit: limit.takes)}
    return list(slowest.values())


def _lane_limits(load: LaneLoad) -> Iterator[Limit]:
    plan, sender = load.plan, load.lane.sender
    if plan.gap or plan.jitter:
        # Each gap is longer by a random part of the jitter: by half of it on average.
        interval = (plan.gap or SHORTEST_GAP) + plan.jitter / 2
        value = write_duration(plan.gap) + (
            f" and up to {write_duration(plan.jitter)}" if plan.jitter else ""
        )
        yield Limit("delay_between", value, interval * max(0, load.sends - 1))
    if plan.rate is not None:
        yield _rate_limit("campaign_rate", plan.rate, load.sends)
    if sender.rate is not None:
        yield _rate_limit("sender_rate", sender.rate, load.sends)


def _rate_limit(name: str, rate: Rate, sends: int) -> Limit:
    from scheduler.sending.buckets import rate_bucket

    bucket = rate_bucket(rate)
    pace = bucket.per_second if bucket else rate.per_second
    return Limit(name, str(rate), timedelta(seconds=max(0, sends - 1) / pace))


def queue_length(free_at: Mapping[tuple[str, datetime], int], at: datetime, interval: timedelta) -> timedelta:
    """From `at` to the last message of the slowest lane. `free_at`: how many may go from when on, by lane."""
    last: dict[str, datetime] = {}
    for (lane, free), count in sorted(free_at.items()):
        begins = max(free, last[lane] + interval) if lane in last else max(free, at)
        last[lane] = begins + interval * (count - 1)
    return max(last.values(), default=at) - at


def tier_limit(tier: int, reached: int, outside: int) -> Limit:
    """`outside` messages to people outside their windows, of whom the account reaches `tier` in 24 hours."""
    above = outside - max(0, tier - reached)
    return Limit("tier", f"{tier:,} people in 24 hours", DAY * max(0, math.ceil(above / tier)))


def ramp_limit(loads: Sequence[LaneLoad], at: datetime) -> Limit | None:
    ramped = [load for load in loads if load.plan.ramp]
    if not ramped:
        return None
    value = ", ".join(map(str, ramped[0].plan.ramp)) + " on the first days"
    takes = [_until_day(load.plan.next_day(at) - at, _ramp_days(load, at), DAY) for load in ramped]
    return Limit("ramp", value, max(takes))


def _ramp_days(load: LaneLoad, at: datetime) -> int:
    """How many days after today are needed."""
    today = load.plan.ramp_left(load.sent_by_day, at)
    if today is None:
        return 0
    step = len(load.sent_by_day.keys() - {load.plan.today(at)})
    left, days = load.sends - max(0, today), 0
    while left > 0:
        days += 1
        # After the last step there is no limit.
        left -= load.plan.ramp[step + days] if step + days < len(load.plan.ramp) else left
    return days


def budget_limit(line: BudgetLine, used: int, cost: int, at: datetime) -> Limit | None:
    """A day's or month's budget of which `used` micro-units are gone, and a run that costs `cost`; None: the run's."""
    if line.renews_at is None:
        return None
    each, name = (DAY, "budget_per_day") if ":day:" in line.key else (MONTH, "budget_per_month")
    above = cost - max(0, line.limit.micros - used)
    periods = max(0, math.ceil(above / line.limit.micros))
    value = f"{line.limit.amount:f} {line.limit.currency}"
    return Limit(name, value, _until_day(line.renews_at - at, periods, each))


def _until_day(first: timedelta, count: int, each: timedelta) -> timedelta:
    """The beginning of the `count`th day (or month) after this one, the first of which begins after `first`."""
    return first + each * (count - 1) if count else timedelta()


def hours_limit(hours: Hours, sending: timedelta, first: date) -> Limit:
    """`sending` without a break from the first allowed day on; each day has room for its allowed hours only."""
    rooms = [_room(hours, first + DAY * number) for number in range(YEAR.days)]
    rooms = list(dropwhile(lambda room: not room, rooms))
    years, rest = divmod(sending, sum(rooms, timedelta()) or YEAR)
    takes = YEAR * years
    for room in rooms:
        if rest <= room:
            break
        takes, rest = takes + DAY, rest - room
    return Limit("hours", describe_hours(hours), takes + rest)


def _room(hours: Hours, day: date) -> timedelta:
    return min(DAY, sum(map(_length, hours.spans_on(day)), timedelta()))


def _length(span: tuple[time, time]) -> timedelta:
    start, end = (datetime.combine(date.min, clock) for clock in span)
    return end - start if end > start else end - start + DAY
