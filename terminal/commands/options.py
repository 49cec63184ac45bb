"""Options that several commands share."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import click

from app.wiring.context import Context
from campaigns.visible_text import visible_line

T = TypeVar("T")
Command = Callable[..., Any]


class CommandGroup(click.Group):
    """A group whose help shows each command's first sentence whole. `elsewhere`: name -> module and name of a command
    that is imported when it is called."""

    def __init__(self, *args: Any, elsewhere: Mapping[str, str] | None = None, **named: Any) -> None:
        super().__init__(*args, **named)
        self._elsewhere = elsewhere or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.commands, *self._elsewhere})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands:
            # An unknown name is compared with all of them.
            for name in [cmd_name] if cmd_name in self._elsewhere else self._elsewhere:
                module, _, attribute = self._elsewhere[name].partition(":")
                self.add_command(getattr(import_module(module), attribute), name)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, command.get_short_help_str(limit=500)) for name, command in commands if command]
            )


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


def complete_campaign(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    from app.views.known_names import campaign_names

    return [name for name in campaign_names(**_given(context)) if name.startswith(incomplete)]


def complete_run(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    from app.views.known_names import run_numbers

    typed = [context.params.get("name"), *context.args]  # an option without its value leaves the name unread
    name = next((word for word in typed if word and not word.startswith("-")), "")
    numbers = run_numbers(name, **_given(context))
    return [number for number in numbers if number.startswith(incomplete)]


def complete_account(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    from app.views.known_names import account_names

    return [name for name in account_names(_given(context)["config"]) if name.startswith(incomplete)]


def _given(context: click.Context) -> dict[str, Any]:
    """The options before the command, as far as they are typed."""
    before = context.find_root().params
    return {"config": before.get("config"), "database": before.get("database")}


def _show_times(context: click.Context, _: click.Parameter, name: str | None) -> None:
    if name is None:
        return
    from campaigns.time.zones import find_zone
    from terminal.output import show_times_in

    try:
        show_times_in(find_zone(name))
        context.call_on_close(lambda: show_times_in(None))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


name_argument = click.argument("name", metavar="NAME", shell_complete=complete_campaign)
account_argument = click.argument("account", required=False, shell_complete=complete_account)
timezone_option = click.option(
    "--timezone",
    metavar="ZONE",
    expose_value=False,
    callback=_show_times,
    help="Show times in this zone, such as Africa/Porto-Novo; default: this machine's. JSON is in UTC.",
)
run_option = click.option(
    "--run",
    "run_id",
    type=int,
    metavar="N",
    shell_complete=complete_run,
    help="Only this run, with its retries; drumbeat campaign show NAME lists them. Default: all.",
)
PORT = click.IntRange(0, 65_535)
metrics_port = click.option(
    "--metrics-port",
    type=PORT,
    metavar="PORT",
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
    help="The column of the phone numbers; repeat it to name the column to use where this one has no usable number.",
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


def in_database(
    context: Context, use_case: Callable[..., Coroutine[Any, Any, T]], *given: Any, **named: Any
) -> T:
    """What the use case returns; it gets the open database before the rest. Raises UsageError without a database."""

    async def work() -> T:
        async with context.database() as engine:
            return await use_case(engine, *given, **named)

    return run_async(work())


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
