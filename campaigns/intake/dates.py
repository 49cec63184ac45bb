"""Dates, times, and yes or no, as cells of a list hold them."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.time.zones import instant_of

_TIMES: Final = ("", " %H:%M", " %H:%M:%S")
"""What may follow a date in the list's own format."""
_SAMPLES: Final = (datetime(2026, 12, 31, tzinfo=UTC), datetime(2025, 2, 3, tzinfo=UTC))

_YES: Final = frozenset(
    {
        "yes", "y", "true", "t", "1", "x", "on", "ok", "agreed", "granted", "given", "accepted", "subscribed",
        "opted in", "opt in", "optin", "oui", "o", "vrai", "inscrit", "si", "s", "verdadero", "acepto", "sim",
        "verdadeiro", "aceito", "ja", "j", "wahr", "vero", "accetto", "نعم", "✓", "✔", "☑", "✅",
    }
)  # fmt: skip
_NO: Final = frozenset(
    {
        "no", "n", "false", "f", "0", "-", "off", "none", "refused", "declined", "unsubscribed", "opted out", "opt out",
        "optout", "non", "faux", "desinscrit", "falso", "nao", "nein", "falsch", "لا", "✗", "✘", "☐", "❌",
    }
)  # fmt: skip
"""Answers in English, French, Spanish, Portuguese, German, Italian and Arabic, without accents."""


def written_time(cell: str, example: str, date_format: str | None = None) -> datetime | None:
    """The time in the cell; None if it is blank. Raises ValueError with an example of the format."""
    if not cell:
        return None
    if date_format is not None and (found := _in_format(cell, date_format)) is not None:
        return found
    try:
        return datetime.fromisoformat(cell)
    except ValueError as error:
        own = f", or as {date_format}" if date_format else ""
        raise ValueError(f"{cell[:40]!r} is not a time; write it like {example}{own}") from error


def has_time(cell: str, date_format: str | None) -> bool:
    """Whether the cell, which holds a valid time, has a time of day."""
    if date_format is None:
        return len(cell) > len("2026-12-01")
    return ":" in cell or (_is_timed(date_format) and _in_format(cell, date_format) is not None)


def instant(written: datetime, zone: ZoneInfo | None) -> datetime:
    """The time in UTC; a time without an offset is in `zone`, or in UTC if that is None. Raises ValueError."""
    try:
        if written.tzinfo is not None:
            return written.astimezone(UTC)
        return instant_of(written, zone) if zone else written.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(f"{written.isoformat()!r} is outside the range of valid times") from error


def refuse_incomplete(date_format: str) -> None:
    """Raises ValueError unless dates written in this format can be read again."""
    for sample in _SAMPLES:
        found = _in_format(sample.strftime(date_format), date_format)
        if found is None or found.date() != sample.date():
            raise ValueError('it must have day, month and year, such as "%d/%m/%Y" or "%m/%d/%y"')


def yes_or_no(cell: str) -> bool | None:
    """What the cell answers; None if it is neither yes nor no."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", cell.casefold()) if not unicodedata.combining(c))
    answer = " ".join(re.split(r"[\s_.-]+", plain)).strip() or plain
    return True if answer in _YES else False if answer in _NO else None


def _is_timed(date_format: str) -> bool:
    return any(code in date_format for code in ("%H", "%I", "%c", "%X"))


def _in_format(cell: str, date_format: str) -> datetime | None:
    for time in _TIMES[:1] if _is_timed(date_format) else _TIMES:
        try:
            return datetime.strptime(cell, date_format + time)  # noqa: DTZ007
        except (ValueError, re.error):
            continue
    return None
