"""`drumbeat user`: the users of the pages."""

from __future__ import annotations

import click

from app.wiring.context import Context
from app.wiring.rights import Role
from terminal.commands.options import CommandGroup, in_database, json_option, run_async, timezone_option

the_role = click.Choice([role.value for role in Role])


@click.group(cls=CommandGroup)
def user() -> None:
    """Invite users of the pages, and change their roles."""


@user.command()
@click.option("--role", type=the_role, default=Role.VIEWER.value, show_default=True, help="What they may do.")
@click.pass_obj
def invite(context: Context, role: str) -> None:
    """Print the link by which one new user chooses a name and a password; it works once, for 48 hours."""
    from terminal.output import print_text

    token = run_async(_invite(context, Role(role)))
    print_text(f"{context.settings.public_url or 'http://127.0.0.1:8080'}/join/{token}")


async def _invite(context: Context, role: Role) -> str:
    from app.actions.users import invite_user

    async with context.database(create=True) as engine:
        return await invite_user(engine, role)


@user.command("list")
@timezone_option
@json_option
@click.pass_obj
def list_(context: Context, as_json: bool) -> None:
    """List the users and their roles."""
    from app.actions.users import list_users
    from terminal.output import print_json, print_table, suggest

    found = in_database(context, list_users)
    if as_json:
        keys = ("name", "role", "created_at", "disabled_at")
        print_json([{key: getattr(each, key) for key in keys} for each in found])
        return
    rows = [(each.name, each.role, each.created_at, each.disabled_at or "-") for each in found]
    print_table(None, ["name", "role", "since", "disabled since"], rows)
    if not found:
        suggest("drumbeat user invite --role admin")


@user.command()
@click.argument("name")
@click.argument("role", type=the_role)
@click.pass_obj
def role(context: Context, name: str, role: str) -> None:
    """Change what a user may do."""
    from app.actions.users import set_role
    from terminal.output import print_text

    in_database(context, set_role, name, Role(role))
    print_text(f"{name} is a {role} now.")


@user.command()
@click.argument("name")
@click.pass_obj
def disable(context: Context, name: str) -> None:
    """Keep a user from logging in, and end their sessions."""
    from app.actions.users import disable_user
    from terminal.output import print_text

    in_database(context, disable_user, name)
    print_text(f"{name} cannot log in any more.")


@user.command()
@click.argument("name")
@click.pass_obj
def enable(context: Context, name: str) -> None:
    """Let a user log in again."""
    from app.actions.users import enable_user
    from terminal.output import print_text

    in_database(context, enable_user, name)
    print_text(f"{name} can log in again.")
