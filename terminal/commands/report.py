"""`drumbeat report`: who received it, who did not and why, and what it cost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.wiring.context import Context
from terminal.commands.options import (
    Command,
    CommandGroup,
    complete_campaign,
    name_argument,
    run_async,
    run_option,
)
from terminal.report_output import Target, destination, form_options, note_written, write_report

if TYPE_CHECKING:
    from app.views.reports.not_reached import NotReached
    from app.views.reports.parts import Report
    from campaigns.time.period import Period
    from storage.database.engine import Connection
    from terminal.recipient_list import RecipientList

    Builder = Callable[[Connection], Awaitable[Report]]


@click.group(cls=CommandGroup)
def report() -> None:
    """Show who received a campaign, who did not and why, and what it cost."""


def _period_options(command: Command) -> Command:
    """--since and --until, which the command gets as its `period`."""

    @wraps(command)
    def with_period(*given: Any, since: datetime | None, until: datetime | None, **options: Any) -> Any:
        return command(*given, period=_period(options.get("run_id"), since, until), **options)

    day = click.DateTime(["%Y-%m-%d"])
    until = click.option("--until", type=day, help="Only runs that began on this day or before.")
    since = click.option(
        "--since", type=day, help="Only runs that began on this day or later; in --timezone."
    )
    return since(until(with_period))


@report.command()
@name_argument
@run_option
@_period_options
@form_options
@click.pass_obj
def summary(context: Context, /, name: str, run_id: int | None, period: Period, **form: Any) -> None:
    """Show the whole result in one report; with --output FILE.html, one page to send on that needs nothing else.

    A sentence, the way from the file's rows to replies, costs, failures with what to do, times, variants, who was not
    reached, and what it was made from.
    """
    run_async(_summary(context, name, run_id, period, form))
    _suggest(f"drumbeat report summary {name} --output {name}.html")


@report.command()
@name_argument
@run_option
@_period_options
@form_options
@click.pass_obj
def funnel(context: Context, /, name: str, run_id: int | None, period: Period, **form: Any) -> None:
    """Show how many rows of the file got how far, up to a reply, and what each step lost and why."""
    from app.views.reports.funnel import funnel_report

    _show(context, "funnel", name, lambda connection: funnel_report(connection, name, run_id, period), form)
    _suggest(f"drumbeat report failures {name}")


@report.command()
@click.argument("names", metavar="NAME NAME…", nargs=-1, required=True, shell_complete=complete_campaign)
@_period_options
@form_options
@click.pass_obj
def compare(context: Context, /, names: tuple[str, ...], period: Period, **form: Any) -> None:
    """Show several campaigns beside each other: how far each got, its rates and its cost."""
    from app.views.reports.comparison import compare_campaigns

    _show(context, "compare", "", lambda connection: compare_campaigns(connection, names, period), form)


@report.command()
@name_argument
@run_option
@_period_options
@form_options
@click.pass_obj
def delivery(context: Context, /, name: str, run_id: int | None, period: Period, **form: Any) -> None:
    """Show the outcome of every row of the file; the numbers add up to its rows.

    Of a campaign with several runs it shows all their messages, and a line for each run.
    """
    from app.views.reports.reports import delivery_report

    _show(
        context, "delivery", name, lambda connection: delivery_report(connection, name, run_id, period), form
    )
    _suggest(f"drumbeat report failures {name}", f"drumbeat report cost {name}")


@report.command()
@name_argument
@run_option
@_period_options
@form_options
@click.pass_obj
def cost(context: Context, /, name: str, run_id: int | None, period: Period, **form: Any) -> None:
    """Show what the provider charged, by country and category.

    Unsettled is the estimate for messages whose charge is not known yet; unpriced counts those without a known price.
    """
    from app.views.reports.cost_report import cost_report

    _show(context, "cost", name, lambda connection: cost_report(connection, name, run_id, period), form)
    _suggest(f"drumbeat report recipients {name} --output recipients.csv")


@report.command()
@name_argument
@run_option
@_period_options
@form_options
@click.pass_obj
def failures(context: Context, /, name: str, run_id: int | None, period: Period, **form: Any) -> None:
    """Show everybody who was not reached, and why: messages in doubt, failed, skipped, expired and cancelled, and
    rejected rows."""
    from app.views.reports.reports import failures_report

    _show(
        context, "failures", name, lambda connection: failures_report(connection, name, run_id, period), form
    )
    _suggest(
        f"drumbeat why {name} PHONE", f"drumbeat report recipients {name} --not-reached --output rest.csv"
    )


@report.command()
@name_argument
@form_options
@click.pass_obj
def variants(context: Context, /, name: str, **form: Any) -> None:
    """Compare the variants of the newest run, and show whether the difference may be chance.

    p is the p-value of a two-sided two-proportion z-test on the test messages.
    """
    from app.views.reports.variants import variants_report

    _show(context, "variants", name, lambda connection: variants_report(connection, name), form)
    _suggest(f"drumbeat campaign winner {name}")


@report.command()
@name_argument
@run_option
@click.option(
    "--not-reached",
    is_flag=True,
    help="Only those who were not reached. As CSV it has the list's own columns: a new campaign can load it.",
)
@_period_options
@form_options
@click.pass_obj
def recipients(
    context: Context, /, name: str, run_id: int | None, not_reached: bool, period: Period, **form: Any
) -> None:
    """List every recipient with state, times and cost.

    In CSV, a cell that a spreadsheet would run as a formula is prefixed with an apostrophe; a load of a list of
    --not-reached removes it. Somebody whose message is in doubt may have it, and is not in that list.
    """
    from campaigns.time.clock import utc_now

    target = Target.of(f"{name}-recipients", **form, now=utc_now())
    run_async(_recipients(context, name, run_id, period, not_reached, target))


def _period(run_id: int | None, since: datetime | None, until: datetime | None) -> Period:
    """The range of dates in the reader's zone. Raises UsageError."""
    from campaigns.time.period import Period
    from terminal.output import named_reader_zone

    if run_id is not None and (since or until):
        raise click.UsageError("--run names one run already; leave out --since and --until.")
    try:
        return Period.of_days(since and since.date(), until and until.date(), named_reader_zone())
    except ValueError as error:
        raise click.UsageError(f"--since and --until: {error}.") from error


