"""`drumbeat campaign retry-failed`: send again to recipients whose failure was temporary."""

from __future__ import annotations

import click

from app.wiring.context import Context
from terminal.commands.options import confirm, in_database, json_option, name_argument, yes_option


@click.command("retry-failed")
@name_argument
@click.option("--expired", is_flag=True, help="Also messages that expired.")
@click.option(
    "--given-up",
    is_flag=True,
    help="Also messages given up while in doubt: some people may get a second copy.",
)
@yes_option
@json_option
@click.pass_obj
def retry_failed(
    context: Context, name: str, expired: bool, given_up: bool, yes: bool, as_json: bool
) -> None:
    """Send again to recipients whose failure may be temporary, and show why the others are not retried.

    Leaves out everybody who has the message or may have it. Works on the newest run.
    """
    from app.actions.steering import retry_failed
    from campaigns.figures import counted
    from terminal.output import print_json, print_table, print_text, suggest

    if given_up:
        confirm(
            f"Send the messages of {name} that were given up in doubt again? Some people may get two.", yes
        )
    made = in_database(context, retry_failed, name, expired=expired, given_up=given_up)
    if as_json:
        details = {"run": made.run_id, "retried": made.retried, "groups": made.groups}
        print_json({"campaign": name, "done": "retry", **details})
        return
    rows = [(g.state, g.reason, g.code, g.count, "yes" if g.again else "no", g.why) for g in made.groups]
    print_table(None, ("state", "reason", "code", ">count", "again", "why"), rows)
    if made.run_id is None:
        print_text("There is nothing to retry.")
        suggest(f"drumbeat report failures {name}")
    else:
        print_text(f"{counted(made.retried, 'message')} will be retried.")
        suggest("drumbeat run --until-idle")
