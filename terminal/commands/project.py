"""`drumbeat init` and `drumbeat db`: a project's files and its database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.wiring.context import Context
from terminal.commands.backup import adopt, backup
from terminal.commands.options import CommandGroup, json_option, run_async
from terminal.commands.purge import purge

if TYPE_CHECKING:
    from app.actions.counting import Recount


@click.command()
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Default: here."
)
@json_option
def init(folder: Path, as_json: bool) -> None:
    """Write a drumbeat.toml and a sample campaign to start from.

    Both have comments that explain them. Existing files are not overwritten.
    """
    from app.demo.starter import write_starter
    from terminal.output import print_json, print_text, suggest

    written = write_starter(folder)
    if as_json:
        print_json({"written": written})
        return
    for path in written:
        print_text(f"Wrote {path}")
    suggest(
        "export OURVOICE_API_KEY=…",
        "drumbeat session create",
        "drumbeat doctor",
        "drumbeat campaign check hello.toml",
    )


@click.group(cls=CommandGroup)
def db() -> None:
    """Upgrade, back up or purge the database."""


db.add_command(backup)
db.add_command(adopt)
db.add_command(purge)


@db.command()
@json_option
@click.pass_obj
def upgrade(context: Context, as_json: bool) -> None:
    """Upgrade the database to the newest revision; creates a SQLite file if there is none."""
    from terminal.output import print_json, print_text, suggest

    before, after = run_async(_upgrade(context))
    if as_json:
        print_json({"before": before, "after": after})
        return
    print_text(
        f"The database is at revision {after}."
        if before == after
        else f"Upgraded from {before or 'empty'} to {after}."
    )
    suggest("drumbeat doctor")


async def _upgrade(context: Context) -> tuple[str | None, str | None]:
    from app.wiring.databases import upgrade_database

    return await upgrade_database(context.settings)


@db.command()
@json_option
@click.pass_obj
def recount(context: Context, as_json: bool) -> None:
    """Count all messages anew where reports and pages show wrong numbers or costs.

    The numbers of messages by state and by time, the sums of what they cost and the number of people of each list are
    kept while these change; drumbeat doctor compares them with a recount. It takes some seconds for each million
    messages, and runners wait meanwhile.
    """
    from campaigns.figures import counted
    from terminal.output import print_json, print_text

    wrong = run_async(_recount(context))
    if as_json:
        print_json(
            {"corrected": wrong.counts, "costs": wrong.costs, "times": wrong.times, "lists": wrong.lists}
        )
        return
    if wrong.counts:
        print_text(f"{counted(len(wrong.counts), 'number')} of messages corrected.")
    if wrong.costs:
        print_text(f"{counted(len(wrong.costs), 'sum')} of what they cost corrected.")
    if wrong.times:
        print_text(f"{counted(len(wrong.times), 'number')} of messages by time corrected.")
    if wrong.lists:
        print_text(f"{counted(len(wrong.lists), 'number')} of people of a list corrected.")
    if not any((wrong.counts, wrong.costs, wrong.times, wrong.lists)):
        print_text("Every number of messages was right, and so was what they cost.")


async def _recount(context: Context) -> Recount:
    from app.actions.counting import recount_messages
    from app.wiring.databases import opened

    async with opened(context.settings, create=False) as engine:
        return await recount_messages(engine)
