"""Reads objects, texts, numbers and times from providers' JSON leniently: invalid values become None or empty."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from campaigns.phones.spellings import canonical
from campaigns.untrusted import moment_or_none
from providers.events import Event, Unread

WINDOW: Final = timedelta(hours=24)
"""How long a person's message keeps the 24-hour window open."""
_PHONE: Final = re.compile(r"\+?[1-9][0-9 ().-]*")
_LATEST: Final = 4_102_444_800
"""In seconds; a larger number is in milliseconds."""


Item = TypeVar("Item")

logger = logging.getLogger(__name__)


def each_apart(items: Iterable[Item], read: Callable[[Item], Iterable[Event]]) -> list[Event]:
    """The events of each item; an unreadable item becomes `Unread` and does not affect the others."""
    events: list[Event] = []
    for item in items:
        try:
            events += list(read(item))
        except Exception as error:
            logger.exception("A part of a webhook could not be read.", extra={"action": "event_unreadable"})
            events.append(Unread(f"{type(error).__name__}: {error}"))
    return events


def table(value: Any) -> dict[str, Any]:
    """The JSON object; empty if it is not one."""
    return value if isinstance(value, dict) else {}


def tables(value: Any) -> list[dict[str, Any]]:
    """The JSON objects in a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def first_text(*candidates: Any) -> str | None:
    """The first that is a non-empty text."""
    for each in candidates:
        if isinstance(each, str) and each:
            return each
    return None


def first_text_or_number(*candidates: Any) -> str | None:
    """The same; a whole number counts as its digits, because codes and ids are written both ways."""
    return first_text(*(str(each) if type(each) is int else each for each in candidates))


def same_text(theirs: str | None, ours: str | None) -> bool:
    """Whether the texts are equal, ignoring white space and Unicode composition, which providers change."""
    return _plain(theirs) == _plain(ours)


def _plain(text: str | None) -> list[str]:
    return unicodedata.normalize("NFC", text or "").split()


def phone(*candidates: Any) -> str | None:
    """The first that is a phone number of 7 to 15 digits, as E.164 with the plus, in the one spelling in which we
    store it: providers spell some numbers otherwise than they were dialled."""
    for each in candidates:
        if isinstance(each, str) and _PHONE.fullmatch(each):
            digits = each if each.isdecimal() else "".join(filter(str.isdecimal, each))
            if 7 <= len(digits) <= 15:
                return canonical(f"+{digits}")
    return None


def moment(*candidates: Any) -> datetime | None:
    """The first that is a time, in UTC: ISO 8601, or Unix seconds (some send milliseconds) as a number or as text."""
    for each in candidates:
        found = _moment(each)
        if found is not None:
            return found
    return None


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        if isinstance(value, str) and not (value.isascii() and value.isdecimal()):
            found = datetime.fromisoformat(value)
            found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            seconds = float(value)
            found = datetime.fromtimestamp(seconds / 1000 if seconds > _LATEST else seconds, UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return moment_or_none(found)
