"""What every report is made of: its JSON as scripts rely on it, its tables for people, its rows as CSV, how each number
is counted, and which runs it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any, Final

from campaigns.errors import NotFound
from campaigns.frozen import frozen
from campaigns.time.period import ALWAYS, Period
from storage.audience.campaigns import Campaign, require
from storage.database.engine import Connection
from storage.views.report_scope import ScheduledRun, kind_of_run, scheduled_runs

Row = Sequence[Any]
RUNS_LISTED: Final = 20


@frozen
class Table:
    title: str | None
    headings: Sequence[str]
    rows: Sequence[Row]


@frozen
class Report:
    """One report in its forms."""

    json: dict[str, Any]
    tables: Sequence[Table]
    csv: Table
    remarks: Sequence[str] = ()
    """Notes on the numbers."""
    formulas: Mapping[str, str] = field(default_factory=dict)
    """How each number is counted, by its name in the JSON."""
    headline: str | None = None
    """The result in one sentence."""


@frozen
class Asked:
    """What a report is about."""

    campaign: Campaign
    runs: Sequence[ScheduledRun] | None
    """The runs that were asked for, the oldest first; None: all."""
    period: Period = ALWAYS

    @property
    def run_id(self) -> int | None:
        """The run that was asked for by its number or is the only one in the range."""
        return self.runs[0].id if self.runs is not None and len(self.runs) == 1 else None

    @property
    def run_ids(self) -> list[int] | None:
        return None if self.runs is None else [run.id for run in self.runs]

    @property
    def json(self) -> dict[str, Any]:
        """What was asked, for a report's JSON."""
        return {"run": self.run_id, "since": self.period.since, "until": self.period.until}


async def find_asked(
    connection: Connection, name: str, run_id: int | None = None, period: Period = ALWAYS
) -> Asked:
    """The campaign and those of its runs that a report is about: one by its number, those that began in the range, or
    all. Raises NotFound."""
    campaign = await require(connection, name)
    if run_id is None and period == ALWAYS:
        return Asked(campaign, None)
    known = await scheduled_runs(connection, campaign.id)
    if run_id is None:
        inside = [run for run in known if run.nominal_at in period]
        if not inside:
            raise NotFound(f"No run of {name} began {described(period)}.", hint=_runs_hint(known))
        return Asked(campaign, inside, period)
    if found := next((run for run in known if run.id == run_id), None):
        return Asked(campaign, [found])
    raise await _no_such_run(connection, campaign, run_id, known)


async def _no_such_run(
    connection: Connection, campaign: Campaign, run_id: int, known: Sequence[ScheduledRun]
) -> NotFound:
    kind, parent_id = await kind_of_run(connection, campaign.id, run_id)
    if kind == "retry":
        return NotFound(
            f"Run {run_id} is a retry of run {parent_id}, and is reported with it.", hint=f"--run {parent_id}"
        )
    if kind == "test":
        return NotFound(
            f"Run {run_id} is a test; reports do not count it.", hint=f"drumbeat why {campaign.name} PHONE"
        )
    numbers = ", ".join(str(run.id) for run in known[-RUNS_LISTED:])
    return NotFound(
        f"{campaign.name} has no run {run_id}.",
        hint=f"Its runs: {numbers}." if known else "It has no runs yet.",
    )


def _runs_hint(known: Sequence[ScheduledRun]) -> str:
    if not known:
        return "It has no runs yet."
    return f"Its runs began between {_shown(known[0].nominal_at)} and {_shown(known[-1].nominal_at)}."


def described(period: Period) -> str:
    """`from … on, before …`"""
    parts = [f"from {_shown(period.since)} on"] if period.since else []
    parts += [f"before {_shown(period.until)}"] if period.until else []
    return ", ".join(parts)


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M %Z}"


def purged_note(purged_at: datetime) -> str:
    """The note of every view of single messages."""
    return f"Details were purged on {purged_at:%Y-%m-%d}."


def purged_remarks(purged_at: datetime | None) -> list[str]:
    return [f"{purged_note(purged_at)} The totals are kept."] if purged_at else []
