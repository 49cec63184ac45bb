"""What things cost: budgets in use and rate cards."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.views.operators.costs import Costs, costs
from app.views.operators.rates import cards_named
from app.wiring.databases import snapshot
from web.pages.site import page, site_of


async def show(request: Request) -> Response:
    site = site_of(request)

    async def read() -> Costs:
        async with snapshot(site.engine) as connection:
            return await costs(connection, site.settings, site.now())

    return page(request, "pages/costs/costs.html", section="costs", found=await site.cached("costs", read))


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
