"""`drumbeat db purge`: take out the details of what is long over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import click

from app.wiring.context import Context
from terminal.commands.options import DurationType, confirm, json_option, run_async, yes_option

if TYPE_CHECKING:
    from scheduler.actions.purge import Plan
    from storage.database.engine import Engine

_NAMES: Final = {
    "jobs": "messages, with their calls and events",
    "recipients": "recipients of campaigns that are over",
    "rejects": "rejected rows of campaigns that are over",
    "touches": "notes of whom was written to, older than any cap looks",
    "tier": "notes of whom an account has reached",
    "unmatched": "reports of unknown messages",
    "webhooks": "webhooks as they arrived",
    "inbound": "messages from people",
    "windows": "24-hour windows that are over",
    "evidence": "the evidence of opt-outs, which hold without it",
}


@click.command()
@click.option(
    "--older-than",
    type=DurationType(),
    required=True,
    metavar="AGE",
    help="What was over that long ago, such as 90d; at least 30d.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@click.option("--vacuum", is_flag=True, help="Then free the space; with SQLite everybody waits meanwhile.")
@yes_option
@json_option
@click.pass_obj
def purge(
    context: Context, older_than: timedelta, dry_run: bool, vacuum: bool, yes: bool, as_json: bool
) -> None:
    """Take out the details of campaigns and runs that were over long ago.

    The reports' numbers stay, and so do opt-outs, budgets, and what a cap may look at. A runner may be at work
    meanwhile. A purge that is stopped goes on with the next one. With [retention] in drumbeat.toml a runner does this
    once a day.
    """
    run_async(_purge(context, older_than, dry_run=dry_run, vacuum=vacuum, yes=yes, as_json=as_json))


async def _purge(
    context: Context, older_than: timedelta, *, dry_run: bool, vacuum: bool, yes: bool, as_json: bool
) -> None:
    from app.actions.purging import plan_of_purge, shrink_database
    from terminal.output import say

    async with context.database() as engine:
        plan = await plan_of_purge(engine, older_than)
        if not as_json:
            _print_plan(plan)
        gone = {} if dry_run else await _carry_out(engine, plan, yes)
        if vacuum and not dry_run:
            await shrink_database(engine)
    if as_json:
        _print_json(plan, gone)
    elif gone:
        say(f"Purged {', '.join(f'{count:,} {name}' for name, count in gone.items() if count) or 'nothing'}.")


async def _carry_out(engine: Engine, plan: Plan, yes: bool) -> dict[str, int]:
    from app.actions.purging import purge_database
    from terminal.progress import row_counter

    if not any(plan.rows.values()):
        return {}
    confirm("Purge it? It does not come back.", yes)
    with row_counter() as progress:
        return await purge_database(engine, plan, progress)


def _print_plan(plan: Plan) -> None:
    from terminal.output import print_facts, say

    title = f"Over before {plan.before:%Y-%m-%d %H:%M:%S %Z}"
    facts = [(_NAMES[name], count) for name, count in plan.rows.items() if count]
    if facts:
        print_facts(title, facts)
    else:
        say(f"{title}: nothing that could be purged.")


def _print_json(plan: Plan, gone: Mapping[str, int]) -> None:
    from terminal.output import print_json

    found = {"before": plan.before, "runs": len(plan.runs), "campaigns": len(plan.campaigns)}
    print_json({**found, "found": plan.rows, "purged": gone or None})
