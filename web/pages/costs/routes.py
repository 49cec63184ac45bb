"""What things cost: what was spent, budgets in use and rate cards."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.views.operators.costs import Costs, costs
from app.views.operators.rates import cards_named
from app.views.operators.spending import MonthlySpending, monthly_spending
from app.wiring.databases import snapshot
from campaigns.phones.country_names import countries
from web.pages.site import page, site_of, zone_of

FRESH: Final = 10.0
"""Seconds that one read of what was spent serves all who look at it."""


async def show(request: Request) -> Response:
    site, zone = site_of(request), zone_of(request)

    async def read() -> Costs:
        async with snapshot(site.engine) as connection:
            return await costs(connection, site.settings, site.now())

    async def read_spending() -> MonthlySpending:
        async with snapshot(site.engine) as connection:
            return await monthly_spending(connection, site.now(), zone)

    return page(
        request,
        "pages/costs/costs.html",
        section="costs",
        found=await site.cached("costs", read),
        spending=await site.cached(("spending", str(zone)), read_spending, FRESH),
        country_names=countries(),
    )


async def show_card(request: Request) -> Response:
    async with snapshot(site_of(request).engine) as connection:
        cards = await cards_named(connection, request.path_params["name"])
    return page(
        request, "pages/costs/card.html", section="costs", name=request.path_params["name"], cards=cards
    )


ROUTES: Final = [
    Route("/costs", show, methods=["GET"]),
    Route("/costs/rates/{name}", show_card, methods=["GET"]),
]
