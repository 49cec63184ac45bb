"""The reports: each one's JSON as scripts rely on it, its tables for people, and its rows as CSV."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from app.views.messages import ENDED
from campaigns.errors import NotFound
from campaigns.figures import counted, percent
from campaigns.money.costs import NO_CURRENCY
from campaigns.states import JobState
from storage.audience.campaigns import Campaign, require
from storage.database.engine import Connection
from storage.retention.purged_totals import purged_since
from storage.views import costs, recipient_rows, reports
from storage.views.costs import CostLine
from storage.views.report_scope import ScheduledRun, kind_of_run, scheduled_runs
from storage.views.reports import Delivery

Row = Sequence[Any]
RECIPIENT_KEYS: Final = recipient_rows.RECIPIENT_KEYS
"""The keys of each recipient, in this order."""
RUNS_LISTED: Final = 20


@dataclass(frozen=True)
class Table:
    title: str | None
    headings: Sequence[str]
    rows: Sequence[Row]


@dataclass(frozen=True)
class Report:
    """One report in its three forms."""

    json: dict[str, Any]
    tables: Sequence[Table]
    csv: Table
    remarks: Sequence[str] = ()
    """Notes on the numbers."""


async def find_scope(
    connection: Connection, name: str, run_id: int | None
) -> tuple[Campaign, ScheduledRun | None]:
    """The campaign, and the run of it that a report is about; None: all its runs. Raises NotFound."""
    campaign = await require(connection, name)
    if run_id is None:
        return campaign, None
    known = await scheduled_runs(connection, campaign.id)
    if found := next((run for run in known if run.id == run_id), None):
        return campaign, found
    kind, parent_id = await kind_of_run(connection, campaign.id, run_id)
    if kind == "retry":
        raise NotFound(
            f"Run {run_id} is a retry of run {parent_id}, and is reported with it.", hint=f"--run {parent_id}"
        )
    if kind == "test":
        raise NotFound(f"Run {run_id} is a test; reports do not count it.", hint=f"drumbeat why {name} PHONE")
    numbers = ", ".join(str(run.id) for run in known[-RUNS_LISTED:])
    raise NotFound(
        f"{name} has no run {run_id}.", hint=f"Its runs: {numbers}." if known else "It has no runs yet."
    )


async def delivery_report(connection: Connection, name: str, run_id: int | None = None) -> Report:
    """What became of every row of the file; in one run, or in all."""
    campaign, run = await find_scope(connection, name, run_id)
    found = await reports.delivery(connection, campaign, run)
    by_run = await reports.states_by_run(connection, campaign) if len(found.runs) > 1 else {}
    purged_at = await purged_since(connection, campaign.id)
    return Report(
        {
            **_delivery_json(campaign, found),
            "run": run_id,
            "runs": [_run_json(each, states) for each, states in by_run.items()],
            "purged_at": purged_at,
        },
        [*_delivery_tables(campaign, found, run), *_run_tables(by_run)],
        _delivery_csv(found),
        [*_delivery_remarks(found), *_purged_remarks(purged_at)],
    )


def _delivery_json(campaign: Campaign, found: Delivery) -> dict[str, Any]:
    return {
        "campaign": campaign.name,
        "file_rows": found.file_rows,
        "rows": found.rows,
        "rejected": found.rejected,
        "jobs": found.jobs,
        "states": found.states,
        "awaiting_receipt": found.awaiting,
        "skipped": found.skipped,
        "failed": found.failed,
        "delivery_rate": found.delivery_rate,
        "read_rate": found.read_rate,
    }


def _run_json(run: ScheduledRun, states: dict[JobState, int]) -> dict[str, Any]:
    return {
        "run": run.id,
        "at": run.nominal_at,
        "state": run.state,
        "jobs": sum(states.values()),
        "states": states,
    }


def _delivery_tables(campaign: Campaign, found: Delivery, run: ScheduledRun | None) -> list[Table]:
    title = f"Delivery of {campaign.name} ({campaign.state.value})"
    if run is not None:
        title = f"Delivery of {campaign.name}, run {run.id} ({run.state.value})"
    several = len(found.runs) > 1
    whole = found.jobs if several else found.rows
    states = [
        (STATE_NAMES.get(state, state.value), count, _of(count, whole))
        for state, count in found.states.items()
    ]
    return [
        Table(
            title,
            ("outcome", ">count", ">of all messages" if several else ">of all rows"),
            [*_file_rows(campaign, found, several), *states],
        ),
        Table(
            None,
            ("rate", ">value"),
            [
                ("delivered, of all tried", percent(found.delivery_rate)),
                ("read, of delivered", percent(found.read_rate)),
            ],
        ),
    ]


def _file_rows(campaign: Campaign, found: Delivery, several: bool) -> list[Row]:
    """The rows of the file, and of several runs their messages: these are more than the rows."""
    if not several:
        return [
            ("rows of the file", found.rows, ""),
            ("rejected", found.rejected, _of(found.rejected, found.rows)),
        ]
    which = "the file as last read" if campaign.spec.audience.refresh else "the file"
    return [
        (f"rows of {which}", found.file_rows, ""),
        ("rejected", found.file_rejected, ""),
        (f"messages of {counted(len(found.runs), 'run')}", found.jobs, ""),
    ]


def _run_tables(by_run: dict[ScheduledRun, dict[JobState, int]]) -> list[Table]:
    """A line for each of the newest runs, if there are several."""
    rows = []
    for run, states in list(by_run.items())[:RUNS_LISTED]:
        arrived = states.get(JobState.DELIVERED, 0) + states.get(JobState.READ, 0)
        missed = sum(states.get(state, 0) for state in reports.NOT_REACHED)
        jobs = sum(states.values())
        open_ = jobs - arrived - missed
        rows.append((run.id, run.nominal_at, run.state, jobs, open_, arrived, missed))
    headings = (">run", "at", "state", ">messages", "?>open", ">delivered", ">not reached")
    return [Table("Each run", headings, rows)] if rows else []


STATE_NAMES: Final = {
    JobState.PENDING: "pending (not sent yet)",
    JobState.IN_DOUBT: "in doubt (may have left)",
    JobState.ACCEPTED: "accepted, awaiting receipt",
    JobState.HELD: "held back by the provider",
    JobState.SENT: "sent, awaiting receipt",
}


def _delivery_csv(found: Delivery) -> Table:
    rows: list[Row] = [("rows", "", found.rows), ("rejected", "", found.rejected), ("jobs", "", found.jobs)]
    for group, counts in (("state", found.states), ("skipped", found.skipped), ("failed", found.failed)):
        rows += [(group, key, count) for key, count in counts.items()]
    return Table(None, ("group", "name", "count"), rows)


def _delivery_remarks(found: Delivery) -> list[str]:
    remarks = []
    if found.awaiting:
        many = "1 message is" if found.awaiting == 1 else f"{found.awaiting:,} messages are"
        remarks.append(f"{many} on the way; receipts may still arrive for days.")
    if found.states.get(JobState.IN_DOUBT):
        remarks.append("A message in doubt may have arrived; it is not sent again unless you decide so.")
    return remarks


def _purged_remarks(purged_at: datetime | None) -> list[str]:
    return [f"{purged_note(purged_at)} The totals are kept."] if purged_at else []


async def stream_recipients(
    connection: Connection, name: str, run_id: int | None = None
) -> AsyncIterator[dict[str, Any]]:
    """Each recipient's outcome, in the order of the file, as they are read. Raises NotFound."""
    return recipient_rows.stream_recipients(connection, *await find_scope(connection, name, run_id))


