"""What comes from outside, made fit to be stored and shown: answers, receipts, webhooks, files, settings, arguments.

A text has no NULs and no halves of characters, and it is no longer than its bound. An amount is finite and fits the
database. A moment is one that a clock can have shown. What does not fit is cut, or is None: never an error.
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
"""Characters of an id, a code or a status."""
LONGEST_TEXT: Final = 2_000
"""Characters of a sentence."""
MOST: Final = Decimal(2**53) / MICRO
"""The largest amount: about nine billion. A thousand of them still add up within 64 bits."""
LONGEST_WAIT: Final = 86_400.0
"""Seconds: the longest wait that a provider can ask for."""
YEARS: Final = range(2000, 2200)
"""A time outside of them is none that a provider's clock can have shown, and cannot always be reckoned with."""
_LONGEST_NUMBER: Final = 19
"""Characters of a whole number that is read as one; a longer one may not fit 64 bits."""


def clean(text: str, longest: int | None = None) -> str:
    """The text without NULs, with U+FFFD for each half of a character, and not longer than `longest`."""
    text = text[:longest].replace("\0", "")
    if not text.isascii():
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def clean_fields(holder: object, **longest: int) -> None:
    """Clean the named texts of a frozen dataclass, from its `__post_init__`; those that are None stay None."""
    for name, most in longest.items():
        text: str | None = getattr(holder, name)
        if text is not None and not (len(text) <= most and text.isprintable()):
            object.__setattr__(holder, name, clean(text, most))


def clean_json(value: Any) -> Any:
    """The value with every text in it clean, every number finite and every whole number of 64 bits."""
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
    """The value that a body holds, clean; None where it is no JSON at all.

    Lenient where senders err: halves of characters, bytes that are not UTF-8, a byte order mark, control characters,
    NaN, numbers without bounds.
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
    """The amount where it can be one of a message: finite, and no more than `MOST`."""
    return money if money is not None and _fits(money.amount) else None


def _fits(amount: Decimal) -> bool:
    return amount.is_finite() and -MOST < amount < MOST


def moment_or_none(at: datetime | None) -> datetime | None:
    """The moment, or None where it is none that a clock can have shown."""
    return at if at is not None and at.tzinfo is not None and at.year in YEARS else None
