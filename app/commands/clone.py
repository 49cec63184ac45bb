"""`drumbeat campaign clone` and `start`: the same again under another name, and the start of a draft."""

from __future__ import annotations

from datetime import datetime

import click

from app.commands.options import Command, json_option, name_argument, run_async
from app.context import Context

at_option = click.option("--at", metavar="TIME", help="Start then, such as 2026-12-01T09:00.")
timezone_option = click.option(
    "--timezone", metavar="ZONE", help="The zone of --at, such as Africa/Porto-Novo."
)


def _when(command: Command) -> Command:
    return at_option(timezone_option(command))


@click.command()
@name_argument
@click.argument("new", metavar="NEW")
@click.option("--now", is_flag=True, help="Start as soon as a runner runs.")
@_when
@json_option
@click.pass_obj
def clone(
    context: Context, name: str, new: str, now: bool, at: str | None, timezone: str | None, as_json: bool
) -> None:
    """The same message to the same people again, as the campaign NEW: a draft, unless a time is given."""
    from app.output import counted, print_json, say, suggest

    if now and at:
        raise click.UsageError("Say either --now or --at.")
    recipients, start_at = run_async(_clone(context, name, new, now, at, timezone))
    if as_json:
        told = {"of": name, "recipients": recipients, "start_at": start_at}
        print_json({"campaign": new, "done": "cloned", **told})
        return
    when = f"starts at {start_at:%Y-%m-%d %H:%M:%S %Z}" if start_at else "is a draft"
    say(f"{new} has {counted(recipients, 'recipient')} and {when}.")
    suggest(
        f"drumbeat campaign preview {new}",
        "drumbeat run --until-idle" if start_at else f"drumbeat campaign start {new}",
    )


async def _clone(
    context: Context, name: str, new: str, now: bool, at: str | None, timezone: str | None
) -> tuple[int, datetime | None]:
    from app.starting import start_campaign
    from scheduler.cloning import clone

    async with context.database() as engine:
        recipients = await clone(engine, name, new)
        if not now and at is None:
            return recipients, None
        return recipients, await start_campaign(engine, context.settings, new, at, timezone)


@click.command()
@name_argument
@_when
@json_option
@click.pass_obj
def start(context: Context, name: str, at: str | None, timezone: str | None, as_json: bool) -> None:
    """Start a draft now, or at a time."""
    from app.output import print_json, say, suggest

    start_at = run_async(_start(context, name, at, timezone))
    if as_json:
        print_json({"campaign": name, "done": "started", "start_at": start_at})
        return
    say(f"{name} starts at {start_at:%Y-%m-%d %H:%M:%S %Z}.")
    suggest("drumbeat run --until-idle")


async def _start(context: Context, name: str, at: str | None, timezone: str | None) -> datetime:
    from app.starting import start_campaign

    async with context.database() as engine:
        return await start_campaign(engine, context.settings, name, at, timezone)
