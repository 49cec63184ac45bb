"""What a message is expected to cost: the account's rate cards, or its flat price. Unknown is None, never 0.

The newest card whose start date has come applies, from midnight in the account's zone. A template is charged at the
campaign's category, a free-form message as `service`. What Meta charges inside the 24-hour window is not in the columns
of its card; it is dated data here (`IN_WINDOW`), and the newer of a card's row and this rule applies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

from campaigns.frozen import frozen
from campaigns.money.costs import Money, from_micros
from campaigns.money.markets import LONGEST_PREFIX, markets_of

A_YEAR: Final = timedelta(days=365)
CARD_NAME: Final = r"^[a-z0-9][a-z0-9_-]*$"
SERVICE: Final = "service"
AUTHENTICATION: Final = "authentication"
INTERNATIONAL: Final = "authentication_international"
ANY: Final = "any"
OPEN: Final = "open"
CLOSED: Final = "closed"


@frozen
class InWindow:
    """How a category is charged inside an open window from a date on, if the card has no row for it."""

    since: date
    category: str
    charged_as: str | None
    """The category whose rate applies; None: free of charge."""
    source: str


_PAGE: Final = "Meta, Pricing on the WhatsApp Business Platform, 2025-12-10"
_RESELLERS: Final = "reported alike by several resellers in 2026; Meta's own page was not seen"
IN_WINDOW: Final = (
    InWindow(date(2024, 11, 1), SERVICE, None, _PAGE),
    InWindow(date(2025, 7, 1), "utility", None, _PAGE),
    InWindow(date(2026, 10, 1), SERVICE, "utility", _RESELLERS),
    InWindow(date(2026, 10, 1), "utility", "utility", _RESELLERS),
)
"""Ordered by date."""


FREE_SERVICE_MESSAGES: Final = 1_000
"""Delivered service messages of a number that cost nothing in each month of the account's zone; what is left ends with
the month. Quoted from Meta's page, and reported alike by several resellers in 2026."""
FREE_SERVICE_SINCE: Final = date(2026, 10, 1)


@frozen
class RateCard:
    id: int
    name: str
    effective_from: date
    currency: str
    source: str
    rates: Mapping[tuple[str, str, str], int]
    """(market, category, window) -> micro-units for one message; window is open, closed or any."""

    def micros(self, markets: Iterable[str], category: str, *, window_open: bool, on: date) -> int | None:
        """The charge of one message on a day; None: not on the card."""
        market = next((name for name in markets if name in self._markets), None)
        if market is None:
            return None
        rule = _in_window(category, on) if window_open else None
        if rule is not None and rule.since > self.effective_from:
            return self._by_rule(market, rule)
        own = self._row(market, category, OPEN if window_open else CLOSED)
        return self._by_rule(market, rule) if own is None and rule is not None else own

    @property
    def _markets(self) -> frozenset[str]:
        return frozenset(market for market, _, _ in self.rates)

    def _by_rule(self, market: str, rule: InWindow) -> int | None:
        return 0 if rule.charged_as is None else self._row(market, rule.charged_as, CLOSED)

    def _row(self, market: str, category: str, window: str) -> int | None:
        own = self.rates.get((market, category, window))
        return self.rates.get((market, category, ANY)) if own is None else own


def _in_window(category: str, on: date) -> InWindow | None:
    held = [rule for rule in IN_WINDOW if rule.category == category and rule.since <= on]
    return held[-1] if held else None


@frozen
class Price:
    money: Money
    card_id: int | None
    """The rate card it comes from; None: the account's flat price."""


class Prices:
    """What an account charges. Prices are cached by the number's first digits for a day: each send looks its price up
    twice."""

    def __init__(
        self,
        cards: Iterable[RateCard],
        flat: Money | None = None,
        home_code: str | None = None,
        zone: tzinfo = UTC,
    ) -> None:
        """`cards` in the order of import: of two for the same day the later applies. `home_code`: the business's
        calling code with its plus, if authentication-international rates apply to it; None: they do not. `zone`: the
        account's, in which days and quarters begin."""
        self._cards = sorted(cards, key=lambda card: card.effective_from)
        self._flat = Price(flat, None) if flat is not None else None
        self._home_code = home_code
        self.zone = zone
        self._day = date.min
        self._known: dict[tuple[str, str, bool], Price | None] = {}

    @property
    def by_card(self) -> bool:
        """Whether prices come from rate cards, by which a free-form message is a service message."""
        return bool(self._cards)

    def price(
        self, phone: str, category: str, *, template: bool, window_open: bool, at: datetime
    ) -> Price | None:
        """What one message to `phone` is expected to cost at `at`; None: unpriced, never 0."""
        if not self._cards:
            return self._flat
        day = at.astimezone(self.zone).date()
        if day != self._day:
            self._day, self._known = day, {}
        key = phone[: 1 + LONGEST_PREFIX], category if template else SERVICE, window_open
        if key not in self._known:
            self._known[key] = self._look_up(phone, key[1], window_open, day)
        return self._known[key]

    def out_of_date(self, at: datetime, *, quarterly: bool) -> str | None:
        """Why the card that applies at `at` may be too old; None: it is not. `quarterly`: the provider may change its
        prices with each quarter."""
        day = at.astimezone(self.zone).date()
        card = self._card_on(day)
        if card is None:
            return None
        quarter = day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        if quarterly and card.effective_from < quarter:
            why = f"a new quarter began on {quarter}, with which the provider may have changed its prices"
        elif card.effective_from <= day - A_YEAR:
            why = "that is a year ago or longer"
        else:
            return None
        hint = "Import the newer one: drumbeat rates import"
        return f"The rate card {card.name} is of {card.effective_from}, and {why}. {hint}"

    def frees_service_messages(self, at: datetime) -> bool:
        """Whether a number has a free allowance of service messages at `at`."""
        return self.by_card and at.astimezone(self.zone).date() >= FREE_SERVICE_SINCE

    def _card_on(self, day: date) -> RateCard | None:
        return next((card for card in reversed(self._cards) if card.effective_from <= day), None)

    def _is_abroad(self, markets: tuple[str, ...]) -> bool:
        """Whether international rates may apply. Countries share a calling code, such as Russia and Kazakhstan +7."""
        home = self._home_code
        return home is not None and markets[:1] != markets_of(home)[:1]

    def _look_up(self, phone: str, category: str, window_open: bool, day: date) -> Price | None:
        card = self._card_on(day)
        if card is None:
            return None
        markets = markets_of(phone)
        micros = None
        if category == AUTHENTICATION and self._is_abroad(markets):
            micros = card.micros(markets, INTERNATIONAL, window_open=window_open, on=day)
        if micros is None:
            micros = card.micros(markets, category, window_open=window_open, on=day)
        return None if micros is None else Price(Money(from_micros(micros), card.currency), card.id)
