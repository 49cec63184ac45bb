"""What the endpoints of every provider have in common: each request is checked first, and errors have its own shape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from emulators.base import Json, Provider, Refusal

Endpoint = Callable[[Request], Awaitable[Response]]
Handlers = Mapping[Any, Callable[[Request, Any], Awaitable[Response]]]
"""By the class of an exception: its answer."""


def provider_app(provider: Provider, routes: Sequence[Route], handlers: Handlers | None = None) -> ASGIApp:
    """The provider's endpoints; what they refuse is answered as its `error`, what is in `handlers` as that says."""

    async def refused(_: Request, refusal: Refusal) -> Response:
        return Json(provider.error(refusal.status, refusal.message, refusal.errors), refusal.status)

    async def not_there(_: Request, failure: HTTPException) -> Response:
        body = provider.error(failure.status_code, failure.detail)
        return Json(body, failure.status_code, headers=failure.headers)

    answers: dict[Any, Any] = {Refusal: refused, HTTPException: not_there, **(handlers or {})}
    app = Starlette(routes=routes, exception_handlers=answers)
    app.router.redirect_slashes = False
    return app


def guarded(method: str, path: str, endpoint: Endpoint, check: Callable[[Request], None]) -> Route:
    """A route whose every request is checked first; `check` raises what it refuses it with."""

    async def checked(request: Request) -> Response:
        check(request)
        return await endpoint(request)

    return Route(path, checked, methods=[method])
