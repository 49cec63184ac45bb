"""What a row of a list of opt-outs says beside the number: action, scope, at, source, evidence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, TypeVar

from campaigns.intake.defuse import undo
from campaigns.intake.header import Header
from campaigns.intake.model import Said
from campaigns.intake.recipient_columns import Fault, instant, written_time
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
"""As far a time may lie ahead, where a zone or a clock differs; it is taken as now."""
_LAST: Final = timedelta(days=1) - timedelta(milliseconds=1)
"""From the first moment of a day to its last."""


class PreferenceColumns:
    """Reads those of the columns that the file has; what a row leaves open is as `otherwise` says."""

    def __init__(self, header: Header, otherwise: Said) -> None:
        self._columns = {
            name: column for name in COLUMNS if (column := header.variables.get(name)) is not None
        }
        self._otherwise = otherwise

    def __bool__(self) -> bool:
        return bool(self._columns)

    def read(self, cells: dict[int, list[str]], at: int) -> Said | Fault:
        """What the row at that position says, or what is wrong with it."""
        row = dict.fromkeys(COLUMNS, "") | {name: cells[index][at] for name, index in self._columns.items()}
        otherwise = self._otherwise
        name = "action"
        try:
            action = _one_of(_ACTIONS, row[name]) or otherwise.action
            name = "scope"
            scope = _one_of(_SCOPES, row[name]) or otherwise.scope or usual_scope(action)
            name = "at"
            when = _when(row[name], action, otherwise.at)
        except ValueError as error:
            return Fault(self._columns[name], CODES[name], f"{str(error)[:200]}.")
        source, evidence = undo(row["source"]), undo(row["evidence"])
        return Said(
            action,
            scope,
            when or otherwise.at,
            source or otherwise.source,
            evidence or otherwise.evidence,
            dated=when is not None,
        )


def _one_of(known: Mapping[str, T], cell: str) -> T | None:
    found = known.get(cell.lower())
    if cell and found is None:
        raise ValueError(f"{cell[:40]!r} is neither {' nor '.join(known)}")
    return found


@lru_cache(maxsize=4096)
def _when(cell: str, action: Action, now: datetime) -> datetime | None:
    """A day alone counts to its end for an opt-out and from its beginning for an opt-in: in doubt nothing is sent."""
    written = written_time(cell, "2026-06-05 or 2026-06-05T14:30+01:00")
    if written is None:
        return None
    moment = instant(written, None)
    if moment > now + _AHEAD:
        raise ValueError(f"{cell!r} is still to come")
    ends_late = action == "out" and len(cell) <= len("2026-06-05")
    return min(moment + _LAST if ends_late else moment, now)
