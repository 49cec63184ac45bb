"""How Kapso writes times, numbers and lists, read leniently: what makes no sense is None."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from campaigns.states import JobState

STATUSES: Final = {
    "pending": JobState.ACCEPTED,
    "sent": JobState.SENT,
    "delivered": JobState.DELIVERED,
    "read": JobState.READ,
    "played": JobState.READ,
    "failed": JobState.FAILED,
}
WINDOW: Final = timedelta(hours=24)
_PHONE: Final = re.compile(r"\+?[0-9 ().-]+")


def table(value: Any) -> dict[str, Any]:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def tables(value: Any) -> list[dict[str, Any]]:
    """The objects of a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def word(*candidates: Any) -> str | None:
    """The first that is a text with something in it."""
    return next((each for each in candidates if isinstance(each, str) and each), None)


def phone(*candidates: Any) -> str | None:
    """The first that is a number of 7 to 15 digits, as E.164 with the plus."""
    for each in candidates:
        written = isinstance(each, str) and _PHONE.fullmatch(each)
        digits = "".join(filter(str.isdecimal, each)) if written else ""
        if 7 <= len(digits) <= 15:
            return f"+{digits}"
    return None


def moment(*candidates: Any) -> datetime | None:
    """The first that is a time: Unix seconds, as a number or as text, or ISO 8601."""
    for each in candidates:
        found = _moment(each)
        if found is not None:
            return found
    return None


def state_of(status: str) -> JobState | None:
    """None for a word that is not documented."""
    return STATUSES.get(status.lower())


def _moment(value: Any) -> datetime | None:
    try:
        if isinstance(value, str) and not (value.isascii() and value.isdecimal()):
            found = datetime.fromisoformat(value)
            return _sane(found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC))
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return _sane(datetime.fromtimestamp(float(value), UTC))
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _sane(found: datetime) -> datetime | None:
    """Within WhatsApp's life and a time that can still be added to."""
    return found if 2009 <= found.year <= 2200 else None
