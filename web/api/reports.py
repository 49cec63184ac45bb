"""Reports, as JSON or as a file to keep or send on."""

from __future__ import annotations

import asyncio
import io
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from app.actions.api_keys import Scope
from app.views.answers.reports import (
    CostReport,
    DeliveryReport,
    FailuresReport,
    FunnelReport,
    Recipient,
)
from app.views.answers.summary import ComparisonReport, SummaryReport
from app.views.answers.variants import VariantsReport
from app.views.reports.comparison import compare_campaigns
from app.views.reports.cost_report import cost_report
from app.views.reports.exports import write_csv
from app.views.reports.funnel import funnel_report
from app.views.reports.parts import Report
from app.views.reports.recipient_files import FORMS as RECIPIENT_FORMS
from app.views.reports.recipient_files import write_not_reached, write_recipients
from app.views.reports.reports import delivery_report, failures_report
from app.views.reports.summary import read_summary
from app.views.reports.variants import variants_report
from app.views.reports.workbooks import write_workbook
from app.wiring.databases import snapshot
from campaigns.errors import InvalidInput, UsageError
from campaigns.frozen import frozen
from campaigns.time.period import Period
from web.api.campaigns import NAME
from web.api.operations import CSV, JSON, XLSX, Call, FileAnswer, Operation
from web.api.parameters import RUN, ZONE, accepted, choice, day, switch, text
from web.reports.html import report_html, summary_html

if TYPE_CHECKING:
    from storage.database.engine import Connection

HTML: Final = "text/html"
FORMATS: Final[Mapping[str, str]] = {"json": JSON, "csv": CSV, "xlsx": XLSX, "html": HTML}
MOST: Final = 20
"""Campaigns beside each other."""

Build = Callable[["Connection", str, int | None, Period], Awaitable[Report]]
BUILDERS: Final[Mapping[str, Build]] = {
    "delivery": delivery_report,
    "cost": cost_report,
    "failures": failures_report,
    "funnel": funnel_report,
}


@frozen
class _Asked:
    """What a report is about, and in which form."""

    run: int | None
    period: Period
    zone: tzinfo
    form: str
    now: datetime

    @classmethod
    def of(cls, call: Call) -> _Asked:
        zone = call.query["timezone"] or ZoneInfo("UTC")
        run, since, until = call.query.get("run"), call.query.get("since"), call.query.get("until")
        if run is not None and (since or until):
            raise UsageError("run names one run already; leave out since and until.")
        try:
            period = Period.of_days(since, until, zone)
        except (ValueError, OverflowError) as error:
            raise UsageError(f"since and until: {error}.") from error
        return cls(run, period, zone, _form(call), call.site.now())


def _form(call: Call) -> str:
    """By `format`, else the known type that Accept wants most, else JSON."""
    if call.query["format"]:
        return str(call.query["format"])
    by_media = {media: form for form, media in FORMATS.items()}
    return next((by_media[media] for media in accepted(call.accept) if media in by_media), "json")


async def _report(call: Call, kind: str) -> Any:
    name, asked = call.path["name"], _Asked.of(call)
    async with snapshot(call.site.engine) as connection:
        made = await BUILDERS[kind](connection, name, asked.run, asked.period)
    return await _written(made, asked, f"{name}-{kind}", f"{name}: {kind}")


async def _variants(call: Call) -> Any:
    name, asked = call.path["name"], _Asked.of(call)
    async with snapshot(call.site.engine) as connection:
        made = await variants_report(connection, name)
    return await _written(made, asked, f"{name}-variants", f"{name}: variants")


async def _summary(call: Call) -> Any:
    name, asked = call.path["name"], _Asked.of(call)
    async with snapshot(call.site.engine) as connection:
        found = await read_summary(
            connection, call.site.settings, name, asked.now, asked.run, asked.period, asked.zone
        )
    found = found.as_file_for(call.caller.actor)
    if asked.form == "html":
        page = await asyncio.to_thread(summary_html, found, asked.zone)
        return FileAnswer(f"{HTML}; charset=utf-8", page.encode(), f"{name}-summary.html")
    if asked.form == "json":
        return found.json
    return await _written(found.report, asked, f"{name}-summary", f"{name}: summary")


