"""One campaign: what happens now, its report, its variants, and what can be done to it."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.views.campaigns.live_campaign import LiveCampaign, live_campaign
from app.views.reports.variants import experiment_facts, experiment_status, variants_report
from app.wiring.databases import snapshot
from web.look.chart_geometry import Band, Series
from web.pages.campaign.acts import ACT_ROUTES
from web.pages.campaign.files import FILE_ROUTES
from web.pages.campaign.names import people_of
from web.pages.site import Site, fragment, page, site_of, zone_of
from web.reports.cells import cell, is_numeric
from web.reports.html import state_parts

FRESH: Final = 2.0
"""Seconds that one read of a campaign serves all who look at it."""


async def show(request: Request) -> Response:
    name = request.path_params["name"]
    found = await read_live(site_of(request), name)
    return page(request, "pages/campaign/campaign.html", section="campaigns", **live_values(found))


async def live(request: Request) -> Response:
    found = await read_live(site_of(request), request.path_params["name"])
    return fragment(request, "pages/campaign/live_answer.html", **live_values(found))


async def variants(request: Request) -> Response:
    site, name, zone = site_of(request), request.path_params["name"], zone_of(request)

    async def read() -> dict[str, Any]:
        async with snapshot(site.engine) as connection:
            found = await experiment_status(connection, name)
            return {"found": found, "report": await variants_report(connection, name)}

    read_once = await site.cached(("variants", name), read, 5.0)
    return page(
        request,
        "pages/campaign/variants.html",
        section="campaigns",
        name=name,
        **read_once,
        facts=list(experiment_facts(read_once["found"])),
        cell=partial(cell, zone=zone),
        is_numeric=is_numeric,
    )


async def read_live(site: Site, name: str) -> LiveCampaign:
    """Read once for all viewers."""

    async def read() -> LiveCampaign:
        async with snapshot(site.engine) as connection:
            return await live_campaign(connection, site.settings, name, site.now())

    return await site.cached(("campaign", name), read, FRESH)


def live_values(found: LiveCampaign) -> dict[str, Any]:
    """What the live part shows."""
    begin, end = found.pace.begin, found.pace.begin + found.pace.each * len(found.pace.counts)
    bands = [
        Band(f"paused: {pause.reason}", max(begin, pause.begin), min(end, pause.end or end))
        for pause in found.pauses
        if pause.begin < end and (pause.end is None or pause.end > begin)
    ]
    return {
        "found": found,
        "people": partial(people_of, found.name),
        "bar": state_parts(found.found, lambda state: people_of(found.name, state=state)),
        "series": [
            Series("sent", "accent", [(at, rate * found.unit.seconds) for at, rate in found.pace.points])
        ],
        "begin": begin,
        "end": end,
        "bands": bands,
        "busy": any(found.pace.counts),
        "pace_span": timedelta(seconds=found.pace.each.total_seconds() * len(found.pace.counts)),
    }


ROUTES: Final = [
    *FILE_ROUTES,
    Route("/campaigns/{name}", show, methods=["GET"]),
    Route("/campaigns/{name}/live", live, methods=["GET"]),
    Route("/campaigns/{name}/variants", variants, methods=["GET"]),
    *ACT_ROUTES,
]
