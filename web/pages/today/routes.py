"""Today: what needs somebody, what is running, what comes next."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.views.campaigns.today import Today, today
from app.wiring.databases import snapshot
from web.pages.site import Site, fragment, page, site_of


async def show(request: Request) -> Response:
    return page(request, "pages/today/today.html", section="today", found=await _read(site_of(request)))


async def live(request: Request) -> Response:
    return fragment(request, "pages/today/live.html", found=await _read(site_of(request)))


async def _read(site: Site) -> Today:
    async def read() -> Today:
        async with snapshot(site.engine) as connection:
            return await today(connection, site.settings, site.now())

    return await site.cached("today", read)


ROUTES: Final = [Route("/", show, methods=["GET"]), Route("/today/live", live, methods=["GET"])]
