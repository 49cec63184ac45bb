"""Operations on rate cards: what messages cost, and since when."""

from __future__ import annotations

import asyncio
import re
from datetime import date
from pathlib import Path
from typing import Any, Final, cast

from app.actions.api_keys import Scope
from app.actions.rates import import_card, read_card_file
from app.views.answers.operators import CardsOfName, ImportedCard, ListedCards
from app.views.operators.rates import cards_json, cards_named, imported_json, line_json, list_cards
from app.wiring.databases import snapshot
from campaigns.bounded_files import MAX_WHOLE_BYTES
from campaigns.money.prices import CARD_NAME, RateCard
from web.api.operations import CSV, LISTS, Call, FileBody, Operation, Query
from web.api.parameters import day, text


def _matching(pattern: str, what: str) -> Any:
    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(what)
        return text

    return read


async def _list(call: Call) -> ListedCards:
    async with snapshot(call.site.engine) as connection:
        return {"cards": [line_json(line) for line in await list_cards(connection)]}


async def _show(call: Call) -> CardsOfName:
    name = call.path["name"]
    async with snapshot(call.site.engine) as connection:
        return cards_json(name, await cards_named(connection, name))


async def _import(call: Call) -> ImportedCard:
    given, path = call.query, cast("Path", call.file)
    begins: date = given["from"]
    rates = await asyncio.to_thread(read_card_file, path, given["currency"], given["sheet"])
    card = RateCard(0, given["name"], begins, given["currency"], given["source"], rates)
    replaced = await import_card(call.site.engine, card, now=call.site.now)
    return imported_json(card, replaced)


OPERATIONS: Final = [
    Operation("GET", "/rates", "The rate cards", Scope.READ, _list, "rates show"),
    Operation("GET", "/rates/{name}", "The cards of that name", Scope.READ, _show, "rates show"),
    Operation(
        "POST",
        "/rates/import",
        "Store a rate card",
        Scope.ADMIN,
        _import,
        "rates import",
        "rates.import",
        file=FileBody(LISTS, MAX_WHOLE_BYTES, f"{CSV} or a workbook with a column for each category."),
        query=(
            Query(
                "name",
                "The name that an account's `rates` refers to.",
                {"type": "string", "pattern": f"^{CARD_NAME}$"},
                _matching(CARD_NAME, "lower-case letters, digits, - and _"),
                required=True,
            ),
            day("from", "The first day it is valid.", required=True),
            Query(
                "currency",
                "The currency of the figures.",
                {"type": "string", "pattern": "^[A-Z]{3}$"},
                _matching("[A-Z]{3}", "three letters, such as USD"),
                required=True,
            ),
            text("source", "Where the figures come from.", required=True),
            text("sheet", "The sheet of a workbook; without it, the only one that has data."),
        ),
        problems=(422,),
    ),
]
