"""`drumbeat campaign winner`: the interim result of a variant test, and choosing the winner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.wiring.context import Context
from terminal.commands.options import json_option, name_argument, run_async, timezone_option

if TYPE_CHECKING:
    from scheduler.clock.variants import ExperimentStatus


@click.command()
@name_argument
@click.argument("variant", metavar="[VARIANT]", required=False)
@timezone_option
@json_option
@click.pass_obj
def winner(context: Context, name: str, variant: str | None, as_json: bool) -> None:
    """Show the variant test of the newest run; with VARIANT, choose that one as the winner.

    Recipients outside the test get the winner. It cannot be changed once chosen.
    """
    from app.views.reports.variants import experiment_facts, experiment_json, experiment_table
    from terminal.output import own_facts, print_facts, print_json, print_table, print_text, suggest

    found = run_async(_winner(context, name, variant))
    if as_json:
        print_json(experiment_json(name, found))
        return
    if variant is not None:
        print_text(f"{variant} is the winner of {name}; the recipients who waited get it.")
        suggest("drumbeat run --until-idle", f"drumbeat report variants {name}")
        return
    print_facts(name, own_facts(experiment_facts(found)))
    table = experiment_table(found)
    print_text()
    print_table(table.title, table.headings, table.rows)
    choose = [f"drumbeat campaign winner {name} VARIANT"] if found.waiting else []
    suggest(*choose, f"drumbeat report variants {name}")


async def _winner(context: Context, name: str, variant: str | None) -> ExperimentStatus:
    from app.actions.steering import choose_winner
    from app.views.reports.variants import experiment_status

    if variant is not None:
        async with context.database() as engine:
            await choose_winner(engine, name, variant)
    async with context.snapshot() as connection:
        return await experiment_status(connection, name)
