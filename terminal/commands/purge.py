"""`drumbeat db purge`: delete the details of campaigns that ended long ago."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import click

from app.wiring.context import Context
from terminal.commands.options import DurationType, confirm, json_option, run_async, yes_option

if TYPE_CHECKING:
    from app.wiring.settings import Settings
    from scheduler.actions.purge import Plan
    from storage.database.engine import Engine

_NAMES: Final = {
    "jobs": "messages, with their calls and events",
    "recipients": "recipients of ended campaigns",
    "rejects": "rejected rows of ended campaigns",
    "touches": "contact history, older than any frequency cap needs",
    "tier": "people reached, as counted for an account's tier",
    "unmatched": "reports of unknown messages",
    "media": "media files of ended campaigns",
    "draft_media": "uploaded media files that no draft names",
    "media_ids": "ids of uploaded media files that have expired",
    "webhooks": "stored webhooks",
    "inbound": "messages from people",
    "windows": "closed 24-hour windows",
    "evidence": "evidence of opt-outs; the opt-outs stay",
}


@click.command()
@click.option(
    "--older-than",
    type=DurationType(),
    required=True,
    metavar="AGE",
    help="Delete what ended this long ago, such as 90d; at least 30d.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be deleted.")
@click.option("--vacuum", is_flag=True, help="Free the disk space afterwards; SQLite is locked meanwhile.")
@yes_option
@json_option
@click.pass_obj
def purge(
    context: Context, older_than: timedelta, dry_run: bool, vacuum: bool, yes: bool, as_json: bool
) -> None:
    """Delete the details of campaigns and runs that ended long ago.

    Report totals, opt-outs, budgets and the history that frequency caps need are kept. A runner may keep working
    meanwhile. If a purge is stopped, the next one continues. With [retention] in drumbeat.toml a runner purges once a
    day.
    """
    run_async(_purge(context, older_than, dry_run=dry_run, vacuum=vacuum, yes=yes, as_json=as_json))


async def _purge(
    context: Context, older_than: timedelta, *, dry_run: bool, vacuum: bool, yes: bool, as_json: bool
) -> None:
    from app.actions.purging import plan_of_purge, shrink_database
    from terminal.output import print_text

    async with context.database() as engine:
        plan = await plan_of_purge(engine, context.settings, older_than)
        if not as_json:
            _print_plan(plan)
        deleted = {} if dry_run else await _carry_out(engine, context.settings, plan, yes)
        if vacuum and not dry_run:
            await shrink_database(engine)
    if as_json:
        _print_json(plan, deleted)
    elif deleted:
        print_text(
            f"Purged {', '.join(f'{count:,} {name}' for name, count in deleted.items() if count) or 'nothing'}."
        )


async def _carry_out(engine: Engine, settings: Settings, plan: Plan, yes: bool) -> dict[str, int]:
    from app.actions.purging import purge_database
    from terminal.progress import row_counter

    if not any(plan.rows.values()):
        return {}
    confirm("Delete this for good?", yes)
    with row_counter() as progress:
        return await purge_database(engine, settings, plan, progress)


def _print_plan(plan: Plan) -> None:
    from terminal.output import print_facts, print_text, shown_time

    title = f"Ended before {shown_time(plan.before)}"
    facts = [(_NAMES[name], count) for name, count in plan.rows.items() if count]
    if facts:
        print_facts(title, facts)
    else:
        print_text(f"{title}: nothing to purge.")


def _print_json(plan: Plan, deleted: Mapping[str, int]) -> None:
    from terminal.output import print_json

    found = {"before": plan.before, "runs": len(plan.runs), "campaigns": len(plan.campaigns)}
    print_json({**found, "found": plan.rows, "purged": deleted or None})
