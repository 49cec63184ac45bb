"""`drumbeat provider`: which there are, and whether yours answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from app.commands.options import json_option, run_async
from app.context import Context
from campaigns.errors import AccountError

if TYPE_CHECKING:
    from app.probes import Probe
    from providers.base import Balance


@click.group()
def provider() -> None:
    """The providers there are, and whether yours answer."""


@provider.command("list")
@json_option
@click.pass_obj
def list_(context: Context, as_json: bool) -> None:
    """Every adapter, what it can send, and your accounts that use it."""
    from app.output import print_json, print_table, suggest

    rows = [_adapter(name, context) for name in _adapters()]
    if as_json:
        print_json(rows)
        return
    headings = ("adapter", "sends", ">batch", "receipts", "24 h window", "sessions", "your accounts")
    print_table(
        None,
        headings,
        [
            (
                row["adapter"],
                ", ".join(row["types"]),
                row["batch"],
                "polled" if row["polls"] else "webhook",
                row["windows"],
                row["sessions"],
                ", ".join(row["accounts"]) or "-",
            )
            for row in rows
        ],
    )
    suggest("drumbeat provider check")


def _adapters() -> list[str]:
    from providers.registry import ADAPTERS

    return sorted(ADAPTERS)


def _adapter(name: str, context: Context) -> dict[str, Any]:
    from providers.registry import adapter_class

    can = adapter_class(name).capabilities
    return {
        "adapter": name,
        "types": sorted(kind.value for kind in can.types),
        "batch": can.batch,
        "polls": can.polls,
        "windows": can.windows,
        "sessions": can.sessions,
        "reports_cost": can.reports_cost,
        "accounts": [key for key, account in context.settings.accounts.items() if account.adapter == name],
    }


@provider.command()
@click.argument("account", required=False)
@json_option
@click.pass_obj
def check(context: Context, account: str | None, as_json: bool) -> int:
    """Ask each account's provider something harmless. Exit code 4 where one refuses or does not answer."""
    from app.output import print_json, print_table, suggest
    from app.probes import chosen_accounts

    names = chosen_accounts(context.settings, account)
    results = run_async(_probe_all(context, names))
    if as_json:
        print_json(results)
    else:
        rows = [(r.account, r.sender or "", "ok" if r.ok else "FAIL", r.said) for r in results]
        print_table(None, ("account", "sender", "", "what it said"), rows)
        suggest("drumbeat doctor")
    return 0 if all(result.ok for result in results) else AccountError.exit_code


async def _probe_all(context: Context, names: list[str]) -> list[Probe]:
    from app.probes import probe

    return [result for name in names for result in await probe(context.settings, name)]


@provider.command()
@click.argument("account", required=False)
@json_option
@click.pass_obj
def balance(context: Context, account: str | None, as_json: bool) -> None:
    """What is left on an account, where the provider has a call that tells it."""
    from app.output import print_json, print_table
    from app.probes import chosen_accounts

    names = chosen_accounts(context.settings, account)
    found = [(name, run_async(_balance(context, name))) for name in names]
    if as_json:
        print_json([_balance_json(name, left) for name, left in found])
        return
    rows = [(name, left.amount.amount, left.amount.currency, left.remaining_messages) for name, left in found]
    print_table(None, ("account", ">balance", "currency", ">messages left"), rows)


async def _balance(context: Context, name: str) -> Balance:
    from app.probes import connected

    async with connected(context.settings, name) as account:
        return await account.adapter.balance(account.http)


def _balance_json(name: str, left: Balance) -> dict[str, Any]:
    return {
        "account": name,
        "balance": left.amount.amount,
        "currency": left.amount.currency,
        "remaining_messages": left.remaining_messages,
    }
