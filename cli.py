"""The command line's entry point: the commands, where their code is, and the exit codes of errors.

A command's module is imported only when it is needed, so that `drumbeat --help` answers at once.
"""

# ruff: noqa: E402
from __future__ import annotations

import gc

gc.set_threshold(200_000)  # ahead of all other imports: see main

import atexit
import importlib
import io
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal, TextIO

import click

from app.wiring.context import Context
from campaigns.errors import DrumbeatError
from campaigns.visible_text import visible

COMMANDS: Final = {
    "demo": (
        "terminal.commands.demo:demo",
        "Send a sample campaign to an emulated provider, in half a minute; no real numbers.",
    ),
    "init": ("terminal.commands.project:init", "Write a drumbeat.toml and a sample campaign to start from."),
    "doctor": ("terminal.commands.doctor:doctor", "Check settings, secrets, database and providers."),
    "campaign": ("terminal.commands.campaign:campaign", "Check, load and control campaigns."),
    "up": (
        "terminal.commands.up:up",
        "Serve the pages, send what is due and receive webhooks, until stopped.",
    ),
    "run": ("terminal.commands.run:run", "Send what is due, until stopped."),
    "status": (
        "terminal.commands.status:status",
        "Show one line for each campaign: state, progress, what comes next, and what holds it.",
    ),
    "worker": (
        "terminal.commands.worker:worker",
        "Send messages on this machine; a clock assigns the senders.",
    ),
    "workers": (
        "terminal.commands.worker:workers",
        "Show the processes that work on this database, and their lanes.",
    ),
    "serve": (
        "terminal.commands.serve:serve",
        "Serve the pages and receive the providers' webhooks, until stopped.",
    ),
    "reconcile": (
        "terminal.commands.run:reconcile",
        "Fetch the delivery status of messages from the providers, once.",
    ),
    "report": (
        "terminal.commands.report:report",
        "Show who received a campaign, who did not and why, and what it cost.",
    ),
    "why": (
        "terminal.commands.why:why",
        "Show everything that happened to one recipient, and what delays the message.",
    ),
    "contacts": (
        "terminal.commands.contacts:contacts",
        "Manage opt-outs; show, export or erase the data of one person.",
    ),
    "rates": (
        "terminal.commands.rates:rates",
        "Import and show rate cards: what messages cost, and since when.",
    ),
    "template": (
        "terminal.commands.template:template",
        "Fetch and show the message templates of your accounts.",
    ),
    "session": ("terminal.commands.session:session", "Connect phones to a session gateway by QR code."),
    "provider": (
        "terminal.commands.provider:provider",
        "List the providers, and check that your accounts work.",
    ),
    "user": ("terminal.commands.user:user", "Invite users of the pages, and change their roles."),
    "key": ("terminal.commands.key:key", "Make, list and revoke the keys of the API."),
    "notify": (
        "terminal.commands.notify:notify",
        "List, try out and resend what [[notify]] sends when something happens.",
    ),
    "db": ("terminal.commands.project:db", "Upgrade, back up or purge the database."),
    "emulator": (
        "terminal.commands.emulator:emulator",
        "Serve a strict imitation of the providers on this machine.",
    ),
    "completion": ("terminal.commands.completion:completion", "Print the shell completion script."),
}
"""Name -> the module and name of the command, and its line in the help."""

INTERRUPTED: Final = 130


