"""`drumbeat report`: who received it, who did not and why, and what it cost."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from app.wiring.context import Context
from terminal.commands.options import (
    Command,
    CommandGroup,
    name_argument,
    run_async,
    run_option,
    timezone_option,
)

if TYPE_CHECKING:
    from app.views.reports import Report
    from storage.database.engine import Connection
    from terminal.recipient_list import RecipientList

    Builder = Callable[[Connection, str, int | None], Awaitable[Report]]


@click.group(cls=CommandGroup)
def report() -> None:
    """Show who received a campaign, who did not and why, and what it cost."""


def _formats(command: Command) -> Command:
    choice = click.Choice(["table", "json", "csv"])
    options = (
        click.option(
            "--format",
            "format_",
            type=choice,
            help="Default: table, or the format that --output's name ends in.",
        ),
        click.option("--json", "as_json", is_flag=True, help="The same as --format json."),
        click.option(
            "--output", type=click.Path(path_type=Path), help="Write to this new file: .csv, .json or .txt."
        ),
        click.option("--force", is_flag=True, help="With --output: replace an existing file."),
        timezone_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@report.command()
@name_argument
@run_option
@_formats
@click.pass_obj
def delivery(context: Context, /, name: str, run_id: int | None, **form: Any) -> None:
    """Show the outcome of every row of the file; the numbers add up to its rows.

    Of a campaign with several runs it shows all their messages, and a line for each run.
    """
    from app.views.reports import delivery_report

    _show(context, name, delivery_report, run_id, **form)
    _suggest(f"drumbeat report failures {name}", f"drumbeat report cost {name}")


@report.command()
@name_argument
@run_option
@_formats
@click.pass_obj
def cost(context: Context, /, name: str, run_id: int | None, **form: Any) -> None:
    """Show what the provider charged, by country and category.

    Unsettled is the estimate for messages whose charge is not known yet; unpriced counts those without a known price.
    """
    from app.views.reports import cost_report

    _show(context, name, cost_report, run_id, **form)
    _suggest(f"drumbeat report recipients {name} --output recipients.csv")


@report.command()
@name_argument
@run_option
@_formats
@click.pass_obj
def failures(context: Context, /, name: str, run_id: int | None, **form: Any) -> None:
    """Show everybody who was not reached, and why: messages in doubt, failed, skipped, expired and cancelled, and
    rejected rows."""
    from app.views.reports import failures_report

    _show(context, name, failures_report, run_id, **form)
    _suggest(
        f"drumbeat why {name} PHONE", f"drumbeat report recipients {name} --not-reached --output rest.csv"
    )


@report.command()
@name_argument
@_formats
@click.pass_obj
def variants(context: Context, /, name: str, **form: Any) -> None:
    """Compare the variants of the newest run, and show whether the difference may be chance.

    p is the p-value of a two-sided two-proportion z-test on the test messages.
    """
    from app.views.variants import variants_report

    _show(context, name, lambda connection, name, _: variants_report(connection, name), None, **form)
    _suggest(f"drumbeat campaign winner {name}")


@report.command()
@name_argument
@run_option
@click.option(
    "--not-reached",
    is_flag=True,
    help="Only those who were not reached. As CSV it has the list's own columns: a new campaign can load it.",
)
@_formats
@click.pass_obj
def recipients(context: Context, /, name: str, **options: Any) -> None:
    """List every recipient with state, times and cost.

    In CSV, a cell that a spreadsheet would run as a formula is prefixed with an apostrophe; a load of a list of
    --not-reached removes it. Somebody whose message is in doubt may have it, and is not in that list.
    """
    run_async(_recipients(context, name, **options))


_ENDINGS = {"": "table", ".txt": "table", ".csv": "csv", ".json": "json"}
_NOT_WRITTEN = (".xlsx", ".xls", ".ods", ".html", ".htm", ".pdf")


def _chosen(format_: str | None, as_json: bool, output: Path | None) -> str:
    """The format from the options, or else from the file's ending. Raises UsageError if there is no such format, or if
    they contradict each other."""
    wanted = "json" if as_json else format_
    ending = output.suffix.lower() if output else ""
    by_name = _ENDINGS.get(ending)
    if by_name is None and (wanted is None or ending in _NOT_WRITTEN):
        raise click.UsageError(
            f"Reports cannot be written as {ending}; use a name that ends in .csv, .json or .txt."
        )
    if wanted and by_name != wanted and ending in (".csv", ".json"):
        raise click.UsageError(f"--format {wanted} contradicts the file name, which ends in {ending}.")
    return wanted or by_name or "table"


def _show(
    context: Context,
    name: str,
    build: Builder,
    run_id: int | None,
    format_: str | None,
    as_json: bool,
    output: Path | None,
    force: bool,
) -> None:
    place, made = run_async(_built(context, name, build, run_id, output, force))
    with _destination(place):
        print_report(made, _chosen(format_, as_json, output))


async def _built(
    context: Context, name: str, build: Builder, run_id: int | None, output: Path | None, force: bool
) -> tuple[Path | None, Report]:
    async with context.snapshot() as connection:
        return await _place(context, connection, output, force), await build(connection, name, run_id)


async def _place(context: Context, connection: Connection, output: Path | None, force: bool) -> Path | None:
    """The path of `--output`. Raises UsageError if nothing may be written there."""
    from app.wiring.output_files import report_place

    if output is None:
        return None
    return await report_place(connection, context.settings, output, force=force)


def print_report(made: Report, format_: str = "table") -> None:
    """Print one report in one of its forms."""
    from app.views.exports import write_csv
    from terminal.output import in_readers_zone, print_json, print_sentence, print_table, print_text

    match format_:
        case "json":
            print_json(made.json)
        case "csv":
            write_csv(sys.stdout, [made.csv.headings, *made.csv.rows])
        case _:
            for table in made.tables:
                print_table(table.title, table.headings, table.rows)
            for remark in made.remarks:
                print_sentence(in_readers_zone(remark))
            if made.remarks:
                print_text()


async def _recipients(
    context: Context,
    name: str,
    run_id: int | None,
    not_reached: bool,
    format_: str | None,
    as_json: bool,
    output: Path | None,
    force: bool,
) -> None:
    from app.views.reports import recipients_purged_note, stream_recipients
    from terminal.output import print_note
    from terminal.recipient_list import RecipientList

    form = _chosen(format_, as_json, output)
    async with context.snapshot() as connection:
        if not_reached:
            notes = await _not_reached(context, connection, name, run_id, form, output, force)
        else:
            rows = await stream_recipients(connection, name, run_id)
            with _destination(await _place(context, connection, output, force)) as file:
                writer = RecipientList(file, form, fits_terminal=output is None)
                async for row in rows:
                    writer.write(row)
                writer.close()
            notes = _left_out(name, writer)
        if purged := await recipients_purged_note(connection, name):
            notes.append(purged)
    for note in notes:
        print_note(note)


async def _not_reached(
    context: Context,
    connection: Connection,
    name: str,
    run_id: int | None,
    form: str,
    output: Path | None,
    force: bool,
) -> list[str]:
    """Write them; notes on who is not among them."""
    from app.views.not_reached import not_reached
    from campaigns.figures import counted
    from campaigns.time.clock import utc_now
    from terminal.recipient_list import NotReachedList

    people = await not_reached(connection, name, run_id, utc_now())
    with _destination(await _place(context, connection, output, force)) as file:
        writer = NotReachedList(file, form, people, fits_terminal=output is None)
        async for row in people.rows:
            writer.write(row)
        writer.close()
    notes = _left_out(name, writer)
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


@contextmanager
def _destination(place: Path | None) -> Iterator[TextIO]:
    """Standard output, or the file; everything printed inside the block goes there."""
    if place is None:
        yield sys.stdout
        return
    from contextlib import redirect_stdout

    from campaigns.atomic_files import whole_file
    from terminal.output import near, print_note

    with whole_file(place, replace=True) as file, redirect_stdout(file):
        yield file
    print_note(f"Written to {near(place)}.")


def _suggest(*commands: str) -> None:
    from terminal.output import suggest

    suggest(*commands)
