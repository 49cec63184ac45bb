"""Money: `Decimal` in code, integer micro-units beside a currency in storage. An unknown price is None, never 0."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from campaigns.frozen import frozen

MICRO: Final = Decimal(1_000_000)
NO_CURRENCY: Final = "XXX"
"""ISO 4217's code for "no currency": for accounts without a currency in the provider's answers and in the settings."""


@frozen
class Money:
    amount: Decimal
    currency: str

    @property
    def micros(self) -> int:
        return to_micros(self.amount)


def known_currency(currency: str | None) -> str | None:
    """The currency; None: an account's without any."""
    return None if currency == NO_CURRENCY else currency


def to_micros(amount: Decimal) -> int:
    """Whole micro-units, half to even."""
    return int((amount * MICRO).to_integral_value(ROUND_HALF_EVEN))


def from_micros(micros: int) -> Decimal:
    return Decimal(micros) / MICRO


def plain(amount: Decimal) -> str:
    """A decimal string for reports: no exponent, at least two decimal places, no further trailing zeros."""
    text = f"{amount:.6f}".rstrip("0")
    whole, _, places = text.partition(".")
    return f"{whole}.{places.ljust(2, '0')}"
