"""`drumbeat notify`: what people were notified of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from app.wiring.context import Context
from campaigns.errors import Unavailable
from terminal.commands.options import CommandGroup, in_database, json_option, run_async, timezone_option

if TYPE_CHECKING:
    from app.actions.notifying import Trial


@click.group(cls=CommandGroup)
def notify() -> None:
    """List, try out and resend what [[notify]] sends when something happens."""


@notify.command("list")
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--undelivered", is_flag=True, help="Only those that wait or were given up.")
@timezone_option
@json_option
@click.pass_obj
def list_(context: Context, limit: int, undelivered: bool, as_json: bool) -> None:
    """List the newest notifications: of what, to whom, and whether they arrived."""
    from app.views.operators.notifications import list_notifications
    from terminal.output import print_json, print_table, suggest

    found = in_database(context, list_notifications, limit, undelivered=undelivered)
    if as_json:
        print_json(found)
        return
    headings = [">number", "at", "event", "about", "to", "state", ">tries", "next try", "problem"]
    rows = [
        (
            str(each.number),
            each.at,
            each.event,
            each.about,
            each.target,
            each.state,
            each.attempts,
            each.next_at,
            each.problem,
        )
        for each in found
    ]
    print_table(None, headings, rows)
    if any(each.state == "failed" for each in found):
        suggest("drumbeat notify resend --failed")


@notify.command()
@click.argument("name", required=False)
@json_option
@click.pass_obj
def test(context: Context, name: str | None, as_json: bool) -> int:
    """Send a test message now to the [[notify]] table NAME, or to all. Exit code 1: one did not arrive."""
    from terminal.output import print_json, print_table

    trials = run_async(_test(context, name))
    if as_json:
        print_json(trials)
    else:
        rows = [(one.target, "ok" if one.ok else "FAIL", one.problem) for one in trials]
        print_table(None, ("to", "", "answer"), rows)
    return 0 if all(one.ok for one in trials) else Unavailable.exit_code


async def _test(context: Context, name: str | None) -> Sequence[Trial]:
    from app.actions.notifying import send_trials

    return await send_trials(context.settings, name)


@notify.command()
@click.argument("numbers", type=int, nargs=-1, metavar="[NUMBER]...")
@click.option("--failed", is_flag=True, help="All that were given up.")
@click.pass_obj
def resend(context: Context, numbers: Sequence[int], failed: bool) -> None:
    """Send notifications once more, with their old ids; `drumbeat notify list` shows the numbers.

    The runner sends them: at once if one is at work.
    """
    from campaigns.figures import counted
    from terminal.output import print_text, suggest

    if failed == bool(numbers):
        raise click.UsageError("Name the numbers of notifications, or use --failed.")
    again = run_async(_resend(context, numbers, failed))
    print_text(f"{counted(again, 'notification')} will be sent again.")
    suggest("drumbeat notify list")


async def _resend(context: Context, numbers: Sequence[int], failed: bool) -> int:
    from app.actions.notifying import resend as send_again

    async with context.database() as engine:
        return await send_again(engine, context.settings, numbers, failed=failed)
