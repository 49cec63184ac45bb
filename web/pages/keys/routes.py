"""Keys of the API, for admins, and what the API can do."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.actions.api_keys import Scope, create_key, list_keys, revoke_key
from campaigns.errors import Forbidden, InvalidInput
from web.pages.site import done, form_of, number_of_path, page, site_of, viewer_of

SCOPES: Final = {
    Scope.READ: "sees everything but lists of people",
    Scope.MANAGE: "also fetches lists of people, records opt-outs and pauses",
    Scope.SEND: "also starts, resumes, cancels and retries",
    Scope.ADMIN: "also imports prices, connects phones, and exports and erases people's data",
}
LASTS: Final = {"30": "30 days", "90": "90 days", "365": "a year", "": "until it is revoked"}


async def show(request: Request) -> Response:
    return await _page(request)


async def create(request: Request) -> Response:
    form = await form_of(request)
    name, scope, days = (str(form.get(each, "")) for each in ("name", "scope", "days"))
    if scope not in set(Scope) or days not in LASTS:
        raise InvalidInput("Choose a scope and how long the key holds.")
    lasts = timedelta(days=int(days)) if days else None
    return await _page(request, made=await create_key(site_of(request).engine, name, Scope(scope), lasts))


async def _page(request: Request, made: str = "") -> Response:
    if not viewer_of(request).may("key.create"):
        raise Forbidden("Only an admin sees the keys.")
    keys = await list_keys(site_of(request).engine)
    return page(request, "pages/keys/keys.html", keys=keys, made=made, scopes=SCOPES, lasts=LASTS)


async def revoke(request: Request) -> Response:
    number = number_of_path(request)
    await revoke_key(site_of(request).engine, number)
    return done(request, "/settings/keys", f"Key {number} is revoked.")


ROUTES: Final = [
    Route("/settings/keys", show, methods=["GET"]),
    Route("/settings/keys", create, methods=["POST"]),
    Route("/settings/keys/{number}/revoke", revoke, methods=["POST"]),
]