async def recipients_purged_note(connection: Connection, name: str) -> str | None:
    """A note for the list of recipients if some are missing because their details were purged."""
    campaign = await require(connection, name)
    purged_at = await purged_since(connection, campaign.id)
    return f"{purged_note(purged_at)} Purged recipients are not listed." if purged_at else None


def purged_note(purged_at: datetime) -> str:
    """The note of every view of single messages."""
    return f"Details were purged on {purged_at:%Y-%m-%d}."


def _of(part: int, whole: int) -> str:
    return percent(part / whole if whole else None)


async def cost_report(connection: Connection, name: str, run_id: int | None = None) -> Report:
    """The expected cost, what the provider charged, and what is not settled yet; of one run, or of all."""
    campaign, _ = await find_scope(connection, name, run_id)
    countries = await costs.cost_by_country(connection, campaign.id, run_id)
    categories = await costs.cost_by_category(connection, campaign.id, run_id)
    totals = _totals(countries)
    purged_at = await purged_since(connection, campaign.id)
    lines = [("country", line) for line in countries] + [("category", line) for line in categories]
    return Report(
        {
            "campaign": campaign.name,
            "run": run_id,
            **(totals[0] if len(totals) == 1 else {}),
            **({"totals": totals} if len(totals) != 1 else {}),
            "by_country": [_cost_json("country", line) for line in countries],
            "by_category": [_cost_json("category", line) for line in categories],
            "purged_at": purged_at,
        },
        [
            _cost_total_table(campaign, totals),
            _cost_table("country", countries),
            _cost_table("category", categories),
        ],
        Table(
            None,
            ("group", "name", "currency", *_AMOUNTS),
            [
                (kind, line.group, _currency(line), *(getattr(line, name) for name in _AMOUNTS))
                for kind, line in lines
            ],
        ),
        [*_cost_remarks(totals), *_purged_remarks(purged_at)],
    )


