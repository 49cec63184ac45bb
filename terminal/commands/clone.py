"""`drumbeat campaign clone` and `start`: copy a campaign, and start a draft."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import click

from app.wiring.context import Context
from terminal.commands.options import Command, confirm, json_option, name_argument, run_async, yes_option

if TYPE_CHECKING:
    from app.actions.scheduling import TimeFlags


def _when(command: Command) -> Command:
    options = (
        click.option("--now", is_flag=True, help="Start as soon as a runner is running."),
        click.option("--at", metavar="TIME", help="Start at this time, such as 2026-12-01T09:00."),
        click.option("--timezone", metavar="ZONE", help="The time zone of --at, such as Africa/Porto-Novo."),
        yes_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


def _times(now: bool, at: str | None, timezone: str | None) -> TimeFlags:
    from app.actions.scheduling import TimeFlags

    if now and at:
        raise click.UsageError("Use either --now or --at, not both.")
    return TimeFlags(now, at, timezone=timezone)


@click.command()
@name_argument
@click.argument("new", metavar="NEW")
@_when
@json_option
@click.pass_obj
def clone(
    context: Context,
    name: str,
    new: str,
    now: bool,
    at: str | None,
    timezone: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Copy a campaign, with message and recipients, as NEW: a draft, unless a time is given.

    A single start time (at) is not copied; cron and every are. Exit code 6: copied, and it needs approval to start.
    """
    from campaigns.figures import counted
    from terminal.output import print_json, print_text, shown_time, suggest

    recipients, start_at = run_async(_clone(context, name, new, _times(now, at, timezone), yes))
    if as_json:
        details = {"of": name, "recipients": recipients, "start_at": start_at}
        print_json({"campaign": new, "done": "cloned", **details})
        return
    when = f"starts at {shown_time(start_at)}" if start_at else "is a draft"
    print_text(f"{new} has {counted(recipients, 'recipient')} and {when}.")
    suggest(
        f"drumbeat campaign preview {new}",
        "drumbeat run --until-idle" if start_at else f"drumbeat campaign start {new}",
    )


async def _clone(
    context: Context, name: str, new: str, times: TimeFlags, yes: bool
) -> tuple[int, datetime | None]:
    from app.actions.starting import clone_campaign

    ask = partial(confirm, yes=yes)
    async with context.database() as engine:
        return await clone_campaign(engine, context.settings, name, new, times, confirm=ask)


@click.command()
@name_argument
@_when
@json_option
@click.pass_obj
def start(
    context: Context, name: str, now: bool, at: str | None, timezone: str | None, yes: bool, as_json: bool
) -> None:
    """Start a draft: at the time that is given, else by its own schedule, else now.

    Exit code 6: it needs approval.
    """
    from terminal.output import print_json, print_text, shown_time, suggest

    start_at = run_async(_start(context, name, _times(now, at, timezone), yes))
    if as_json:
        print_json({"campaign": name, "done": "started", "start_at": start_at})
        return
    print_text(f"{name} starts at {shown_time(start_at)}.")
    suggest("drumbeat run --until-idle")


async def _start(context: Context, name: str, times: TimeFlags, yes: bool) -> datetime:
    from app.actions.starting import confirm_times, start_campaign

    async with context.database() as engine:
        await confirm_times(engine, name, times, partial(confirm, yes=yes))
        return await start_campaign(engine, context.settings, name, times)
