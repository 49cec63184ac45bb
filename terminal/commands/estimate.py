"""`drumbeat campaign estimate`: recipients, message forms, cost and duration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from app.wiring.context import Context
from terminal.commands.options import json_option, name_argument, run_async, timezone_option

if TYPE_CHECKING:
    from scheduler.forecast.forecast import Estimate


@click.command()
@name_argument
@timezone_option
@json_option
@click.pass_obj
def estimate(context: Context, name: str, as_json: bool) -> None:
    """Estimate recipients, message forms, cost and duration if it were sent now. Sends nothing.

    For a running campaign it estimates what is left.
    """
    from app.views.campaigns.estimates import estimate_json
    from terminal.output import print_json, suggest

    found = run_async(_estimate(context, name))
    if as_json:
        print_json(estimate_json(name, found))
        return
    _print(name, found)
    suggest(f"drumbeat campaign show {name}")


async def _estimate(context: Context, name: str) -> Estimate:
    from app.views.campaigns.estimates import estimate_campaign
    from terminal.progress import row_counter

    async with context.snapshot() as connection:
        with row_counter() as progress:
            return await estimate_campaign(connection, name, context.settings, progress=progress)


def _print(name: str, found: Estimate) -> None:
    from app.views.campaigns.estimates import cost_lines
    from terminal.output import (
        in_readers_zone,
        print_facts,
        print_sentence,
        print_table,
        print_text,
        shown_time,
    )
    from terminal.progress import span

    print_facts(f"{name}, from {shown_time(found.at)} on", _facts(found))
    print_text()
    _print_outcomes(found)
    headings = ("country", "category", "currency", ">messages", ">low", ">high", ">unpriced")
    rows = [tuple(line.values()) for line in cost_lines(found)]
    print_table("Cost", headings, rows)
    limits = sorted(found.limits, key=lambda limit: limit.takes, reverse=True)
    print_table(
        "Duration under each limit alone",
        ("limit", "value", ">takes"),
        [(limit.name, in_readers_zone(limit.value), span(limit.takes)) for limit in limits],
    )
    for remark in _remarks(found):
        print_sentence(remark)


def _facts(found: Estimate) -> list[tuple[str, Any]]:
    from campaigns.figures import percent
    from campaigns.money.costs import plain
    from terminal.progress import span

    facts: list[tuple[str, Any]] = [("recipients", found.recipients), ("messages", found.sends)]
    facts += [(f"of them as {form}", count) for form, count in found.forms.items()]
    if found.held_share:
        facts.append(("delayed by rules", percent(found.held_share)))
    facts += [(f"window {state} now", count) for state, count in found.windows.items()]
    for total in found.totals():
        facts.append(("cost", f"{plain(total.low)} to {plain(total.high)} {total.currency}"))
    if found.unpriced:
        facts.append(("unpriced", found.unpriced))
    bound = f"; limited by {found.binding.name}" if found.binding else ""
    return [*facts, ("takes", span(found.takes) + bound), ("ends at", found.ends_at)]


def _print_outcomes(found: Estimate) -> None:
    from app.views.messages import ENDED, FORESEEN
    from terminal.output import print_table

    rows = [("skipped", reason, ENDED.get(reason), count) for reason, count in found.skips.most_common()]
    rows += [("waits", rule, FORESEEN.get(rule), count) for rule, count in found.waits.most_common()]
    rows += [
        ("delayed, then sent", rule, FORESEEN.get(rule), count) for rule, count in found.held.most_common()
    ]
    if rows:
        print_table("Who is skipped or has to wait", ("outcome", "reason", "what it means", ">count"), rows)


def _remarks(found: Estimate) -> list[str]:
    remarks = list(found.warnings)
    if found.within_allowance:
        remarks.append(
            f"{found.within_allowance:,} of them are within the free allowance: the first 1,000 service messages that "
            "arrive from a number in a month. What is left of it is by what this database has sent."
        )
    if found.free_entries:
        remarks.append(
            f"{found.free_entries:,} of them cost nothing: their recipients came through an advertisement."
        )
    if found.unpriced:
        remarks.append("Unpriced: no rate card or price is known; it is not counted as 0.")
    for budget in found.budgets:
        if not budget.enough:
            left = f"{budget.left.amount:f} {budget.left.currency}"
            remarks.append(f"The budget for the {budget.kind} has {left} left: that may not be enough.")
    return remarks
