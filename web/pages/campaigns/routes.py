"""The list of campaigns."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.views.campaign_list import CampaignPage, campaign_page
from app.wiring.databases import snapshot
from campaigns.states import CampaignState
from web.pages.site import number_in, page, site_of


async def show(request: Request) -> Response:
    site, query = site_of(request), request.query_params
    state = CampaignState(query["state"]) if query.get("state") in set(CampaignState) else None
    before = number_in(request, "before")
    name = query.get("name", "")

    async def read() -> CampaignPage:
        async with snapshot(site.engine) as connection:
            return await campaign_page(connection, before=before, state=state, part_of_name=name)

    found = await site.cached(("campaigns", before, state, name), read)
    return page(
        request,
        "pages/campaigns/campaigns.html",
        section="campaigns",
        found=found,
        states=list(CampaignState),
        state=state,
        name=name,
    )


ROUTES: Final = [Route("/campaigns", show, methods=["GET"])]