async def _compare(call: Call) -> Any:
    names, asked = [name for name in call.query["names"].split(",") if name], _Asked.of(call)
    if not 0 < len(names) <= MOST:
        raise InvalidInput(f"Name 1 to {MOST} campaigns, with commas between.")
    async with snapshot(call.site.engine) as connection:
        made = await compare_campaigns(connection, names, asked.period)
    return await _written(made, asked, "compare", "compare")


async def _written(made: Report, asked: _Asked, name: str, title: str) -> Any:
    if asked.form == "json":
        return made.json
    makers = {"csv": partial(_csv, made), "html": partial(_html, made, title, asked)}
    make = makers.get(asked.form) or partial(_xlsx, made, title, asked.zone)
    content = await asyncio.to_thread(make)
    charset = "" if asked.form == "xlsx" else "; charset=utf-8"
    return FileAnswer(f"{FORMATS[asked.form]}{charset}", content, f"{name}.{asked.form}")


def _csv(made: Report) -> bytes:
    file = io.StringIO()
    write_csv(file, [made.csv.headings, *made.csv.rows])
    return file.getvalue().encode()


def _html(made: Report, title: str, asked: _Asked) -> bytes:
    return report_html(made, title, asked.now, asked.zone).encode()


def _xlsx(made: Report, title: str, zone: tzinfo) -> bytes:
    with TemporaryDirectory(prefix="drumbeat-report-") as folder:
        place = Path(folder, "report.xlsx")
        write_workbook(place, made, title, zone)
        return place.read_bytes()


async def _recipients(call: Call) -> Any:
    """Written to a file first: a download that nobody reads on must not hold a snapshot."""
    name, asked = call.path["name"], _Asked.of(call)
    form = asked.form if asked.form in RECIPIENT_FORMS else "json"
    folder = Path(await asyncio.to_thread(mkdtemp, prefix="drumbeat-report-"))
    place = folder / f"{name[:80]}-recipients.{form}"
    about = (name, place, form, asked.run, asked.period)
    try:
        if call.query["not_reached"]:
            await write_not_reached(call.site.engine, *about, zone=asked.zone, now=asked.now)
        else:
            await write_recipients(call.site.engine, *about, zone=asked.zone)
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        raise
    charset = "; charset=utf-8" if form == "csv" else ""
    shown = "" if form == "json" else place.name
    return FileAnswer(f"{FORMATS[form]}{charset}", place, shown, temporary=folder)


FORMAT: Final = choice("format", "The form of the answer; without it, by Accept.", list(FORMATS))
RECIPIENT_FORMAT: Final = choice("format", "The form of the answer; without it, by Accept.", RECIPIENT_FORMS)
SINCE: Final = day("since", "Only runs that began on this day or later.")
UNTIL: Final = day("until", "Only runs that began on this day or before.")
NAMES: Final = text("names", "The campaigns, with commas between.", 2_000, required=True)
RANGE: Final = (RUN, SINCE, UNTIL, ZONE)


def _operation(
    kind: str, summary: str, answer: Any, handle: Any, query: Any = RANGE, form: Any = FORMAT, act: str = ""
) -> Operation:
    return Operation(
        "GET",
        f"{NAME}/reports/{kind}",
        summary,
        Scope.MANAGE if act else Scope.READ,
        handle,
        f"report {kind}",
        act,
        query=(form, *query),
        media=[FORMATS[name] for name in form.schema["enum"]],
        answer=answer,
    )


OPERATIONS: Final = [
    _operation("summary", "The whole result", SummaryReport, _summary),
    _operation("delivery", "The outcome of every row", DeliveryReport, partial(_report, kind="delivery")),
    _operation("cost", "What the provider charged", CostReport, partial(_report, kind="cost")),
    _operation("failures", "Who was not reached, and why", FailuresReport, partial(_report, kind="failures")),
    _operation("funnel", "How many rows got how far", FunnelReport, partial(_report, kind="funnel")),
    _operation("variants", "The variants of the newest run", VariantsReport, _variants, (ZONE,)),
    _operation(
        "recipients",
        "Every recipient, in the order of the file",
        Sequence[Recipient],
        _recipients,
        (*RANGE, switch("not_reached", "Only those who were not reached; as CSV with their list's columns.")),
        RECIPIENT_FORMAT,
        "people.export",
    ),
    Operation(
        "GET",
        "/reports/compare",
        "Several campaigns beside each other",
        Scope.READ,
        _compare,
        "report compare",
        query=(FORMAT, NAMES, SINCE, UNTIL, ZONE),
        media=list(FORMATS.values()),
        answer=ComparisonReport,
    ),
]
