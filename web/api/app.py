"""The API as one ASGI app: a route for each path, which knows all its methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.wiring.settings import Settings
from campaigns.time.clock import Now, utc_now
from storage.database.engine import Engine
from web.api import campaigns, contacts, lists, rates, reports, senders, templates
from web.api.calls import answer, request_number
from web.api.operations import Operation
from web.api.problems import Problem
from web.api.quota import Quota
from web.pages.site import Site

PREFIX: Final = "/api/v1"
_PERSON: Final = "{phone}"
OPERATIONS: Final[Sequence[Operation]] = (
    *campaigns.OPERATIONS,
    *lists.OPERATIONS,
    *reports.OPERATIONS,
    *contacts.OPERATIONS,
    *senders.OPERATIONS,
    *templates.OPERATIONS,
    *rates.OPERATIONS,
)


def api_app(engine: Engine, settings: Settings, *, https_only: bool = False, now: Now = utc_now) -> Starlette:
    """To be mounted at PREFIX. `https_only`: refuse what did not come by TLS, to this server or to a proxy that it
    trusts."""
    site, quota = Site(engine, settings, now), Quota()
    return Starlette(
        routes=[_route(path, methods, site, quota) for path, methods in by_path().items()],
        middleware=[Middleware(OnlyHttps)] if https_only else [],
        exception_handlers={HTTPException: _http_problem},
    )


class OnlyHttps:
    """An ASGI app that answers what came by TLS: a key is as good as a password."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["scheme"] != "https":
            refused = Problem(403, "https", "The API is answered by https alone.")
            await refused.response(scope["path"], request_number())(scope, receive, send)
            return
        await self._app(scope, receive, send)


def by_path() -> dict[str, dict[str, Operation]]:
    """Path -> method -> operation; paths without parameters come first, those that end with a person last: a user id
    has a slash, and so may look like a longer path."""
    found: dict[str, dict[str, Operation]] = {}
    for operation in sorted(OPERATIONS, key=lambda each: ("{" in each.path, each.path.endswith(_PERSON))):
        found.setdefault(operation.path, {})[operation.method] = operation
    return found


def _route(path: str, methods: Mapping[str, Operation], site: Site, quota: Quota) -> Route:
    async def handle(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await answer(methods[method], site, quota, request)

    return Route(path.replace(_PERSON, "{phone:path}"), handle, methods=list(methods))


async def _http_problem(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    kind, detail = {
        404: ("not-found", "There is no such address."),
        405: ("method", "This address does not take that method; see Allow."),
    }.get(status, ("request", "This request cannot be answered."))
    response = Problem(status, kind, detail).response(request.url.path, request_number())
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response
