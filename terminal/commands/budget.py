"""`drumbeat campaign budget`: raise or lower a budget, also while the campaign is sending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from app.wiring.context import Context
from terminal.commands.options import in_database, json_option, name_argument

if TYPE_CHECKING:
    from scheduler.actions.budget import BudgetChange


@click.command(context_settings={"ignore_unknown_options": True})  # -5 is an amount, if a wrong one
@name_argument
@click.argument("amount", metavar="AMOUNT")
@click.option(
    "--per",
    type=click.Choice(["run", "day", "month"]),
    default="run",
    show_default=True,
    help="Which budget: max, per_day or per_month of the campaign file.",
)
@json_option
@click.pass_obj
def budget(
    context: Context, name: str, amount: str, per: Literal["run", "day", "month"], as_json: bool
) -> None:
    """Raise or lower the budget of a campaign, also while it is sending; the amount is in its currency.

    A run that its budget had paused goes on if the new one leaves room. Lower than what is spent already: nothing
    more is sent, and the run pauses. Messages under way are not called back.
    """
    from app.actions.steering import set_budget
    from campaigns.money.costs import plain
    from terminal.output import print_json, print_text, suggest

    change = in_database(context, set_budget, name, amount, per)
    if as_json:
        print_json({"campaign": name, "done": "budget", **_json(change)})
        return
    print_text(
        f"{name}: the budget for each {per} is {plain(change.after)} {change.currency}, "
        f"it was {plain(change.before)}. {_what_now(change)}"
    )
    then = f"drumbeat campaign resume {name}" if change.paused else "drumbeat run --until-idle"
    suggest(then if change.resumed or change.paused else f"drumbeat campaign show {name}")


def _what_now(change: BudgetChange) -> str:
    from campaigns.money.costs import plain

    if change.resumed:
        return "The campaign goes on."
    if change.per == "run" and change.used >= change.after:
        used = f"{plain(change.used)} {change.currency}"
        return f"{used} is spent or reserved already, so nothing more is sent."
    return f"It is paused: {change.paused}." if change.paused else "It applies from the next message on."


def _json(change: BudgetChange) -> dict[str, object]:
    names = ("per", "currency", "before", "after", "used", "resumed", "paused")
    return {name: getattr(change, name) for name in names}
