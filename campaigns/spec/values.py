"""Types of values that tables of the campaign file and of the settings have in common."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

from campaigns.money.costs import from_micros, plain, to_micros
from campaigns.time.pace import Duration

LEAST_AGE: Final = timedelta(days=30)
"""Messages are kept this long, because receipts may arrive this late."""
SHORTEST: Final = timedelta(milliseconds=1)
MOST_MONEY: Final = Decimal(1_000_000_000)


class Category(StrEnum):
    """The message's category, which decides prices and rules."""

    MARKETING = "marketing"
    UTILITY = "utility"
    AUTHENTICATION = "authentication"
    SERVICE = "service"


def _positive(value: timedelta) -> timedelta:
    if value < SHORTEST:
        raise ValueError("it must be more than 0")
    return value


SomeTime = Annotated[Duration, AfterValidator(_positive)]


def _amount(value: Any) -> Decimal:
    if not isinstance(value, str | Decimal):
        raise ValueError('an amount is written in quotes, such as "50.00"')
    try:
        amount = Decimal(value)
    except InvalidOperation as error:
        raise ValueError(f'{value!r} is not an amount; write it like "50.00"') from error
    if not amount.is_finite() or not 0 < amount <= MOST_MONEY:
        raise ValueError("an amount must be more than 0 and at most 1000000000")
    if amount != from_micros(to_micros(amount)):
        raise ValueError("an amount has at most six decimal places")
    return amount


Amount = Annotated[Decimal, BeforeValidator(_amount), PlainSerializer(plain)]


def _currency(value: str) -> str:
    if not re.fullmatch("[A-Z]{3}", value):
        raise ValueError(f"{value!r} is not a currency; write its three-letter code, such as USD")
    return value


CurrencyCode = Annotated[str, AfterValidator(_currency)]
