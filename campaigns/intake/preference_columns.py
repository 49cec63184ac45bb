"""The columns of an opt-out list beside the number: action, scope, at, source, evidence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, TypeVar

from campaigns.intake.dates import instant, written_time
from campaigns.intake.defuse import undo
from campaigns.intake.header import Header
from campaigns.intake.model import RowPreference
from campaigns.intake.recipient_columns import Fault
from campaigns.phones.stop_words import Action, Scope, usual_scope
from campaigns.reject_codes import RejectCode

T = TypeVar("T")

CODES: Final = {
    "action": RejectCode.BAD_ACTION,
    "scope": RejectCode.BAD_SCOPE,
    "at": RejectCode.BAD_AT,
}
COLUMNS: Final = (*CODES, "source", "evidence")
_ACTIONS: Final[Mapping[str, Action]] = {"out": "out", "in": "in"}
_SCOPES: Final[Mapping[str, Scope]] = {"marketing": "marketing", "all": "all"}
_AHEAD: Final = timedelta(days=1)
"""How far a time may lie in the future because zones or clocks differ; it is stored as now."""
_LAST: Final = timedelta(days=1) - timedelta(milliseconds=1)
"""From the start of a day to its end."""


class PreferenceColumns:
    """Reads those of the columns that the file has; blank cells take their value from `defaults`."""

    def __init__(self, header: Header, defaults: RowPreference) -> None:
        self._columns = {
            name: column for name in COLUMNS if (column := header.variables.get(name)) is not None
        }
        self._defaults = defaults

    def __bool__(self) -> bool:
        return bool(self._columns)

    def read(self, cells: dict[int, list[str]], at: int) -> RowPreference | Fault:
        """The preference of the row at that position, or what is wrong with the row."""
        row = dict.fromkeys(COLUMNS, "") | {name: cells[index][at] for name, index in self._columns.items()}
        defaults = self._defaults
        name = "action"
        try:
            action = _one_of(_ACTIONS, row[name]) or defaults.action
            name = "scope"
            scope = _one_of(_SCOPES, row[name]) or defaults.scope or usual_scope(action)
            name = "at"
            when = _when(row[name], action, defaults.at)
        except ValueError as error:
            return Fault(self._columns[name], CODES[name], f"{str(error)[:200]}.")
        source, evidence = undo(row["source"]), undo(row["evidence"])
        return RowPreference(
            action,
            scope,
            when or defaults.at,
            source or defaults.source,
            evidence or defaults.evidence,
            dated=when is not None,
        )


def _one_of(known: Mapping[str, T], cell: str) -> T | None:
    found = known.get(cell.lower())
    if cell and found is None:
        raise ValueError(f"{cell[:40]!r} is neither {' nor '.join(known)}")
    return found


@lru_cache(maxsize=4096)
def _when(cell: str, action: Action, now: datetime) -> datetime | None:
    """A date without a time is the end of that day for an opt-out and its start for an opt-in: the opt-out wins in
    doubt."""
    written = written_time(cell, "2026-06-05 or 2026-06-05T14:30+01:00")
    if written is None:
        return None
    moment = instant(written, None)
    if moment > now + _AHEAD:
        raise ValueError(f"{cell!r} is in the future")
    ends_late = action == "out" and len(cell) <= len("2026-06-05")
    return min(moment + _LAST if ends_late else moment, now)
