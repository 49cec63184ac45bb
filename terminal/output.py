"""What commands print: tables for people on a terminal, plain aligned text when piped, JSON for scripts."""

from __future__ import annotations

import logging
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from zoneinfo import ZoneInfo

import click

from app.views.json_text import to_json
from app.wiring.logs import log_as_json
from campaigns.figures import Share, percent
from campaigns.money.costs import plain
from campaigns.visible_text import isolated, visible, visible_line
from terminal.tables import Layout, is_number, is_sentence, layout_within, plain_heading

if TYPE_CHECKING:
    from rich.console import Console

logger = logging.getLogger(__name__)

NOTHING: Final = "  (none)"
_TONES: Final = {
    "rejected": "yellow",
    "failed": "red",
    "in": "yellow",
    "in_doubt": "yellow",
    "skipped": "dim",
}
"""The style of a row on a terminal, by the first word of its first cell."""
_STATE_TONES: Final = {
    "running": "green",
    "delivered": "green",
    "read": "green",
    "paused": "yellow",
    "in_doubt": "yellow",
    "failed": "red",
    "cancelled": "dim",
}
"""The style of a cell that names a state."""
_UTC: Final = re.compile(r"\b(\d{4}-\d\d-\d\d) (\d\d:\d\d)(:\d\d)? UTC\b")


class _Reader:
    """Who reads what is printed."""

    zone: ZoneInfo | None = None
    """The zone that times are shown in; None: this machine's."""


def show_times_in(zone: ZoneInfo | None) -> None:
    """From now on, show times to people in this zone; None: in this machine's."""
    _Reader.zone = zone


def named_reader_zone() -> ZoneInfo | None:
    """The zone that was asked for; None: this machine's."""
    return _Reader.zone


def reader_zone() -> tzinfo:
    """The zone that times are shown in."""
    return _Reader.zone or datetime.now().astimezone().tzinfo or UTC


def shown_time(moment: datetime, seconds: bool = True) -> str:
    """The time in the reader's zone, with its name."""
    local = moment.astimezone(_Reader.zone)
    return local.strftime("%Y-%m-%d %H:%M:%S %Z" if seconds else "%Y-%m-%d %H:%M %Z")


def in_readers_zone(text: str) -> str:
    """A text of Drumbeat's, with its times in UTC converted to the reader's zone."""

    def moved(found: re.Match[str]) -> str:
        moment = datetime.fromisoformat(f"{found[1]}T{found[2]}{found[3] or ''}").replace(tzinfo=UTC)
        return shown_time(moment, seconds=bool(found[3]))

    return _UTC.sub(moved, text)


def own_facts(facts: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Names and values whose texts are Drumbeat's: their times are converted to the reader's zone."""
    for name, value in facts:
        yield name, in_readers_zone(value) if isinstance(value, str) else value


def on_terminal() -> bool:
    return sys.stdout.isatty()


def print_text(text: str = "") -> None:
    click.echo(visible(text))


def print_sentence(text: str, indent: int = 0) -> None:
    """Print a sentence; on a terminal it is wrapped between words, and further lines are indented."""
    click.echo(wrapped(visible(text), indent) if on_terminal() else visible(text))


def wrapped(text: str, indent: int = 0) -> str:
    """The text in lines that fit the terminal, all but the first of them indented; no word is broken."""
    width = max(shutil.get_terminal_size().columns, indent + 20)
    lines = (
        textwrap.wrap(
            line,
            width,
            initial_indent=" " * indent if number else "",
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for number, line in enumerate(text.split("\n"))
    )
    return "\n".join("\n".join(part) for part in lines)


def print_note(text: str) -> None:
    """Print a note to stderr, so that it is never mixed into piped output. One that cannot be written, as where it goes
    to a file on a full disk, stops nothing."""
    if log_as_json():
        logger.info(text, extra={"action": "note"})
    else:
        with suppress(OSError):
            click.echo(wrapped(visible(text)) if sys.stderr.isatty() else visible(text), err=True)


def suggest(*commands: str) -> None:
    """Print the next useful commands; only on a terminal."""
    if on_terminal():
        print_text("Next: " + "\n      ".join(map(visible_line, commands)))


def print_json(value: Any) -> None:
    print_text(to_json(value, indent=2))


def cell(value: Any) -> str:
    """A value as a table shows it."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case Share():
            return percent(value)
        case Decimal():
            return plain(value)
        case datetime():
            return shown_time(value)
        case Enum():
            return visible_line(str(value.value))
        case _:
            return visible_line(str(value))


def near(path: Path) -> str:
    """The path as you would type it in this folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def print_table(title: str | None, headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table; of headings that start with `>` or `?` see `terminal.tables`. On a terminal nothing is cut: where the
    columns do not fit, each row is shown as names and values."""
    title = None if title is None else visible_line(title)
    headings = [visible_line(heading) for heading in headings]
    texts = [[cell(value) for value in row] for row in rows]
    if on_terminal():
        _terminal_table(title, headings, texts)
    else:
        _plain_table(title, headings, texts)
    if not texts:
        print_text(NOTHING)
    print_text()


def _terminal_table(title: str | None, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console

    console = Console()
    if title:
        console.print(isolated(title), style="bold", markup=False, highlight=False)
    layout = layout_within(headings, rows, console.width)
    if layout is None:
        _stacked(headings, rows)
    else:
        _rich_table(console, layout, headings, rows)


def _rich_table(
    console: Console, layout: Layout, headings: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    left = layout.gap - 2  # the box takes one column between two cells
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, left))
    for place, width in zip(layout.places, layout.widths, strict=True):
        heading = headings[place]
        side: Literal["right", "left"] = "right" if is_number(heading) else "left"
        table.add_column(plain_heading(heading), justify=side, width=width, overflow="fold")
    for row in rows:
        cells = (Text(isolated(row[at]), style=_STATE_TONES.get(row[at], "")) for at in layout.places)
        table.add_row(*cells, style=_tone(row))
    console.print(table)


def _stacked(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Each row as names and values, one per line."""
    for number, row in enumerate(rows):
        if number:
            print_text()
        print_facts(
            None, ((plain_heading(name), text) for name, text in zip(headings, row, strict=True) if text)
        )


def _tone(row: Sequence[str]) -> str | None:
    """None if the count is 0: such a row needs no attention."""
    return None if "0" in row[1:2] else _TONES.get((row[0].split() or [""])[0])


def _plain_table(title: str | None, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [[plain_heading(heading) for heading in headings], *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(headings))]
    if title:
        print_text(title)
    for line in lines:
        cells = (
            text.rjust(width) if is_number(heading) else text.ljust(width)
            for text, width, heading in zip(line, widths, headings, strict=True)
        )
        print_text("  ".join(cells).rstrip())


def print_facts(title: str | None, facts: Iterable[tuple[str, Any]]) -> None:
    """Names and values, one per line; on a terminal a long value continues below its beginning."""
    pairs = [(visible_line(name), cell(value)) for name, value in facts]
    width = max((len(name) for name, _ in pairs), default=0)
    if title:
        print_text(visible_line(title))
    for name, text in pairs:
        start = f"  {name.ljust(width)}  "
        line = f"{start}{isolated(text) if on_terminal() else text}"
        click.echo(wrapped(line, len(start)) if on_terminal() and is_sentence(text) else line)