class _LazyGroup(click.Group):
    """A group that imports a command when it is called, and ends an error as a message with an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        guess = () if args[0] in COMMANDS else _nearest(args[0])
        if guess:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {guess[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _closed_pipe_is_success():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _closed_pipe_is_success():
            return super().invoke(ctx)

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:
        sys.exit(
            _guarded(
                lambda: super(_LazyGroup, self).main(args, *rest, **{**options, "standalone_mode": False})
            )
        )


def _nearest(name: str) -> Sequence[str]:
    from difflib import get_close_matches

    return get_close_matches(name, COMMANDS, n=1)


def _guarded(run: Callable[[], Any]) -> int:
    """The exit code that the command returned, or that of its error. Nothing else decides exit codes."""
    try:
        result = run()
    except click.ClickException as error:
        return _show(error)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        return INTERRUPTED
    except DrumbeatError as error:
        return _explain(_placed(error), error.hint, error.exit_code)
    except Exception as error:
        if isinstance(error, OSError) and _is_without_room(error):
            return _no_room(error)
        if Context.debug:
            return _print_error(traceback.format_exc().rstrip(), DrumbeatError.exit_code)
        return _explain(
            f"Something unexpected happened: {type(error).__name__}: {error}",
            "drumbeat --debug … shows where; please report it.",
            DrumbeatError.exit_code,
        )
    return result if isinstance(result, int) else 0


def _is_without_room(error: OSError) -> bool:
    from campaigns.atomic_files import NO_ROOM

    return error.errno in NO_ROOM


def _no_room(error: OSError) -> int:
    """What was printed so far cannot be written; the interpreter must not try it again at its end."""
    if error.filename is None:
        _discard(sys.stdout)
    place = error.filename or "the output"
    return _explain(
        f"{place} cannot be written: {error.strerror}.", "Free some space on its disk, then repeat.", 1
    )


def _placed(error: DrumbeatError) -> str:
    """The message, with the file, line and column of the CSV where the error knows them."""
    file = getattr(error, "file", None)
    places = [file] if file and file not in str(error) else []
    places += [
        f"{name} {value}"
        for name in ("line", "column")
        if (value := getattr(error, name, None)) is not None
        and not re.search(rf"\b{name} {re.escape(str(value))}\b", str(error))
    ]
    where = ", ".join(places)
    return f"{where}: {error}" if where else str(error)


def _explain(message: str, hint: str, code: int) -> int:
    """Indents further lines, so that none of them looks like the hint."""
    lines = [f"Error: {message}", *([hint if hint.endswith("?") else f"Try: {hint}"] if hint else [])]
    if sys.stderr.isatty():
        lines[0] = _wrapped(lines[0])
    return _print_error("\n".join(line.replace("\n", "\n  ") for line in lines), code)


def _wrapped(text: str) -> str:
    """No word is broken at the terminal's edge. The hint is not wrapped, because it may be a command to copy."""
    import shutil
    import textwrap

    width = shutil.get_terminal_size().columns - 2
    wrap = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    return "\n".join("\n".join(wrap.wrap(line)) for line in visible(text).split("\n"))


def _show(error: click.ClickException) -> int:
    """Show it as click does, with control characters made visible."""
    text = io.StringIO()
    error.show(text)
    return _print_error(text.getvalue().rstrip("\n"), error.exit_code)


def _print_error(text: str, code: int) -> int:
    click.echo(visible(text), err=True)
    return code


@contextmanager
def _closed_pipe_is_success() -> Iterator[None]:
    """Exit with 0 if the reader of a pipe closes it early (`| head`); click would exit with 1. Also silences the
    interpreter's flush at exit."""
    try:
        yield
    except BrokenPipeError as error:
        _discard(sys.stdout)
        raise click.exceptions.Exit(0) from error


def _discard(stream: TextIO) -> None:
    """Write nothing more to it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@click.group(
    cls=_LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "auto_envvar_prefix": None,
    },
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The settings file; default: drumbeat.toml in this folder or one above.",
)
@click.option("--database", metavar="URL", help="sqlite:///FILE or postgresql://…; overrides the settings.")
@click.option("--debug", is_flag=True, help="Log more, and show where an unexpected error came from.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    envvar="DRUMBEAT_LOG_FORMAT",
    help="json: log one JSON object per line, notes and progress included.",
    show_envvar=True,
)
@click.version_option(package_name="drumbeat", message="drumbeat %(version)s")
@click.pass_context
def cli(
    ctx: click.Context,
    config: Path | None,
    database: str | None,
    debug: bool,
    log_format: Literal["text", "json"],
) -> None:
    """Drumbeat sends a campaign to everybody in a CSV, once, at your pace, and reports the result.

    New here? Start with: drumbeat demo
    """
    Context.debug = debug
    ctx.obj = Context(config, database, log_format)


def main() -> None:
    """Run drumbeat. What imports make stays: to look for garbage in it again and again, and to take it apart at the
    end, would take a third of a short command's time; so would a search for plugins of pydantic."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    _open_closed_streams()
    code: int | str | None = 1
    if not atexit._ncallbacks():  # one from before ours, such as a coverage tool's, is called after it: never
        atexit.register(lambda: _leave(code))
    try:
        cli()
    except SystemExit as end:
        code = end.code
        raise
    finally:
        gc.freeze()


def _open_closed_streams() -> None:
    """What is written to a stream that the shell has closed (`>&-`) is discarded; no file that is opened later gets its
    number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _leave(code: int | str | None) -> None:
    """End the process, threads and other callbacks being done: what is left is to free memory, as the system does."""
    if isinstance(code, int):
        with suppress(OSError, ValueError):  # a stream that cannot be flushed is the interpreter's to report
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


if __name__ == "__main__":
    main()
