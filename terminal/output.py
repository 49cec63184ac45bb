"""What commands print: tables for people on a terminal, plain aligned text when piped, JSON for scripts."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Final

import click

from app.wiring.logs import log_as_json
from campaigns.money.costs import plain
from campaigns.visible_text import isolated, visible, visible_json, visible_line

logger = logging.getLogger(__name__)

RIGHT: Final = ">"
"""A column heading that starts with it holds numbers."""
NOTHING: Final = "  (none)"
_TONES: Final = {
    "rejected": "yellow",
    "failed": "red",
    "in": "yellow",
    "in_doubt": "yellow",
    "skipped": "dim",
}
"""The style of a row on a terminal, by the first word of its first cell."""


def on_terminal() -> bool:
    return sys.stdout.isatty()


def print_text(text: str = "") -> None:
    click.echo(visible(text))


def print_note(text: str) -> None:
    """Print a note to stderr, so that it is never mixed into piped output. One that cannot be written, as where it goes
    to a file on a full disk, stops nothing."""
    if log_as_json():
        logger.info(text, extra={"action": "told"})
    else:
        with suppress(OSError):
            click.echo(visible(text), err=True)


def suggest(*commands: str) -> None:
    """Print the next useful commands; only on a terminal."""
    if on_terminal():
        print_text("Next: " + "\n      ".join(map(visible_line, commands)))


def print_json(value: Any) -> None:
    print_text(to_json(value, indent=2))


def to_json(value: Any, indent: int | None = None) -> str:
    return visible_json(json.dumps(value, default=_plain_value, ensure_ascii=False, indent=indent))


def _plain_value(value: Any) -> Any:
    match value:
        case Decimal():
            return plain(value)
        case datetime():
            return value.isoformat()
        case Enum():
            return value.value
        case Path():
            return str(value)
        case _ if is_dataclass(value) and not isinstance(value, type):
            return asdict(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON form")


def cell(value: Any) -> str:
    """A value as a table shows it."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case Decimal():
            return plain(value)
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S %Z")
        case Enum():
            return visible_line(str(value.value))
        case _:
            return visible_line(str(value))


def near(path: Path) -> str:
    """The path as you would type it in this folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def print_table(title: str | None, headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table; headings that start with `>` are columns of numbers, aligned to the right."""
    title = None if title is None else visible_line(title)
    headings = [visible_line(heading) for heading in headings]
    texts = [[cell(value) for value in row] for row in rows]
    if on_terminal():
        _rich_table(title, headings, texts)
    else:
        _plain_table(title, headings, texts)
    if not texts:
        print_text(NOTHING)
    print_text()


def _rich_table(title: str | None, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console, table = Console(), Table(box=SIMPLE_HEAD, show_edge=False)
    for heading in headings:
        table.add_column(
            heading.removeprefix(RIGHT), justify="right" if heading.startswith(RIGHT) else "left"
        )
    for row in rows:
        table.add_row(*(escape(isolated(text)) for text in row), style=_tone(row))
    if title:
        console.print(isolated(title), style="bold", markup=False, highlight=False)
    console.print(table)


def _tone(row: Sequence[str]) -> str | None:
    """None if the count is 0: such a row needs no attention."""
    return None if "0" in row[1:2] else _TONES.get((row[0].split() or [""])[0])


def _plain_table(title: str | None, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [[heading.removeprefix(RIGHT) for heading in headings], *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(headings))]
    if title:
        print_text(title)
    for line in lines:
        cells = (
            text.rjust(width) if heading.startswith(RIGHT) else text.ljust(width)
            for text, width, heading in zip(line, widths, headings, strict=True)
        )
        print_text("  ".join(cells).rstrip())


def print_facts(title: str | None, facts: Iterable[tuple[str, Any]]) -> None:
    """Names and values, one per line."""
    pairs = [(name, cell(value)) for name, value in facts]
    width = max((len(name) for name, _ in pairs), default=0)
    if title:
        print_text(visible_line(title))
    for name, text in pairs:
        click.echo(f"  {visible_line(name).ljust(width)}  {isolated(text) if on_terminal() else text}")
