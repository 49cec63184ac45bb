"""The message templates of the accounts."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.actions.templates import sync_account
from app.views.operators.senders import require_account
from app.views.operators.templates import list_templates, parameters_of
from app.wiring.databases import snapshot
from web.pages.site import done, page, site_of


async def show(request: Request) -> Response:
    site = site_of(request)
    async with snapshot(site.engine) as connection:
        found = await list_templates(connection, site.settings, list(site.settings.accounts))
    return page(
        request,
        "pages/templates/templates.html",
        section="templates",
        found=found,
        parameters_of=parameters_of,
    )


async def sync(request: Request) -> Response:
    site, account = site_of(request), request.path_params["account"]
    require_account(site.settings, account)
    found = await sync_account(site.engine, site.settings, account)
    return done(request, "/templates", f"{account} has {len(found)} templates.")


ROUTES: Final = [
    Route("/templates", show, methods=["GET"]),
    Route("/templates/{account}/sync", sync, methods=["POST"]),
]
