"""The parameters of addresses that several operations share, and how their text is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

from campaigns.time.zones import find_zone
from web.api.operations import Query
from web.pages.site import LONGEST_NUMBER

BIG: Final = 2**31 - 1


def whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        is_number = text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER
        if not is_number or not least <= int(text) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(text)

    return read


def short(most: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not 1 <= len(text) <= most or not text.isprintable():
            raise ValueError(f"1 to {most} printable characters")
        return text

    return read


def one_of(choices: Sequence[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return read


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text if len(text) == len("2026-12-01") else "")
    except ValueError as error:
        raise ValueError("a day, such as 2026-12-01") from error


def _yes(text: str) -> bool:
    return one_of(("true", "false"))(text) == "true"


def accepted(header: str) -> list[str]:
    """The media types of an Accept, the most wanted first; without those of `q=0`."""
    wanted: list[tuple[float, str]] = []
    for part in header.lower().split(","):
        media, *given = (each.strip() for each in part.split(";"))
        quality = next((_quality(each[2:]) for each in given if each.startswith("q=")), 1.0)
        wanted += [(quality, media)] if quality else []
    return [media for _, media in sorted(wanted, key=lambda each: -each[0])]


def _quality(text: str) -> float:
    """What cannot be read counts as 1."""
    return float(text) if re.fullmatch(r"[01](\.\d{0,3})?", text) else 1.0


def number(name: str, description: str, least: int = 1, most: int = BIG) -> Query:
    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Query(name, description, schema, whole(least, most))


def text(name: str, description: str, most: int = 200, *, required: bool = False) -> Query:
    schema = {"type": "string", "minLength": 1, "maxLength": most}
    return Query(name, description, schema, short(most), required)


def choice(name: str, description: str, choices: Sequence[str]) -> Query:
    return Query(name, description, {"type": "string", "enum": list(choices)}, one_of(choices))


def switch(name: str, description: str) -> Query:
    return Query(name, description, {"type": "boolean"}, _yes)


def day(name: str, description: str, *, required: bool = False) -> Query:
    return Query(name, description, {"type": "string", "format": "date"}, _day, required)


LIMIT: Final = number("limit", "How many at most; 50 without it.", 1, 200)
AFTER: Final = text("after", "The `next` of the page before.")
BEFORE: Final = number("before", "The `next` of the page before.")
RUN: Final = number("run", "Of this run alone.")
ACCOUNT: Final = text("account", "Of this account alone.")
COUNTRY: Final = text("default_country", "The country of numbers without their plus, such as BJ.", 60)
ZONE: Final = Query(
    "timezone",
    "The zone of days and of times in files, such as Africa/Porto-Novo; UTC without it.",
    {"type": "string", "maxLength": 60},
    find_zone,
)
