"""Options that several commands share."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from app.wiring.context import Context
from campaigns.visible_text import visible_line

T = TypeVar("T")
Command = Callable[..., Any]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
name_argument = click.argument("name", metavar="NAME")
metrics_port = click.option(
    "--metrics-port",
    type=int,
    help="Serve monitoring here: /metrics, /health/live, /health/ready; 0 takes a free port.",
)
metrics_host = click.option(
    "--metrics-host",
    default="127.0.0.1",
    show_default=True,
    help="With --metrics-port, the address to listen on.",
)
existing_file = click.Path(path_type=Path)
map_option = click.option(
    "--map", "map_", multiple=True, metavar="COLUMN=NAME", help="Read a column under another name."
)


phone_column_option = click.option(
    "--phone-column",
    multiple=True,
    metavar="NAME",
    callback=lambda _context, _option, names: list(names) or None,
    help="The column of the phone numbers; given again: used where the one before has no usable number.",
)


rejects_option = click.option(
    "--rejects",
    type=existing_file,
    help="A new file for the rejected rows; default: LIST.rejects.csv, named after campaign and list.",
)


class DurationType(click.ParamType[timedelta]):
    """`500ms`, `10s`, `5m`"""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        from campaigns.time.pace import parse_duration

        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


def mapping(given: Iterable[str]) -> dict[str, str]:
    """The mapping of `--map`: column -> name. Raises UsageError."""
    return dict(_pair(text) for text in given)


def _pair(text: str) -> tuple[str, str]:
    column, separator, name = text.rpartition("=")
    if not separator or not column or not name:
        raise click.UsageError(f"--map {text!r}: write it as COLUMN=NAME.")
    return column, name


def new_rejects(context: Context, path: Path | None) -> Path | None:
    """The path of `--rejects`. Raises UsageError if the file exists or the project needs that path."""
    from app.wiring.output_files import needed_files, output_place

    if path is None:
        return None
    return output_place(path, needed_files(context.settings), option="--rejects")


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run one command's coroutine to its end. SIGTERM stops it as Ctrl-C does: an open transaction is rolled back."""
    return asyncio.run(_stoppable(work))


async def _stoppable(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(work)
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        task.cancel()

    loop = asyncio.get_running_loop()
    with suppress(ValueError, RuntimeError):  # not in the main thread
        loop.add_signal_handler(signal.SIGTERM, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if stopped:
            raise KeyboardInterrupt from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def confirm(question: str, yes: bool) -> None:
    """Ask on a terminal; elsewhere `--yes` is required. Raises Abort or UsageError."""
    import sys

    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} To confirm, use --yes.")
    click.confirm(visible_line(question), abort=True)
