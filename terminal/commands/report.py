"""`drumbeat report`: who received it, who did not and why, and what it cost."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from app.wiring.context import Context
from terminal.commands.options import Command, name_argument, run_async

if TYPE_CHECKING:
    from app.views.reports import Report
    from storage.database.engine import Connection

    Builder = Callable[[Connection, str], Awaitable[Report]]


@click.group()
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
    )
    for option in reversed(options):
        command = option(command)
    return command


@report.command()
@name_argument
@_formats
@click.pass_obj
def delivery(context: Context, /, name: str, **form: Any) -> None:
    """Show the outcome of every row of the file; the numbers add up to its rows."""
    from app.views.reports import delivery_report

    _show(context, name, delivery_report, **form)
    _suggest(f"drumbeat report failures {name}", f"drumbeat report cost {name}")


@report.command()
@name_argument
@_formats
@click.pass_obj
def cost(context: Context, /, name: str, **form: Any) -> None:
    """Show what the provider charged, by country and category.

    Unsettled is the estimate for messages whose charge is not known yet; unpriced counts those without a known price.
    """
    from app.views.reports import cost_report

    _show(context, name, cost_report, **form)
    _suggest(f"drumbeat report recipients {name} --output recipients.csv")


@report.command()
@name_argument
@_formats
@click.pass_obj
def failures(context: Context, /, name: str, **form: Any) -> None:
    """Show why messages failed, are in doubt or were skipped, and why rows were rejected."""
    from app.views.reports import failures_report

    _show(context, name, failures_report, **form)
    _suggest(f"drumbeat why {name} PHONE")


@report.command()
@name_argument
@_formats
@click.pass_obj
def variants(context: Context, /, name: str, **form: Any) -> None:
    """Compare the variants of the newest run, and show whether the difference may be chance.

    p is the p-value of a two-sided two-proportion z-test on the test messages.
    """
    from app.views.variants import variants_report

    _show(context, name, variants_report, **form)
    _suggest(f"drumbeat campaign winner {name}")


@report.command()
@name_argument
@_formats
@click.pass_obj
def recipients(context: Context, /, name: str, **form: Any) -> None:
    """List every recipient with state, times and cost.

    In CSV, a cell that a spreadsheet would run as a formula is prefixed with an apostrophe.
    """
    run_async(_recipients(context, name, **form))


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
    format_: str | None,
    as_json: bool,
    output: Path | None,
    force: bool,
) -> None:
    place, made = run_async(_built(context, name, build, output, force))
    with _destination(place):
        print_report(made, _chosen(format_, as_json, output))


async def _built(
    context: Context, name: str, build: Builder, output: Path | None, force: bool
) -> tuple[Path | None, Report]:
    async with context.snapshot() as connection:
        return await _place(context, connection, output, force), await build(connection, name)


async def _place(context: Context, connection: Connection, output: Path | None, force: bool) -> Path | None:
    """The path of `--output`. Raises UsageError if nothing may be written there."""
    from app.wiring.output_files import report_place

    if output is None:
        return None
    return await report_place(connection, context.settings, output, force=force)


def print_report(made: Report, format_: str = "table") -> None:
    """Print one report in one of its forms."""
    from app.views.exports import write_csv
    from terminal.output import print_json, print_table, print_text

    match format_:
        case "json":
            print_json(made.json)
        case "csv":
            write_csv(sys.stdout, [made.csv.headings, *made.csv.rows])
        case _:
            for table in made.tables:
                print_table(table.title, table.headings, table.rows)
            for remark in made.remarks:
                print_text(remark)
            if made.remarks:
                print_text()


async def _recipients(
    context: Context, name: str, format_: str | None, as_json: bool, output: Path | None, force: bool
) -> None:
    from app.views.reports import recipients_purged_note, stream_recipients
    from terminal.output import print_note

    async with context.snapshot() as connection:
        rows = await stream_recipients(connection, name)
        with _destination(await _place(context, connection, output, force)) as file:
            writer = _RecipientWriter(file, _chosen(format_, as_json, output))
            async for row in rows:
                writer.write(row)
            writer.close()
        note = await recipients_purged_note(connection, name)
    if note is not None:
        print_note(note)


class _RecipientWriter:
    """Writes recipients as they come: a million of them take no more memory than ten."""

    def __init__(self, file: TextIO, format_: str) -> None:
        from app.views.exports import write_csv
        from app.views.reports import RECIPIENT_KEYS

        self._file, self._format, self._keys, self._count = file, format_, RECIPIENT_KEYS, 0
        if format_ == "csv":
            write_csv(file, [self._keys])
        elif format_ == "table":
            self._line([key for key, _ in _COLUMNS])

    def write(self, row: dict[str, Any]) -> None:
        from app.views.exports import write_csv
        from terminal.output import cell, to_json

        match self._format:
            case "json":
                self._file.write(("[\n" if not self._count else ",\n") + to_json(row))
            case "csv":
                write_csv(self._file, [[row[key] for key in self._keys]])
            case _:
                self._line([cell(row[key]) if key != "line" else str(row[key]) for key, _ in _COLUMNS])
        self._count += 1

    def close(self) -> None:
        if self._format == "json":
            self._file.write("\n]\n" if self._count else "[]\n")

    def _line(self, cells: list[str]) -> None:
        texts = (text.ljust(width) for text, (_, width) in zip(cells, _COLUMNS, strict=True))
        self._file.write("  ".join(texts).rstrip() + "\n")


_COLUMNS = (
    ("line", 7),
    ("phone", 16),
    ("state", 10),
    ("reason", 18),
    ("code", 16),
    ("attempts", 8),
    ("cost", 10),
    ("sent_at", 23),
    ("delivered_at", 23),
    ("read_at", 23),
)


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
