"""`drumbeat rates`: import and show rate cards: what messages cost, and since when."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.wiring.context import Context
from terminal.commands.options import CommandGroup, existing_file, json_option, run_async, timezone_option

if TYPE_CHECKING:
    from campaigns.money.prices import RateCard
    from storage.audience.rates import CardLine


@click.group(cls=CommandGroup)
def rates() -> None:
    """Import and show rate cards: what messages cost, and since when."""


def _card_name(_context: click.Context, _param: click.Parameter, value: str) -> str:
    from campaigns.money.prices import CARD_NAME

    if not re.fullmatch(CARD_NAME, value):
        raise click.BadParameter("lower-case letters, digits, - and _, such as meta-usd")
    return value


def _currency(_context: click.Context, _param: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", value):
        raise click.BadParameter("three letters, such as USD")
    return value


def _source(_context: click.Context, _param: click.Parameter, value: str) -> str:
    if not value.strip():
        raise click.BadParameter("name the source of the figures")
    return value.strip()


class DayType(click.ParamType[datetime]):
    """`2026-01-01`"""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return datetime.combine(date.fromisoformat(value), time())
        except ValueError:
            self.fail(f"{value!r} is not a day; write it like 2026-01-01", param, ctx)


@rates.command("import")
@click.argument("path", metavar="FILE", type=existing_file)
@click.option(
    "--name", required=True, callback=_card_name, help="The name that an account's `rates` refers to."
)
@click.option(
    "--from",
    "effective_from",
    required=True,
    type=DayType(),
    metavar="DATE",
    help="The first day it is valid, such as 2026-01-01.",
)
@click.option(
    "--currency", required=True, callback=_currency, help="The currency of the figures, such as USD."
)
@click.option("--source", required=True, callback=_source, help="Where the figures come from.")
@click.option("--sheet", help="The sheet of a workbook; default: the only one that has data.")
@json_option
@click.pass_obj
def import_(
    context: Context,
    path: Path,
    name: str,
    effective_from: datetime,
    currency: str,
    source: str,
    sheet: str | None,
    as_json: bool,
) -> None:
    """Store a rate card from a CSV or workbook; replaces one with the same name, date and currency.

    The columns are market, marketing, utility, authentication, authentication_international and service, or
    those of Meta's own file.
    """
    from app.actions.rates import read_card_file
    from app.views.operators.rates import imported_json
    from campaigns.figures import counted
    from campaigns.money.prices import RateCard
    from terminal.output import print_json, print_text, suggest

    card = RateCard(0, name, effective_from.date(), currency, source, read_card_file(path, currency, sheet))
    replaced = run_async(_import(context, card))
    markets = len({market for market, _, _ in card.rates})
    if as_json:
        print_json(imported_json(card, replaced))
        return
    done = "replaced" if replaced else "stored"
    print_text(f"{name} from {card.effective_from} in {currency} is {done}: {counted(markets, 'market')}.")
    print_text(f'To use it for an account, set: rates = "{name}"')
    suggest(f"drumbeat rates show {name}")


async def _import(context: Context, card: RateCard) -> bool:
    from app.actions.rates import import_card

    async with context.database(create=True) as engine:
        return await import_card(engine, card)


@rates.command()
@click.argument("name", metavar="[NAME]", required=False)
@timezone_option
@json_option
@click.pass_obj
def show(context: Context, name: str | None, as_json: bool) -> None:
    """List the rate cards; with a name, show the rates of its cards."""
    from app.views.operators.rates import cards_json, line_json
    from terminal.output import print_json, print_table, suggest

    if name is None:
        lines = run_async(_lines(context))
        if as_json:
            print_json([line_json(line) for line in lines])
            return
        headings = ("name", "from", "currency", ">markets", "source", "imported at")
        rows = [(c.name, c.effective_from, c.currency, c.markets, c.source, c.imported_at) for c in lines]
        print_table(None, headings, rows)
        suggest("drumbeat rates show NAME" if lines else "drumbeat rates import FILE --name NAME …")
        return
    cards = run_async(_cards(context, name))
    if as_json:
        print_json(cards_json(name, cards))
        return
    for card in cards:
        _print_card(card)


async def _lines(context: Context) -> list[CardLine]:
    from app.views.operators.rates import list_cards

    async with context.snapshot() as connection:
        return await list_cards(connection)


async def _cards(context: Context, name: str) -> list[RateCard]:
    from app.views.operators.rates import cards_named

    async with context.snapshot() as connection:
        return await cards_named(connection, name)


def _print_card(card: RateCard) -> None:
    from app.views.operators.rates import amount_of
    from campaigns.money.rate_files import COLUMNS
    from terminal.output import print_table

    given = {(category, window) for _, category, window in card.rates}
    columns = {name: key for name, key in COLUMNS.items() if key in given}
    rows = [
        [market, *(amount_of(card.rates.get((market, *key))) for key in columns.values())]
        for market in sorted({market for market, _, _ in card.rates})
    ]
    title = f"{card.name} from {card.effective_from}, in {card.currency}; source: {card.source}"
    print_table(title, ("market", *(f">{name}" for name in columns)), rows)
