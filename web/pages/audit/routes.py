"""Who did what, and when."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.views.operators.audit import audit_page
from app.wiring.databases import snapshot
from web.pages.site import number_in, page, site_of


async def show(request: Request) -> Response:
    query = request.query_params
    subject, actor = query.get("subject", ""), query.get("actor", "")
    async with snapshot(site_of(request).engine) as connection:
        found = await audit_page(
            connection, before=number_in(request, "before"), subject=subject, actor=actor
        )
    return page(request, "pages/audit/audit.html", section="audit", found=found, subject=subject, actor=actor)


ROUTES: Final = [Route("/audit", show, methods=["GET"])]