_AMOUNTS = ("messages", "estimated", "actual", "unsettled", "unpriced")


def _totals(lines: Sequence[CostLine]) -> list[dict[str, Any]]:
    """One total per currency; messages without a price count in each, because their currency is unknown."""
    priced: dict[str | None, list[CostLine]] = defaultdict(list)
    for line in lines:
        if line.currency is not None:
            priced[line.currency].append(line)
    unpriced = sum(line.unpriced for line in lines)
    return [
        {
            "currency": _shown(currency),
            "estimated": _sum_known(line.estimated for line in group),
            "actual": sum((line.actual for line in group), Decimal(0)),
            "unsettled": sum((line.unsettled for line in group), Decimal(0)),
            "unpriced": unpriced,
        }
        for currency, group in (priced or {None: []}).items()
    ]


def _sum_known(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """None if none is known: that is not 0."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known else None


def _shown(currency: str | None) -> str | None:
    return None if currency == NO_CURRENCY else currency


def _currency(line: CostLine) -> str | None:
    return _shown(line.currency)


def _cost_json(group: str, line: CostLine) -> dict[str, Any]:
    return {
        group: line.group,
        "currency": _currency(line),
        **{name: getattr(line, name) for name in _AMOUNTS},
    }


def _cost_total_table(campaign: Campaign, totals: Sequence[dict[str, Any]]) -> Table:
    rows = [
        (t["currency"] or "(unknown)", t["estimated"], t["actual"], t["unsettled"], t["unpriced"])
        for t in totals
    ]
    headings = ("currency", ">estimated", ">charged", ">unsettled", ">messages unpriced")
    return Table(f"Cost of {campaign.name}", headings, rows)


def _cost_table(group: str, lines: Sequence[CostLine]) -> Table:
    headings = (group, "currency", ">messages", ">estimated", ">charged", ">unsettled", ">unpriced")
    rows = [
        (line.group or "(none)", _currency(line), *(getattr(line, name) for name in _AMOUNTS))
        for line in lines
    ]
    return Table(None, headings, rows)


def _cost_remarks(totals: Sequence[dict[str, Any]]) -> list[str]:
    remarks = []
    if any(total["unsettled"] for total in totals):
        remarks.append(
            "Unsettled: the estimate for messages whose charge the provider has not reported (yet)."
        )
    if any(total["unpriced"] for total in totals):
        remarks.append(
            "Unpriced: neither a rate card nor the provider gives a price; it is not counted as 0."
        )
    if any(total["currency"] is None and total["actual"] for total in totals):
        remarks.append("The provider reports no currency.")
    return remarks


async def failures_report(connection: Connection, name: str, run_id: int | None = None) -> Report:
    """Everybody who did not receive it, and why, with one example each; of one run, or of all."""
    campaign, run = await find_scope(connection, name, run_id)
    found = await reports.failures(connection, campaign, run)
    bad_rows = await reports.reject_groups(connection, campaign, run)
    skipped = (await reports.delivery(connection, campaign, run)).skipped
    purged_at = await purged_since(connection, campaign.id)
    jobs = [
        (f.state.value, f.code or f.reason, f.text or _means(f.reason), f.count, f.example) for f in found
    ]
    rows = [*jobs, *(("rejected", r.code, r.reason, r.count, f"line {r.first_line}") for r in bad_rows)]
    headings = ("outcome", "code", "what it means", ">count", "example")
    by_state = {
        state.value: [_failure_json(*row[1:]) for row in jobs if row[0] == state]
        for state in reports.NOT_REACHED
        if state is not JobState.SKIPPED
    }
    return Report(
        {
            "campaign": campaign.name,
            "run": run_id,
            "not_reached": sum(row[3] for row in rows),
            **by_state,
            "skipped": skipped,
            "rejected": [
                {"code": r.code, "text": r.reason, "count": r.count, "first_line": r.first_line}
                for r in bad_rows
            ],
            "purged_at": purged_at,
        },
        [Table(f"Not reached by {campaign.name}", headings, rows)],
        Table(None, ("outcome", "code", "text", "count", "example"), rows),
        [*_not_reached_remarks(rows), *_purged_remarks(purged_at)],
    )


def _not_reached_remarks(rows: Sequence[Row]) -> list[str]:
    messages = sum(row[3] for row in rows if row[0] != "rejected")
    rejected = sum(row[3] for row in rows if row[0] == "rejected")
    return [f"{counted(messages, 'message')} and {counted(rejected, 'rejected row')}."] if rows else []


def _means(reason: str | None) -> str | None:
    return ENDED.get(reason or "", reason)


def _failure_json(code: str | None, text: str | None, count: int, example: str | None) -> dict[str, Any]:
    return {"code": code, "text": text, "count": count, "example": example}