def _show(context: Context, kind: str, name: str, build: Builder, form: dict[str, Any]) -> None:
    from campaigns.time.clock import utc_now

    now = utc_now()
    target = Target.of(f"{name}-{kind}".strip("-"), **form, now=now)

    async def built() -> tuple[Any, Report]:
        async with context.snapshot() as connection:
            return await target.place(context, connection), await build(connection)

    place, made = run_async(built())
    write_report(made, target.form, place, f"{name}: {kind}".removeprefix(": "), now)


async def _summary(
    context: Context, name: str, run_id: int | None, period: Period, form: dict[str, Any]
) -> None:
    from app.views.reports.summary import read_summary
    from campaigns.time.clock import utc_now
    from terminal.output import print_text, reader_zone

    now = utc_now()
    target = Target.of(f"{name}-summary", **form, now=now)
    async with context.snapshot() as connection:
        place = await target.place(context, connection)
        found = await read_summary(connection, context.settings, name, now, run_id, period, reader_zone())
    if target.form == "html":
        from web.reports.html import summary_html

        with destination(place):
            print_text(summary_html(found, reader_zone()))
    else:
        write_report(found.report, target.form, place, f"{name}: summary", now)


async def _recipients(
    context: Context, name: str, run_id: int | None, period: Period, not_reached: bool, target: Target
) -> None:
    from app.views.reports.reports import recipients_purged_note
    from terminal.output import print_note

    async with context.snapshot() as connection:
        place = await target.place(context, connection)
        write = _write_not_reached if not_reached else _write_recipients
        notes = await write(connection, name, run_id, period, target, place)
        if purged := await recipients_purged_note(connection, name):
            notes.append(purged)
    for note in notes:
        print_note(note)


async def _write_recipients(
    connection: Connection,
    name: str,
    run_id: int | None,
    period: Period,
    target: Target,
    place: Path | None,
) -> list[str]:
    from app.views.reports.reports import RECIPIENT_KEYS, count_recipients, stream_recipients
    from terminal.recipient_list import ON_PAGE, RecipientList, write_recipient_page, write_recipient_sheet

    limit = ON_PAGE if target.form == "html" else None
    rows = await stream_recipients(connection, name, run_id, period, limit)
    if target.form == "xlsx" and place is not None:
        cells = ([row[key] for key in RECIPIENT_KEYS] async for row in rows)
        await write_recipient_sheet(place, "Recipients", RECIPIENT_KEYS, cells)
        note_written(place)
        return []
    with destination(place) as file:
        if target.form == "html":
            count = await count_recipients(connection, name, run_id, period)
            await write_recipient_page(f"Recipients of {name}", rows, count)
            return []
        writer = RecipientList(file, target.form, fits_terminal=place is None)
        async for row in rows:
            writer.write(row)
        writer.close()
    return _left_out(name, writer)


async def _write_not_reached(
    connection: Connection,
    name: str,
    run_id: int | None,
    period: Period,
    target: Target,
    place: Path | None,
) -> list[str]:
    """Write them; notes on who is not among them."""
    from app.views.reports.not_reached import not_reached
    from app.views.reports.reports import count_recipients
    from campaigns.time.clock import utc_now
    from terminal.recipient_list import ON_PAGE, NotReachedList, write_recipient_page, write_recipient_sheet

    limit = ON_PAGE if target.form == "html" else None
    people = await not_reached(connection, name, run_id, utc_now(), period, limit)
    if target.form == "xlsx" and place is not None:
        cells = (people.cells(row) async for row in people.rows)
        await write_recipient_sheet(place, "Not reached", people.header, cells)
        note_written(place)
        return _not_listed(name, people)
    with destination(place) as file:
        if target.form == "html":
            count = await count_recipients(connection, name, run_id, period, not_reached=True)
            await write_recipient_page(f"Not reached by {name}", people.rows, count)
            return _not_listed(name, people)
        writer = NotReachedList(file, target.form, people, fits_terminal=place is None)
        async for row in people.rows:
            writer.write(row)
        writer.close()
    return [*_left_out(name, writer), *_not_listed(name, people)]


def _not_listed(name: str, people: NotReached) -> list[str]:
    from campaigns.figures import counted

    notes = []
    if people.in_doubt:
        notes.append(
            f"Not listed: {counted(people.in_doubt, 'message')} in doubt; these people may have it. "
            f"To settle them: drumbeat campaign resolve {name} --in-doubt resend|give-up"
        )
    if people.rejected:
        notes.append(f"Not listed: {counted(people.rejected, 'rejected row')}; the rejects file has them.")
    return notes


def _left_out(name: str, writer: RecipientList) -> list[str]:
    if not writer.left_out:
        return []
    names = ", ".join(column.removesuffix("_at") for column in writer.left_out)
    return [f"No room here for: {names}. All of it: drumbeat report recipients {name} --output FILE.csv"]


def _suggest(*commands: str) -> None:
    from terminal.output import suggest

    suggest(*commands)
