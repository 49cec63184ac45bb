"""`drumbeat report`: who got it, who did not and why, and what it cost."""

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
    """Who got it, who did not and why, and what it cost."""


def _formats(command: Command) -> Command:
    choice = click.Choice(["table", "json", "csv"])
    options = (
        click.option(
            "--format", "format_", type=choice, help="Default: table, or what --output's name says."
        ),
        click.option("--json", "as_json", is_flag=True, help="The same as --format json."),
        click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@report.command()
@name_argument
@_formats
@click.pass_obj
def delivery(context: Context, name: str, format_: str | None, as_json: bool, output: Path | None) -> None:
    """What became of every row of the file: the numbers add up to its rows."""
    from app.views.reports import delivery_report

    _show(context, name, delivery_report, _chosen(format_, as_json, output), output)
    _suggest(f"drumbeat report failures {name}", f"drumbeat report cost {name}")


@report.command()
@name_argument
@_formats
@click.pass_obj
def cost(context: Context, name: str, format_: str | None, as_json: bool, output: Path | None) -> None:
    """What the provider charged, by country and category.

    Unsettled is the part whose receipts are still out; unpriced counts messages without a known price.
    """
    from app.views.reports import cost_report

    _show(context, name, cost_report, _chosen(format_, as_json, output), output)
    _suggest(f"drumbeat report recipients {name} --output recipients.csv")


@report.command()
@name_argument
@_formats
@click.pass_obj
def failures(context: Context, name: str, format_: str | None, as_json: bool, output: Path | None) -> None:
    """Why messages failed, are in doubt or were skipped, and why rows were rejected."""
    from app.views.reports import failures_report

    _show(context, name, failures_report, _chosen(format_, as_json, output), output)
    _suggest(f"drumbeat why {name} PHONE")


@report.command()
@name_argument
@_formats
@click.pass_obj
def variants(context: Context, name: str, format_: str | None, as_json: bool, output: Path | None) -> None:
    """How the variants of the newest run compare, and whether chance alone explains the difference.

    p is that of a two-sided two-proportion z-test, on the messages of the test.
    """
    from app.views.variants import variants_report

    _show(context, name, variants_report, _chosen(format_, as_json, output), output)
    _suggest(f"drumbeat campaign winner {name}")


@report.command()
@name_argument
@_formats
@click.pass_obj
def recipients(context: Context, name: str, format_: str | None, as_json: bool, output: Path | None) -> None:
    """Every recipient with its state, times and cost, one line each.

    In CSV, a cell that a spreadsheet would run as a formula begins with an apostrophe.
    """
    run_async(_recipients(context, name, _chosen(format_, as_json, output), output))


def _chosen(format_: str | None, as_json: bool, output: Path | None) -> str:
    if as_json:
        return "json"
    suffix = output.suffix.removeprefix(".") if output else ""
    return format_ or (suffix if suffix in ("json", "csv") else "table")


def _show(context: Context, name: str, build: Builder, format_: str, output: Path | None) -> None:
    made = run_async(_built(context, name, build))
    with _destination(output):
        print_report(made, format_)


async def _built(context: Context, name: str, build: Builder) -> Report:
    from storage.database.engine import reading

    async with context.database() as engine, reading(engine) as connection:
        return await build(connection, name)


def print_report(made: Report, format_: str = "table") -> None:
    """Print one report in one of its forms."""
    from app.views.exports import write_csv
    from terminal.output import print_json, print_table, say

    match format_:
        case "json":
            print_json(made.json)
        case "csv":
            write_csv(sys.stdout, made.csv.headings, made.csv.rows)
        case _:
            for table in made.tables:
                print_table(table.title, table.headings, table.rows)
            for remark in made.remarks:
                say(remark)
            if made.remarks:
                say()


async def _recipients(context: Context, name: str, format_: str, output: Path | None) -> None:
    from app.views.reports import purged_note
    from storage.audience.campaigns import require
    from storage.database.engine import reading
    from storage.retention.purged_totals import purged_since
    from storage.views.reports import stream_recipients
    from terminal.output import tell

    async with context.database() as engine, reading(engine) as connection:
        campaign = await require(connection, name)
        with _destination(output) as file:
            writer = _RecipientWriter(file, format_)
            async for row in stream_recipients(connection, campaign):
                writer.write(row)
            writer.close()
        purged_at = await purged_since(connection, campaign.id)
    if purged_at is not None:
        tell(f"{purged_note(purged_at)} Whose they were is not listed.")


class _RecipientWriter:
    """Writes recipients as they come: a million of them take no more memory than ten."""

    def __init__(self, file: TextIO, format_: str) -> None:
        from storage.views.reports import RECIPIENT_KEYS

        self._file, self._format, self._keys, self._count = file, format_, RECIPIENT_KEYS, 0
        if format_ == "csv":
            self._csv([self._keys])
        elif format_ == "table":
            self._line([key for key, _ in _COLUMNS])

    def write(self, row: dict[str, Any]) -> None:
        from terminal.output import cell, to_json

        match self._format:
            case "json":
                self._file.write(("[\n" if not self._count else ",\n") + to_json(row))
            case "csv":
                self._csv([[row[key] for key in self._keys]])
            case _:
                self._line([cell(row[key]) if key != "line" else str(row[key]) for key, _ in _COLUMNS])
        self._count += 1

    def close(self) -> None:
        if self._format == "json":
            self._file.write("\n]\n" if self._count else "[]\n")

    def _csv(self, rows: list[Any]) -> None:
        import csv

        from app.views.exports import safe

        csv.writer(self._file, lineterminator="\n").writerows([safe(value) for value in row] for row in rows)

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
def _destination(output: Path | None) -> Iterator[TextIO]:
    """Standard output, or the file, with everything that is printed meanwhile going there."""
    if output is None:
        yield sys.stdout
        return
    from contextlib import redirect_stdout

    from campaigns.errors import UsageError
    from terminal.output import tell

    try:
        file = output.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}.") from error
    with file, redirect_stdout(file):
        yield file
    tell(f"Written to {output}.")


def _suggest(*commands: str) -> None:
    from terminal.output import suggest

    suggest(*commands)
