"""One person's number in several spellings: the form that is stored, compared and sent.

WhatsApp and old dialling rules write some countries' mobile numbers in more than one way: an answer or a webhook can
spell a number otherwise than the list does. `canonical` maps every spelling to today's form of the country's numbering
plan, which all providers accept.

- Mexico: 1, 01, 044 and 045 before the ten digits are no longer dialled (since August 2019).
- Argentina: a mobile number has a 9 after the calling code and no 15 after the area code. WhatsApp reads a number
  without either as the mobile one, so the 9 is always added.
- Brazil: mobile numbers have a ninth digit, 9, before eight digits that begin with 6 to 9 (since 2016).
- Benin: 01 before the former eight digits (since 30 November 2024).
- Ivory Coast: 01, 05 or 07 before the former eight digits of a mobile number, by its operator, which the second of the
  eight digits shows (since 31 January 2021).
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

_FORMER: Final = (
    (r"\+52(?:1|01|044|045)([2-9]\d{9})", r"+52\1"),
    (r"\+54(?:9?0)?([1-3]\d{9})", r"+549\1"),
    (r"\+549?0?(11)15(\d{8})", r"+549\1\2"),
    (r"\+549?0?([23]\d\d)15(\d{7})", r"+549\1\2"),
    (r"\+549?0?([23]\d{3})15(\d{6})", r"+549\1\2"),
    (r"\+55([1-9]{2})([6-9]\d{7})", r"+55\g<1>9\2"),
    (r"\+229([2-9]\d{7})", r"+22901\1"),
    (r"\+225((?!00)[04-9][0-3]\d{6})", r"+22501\1"),
    (r"\+225([04-9][4-6]\d{6})", r"+22505\1"),
    (r"\+225([04-9][7-9]\d{6})", r"+22507\1"),
)
"""Other spellings of a number, and today's."""
_BACK: Final = (
    (r"\+52(\d{10})", r"+521\1"),
    (r"\+549(\d{10})", r"+54\1"),
    (r"\+55(\d\d)9(\d{8})", r"+55\1\2"),
    (r"\+22901(\d{8})", r"+229\1"),
    (r"\+2250[157](\d{8})", r"+225\1"),
)
"""Today's form, and the former one that providers may still use; `spellings` keeps those that `canonical` knows."""
_COUNTRIES: Final = ("+52", "+54", "+55", "+229", "+225")


def canonical(e164: str) -> str:
    """The one form of a number, whichever way it is spelt; both take and give a plus. Other numbers stay as they are:
    whether they exist is not checked."""
    if not e164.startswith(_COUNTRIES):
        return e164
    for former, today in _former():
        if found := former.fullmatch(e164):
            return found.expand(today)
    return e164


def spellings(number: str) -> tuple[str, ...]:
    """The number's one form, then the others by which a provider may know it: to ask for a person by each."""
    today = canonical(number)
    if not today.startswith(_COUNTRIES):
        return (today,)
    others = (found.expand(former) for pattern, former in _back() if (found := pattern.fullmatch(today)))
    return (today, *(other for other in others if canonical(other) == today))


# Compiled when the first number of one of these countries is met, as most commands meet none.
@cache
def _former() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern, re.ASCII), today) for pattern, today in _FORMER)


@cache
def _back() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern, re.ASCII), former) for pattern, former in _BACK)
