"""`drumbeat db backup` and `drumbeat db adopt`: copy the database, and let a copy send."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.wiring.context import Context
from terminal.commands.options import confirm, in_database, json_option, run_async, yes_option

if TYPE_CHECKING:
    from app.actions.backing_up import Copy


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace an earlier backup.")
@json_option
@click.pass_obj
def backup(context: Context, file: Path, force: bool, as_json: bool) -> None:
    """Copy a SQLite database to FILE, also while a runner sends; only you can read it.

    The copy knows that it is one: before it sends anything, drumbeat db adopt must confirm that. A PostgreSQL
    database is backed up with pg_dump.
    """
    from app.actions.backing_up import back_up_database
    from terminal.output import print_json, print_text

    made = run_async(back_up_database(context.settings, file, force=force))
    if as_json:
        print_json({"file": made.path, "bytes": made.bytes, "made_at": made.made_at})
        return
    print_text(f"{made.path} is a backup of {made.made_at:%Y-%m-%d %H:%M:%S} UTC, {made.bytes:,} bytes.")


@click.command()
@yes_option
@json_option
@click.pass_obj
def adopt(context: Context, yes: bool, as_json: bool) -> None:
    """Let a restored backup or another copy of the database send, instead of the original.

    Shows first which campaigns go on. A person whom the original has reached since the copy was made gets the message
    again: cancel those campaigns before you run, and never let the original and the copy both run.
    """
    from app.actions.backing_up import adopt_copy, describe_copy
    from terminal.output import print_json, print_text, suggest

    found = in_database(context, describe_copy)
    if found.problem is None:
        if as_json:
            print_json({"adopted": False, "problem": None, "campaigns": []})
        else:
            print_text("This database is not a copy: it may send.")
        return
    if not as_json:
        _print(found)
    confirm("Send from this copy?", yes)
    in_database(context, adopt_copy)
    if as_json:
        print_json({"adopted": True, "problem": found.problem, "campaigns": found.unsent})
        return
    print_text("From now on this database sends. Do not run the original any more.")
    suggest("drumbeat campaign cancel NAME", "drumbeat run --until-idle")


def _print(found: Copy) -> None:
    from terminal.output import print_table, print_text

    print_text(found.problem or "")
    print_text("A message of these campaigns that the original has sent since would be sent again:")
    rows = [(each.name, each.state, each.unsent, each.start_at) for each in found.unsent]
    print_table(None, ("campaign", "state", ">not sent", "next run"), rows)
