"""What is within the free allowance, against every way in which the messages may arrive."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import combinations
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from campaigns.money.costs import Money
from campaigns.money.prices import Prices, RateCard
from scheduler.forecast.allowance import within_allowance
from scheduler.forecast.expected import ExpectedCost
from scheduler.forecast.forecast import Estimate

PRICES = st.sampled_from([4_000, 22_000, 40_000])


def dollars(micros: int) -> Money:
    return Money(Decimal(micros) / 1_000_000, "USD")


@st.composite
def messages(draw: st.DrawFn) -> ExpectedCost:
    """A service message; its window may close, or it may not go at all."""
    service, template = draw(PRICES), draw(st.sampled_from([None, None, 10_000, 52_900]))
    costs = tuple(map(dollars, (service, *([template] if template else []))))
    may_not_go = template is None and draw(st.booleans())
    return ExpectedCost("GB", "service", costs, True, may_not_go, service=dollars(service))


def costs_of(all_of: list[ExpectedCost], free: tuple[int, ...]) -> tuple[int, int]:
    """The least and the most that they cost, if these are within the allowance as long as they are free-form."""
    low = high = 0
    for place, one in enumerate(all_of):
        micros = [cost.micros for cost in one.costs]
        if place in free:
            micros[0] = 0
        low += 0 if one.may_not_go else min(micros)
        high += max(micros)
    return low, high


@given(all_of=st.lists(messages(), min_size=1, max_size=6), room=st.integers(0, 7))
def test_the_range_is_that_of_every_order_of_arrival(all_of: list[ExpectedCost], room: int) -> None:
    estimate = Estimate(datetime(2026, 11, 2, tzinfo=UTC))
    for one in all_of:
        estimate.add_costs(1, one, "meta/one")
    estimate.apply_allowance({"meta/one": room, "meta/other": 9})
    number = min(room, len(all_of))
    ways = [costs_of(all_of, free) for free in combinations(range(len(all_of)), number)]
    [line] = estimate.costs.values()
    assert (line.low_micros, line.high_micros) == (min(low for low, _ in ways), max(high for _, high in ways))
    assert estimate.within_allowance == number


def test_what_only_may_be_a_service_message_lowers_the_least_alone() -> None:
    closed = ExpectedCost(
        "GB", "marketing", (dollars(52_900), dollars(22_000)), True, False, service=dollars(22_000)
    )
    counted = closed.service_message("meta/one")
    assert counted is not None
    assert within_allowance(Counter({counted: 5}), {"meta/one": 2}) == (
        0, {("GB", "marketing", "USD"): (44_000, 0)},
    )  # fmt: skip


def test_the_allowance_began_in_october_in_the_accounts_zone() -> None:
    card = RateCard(1, "meta-usd", date(2026, 1, 1), "USD", "a test", {})
    paris, before = ZoneInfo("Europe/Paris"), datetime(2026, 9, 30, 21, 59, tzinfo=UTC)
    assert not Prices([card], zone=paris).frees_service_messages(before)
    assert Prices([card], zone=paris).frees_service_messages(before.replace(hour=22))
    assert not Prices([card]).frees_service_messages(before.replace(hour=22))
    assert not Prices([]).frees_service_messages(datetime(2026, 12, 1, tzinfo=UTC))
