"""`drumbeat campaign next` and `backfill`: upcoming runs, and missed ones."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from app.wiring.context import Context
from terminal.commands.options import (
    confirm,
    in_database,
    json_option,
    name_argument,
    run_async,
    timezone_option,
    yes_option,
)

if TYPE_CHECKING:
    from app.views.campaigns.upcoming_runs import UpcomingRuns


@click.command("next")
@name_argument
@click.option("--number", "-n", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many.")
@timezone_option
@json_option
@click.pass_obj
def next_(context: Context, name: str, number: int, as_json: bool) -> None:
    """Show a campaign's next runs, in its own time zone and in yours, and the missed ones."""
    from terminal.output import print_json

    found = run_async(_next(context, name, number))
    if as_json:
        print_json(found.json)
    else:
        _print_next(found)


async def _next(context: Context, name: str, number: int) -> UpcomingRuns:
    from app.views.campaigns.upcoming_runs import upcoming_runs

    async with context.snapshot() as connection:
        return await upcoming_runs(connection, name, number)


def _print_next(found: UpcomingRuns) -> None:
    from terminal.output import print_table, print_text, suggest

    campaign, schedule = found.campaign, found.campaign.spec.schedule
    if schedule.recipient_local_time:
        print_text("Each recipient gets it at this time of day in their own time zone.\n")
    if campaign.spec.audience.refresh:
        print_text(f"Each run reads {campaign.spec.audience.csv} again when it starts.\n")
    rows = [(_local(run, found), run) for run in found.runs]
    print_table(f"{campaign.name} ({campaign.state})", (f"in {schedule.zone.key}", "for you"), rows)
    if found.missed:
        missed = [(_local(each.nominal_at, found), each.nominal_at, each.why) for each in found.missed]
        print_table("Missed", (f"in {schedule.zone.key}", "for you", "reason"), missed)
        suggest(f"drumbeat campaign backfill {campaign.name} --since TIME")
    elif not found.runs:
        suggest(f"drumbeat campaign show {campaign.name}")


def _local(moment: datetime, found: UpcomingRuns) -> str:
    """`Mon 2026-12-07 09:00:00+01:00`"""
    local = moment.astimezone(found.campaign.spec.schedule.zone)
    return f"{local:%a} {local.isoformat(sep=' ', timespec='seconds')}"


@click.command()
@name_argument
@click.option(
    "--since", required=True, metavar="TIME", help="The first missed run to launch, such as 2026-12-01T09:00."
)
@click.option("--until", metavar="TIME", help="The last one; default: all up to now.")
@yes_option
@json_option
@click.pass_obj
def backfill(context: Context, name: str, since: str, until: str | None, yes: bool, as_json: bool) -> None:
    """Launch missed runs now: no runner was working, or the run before was still sending.

    Times without an offset are in the campaign's time zone. `campaign next` lists the missed runs.
    """
    from app.actions.backfilling import backfill_runs, missed_runs
    from campaigns.figures import counted
    from terminal.output import print_json, print_text, suggest

    missed = in_database(context, missed_runs, name, since, until)
    count = counted(missed.count, "missed run")
    confirm(f"Launch {count} of {name} now? Every recipient gets one message per run.", yes)
    runs = in_database(context, backfill_runs, context.settings, name, missed)
    if as_json:
        print_json({"campaign": name, "done": "backfilled", "runs": runs})
        return
    print_text(f"{counted(len(runs), 'missed run')} of {name} launched.")
    suggest("drumbeat run --until-idle")
