"""The list of campaigns."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.views.campaigns.campaign_list import CampaignPage, campaign_page
from app.views.drafts.drafts import DraftRow, unsent_drafts
from app.wiring.databases import snapshot
from campaigns.states import CampaignState
from web.pages.site import number_in, page, site_of

DRAFTS: Final = 3
"""Drafts that are shown above the campaigns."""


async def show(request: Request) -> Response:
    site, query = site_of(request), request.query_params
    state = CampaignState(query["state"]) if query.get("state") in set(CampaignState) else None
    before = number_in(request, "before")
    name = query.get("name", "")

    async def read() -> CampaignPage:
        async with snapshot(site.engine) as connection:
            return await campaign_page(
                connection, before=before, state=state, part_of_name=name, now=site.now
            )

    async def read_drafts() -> list[DraftRow]:
        return await unsent_drafts(site.engine, site.settings, DRAFTS + 1)

    found = await site.cached(("campaigns", before, state, name), read)
    is_whole = not (name or state or before)
    drafts = await site.cached("drafts", read_drafts) if is_whole else []
    return page(
        request,
        "pages/campaigns/campaigns.html",
        section="campaigns",
        found=found,
        drafts=drafts[:DRAFTS],
        more_drafts=len(drafts) > DRAFTS,
        states=list(CampaignState),
        state=state,
        name=name,
    )


ROUTES: Final = [Route("/campaigns", show, methods=["GET"])]
