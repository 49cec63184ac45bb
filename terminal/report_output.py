"""Where a report goes, and in which form: to the terminal, or to a file whose name may decide the form."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

import click

from app.wiring.context import Context
from campaigns.frozen import frozen
from terminal.commands.options import Command, timezone_option

if TYPE_CHECKING:
    from app.views.reports.parts import Report
    from storage.database.engine import Connection

FORMATS: Final = ("table", "json", "csv", "xlsx", "html")
_ENDINGS: Final = {
    "": "table",
    ".txt": "table",
    ".csv": "csv",
    ".json": "json",
    ".xlsx": "xlsx",
    ".html": "html",
    ".htm": "html",
}
_FORM_OF_FOLDER: Final = "html"
_DECIDES: Final = (".csv", ".json", ".xlsx", ".html", ".htm")
_NOT_WRITTEN: Final = (".xls", ".ods", ".pdf")


def form_options(command: Command) -> Command:
    """The options of every report that say how and where it is written."""
    options = (
        click.option(
            "--format",
            "format_",
            type=click.Choice(FORMATS),
            help="Default: table, or the format that --output's name ends in.",
        ),
        click.option("--json", "as_json", is_flag=True, help="The same as --format json."),
        click.option(
            "--output",
            "--out",
            "output",
            type=click.Path(path_type=Path),
            help="Write to this new file: .html, .xlsx, .csv, .json or .txt. In a folder, the file is named after "
            "campaign, report and day.",
        ),
        click.option("--force", is_flag=True, help="With --output: replace an existing file."),
        timezone_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@frozen
class Target:
    """Where a report goes, and in which form."""

    form: str
    output: Path | None
    force: bool

    @classmethod
    def of(
        cls, name: str, format_: str | None, as_json: bool, output: Path | None, force: bool, now: datetime
    ) -> Target:
        """`name`: of a file in a folder. Raises UsageError if there is no such format, or if the options contradict
        each other."""
        wanted = "json" if as_json else format_
        if output is not None and output.is_dir():
            form = wanted or _FORM_OF_FOLDER
            ending = "txt" if form == "table" else form
            return cls(form, output / f"{name}-{now:%Y-%m-%d}.{ending}", force)
        form = _chosen(wanted, output)
        if form == "xlsx" and output is None:
            raise click.UsageError("A workbook is not printed; write it with --output FILE.xlsx.")
        return cls(form, output, force)

    async def place(self, context: Context, connection: Connection) -> Path | None:
        """The resolved path. Raises UsageError if nothing may be written there."""
        from app.wiring.output_files import report_place

        if self.output is None:
            return None
        return await report_place(connection, context.settings, self.output, force=self.force)


def _chosen(wanted: str | None, output: Path | None) -> str:
    ending = output.suffix.lower() if output else ""
    by_name = _ENDINGS.get(ending)
    if by_name is None and (wanted is None or ending in _NOT_WRITTEN):
        raise click.UsageError(
            f"Reports cannot be written as {ending}; use a name that ends in .html, .xlsx, .csv, .json or .txt."
        )
    if wanted and by_name != wanted and ending in _DECIDES:
        raise click.UsageError(f"--format {wanted} contradicts the file name, which ends in {ending}.")
    return wanted or by_name or "table"


@contextmanager
def destination(place: Path | None) -> Iterator[TextIO]:
    """Standard output, or the file; everything printed inside the block goes there."""
    if place is None:
        yield sys.stdout
        return
    from contextlib import redirect_stdout

    from campaigns.atomic_files import whole_file

    with whole_file(place, replace=True) as file, redirect_stdout(file):
        yield file
    note_written(place)


def note_written(place: Path) -> None:
    from terminal.output import near, print_note

    print_note(f"Written to {near(place)}.")


def write_report(made: Report, form: str, place: Path | None, title: str, now: datetime) -> None:
    """Write one report in one of its forms."""
    from terminal.output import print_text, reader_zone

    if form == "xlsx" and place is not None:
        from app.views.reports.workbooks import write_workbook

        write_workbook(place, made, title, reader_zone())
        note_written(place)
        return
    with destination(place):
        if form == "html":
            from web.reports.html import report_html

            print_text(report_html(made, title, now, reader_zone()))
        else:
            print_report(made, form)


def print_report(made: Report, form: str = "table") -> None:
    """Print one report as a table, as CSV or as JSON."""
    from app.views.reports.exports import write_csv
    from terminal.output import in_readers_zone, print_json, print_sentence, print_table, print_text

    match form:
        case "json":
            print_json(made.json)
        case "csv":
            write_csv(sys.stdout, [made.csv.headings, *made.csv.rows])
        case _:
            if made.headline:
                print_sentence(in_readers_zone(made.headline))
                print_text()
            for table in made.tables:
                print_table(table.title, table.headings, table.rows)
            for remark in made.remarks:
                print_sentence(in_readers_zone(remark))
            if made.remarks:
                print_text()
