"""`drumbeat session`: connect phones to a session gateway (Our Voice) by QR code, and manage them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.wiring.context import Context
from terminal.commands.options import (
    Command,
    CommandGroup,
    complete_account,
    confirm,
    json_option,
    run_async,
    timezone_option,
    yes_option,
)

if TYPE_CHECKING:
    from providers.adapter import Session


@click.group(cls=CommandGroup)
def session() -> None:
    """Connect phones to a session gateway by QR code."""


def _account_option(command: Command) -> Command:
    option = click.option(
        "--provider",
        "account",
        metavar="ACCOUNT",
        shell_complete=complete_account,
        help="Needed if several accounts have sessions.",
    )
    return option(command)


_id_argument = click.argument("session_id", metavar="ID")


@session.command("list")
@_account_option
@timezone_option
@json_option
@click.pass_obj
def list_(context: Context, account: str | None, as_json: bool) -> None:
    """List every session of the account."""
    from app.actions.sessions import list_sessions, session_json
    from terminal.output import print_json, print_table, suggest

    found = run_async(list_sessions(context.settings, account))
    if as_json:
        print_json([session_json(each) for each in found])
        return
    rows = [(s.id, s.status, s.phone_number, s.display_name, s.last_seen_at, s.reason or "") for s in found]
    print_table(None, ("id", "status", "number", "name", "last seen", "reason"), rows)
    suggest("drumbeat session create" if not found else "drumbeat session show ID")


@session.command()
@_account_option
@json_option
@click.pass_obj
def create(context: Context, account: str | None, as_json: bool) -> None:
    """Create a session, and show the QR code that its phone must scan."""
    from app.actions.sessions import create_session, session_json
    from terminal.output import print_json, print_text, suggest

    made, code = run_async(create_session(context.settings, account))
    if as_json:
        print_json({**session_json(made), "qr_code": code})
        return
    print_text(
        f"Session {made.id} is {made.status}. Scan this in WhatsApp: Settings, Linked devices, Link a device."
    )
    _draw(code)
    suggest(
        f"drumbeat session show {made.id}", f'then session_id = "{made.id}" for a sender in drumbeat.toml'
    )


@session.command()
@_id_argument
@_account_option
@timezone_option
@json_option
@click.pass_obj
def show(context: Context, session_id: str, account: str | None, as_json: bool) -> None:
    """Show one session."""
    from app.actions.sessions import show_session

    _print(run_async(show_session(context.settings, account, session_id)), as_json)


@session.command()
@_id_argument
@_account_option
@json_option
@click.pass_obj
def qr(context: Context, session_id: str, account: str | None, as_json: bool) -> None:
    """Draw the QR code of a pending session in the terminal."""
    from app.actions.sessions import session_qr_code
    from terminal.output import print_json

    code = run_async(session_qr_code(context.settings, account, session_id))
    if as_json:
        print_json({"id": session_id, "qr_code": code})
    else:
        _draw(code)


@session.command()
@_id_argument
@_account_option
@json_option
@click.pass_obj
def disconnect(context: Context, session_id: str, account: str | None, as_json: bool) -> None:
    """Disconnect a session without deleting it; its lane waits."""
    from app.actions.sessions import disconnect_session

    _print(run_async(disconnect_session(context.settings, account, session_id)), as_json)


@session.command()
@_id_argument
@_account_option
@json_option
@click.pass_obj
def reconnect(context: Context, session_id: str, account: str | None, as_json: bool) -> None:
    """Connect a disconnected session again."""
    from app.actions.sessions import reconnect_session

    _print(run_async(reconnect_session(context.settings, account, session_id)), as_json)


@session.command()
@_id_argument
@_account_option
@yes_option
@json_option
@click.pass_obj
def delete(context: Context, session_id: str, account: str | None, yes: bool, as_json: bool) -> None:
    """Delete a session for good."""
    from app.actions.sessions import delete_session
    from terminal.output import print_json, print_text

    confirm(f"Delete session {session_id} for good?", yes)
    run_async(delete_session(context.settings, account, session_id))
    if as_json:
        print_json({"id": session_id, "deleted": True})
    else:
        print_text(f"Session {session_id} is deleted.")


def _print(found: Session, as_json: bool) -> None:
    from app.actions.sessions import session_json
    from terminal.output import print_facts, print_json, suggest

    if as_json:
        print_json(session_json(found))
        return
    print_facts(None, [(key.replace("_", " "), value) for key, value in session_json(found).items()])
    suggest(f"drumbeat session qr {found.id}" if found.status == "pending" else "drumbeat provider check")


def _draw(code: str) -> None:
    from terminal.output import print_text
    from terminal.qr import draw

    print_text(draw(code))
