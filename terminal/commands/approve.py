"""`drumbeat campaign approve`: allow a campaign to be sent as it is."""

from __future__ import annotations

import click

from app.wiring.context import Context
from terminal.commands.options import in_database, json_option, name_argument


@click.command()
@name_argument
@click.option("--by", metavar="WHO", help="Who approves it; default: your user name on this computer.")
@json_option
@click.pass_obj
def approve(context: Context, name: str, by: str | None, as_json: bool) -> None:
    """Approve the campaign as it is now: message, recipients, rules, schedule and budget.

    Any change to one of them voids the approval. [approval] in drumbeat.toml defines which campaigns need it.
    """
    from app.actions.steering import approve_campaign
    from terminal.output import print_json, print_text, suggest

    approval, goes_on = in_database(context, approve_campaign, context.settings, name, by or _user())
    if as_json:
        details = {"by": approval.by, "at": approval.at, "digest": approval.digest, "goes_on": goes_on}
        print_json({"campaign": name, "done": "approved", **details})
        return
    print_text(f"{name} is approved by {approval.by}, as it is now: {approval.digest[:12]}.")
    if goes_on:
        print_text("It was waiting for approval; it starts at its scheduled time.")
    suggest(f"drumbeat campaign show {name}", "drumbeat run --until-idle")


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise click.UsageError("The user name of this computer is unknown. Use --by WHO.") from error
