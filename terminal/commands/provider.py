"""`drumbeat provider`: list the providers, and check that your accounts work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from app.wiring.context import Context
from campaigns.errors import AccountError, UsageError
from terminal.commands.options import CommandGroup, account_argument, json_option, run_async, timezone_option

if TYPE_CHECKING:
    from app.views.operators.balances import Left
    from app.views.operators.limits import ShownLimit
    from app.wiring.probes import Probe
    from storage.receipts.notices import NoticeRow


@click.group(cls=CommandGroup)
def provider() -> None:
    """List the providers, and check that your accounts work."""


@provider.command("list")
@json_option
@click.pass_obj
def list_(context: Context, as_json: bool) -> None:
    """List every adapter, what it can send, and your accounts that use it."""
    from app.views.operators.providers import list_adapters
    from terminal.output import print_json, print_table, suggest

    rows = list_adapters(context.settings)
    if as_json:
        print_json(rows)
        return
    headings = (
        *("adapter", "sends", "also", ">batch", "receipts", "in doubt", "24 h window", "price", "sessions"),
        "your accounts",
    )
    print_table(
        None,
        headings,
        [
            (
                row.adapter,
                ", ".join(row.types),
                ", ".join(row.additions) or "-",
                row.batch,
                ", ".join(name for name, has in (("webhooks", row.webhooks), ("polls", row.polls)) if has),
                row.doubts,
                ("asked" if row.asks_window else "from webhooks") if row.windows else "none",
                row.reports_cost,
                row.sessions,
                ", ".join(row.accounts) or "-",
            )
            for row in rows
        ],
    )
    suggest("drumbeat provider check")


@provider.command()
@account_argument
@json_option
@click.pass_obj
def check(context: Context, account: str | None, as_json: bool) -> int:
    """Send each account's provider a harmless request. Exit code 4: one refused or did not answer."""
    from app.wiring.probes import chosen_accounts
    from terminal.output import print_json, print_table, suggest

    names = chosen_accounts(context.settings, account)
    results = run_async(_probe_all(context, names))
    if as_json:
        print_json(results)
    else:
        rows = [(r.account, r.sender or "", "ok" if r.ok else "FAIL", r.said) for r in results]
        print_table(None, ("account", "sender", "", "answer"), rows)
        suggest("drumbeat doctor")
    return 0 if all(result.ok for result in results) else AccountError.exit_code


async def _probe_all(context: Context, names: list[str]) -> list[Probe]:
    from app.wiring.probes import probe

    return [result for name in names for result in await probe(context.settings, name)]


@provider.command()
@account_argument
@timezone_option
@json_option
@click.pass_obj
def balance(context: Context, account: str | None, as_json: bool) -> int:
    """Show the balance of each account: from the provider, or from its answer to the last send."""
    from app.wiring.probes import chosen_accounts
    from terminal.output import print_json, print_table

    names = chosen_accounts(context.settings, account)
    found = [run_async(_left_on(context, name)) for name in names]
    if account is not None and found[0].amount is None and found[0].ok:
        raise UsageError(found[0].problem, hint=found[0].hint)
    if as_json:
        print_json([left.json for left in found])
    else:
        headings = ("account", ">balance", "currency", ">messages left", "as of", "answer")
        rows = [tuple("-" if cell is None else cell for cell in left.json.values()) for left in found]
        print_table(None, headings, rows)
    return 0 if all(left.ok for left in found) else AccountError.exit_code


async def _left_on(context: Context, name: str) -> Left:
    from app.views.operators.balances import left_on

    return await left_on(context.settings, name)


@provider.command()
@account_argument
@click.option(
    "-n", "--limit", type=click.IntRange(1), default=20, show_default=True, help="How many notices to show."
)
@timezone_option
@json_option
@click.pass_obj
def notices(context: Context, account: str | None, limit: int, as_json: bool) -> None:
    """Show the providers' notices about your templates, numbers and accounts, newest first; also what their webhooks
    held that is not understood."""
    from app.wiring.probes import chosen_accounts
    from terminal.output import print_json, print_table

    names = chosen_accounts(context.settings, account)
    found = run_async(_notices(context, names, limit))
    if as_json:
        print_json(found)
        return
    rows = [(row.at, row.account, row.kind, row.subject, row.text) for row in found]
    print_table(None, ("at", "account", "kind", "about", "text"), rows)


async def _notices(context: Context, names: list[str], limit: int) -> list[NoticeRow]:
    from app.views.operators.providers import newest_notices

    async with context.snapshot() as connection:
        return await newest_notices(connection, names, limit)


@provider.command()
@account_argument
@timezone_option
@json_option
@click.pass_obj
def limits(context: Context, account: str | None, as_json: bool) -> int:
    """Show each sender's messaging limit, quality, throughput and name, as the provider has them now. Exit code 4: one
    did not answer."""
    from app.wiring.probes import chosen_accounts
    from terminal.output import print_json, print_table

    names = chosen_accounts(context.settings, account)
    found = [row for name in names for row in run_async(_limits(context, name))]
    if as_json:
        print_json([row.json for row in found])
    else:
        headings = (
            *("account", "sender", ">limit", ">kept", ">reached", "?quality", "?throughput", "?name status"),
            *("?as of", "?problem"),
        )
        print_table(None, headings, [_limit_row(row) for row in found])
    return 0 if all(row.ok for row in found) else AccountError.exit_code


async def _limits(context: Context, name: str) -> list[ShownLimit]:
    from app.views.operators.limits import shown_limits

    return await shown_limits(context.settings, name)


def _limit_row(row: ShownLimit) -> tuple[Any, ...]:
    limit = "unlimited" if row.unlimited else "-" if row.people is None else row.people
    kept = "-" if row.tier is None else row.tier
    reached = "-" if row.reached is None else row.reached
    shown = (row.quality, row.throughput, row.name_status, row.at, row.problem)
    return row.account, row.sender, limit, kept, reached, *("" if part is None else part for part in shown)
