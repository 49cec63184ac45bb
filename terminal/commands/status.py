"""`drumbeat status`: one line for each campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.wiring.context import Context
from terminal.commands.options import json_option, run_async, timezone_option

if TYPE_CHECKING:
    from app.views.campaigns.status import Status, StatusLine


@click.command()
@timezone_option
@json_option
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """Show one line for each campaign: state, progress, what comes next, and what holds it."""
    from terminal.output import print_json, print_sentence, print_table, shown_time, suggest

    found = run_async(_status(context))
    if as_json:
        print_json(found.json)
        return
    print_table(None, ("name", "state", ">done", "next", "held by"), [_row(line) for line in found.campaigns])
    for pause in found.paused_lanes:
        until = f"until {shown_time(pause.until)}" if pause.until else "until it recovers or is resumed"
        print_sentence(f"{pause.lane} is paused {until}: {pause.reason}")
    if found.needs_runner:
        print_sentence("Nothing is sent now: no runner is working.")
    suggest(*_next_commands(found))


async def _status(context: Context) -> Status:
    from app.views.campaigns.status import status
    from campaigns.time.clock import utc_now

    async with context.snapshot() as connection:
        return await status(connection, context.settings, utc_now())


def _row(line: StatusLine) -> tuple[str, str, str, str, str]:
    from terminal.output import in_readers_zone, shown_time

    found = line.status
    share = f" ({found.done * 100 // found.total}%)" if found.total else ""
    next_at = shown_time(line.next_at, seconds=False) if line.next_at else "-"
    progress = f"{found.done:,}/{found.total:,}{share}"
    return found.name, found.state.value, progress, next_at, in_readers_zone(line.holds)


def _next_commands(found: Status) -> list[str]:
    if not found.campaigns:
        return ["drumbeat campaign load SPEC"]
    return [*(["drumbeat run"] if found.needs_runner else []), "drumbeat campaign show NAME"]
