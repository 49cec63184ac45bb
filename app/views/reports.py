"""The reports: each one's JSON as scripts rely on it, its tables for people, and its rows as CSV."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from app.views.messages import ENDED
from campaigns.figures import percent
from campaigns.money.costs import NO_CURRENCY
from campaigns.states import JobState
from storage.audience.campaigns import Campaign, require
from storage.database.engine import Connection
from storage.retention.purged_totals import purged_since
from storage.views import reports
from storage.views.reports import CostLine, Delivery

Row = Sequence[Any]
RECIPIENT_KEYS: Final = reports.RECIPIENT_KEYS
"""The keys of each recipient, in this order."""


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


async def delivery_report(connection: Connection, name: str) -> Report:
    """What became of every row of the file."""
    campaign = await require(connection, name)
    found = await reports.delivery(connection, campaign)
    purged_at = await purged_since(connection, campaign.id)
    return Report(
        {**_delivery_json(campaign, found), "purged_at": purged_at},
        _delivery_tables(campaign, found),
        _delivery_csv(found),
        [*_delivery_remarks(found), *_purged_remarks(purged_at)],
    )


def _delivery_json(campaign: Campaign, found: Delivery) -> dict[str, Any]:
    return {
        "campaign": campaign.name,
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


def _delivery_tables(campaign: Campaign, found: Delivery) -> list[Table]:
    read = "rows read for its runs" if campaign.spec.audience.refresh else "rows of the file"
    rows: list[Row] = [
        (read, found.rows, ""),
        ("rejected", found.rejected, _of(found.rejected, found.rows)),
    ]
    rows += [
        (_STATE_NAMES.get(state, state.value), count, _of(count, found.rows))
        for state, count in found.states.items()
    ]
    return [
        Table(
            f"Delivery of {campaign.name} ({campaign.state.value})",
            ("outcome", ">count", ">of all rows"),
            rows,
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


_STATE_NAMES = {
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


async def stream_recipients(connection: Connection, name: str) -> AsyncIterator[dict[str, Any]]:
    """Each recipient's outcome, in the order of the file, as they are read. Raises NotFound."""
    return reports.stream_recipients(connection, await require(connection, name))


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


async def cost_report(connection: Connection, name: str) -> Report:
    """The expected cost, what the provider charged, and what is not settled yet."""
    campaign = await require(connection, name)
    countries = await reports.cost_by_country(connection, campaign.id)
    categories = await reports.cost_by_category(connection, campaign.id)
    totals = _totals(countries)
    purged_at = await purged_since(connection, campaign.id)
    lines = [("country", line) for line in countries] + [("category", line) for line in categories]
    return Report(
        {
            "campaign": campaign.name,
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


async def failures_report(connection: Connection, name: str) -> Report:
    """Who did not receive it, and why, with one example each."""
    campaign = await require(connection, name)
    found = await reports.failures(connection, campaign.id)
    bad_rows = await reports.reject_groups(connection, campaign.id)
    delivery = await reports.delivery(connection, campaign)
    purged_at = await purged_since(connection, campaign.id)
    jobs = [
        (f.state.value, f.code or f.reason, f.text or _means(f.reason), f.count, f.example) for f in found
    ]
    skipped = [("skipped", key, _means(key), count, None) for key, count in delivery.skipped.items()]
    rows = [("rejected", r.code, r.reason, r.count, f"line {r.first_line}") for r in bad_rows]
    headings = ("outcome", "code", "what it means", ">count", "example")
    return Report(
        {
            "campaign": campaign.name,
            "failed": [_failure_json(*row[1:]) for row in jobs if row[0] == JobState.FAILED],
            "in_doubt": [_failure_json(*row[1:]) for row in jobs if row[0] == JobState.IN_DOUBT],
            "skipped": delivery.skipped,
            "rejected": [
                {"code": r.code, "text": r.reason, "count": r.count, "first_line": r.first_line}
                for r in bad_rows
            ],
            "purged_at": purged_at,
        },
        [Table(f"Not reached by {campaign.name}", headings, [*jobs, *skipped, *rows])],
        Table(None, ("outcome", "code", "text", "count", "example"), [*jobs, *skipped, *rows]),
        _purged_remarks(purged_at),
    )


def _means(reason: str | None) -> str | None:
    return ENDED.get(reason or "", reason)


def _failure_json(code: str | None, text: str | None, count: int, example: str | None) -> dict[str, Any]:
    return {"code": code, "text": text, "count": count, "example": example}
