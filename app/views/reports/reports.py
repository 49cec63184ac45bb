"""The delivery and failures reports, and the list of recipients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from app.views.messages import ENDED
from app.views.reports.parts import (
    RUNS_LISTED,
    Asked,
    Report,
    Row,
    Table,
    find_asked,
    purged_note,
    purged_remarks,
)
from campaigns.figures import Share, counted
from campaigns.states import JobState
from campaigns.time.period import ALWAYS, Period
from storage.audience.campaigns import Campaign, require
from storage.database.engine import Connection
from storage.retention.purged_totals import purged_since
from storage.views import recipient_rows, reports
from storage.views.report_scope import ScheduledRun
from storage.views.reports import Delivery

RECIPIENT_KEYS: Final = recipient_rows.RECIPIENT_KEYS
"""The keys of each recipient, in this order."""
FORMULAS: Final = {
    "rows": "rejected + jobs",
    "jobs": "the sum of states",
    "awaiting_receipt": "accepted + held + sent",
    "delivery_rate": "(delivered + read) / (jobs - pending - skipped - expired - cancelled)",
    "read_rate": "read / (delivered + read)",
}
FAILURE_FORMULAS: Final = {
    "not_reached": "in_doubt + failed + skipped + expired + cancelled + rejected",
}


async def delivery_report(
    connection: Connection, name: str, run_id: int | None = None, period: Period = ALWAYS
) -> Report:
    """What became of every row of the file; in some runs, or in all."""
    asked = await find_asked(connection, name, run_id, period)
    campaign = asked.campaign
    found = await reports.delivery(connection, campaign, asked.runs)
    several = len(found.runs) > 1
    by_run = await reports.states_by_run(connection, campaign, asked.runs) if several else {}
    purged_at = await purged_since(connection, campaign.id)
    return Report(
        {
            **delivery_json(campaign, found),
            **asked.json,
            "runs": [_run_json(each, states) for each, states in by_run.items()],
            "purged_at": purged_at,
            "formulas": FORMULAS,
        },
        [*_delivery_tables(asked, found), *_run_tables(by_run)],
        _delivery_csv(found),
        [*_delivery_remarks(found), *purged_remarks(purged_at)],
        FORMULAS,
    )


def delivery_json(campaign: Campaign, found: Delivery) -> dict[str, Any]:
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


def _delivery_tables(asked: Asked, found: Delivery) -> list[Table]:
    campaign = asked.campaign
    title = f"Delivery of {campaign.name} ({campaign.state.value})"
    if asked.run_id is not None:
        run = found.runs[0]
        title = f"Delivery of {campaign.name}, run {run.id} ({run.state.value})"
    several = len(found.runs) > 1
    whole = found.jobs if several else found.rows
    states = [
        (STATE_NAMES.get(state, state.value), count, Share.of(count, whole))
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
                ("delivered, of all tried", Share.from_rate(found.delivery_rate)),
                ("read, of delivered", Share.from_rate(found.read_rate)),
            ],
        ),
    ]


def _file_rows(campaign: Campaign, found: Delivery, several: bool) -> list[Row]:
    """The rows of the file, and of several runs their messages: these are more than the rows."""
    if not several:
        return [
            ("rows of the file", found.rows, ""),
            ("rejected", found.rejected, Share.of(found.rejected, found.rows)),
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


async def stream_recipients(
    connection: Connection,
    name: str,
    run_id: int | None = None,
    period: Period = ALWAYS,
    limit: int | None = None,
) -> AsyncIterator[dict[str, Any]]:
    """Each recipient's outcome, or that of the first `limit`, in the order of the file, as they are read. Raises
    NotFound."""
    asked = await find_asked(connection, name, run_id, period)
    return recipient_rows.stream_recipients(connection, asked.campaign, asked.runs, limit=limit)


async def count_recipients(
    connection: Connection,
    name: str,
    run_id: int | None = None,
    period: Period = ALWAYS,
    *,
    not_reached: bool = False,
) -> int:
    """How many there are, or how many whom no run reached. Raises NotFound."""
    asked = await find_asked(connection, name, run_id, period)
    return await recipient_rows.count_recipients(
        connection, asked.campaign, asked.runs, not_reached=not_reached
    )


async def recipients_purged_note(connection: Connection, name: str) -> str | None:
    """A note for the list of recipients if some are missing because their details were purged."""
    campaign = await require(connection, name)
    purged_at = await purged_since(connection, campaign.id)
    return f"{purged_note(purged_at)} Purged recipients are not listed." if purged_at else None


async def failures_report(
    connection: Connection, name: str, run_id: int | None = None, period: Period = ALWAYS
) -> Report:
    """Everybody who did not receive it, and why, with one example each; of some runs, or of all."""
    asked = await find_asked(connection, name, run_id, period)
    campaign = asked.campaign
    found = await reports.failures(connection, campaign, asked.runs)
    bad_rows = await reports.reject_groups(connection, campaign, asked.runs)
    skipped = (await reports.delivery(connection, campaign, asked.runs)).skipped
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
            **asked.json,
            "not_reached": sum(row[3] for row in rows),
            **by_state,
            "skipped": skipped,
            "rejected": [
                {"code": r.code, "text": r.reason, "count": r.count, "first_line": r.first_line}
                for r in bad_rows
            ],
            "purged_at": purged_at,
            "formulas": FAILURE_FORMULAS,
        },
        [Table(f"Not reached by {campaign.name}", headings, rows)],
        Table(None, ("outcome", "code", "text", "count", "example"), rows),
        [*_not_reached_remarks(rows), *purged_remarks(purged_at)],
        FAILURE_FORMULAS,
    )


def _not_reached_remarks(rows: Sequence[Row]) -> list[str]:
    messages = sum(row[3] for row in rows if row[0] != "rejected")
    rejected = sum(row[3] for row in rows if row[0] == "rejected")
    return [f"{counted(messages, 'message')} and {counted(rejected, 'rejected row')}."] if rows else []


def _means(reason: str | None) -> str | None:
    return ENDED.get(reason or "", reason)


def _failure_json(code: str | None, text: str | None, count: int, example: str | None) -> dict[str, Any]:
    return {"code": code, "text": text, "count": count, "example": example}
