"""`drumbeat campaign show`: the state of one campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.wiring.context import Context
from terminal.commands.options import json_option, name_argument, run_async, timezone_option

if TYPE_CHECKING:
    from app.views.campaigns.overview import Overview


@click.command()
@name_argument
@timezone_option
@json_option
@click.pass_obj
def show(context: Context, name: str, as_json: bool) -> None:
    """Show one campaign: its state, what delays it, its runs and files, and its messages by state."""
    from terminal.output import own_facts, print_facts, print_json, print_table, print_text, suggest

    found = run_async(_look(context, name))
    if as_json:
        print_json(found.json)
        return
    print_facts(name, own_facts(found.facts()))
    print_text()
    if found.runs:
        runs = [(r.id, r.kind, r.nominal_at, r.state, r.rejected, r.jobs, r.reason or "") for r in found.runs]
        headings: tuple[str, ...] = (">run", "kind", "at", "state", "?>rejected", ">messages", "reason")
        print_table("Runs", headings, runs)
    headings = ("file", ">rows", ">accepted", ">rejected", "?>duplicates", "loaded at")
    files = [(f.source, f.rows, f.accepted, f.rejected, f.duplicates, f.created_at) for f in found.files]
    print_table("Loaded files", headings, files)
    suggest(*_next_commands(found))


async def _look(context: Context, name: str) -> Overview:
    from app.views.campaigns.overview import campaign_overview
    from campaigns.time.clock import utc_now

    async with context.snapshot() as connection:
        return await campaign_overview(connection, context.settings, name, utc_now())


def _next_commands(found: Overview) -> list[str]:
    from campaigns.states import CampaignState

    name = found.campaign.name
    approve = [f"drumbeat campaign approve {name}"] if found.approval_needed else []
    match found.campaign.state:
        case CampaignState.DRAFT:
            return [f"drumbeat campaign preview {name}", *approve, f"drumbeat campaign start {name}"]
        case CampaignState.SCHEDULED:
            return approve or ["drumbeat run --until-idle"]
        case CampaignState.PAUSED:
            return approve or [f"drumbeat campaign resume {name}"]
        case _ if any(pause.until is None for pause in found.lanes):
            return [f"drumbeat campaign resume {name}"]
        case _:
            return [f"drumbeat report delivery {name}"]
