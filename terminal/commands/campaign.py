"""`drumbeat campaign`: check, load and control campaigns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import click

from app.wiring.context import Context
from terminal.commands.options import (
    CommandGroup,
    confirm,
    in_database,
    json_option,
    name_argument,
    run_async,
    timezone_option,
    yes_option,
)

if TYPE_CHECKING:
    from app.views.campaigns.campaign_list import ListedCampaign


ELSEWHERE: Final = {
    "approve": "terminal.commands.approve:approve",
    "backfill": "terminal.commands.schedule:backfill",
    "budget": "terminal.commands.budget:budget",
    "check": "terminal.commands.load:check",
    "clone": "terminal.commands.clone:clone",
    "estimate": "terminal.commands.estimate:estimate",
    "load": "terminal.commands.load:load",
    "next": "terminal.commands.schedule:next_",
    "preview": "terminal.commands.preview:preview",
    "retry-failed": "terminal.commands.retry:retry_failed",
    "show": "terminal.commands.show:show",
    "start": "terminal.commands.clone:start",
    "test": "terminal.commands.test:test",
    "winner": "terminal.commands.winner:winner",
}
"""Name -> the module and name of the command."""


@click.group(cls=CommandGroup, elsewhere=ELSEWHERE)
def campaign() -> None:
    """Check, load and control campaigns."""


@campaign.command("list")
@timezone_option
@json_option
@click.pass_obj
def list_(context: Context, as_json: bool) -> None:
    """List every campaign, newest first, with what it has cost so far."""
    from app.views.campaigns.campaign_list import budget_line, cost_lines
    from terminal.output import print_json, print_table, suggest

    lines = run_async(_list(context))
    if as_json:
        print_json([each.json for each in lines])
        return
    rows = [
        (
            line.name,
            line.state,
            line.category,
            line.recipients,
            line.rejected,
            line.start_at,
            ", ".join(cost_lines(each.cost)),
            "; ".join(map(budget_line, each.budgets)),
            line.reason or "",
        )
        for each in lines
        for line in [each.line]
    ]
    headings = ("name", "state", "?category", "?>recipients", "?>rejected", "starts at", ">cost", "?budget")
    print_table(None, (*headings, "reason"), rows)
    suggest("drumbeat campaign show NAME" if lines else "drumbeat campaign load SPEC")


async def _list(context: Context) -> list[ListedCampaign]:
    from app.views.campaigns.campaign_list import list_campaigns

    async with context.snapshot() as connection:
        return await list_campaigns(connection)


@campaign.command()
@name_argument
@click.option(
    "--reason", default="paused by a person", help="The reason; shown until the campaign is resumed."
)
@json_option
@click.pass_obj
def pause(context: Context, name: str, reason: str, as_json: bool) -> None:
    """Pause a campaign: nothing more is sent; messages under way are finished."""
    from app.actions.steering import pause_campaign

    in_database(context, pause_campaign, name, reason)
    _done(as_json, name, "paused", f"{name} is paused: {reason}.", f"drumbeat campaign resume {name}")


@campaign.command()
@name_argument
@json_option
@click.pass_obj
def resume(context: Context, name: str, as_json: bool) -> None:
    """Resume a paused campaign, and those of its senders that are paused until resumed.

    Exit code 6: it has not started yet, and needs approval.
    """
    from app.actions.steering import resume_campaign

    resumed = in_database(context, resume_campaign, context.settings, name)
    going = [*([name] if resumed.campaign else []), *resumed.lanes]
    sentence = f"{' and '.join(going)} {'is' if len(going) == 1 else 'are'} resumed."
    _done(as_json, name, "resumed", sentence, "drumbeat run --until-idle", lanes=resumed.lanes)


@campaign.command()
@name_argument
@yes_option
@json_option
@click.pass_obj
def cancel(context: Context, name: str, yes: bool, as_json: bool) -> None:
    """Cancel a campaign for good: messages not sent yet are never sent."""
    from app.actions.steering import cancel_campaign
    from campaigns.figures import counted

    confirm(f"Cancel {name} for good?", yes)
    count = in_database(context, cancel_campaign, name)
    sentence = f"{name} is cancelled; {counted(count, 'message')} will not be sent."
    _done(as_json, name, "cancelled", sentence, f"drumbeat report delivery {name}", cancelled=count)


@campaign.command()
@name_argument
@click.option(
    "--in-doubt",
    "action",
    type=click.Choice(["resend", "give-up"]),
    required=True,
    help="resend: some people may get two copies; give-up: some may get none.",
)
@click.option(
    "--phone",
    "phones",
    metavar="PHONE",
    multiple=True,
    help="Only the message to this number; may be repeated. Default: all that are in doubt.",
)
@yes_option
@json_option
@click.pass_obj
def resolve(
    context: Context,
    name: str,
    action: Literal["resend", "give-up"],
    phones: tuple[str, ...],
    yes: bool,
    as_json: bool,
) -> None:
    """Decide about messages in doubt: they may have been sent, and the provider cannot tell."""
    from app.actions.contacts import number_of
    from app.actions.steering import resolve_doubts
    from campaigns.figures import counted

    numbers = [number_of(phone, None) for phone in phones] or None
    if action == "resend":
        whose = f" to {', '.join(numbers)}" if numbers else ""
        confirm(f"Send the messages of {name}{whose} that are in doubt again? Some people may get two.", yes)
    count = in_database(context, resolve_doubts, name, action, phones=numbers)
    verb = "will be sent again" if action == "resend" else "given up"
    _done(
        as_json,
        name,
        action,
        f"{counted(count, 'message')} {verb}.",
        f"drumbeat report delivery {name}",
        resolved=count,
    )


def _done(as_json: bool, name: str, what: str, sentence: str, then: str, **more: Any) -> None:
    from terminal.output import print_json, print_text, suggest

    if as_json:
        print_json({"campaign": name, "done": what, **more})
        return
    print_text(sentence)
    suggest(then)
