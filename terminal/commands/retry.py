"""`drumbeat campaign retry-failed`: once more to those for whom it may go better."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.wiring.context import Context
from terminal.commands.options import confirm, json_option, name_argument, run_async, yes_option

if TYPE_CHECKING:
    from scheduler.actions.retrying import Retry


@click.command("retry-failed")
@name_argument
@click.option("--expired", is_flag=True, help="Also those whose time had run out.")
@click.option("--given-up", is_flag=True, help="Also those given up in doubt: some may get a second copy.")
@yes_option
@json_option
@click.pass_obj
def retry_failed(
    context: Context, name: str, expired: bool, given_up: bool, yes: bool, as_json: bool
) -> None:
    """Send once more to those whose failure may pass, and say why the others stay as they are.

    Nobody who has the message, or may have it, is among them. The newest run is meant.
    """
    from campaigns.figures import counted
    from terminal.output import print_json, print_table, say, suggest

    if given_up:
        confirm(f"Send those of {name} that were given up in doubt again? Some people may get two.", yes)
    made = run_async(_retry(context, name, expired, given_up))
    if as_json:
        told = {"run": made.run_id, "retried": made.retried, "groups": made.groups}
        print_json({"campaign": name, "done": "retry", **told})
        return
    rows = [(g.state, g.reason, g.code, g.count, "yes" if g.again else "no", g.why) for g in made.groups]
    print_table(None, ("state", "reason", "code", ">count", "again", "why"), rows)
    if made.run_id is None:
        say("Nothing is tried again.")
        suggest(f"drumbeat report failures {name}")
    else:
        say(f"{counted(made.retried, 'message')} to be tried again.")
        suggest("drumbeat run --until-idle")


async def _retry(context: Context, name: str, expired: bool, given_up: bool) -> Retry:
    from app.actions.steering import retry_failed

    async with context.database() as engine:
        return await retry_failed(engine, name, expired=expired, given_up=given_up)
