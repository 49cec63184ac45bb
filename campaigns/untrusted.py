"""Sanitizes outside input before it is stored and shown: answers, receipts, webhooks, files, settings, arguments.

A text has no NULs and no lone surrogates, and is no longer than its limit. An amount is finite and fits the database. A
time is one that a clock can have shown. What does not fit is cut off or becomes None; it never raises an error.
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import orjson

from campaigns.money.costs import MICRO, Money

LONGEST_NAME: Final = 500
"""Limit in characters of an id, a code or a status."""
LONGEST_TEXT: Final = 2_000
"""Limit in characters of a sentence."""
MOST: Final = Decimal(2**53) / MICRO
"""The largest amount: about nine billion. The sum of a thousand of them fits 64 bits."""
LONGEST_WAIT: Final = 86_400.0
"""The longest wait that a provider can ask for, in seconds."""
YEARS: Final = range(2000, 2200)
"""Times outside of them cannot come from a provider's clock, and calculating with them may overflow."""
_LONGEST_NUMBER: Final = 19
"""Digits of a whole number that is parsed as one; a longer one may not fit 64 bits."""


def clean(text: str, longest: int | None = None) -> str:
    """The text without NULs, with U+FFFD for each lone surrogate, and not longer than `longest`."""
    text = text[:longest].replace("\0", "")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def clean_fields(holder: object, **longest: int) -> None:
    """Clean the named texts of a frozen dataclass, from its `__post_init__`; None stays None."""
    for name, most in longest.items():
        text: str | None = getattr(holder, name)
        if text and not (text.isprintable() and len(text) <= most):
            object.__setattr__(holder, name, clean(text, most))


def clean_json(value: Any) -> Any:
    """The value with every text cleaned, every number finite and every whole number within 64 bits."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean_json(name): clean_json(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return None
    return value


def read_json(body: bytes) -> Any:
    """The cleaned value of a JSON body; None if it is not JSON.

    Accepts common mistakes of senders: lone surrogates, bytes that are not UTF-8, a byte order mark, control
    characters, NaN, numbers without bounds.
    """
    try:
        return _read_strictly(body)
    except orjson.JSONDecodeError:
        return _read_leniently(body)
    except RecursionError:
        return None


def _read_strictly(body: bytes) -> Any:
    value = orjson.loads(body)
    return clean_json(value) if b"\\u0000" in body else value


def _read_leniently(body: bytes) -> Any:
    text = body.decode("utf-8-sig", "replace")
    try:
        return clean_json(json.loads(text, strict=False, parse_int=_whole, parse_float=_finite))
    except (ValueError, RecursionError):
        return None


def _whole(digits: str) -> int | float | None:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else _finite(digits)


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def read_amount(value: Any) -> Decimal | None:
    """A JSON number, or one written as a string, as it was written; None for anything else and beyond `MOST`."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value))
    except (InvalidOperation, ValueError):
        return None
    return amount if _fits(amount) else None


def bounded(money: Money | None) -> Money | None:
    """The amount if it is finite and at most `MOST`, else None."""
    return money if money is not None and _fits(money.amount) else None


def _fits(amount: Decimal) -> bool:
    return amount.is_finite() and -MOST < amount < MOST


def moment_or_none(at: datetime | None) -> datetime | None:
    """The time, or None if no clock can have shown it."""
    return at if at is not None and at.tzinfo is not None and at.year in YEARS else None
