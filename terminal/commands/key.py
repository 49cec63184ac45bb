"""`drumbeat key`: the keys of the API."""

from __future__ import annotations

from datetime import timedelta

import click

from app.wiring.context import Context
from terminal.commands.options import (
    CommandGroup,
    DurationType,
    in_database,
    json_option,
    run_async,
    timezone_option,
)

SCOPES = ("read", "manage", "send", "admin")


@click.group(cls=CommandGroup)
def key() -> None:
    """Make, list and revoke the keys of the API."""


@key.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(SCOPES),
    default="read",
    show_default=True,
    help="read: see; manage: also lists of people, opt-outs and pause; send: also whatever "
    "sends; admin: also prices, sessions and people's data.",
)
@click.option(
    "--expires", type=DurationType(), help="How long it holds, such as 90d; without it, until revoked."
)
@click.pass_obj
def create(context: Context, name: str, scope: str, expires: timedelta | None) -> None:
    """Print a new key. It is shown once; NAME is for you, such as the program that uses it."""
    from terminal.output import print_text

    print_text(run_async(_create(context, name, scope, expires)))


async def _create(context: Context, name: str, scope: str, expires: timedelta | None) -> str:
    from app.actions.api_keys import Scope, create_key

    async with context.database(create=True) as engine:
        return await create_key(engine, name, Scope(scope), expires)


@key.command("list")
@timezone_option
@json_option
@click.pass_obj
def list_(context: Context, as_json: bool) -> None:
    """List the keys, without their secret part, and when each was used last."""
    from app.actions.api_keys import list_keys
    from terminal.output import print_json, print_table, suggest

    found = in_database(context, list_keys)
    if as_json:
        print_json(found)
        return
    headings = ["number", "name", "begins", "scope", "made by", "expires", "last used", "revoked"]
    rows = [
        (
            str(each.id),
            each.name,
            each.prefix,
            each.scope,
            each.created_by,
            each.expires_at,
            each.last_used_at,
            each.revoked_at,
        )
        for each in found
    ]
    print_table(None, headings, rows)
    if not found:
        suggest("drumbeat key create NAME --scope send")


@key.command()
@click.argument("number", type=int)
@click.pass_obj
def revoke(context: Context, number: int) -> None:
    """Refuse a key from now on; `drumbeat key list` shows its number."""
    from app.actions.api_keys import revoke_key
    from terminal.output import print_text

    in_database(context, revoke_key, number)
    print_text(f"Key {number} is revoked.")
