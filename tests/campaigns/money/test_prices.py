"""What a message is expected to cost: by market, by date, by category, and None where nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.money.costs import Money
from campaigns.money.markets import known_market, markets_of, nearest_market
from campaigns.money.prices import IN_WINDOW, Price, Prices, RateCard
from campaigns.money.rate_files import read_rates
from providers.settings import AccountSettings
from tests.support.cases import each
from tests.support.paths import ROOT

CARD = ROOT / "sample_data" / "rates" / "meta-usd-2026-01-01.csv"
SPRING = datetime(2026, 4, 1, 12, tzinfo=UTC)
LATE = datetime(2026, 11, 2, 12, tzinfo=UTC)
BENIN, NIGERIA, LONDON = "+2290197000000", "+2348031234567", "+447700900123"


def card(
    rates: Mapping[tuple[str, str, str], int], since: str = "2026-01-01", currency: str = "USD", id: int = 1
) -> RateCard:
    return RateCard(id, "meta-usd", date.fromisoformat(since), currency, "a test", rates)


META = card(read_rates(CARD, "USD"), id=7)


def cost(
    prices: Prices,
    phone: str,
    category: str = "marketing",
    *,
    template: bool = True,
    window_open: bool = False,
    at: datetime = SPRING,
) -> str | None:
    """`0.0225 USD`, or None."""
    price = prices.price(phone, category, template=template, window_open=window_open, at=at)
    return None if price is None else f"{price.money.amount.normalize():f} {price.money.currency}"


@each(
    ("phone", "market"),
    [
        ("+18095550100", "Rest of Latin America"),
        ("+18295550100", "Rest of Latin America"),
        ("+18495550100", "Rest of Latin America"),
        ("+16585550100", "Rest of Latin America"),
        ("+18765550100", "Rest of Latin America"),
        ("+17875550100", "Rest of Latin America"),
        ("+19395550100", "Rest of Latin America"),
        ("+12125550100", "North America"),
        ("+14165550100", "North America"),
        ("+12425550100", "Other"),
        (BENIN, "Rest of Africa"),
        ("+263771234567", "Rest of Africa"),
        (NIGERIA, "Nigeria"),
        (LONDON, "United Kingdom"),
        ("+33639981234", "France"),
        ("+353209112345", "Rest of Western Europe"),
        ("+79161234567", "Russia"),
        ("+77012345678", "Russia"),
        ("+821012345678", "Other"),
        ("+85291234567", "Rest of Asia Pacific"),
        ("+9647912345678", "Rest of Middle East"),
        ("+48512345678", "Rest of Central & Eastern Europe"),
        ("+999123456", None),
        ("+2101234567", None),
        ("+88213123456", None),
        ("+0123456789", None),
        ("+", None),
    ],
)
def test_the_market_is_that_of_the_calling_code(phone: str, market: str | None) -> None:
    assert (markets_of(phone) or (None,))[-1] == market
    marketing = None if market is None else META.rates[market, "marketing", "any"]
    found = Prices([META]).price(phone, "marketing", template=True, window_open=False, at=SPRING)
    assert (found.money.micros if found else None) == marketing


@pytest.mark.parametrize(
    ("phone", "expected"),
    [
        (BENIN, ("0.0225 USD", "0.004 USD", "0.004 USD")),
        (NIGERIA, ("0.0516 USD", "0.0067 USD", "0.0067 USD")),
        (LONDON, ("0.0529 USD", "0.022 USD", "0.022 USD")),
        ("+12125550100", ("0.025 USD", "0.0034 USD", "0.0034 USD")),
        ("+18095550100", ("0.074 USD", "0.0113 USD", "0.0113 USD")),
        ("+31612345678", ("0.1597 USD", "0.05 USD", "0.05 USD")),
        ("+999123456", (None, None, None)),
    ],
)
def test_a_template_costs_its_category(phone: str, expected: tuple[str | None, ...]) -> None:
    prices = Prices([META])
    assert tuple(cost(prices, phone, c) for c in ("marketing", "utility", "authentication")) == expected


def test_a_price_names_its_card() -> None:
    found = Prices([META]).price(BENIN, "marketing", template=True, window_open=False, at=SPRING)
    assert found == Price(Money(Decimal("0.0225"), "USD"), 7)


@pytest.mark.parametrize(
    ("at", "template", "category", "expected"),
    [
        (SPRING, False, "marketing", "0 USD"),  # a free-form message is a service message, documented as free
        (SPRING, True, "utility", "0 USD"),
        (SPRING, True, "marketing", "0.0516 USD"),
        (SPRING, True, "authentication", "0.0067 USD"),
        (datetime(2026, 9, 30, 23, 59, 59, tzinfo=UTC), False, "marketing", "0 USD"),
        (datetime(2026, 10, 1, tzinfo=UTC), False, "marketing", "0.0067 USD"),
        (datetime(2026, 10, 1, tzinfo=UTC), True, "utility", "0.0067 USD"),
        (LATE, False, "utility", "0.0067 USD"),
        (LATE, True, "marketing", "0.0516 USD"),
    ],
)
def test_inside_the_window_the_dated_rules_hold(
    at: datetime, template: bool, category: str, expected: str
) -> None:
    prices = Prices([META])
    assert cost(prices, NIGERIA, category, template=template, window_open=True, at=at) == expected


def test_a_free_form_message_outside_the_window_has_no_price() -> None:
    assert cost(Prices([META]), NIGERIA, template=False, window_open=False, at=LATE) is None


def test_before_a_rule_was_known_nothing_is_free() -> None:
    old = card(META.rates, "2024-01-01")
    at = datetime(2024, 6, 1, tzinfo=UTC)
    assert cost(Prices([old]), NIGERIA, template=False, window_open=True, at=at) is None


def test_whichever_is_newer_holds_the_card_or_the_rule() -> None:
    rates = {
        ("Nigeria", "utility", "closed"): 6_700,
        ("Nigeria", "service", "any"): 1_000,
        ("Nigeria", "utility", "open"): 2_000,
    }
    before, after = Prices([card(rates)]), Prices([card(rates, "2026-10-01")])

    def inside(prices: Prices, at: datetime) -> tuple[str | None, str | None]:
        template = cost(prices, NIGERIA, "utility", window_open=True, at=at)
        return template, cost(prices, NIGERIA, template=False, window_open=True, at=at)

    assert inside(before, SPRING) == ("0.002 USD", "0.001 USD")
    assert inside(before, LATE) == ("0.0067 USD", "0.0067 USD")
    assert inside(after, LATE) == ("0.002 USD", "0.001 USD")


def test_the_rules_are_ordered_by_date_and_name_their_sources() -> None:
    assert [rule.since for rule in IN_WINDOW] == sorted(rule.since for rule in IN_WINDOW)
    assert all(rule.source for rule in IN_WINDOW)


def test_the_newest_card_whose_day_has_come_holds() -> None:
    row = ("Rest of Africa", "marketing", "any")
    prices = Prices([card({row: 30_000}, "2026-07-01", id=2), card({row: 20_000}, id=1)])
    days = ("2025-12-31T23:59:59", "2026-01-01T00:00:00", "2026-06-30T23:59:59", "2026-07-01T00:00:00")
    found = [cost(prices, BENIN, at=datetime.fromisoformat(day).replace(tzinfo=UTC)) for day in days]
    assert found == [None, "0.02 USD", "0.02 USD", "0.03 USD"]


def test_of_two_cards_of_one_day_the_later_import_holds() -> None:
    row = ("Rest of Africa", "marketing", "any")
    prices = Prices([card({row: 20_000}, currency="EUR"), card({row: 30_000})])
    assert cost(prices, BENIN) == "0.03 USD"


def test_a_country_that_the_card_lists_leaves_its_region() -> None:
    rates = {("Rest of Africa", "marketing", "any"): 22_500, ("Benin", "marketing", "any"): 40_000}
    prices = Prices([card(rates)])
    assert (cost(prices, BENIN), cost(prices, "+22890123456")) == ("0.04 USD", "0.0225 USD")


def test_a_listed_market_without_the_category_is_unpriced_not_its_regions() -> None:
    rates = {("Rest of Africa", "utility", "any"): 4_000, ("Benin", "marketing", "any"): 40_000}
    assert cost(Prices([card(rates)]), BENIN, "utility") is None


def test_international_authentication_is_for_businesses_that_say_where_they_are() -> None:
    def code(home: str | None, phone: str) -> str | None:
        return cost(Prices([META], None, home), phone, "authentication")

    assert code(None, NIGERIA) == "0.0067 USD"
    assert code("+229", NIGERIA) == "0.075 USD"
    assert code("+234", NIGERIA) == "0.0067 USD"
    assert code("+229", LONDON) == "0.022 USD"
    assert cost(Prices([META], None, "+229"), NIGERIA, "marketing") == "0.0516 USD"


def test_international_authentication_is_for_another_country_of_the_same_calling_code() -> None:
    rates = {
        ("Russia", "authentication", "any"): 40_000,
        ("Kazakhstan", "authentication", "any"): 18_000,
        ("Kazakhstan", "authentication_international", "any"): 160_000,
    }
    russian = Prices([card(rates)], None, "+7")
    assert cost(russian, "+77012345678", "authentication") == "0.16 USD"
    assert cost(russian, "+79161234567", "authentication") == "0.04 USD"
    settings = AccountSettings(
        adapter="x", base_url="https://x", api_key="env:X", authentication_international_from="KZ"
    )
    kazakh = Prices([card(rates)], None, settings.home_code)
    assert cost(kazakh, "+77012345678", "authentication") == "0.018 USD"


def test_a_flat_price_is_for_everything_where_there_is_no_card() -> None:
    prices = Prices([], Money(Decimal(10), "XOF"))
    assert cost(prices, BENIN) == cost(prices, "+999123456", template=False, at=LATE) == "10 XOF"
    assert cost(Prices([META], Money(Decimal(10), "XOF")), "+999123456") is None
    assert cost(Prices([]), BENIN) is None


CODES = st.sampled_from(["", "229", "234", "1809", "1242", "1", "44", "246", "999", "210"])
PHONES = st.builds(lambda code, digits: f"+{code}{digits}", CODES, st.text("0123456789", max_size=12))
MOMENTS = st.integers(0, 24_000).map(lambda hours: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=hours))


@given(
    PHONES, st.sampled_from(["marketing", "utility", "authentication"]), st.booleans(), st.booleans(), MOMENTS
)
def test_the_unknown_is_never_nothing(
    phone: str, category: str, template: bool, window_open: bool, at: datetime
) -> None:
    """0 is only what the dated rules call free, in a market that the card lists, while the card holds."""
    found = Prices([META]).price(phone, category, template=template, window_open=window_open, at=at)
    known = any((market, "marketing", "any") in META.rates for market in markets_of(phone))
    if at.date() < META.effective_from or not known:
        assert found is None
    elif found is not None and found.money.micros == 0:
        assert window_open
        assert at.date() < date(2026, 10, 1)
        assert category == "utility" or not template


@given(st.lists(st.tuples(PHONES, st.booleans(), st.booleans(), MOMENTS), max_size=30))
def test_what_was_asked_before_does_not_change_the_answer(
    asked: list[tuple[str, bool, bool, datetime]],
) -> None:
    kept = Prices([META])
    for phone, template, window_open, at in asked:
        found = cost(kept, phone, template=template, window_open=window_open, at=at)
        fresh = cost(Prices([META]), phone, template=template, window_open=window_open, at=at)
        assert found == fresh


def test_names_of_markets_are_read_leniently() -> None:
    assert known_market("rest of central and eastern europe") == "Rest of Central & Eastern Europe"
    assert known_market(" INDIA ") == "India"
    assert known_market("United States") == "North America"
    assert known_market("Atlantis") is None
    assert nearest_market("Rest of Afrika") == "Rest of Africa"


PARIS = ZoneInfo("Europe/Paris")


def test_a_card_applies_from_midnight_in_the_accounts_zone() -> None:
    row = ("Rest of Africa", "marketing", "any")
    cards = [card({row: 20_000}), card({row: 30_000}, "2026-10-01", id=2)]
    last, first = datetime(2026, 9, 30, 21, 59, tzinfo=UTC), datetime(2026, 9, 30, 22, tzinfo=UTC)
    assert [cost(Prices(cards, zone=PARIS), BENIN, at=at) for at in (last, first)] == ["0.02 USD", "0.03 USD"]
    assert [cost(Prices(cards), BENIN, at=at) for at in (last, first)] == ["0.02 USD", "0.02 USD"]


@pytest.mark.parametrize(
    ("since", "at", "quarterly", "why"),
    [
        ("2026-10-01", "2026-12-31T22:59", True, None),
        ("2026-10-01", "2026-12-31T23:00", True, "a new quarter began on 2027-01-01"),
        ("2026-11-15", "2026-12-31T12:00", True, None),
        ("2026-01-01", "2026-11-29T12:00", True, "a new quarter began on 2026-10-01"),
        ("2026-01-01", "2026-11-29T12:00", False, None),
        ("2026-01-01", "2026-12-31T22:59", False, None),
        ("2026-01-01", "2026-12-31T23:00", False, "that is a year ago or longer"),
        ("2027-01-01", "2026-12-31T12:00", True, None),
    ],
)
def test_a_card_that_may_be_out_of_date_is_named(
    since: str, at: str, quarterly: bool, why: str | None
) -> None:
    prices = Prices([card({("Other", "marketing", "any"): 1}, since)], zone=PARIS)
    warning = prices.out_of_date(datetime.fromisoformat(at).replace(tzinfo=UTC), quarterly=quarterly)
    assert (warning is None) if why is None else (why in (warning or ""))


def test_the_newest_card_that_applies_is_the_one_that_may_be_out_of_date() -> None:
    row = ("Other", "marketing", "any")
    prices = Prices([card({row: 1}), card({row: 1}, "2026-10-01", id=2), card({row: 1}, "2027-01-01", id=3)])
    assert prices.out_of_date(LATE, quarterly=True) is None
    assert Prices([], Money(Decimal(1), "USD")).out_of_date(LATE, quarterly=True) is None


OCTOBER = card(read_rates(ROOT / "sample_data/rates/meta-usd-2026-10-01.csv", "USD"), "2026-10-01", id=8)


@pytest.mark.parametrize(
    ("phone", "category", "template", "window_open", "price"),
    [
        ("+212612345678", "utility", True, False, "0.023 USD"),  # Morocco has left Rest of Africa
        (LONDON, "marketing", True, False, "0.0635 USD"),
        ("+77012345678", "marketing", True, False, "0.0604 USD"),  # Kazakhstan has left Russia
        ("+79161234567", "marketing", True, False, "0.0802 USD"),
        ("+923012345678", "utility", True, True, "0.015 USD"),  # also inside the window
        (NIGERIA, "marketing", False, True, "0.0067 USD"),  # a free-form message is a service message
        (BENIN, "marketing", True, False, "0.0225 USD"),
    ],
)
def test_the_card_of_october(
    phone: str, category: str, template: bool, window_open: bool, price: str
) -> None:
    prices = Prices([META, OCTOBER])
    assert cost(prices, phone, category, template=template, window_open=window_open, at=LATE) == price
    assert len({market for market, _, _ in OCTOBER.rates}) == 47
