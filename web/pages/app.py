"""All pages as one ASGI app: the screens' routes, the static files, and errors as pages."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from app.wiring.settings import Settings
from campaigns.errors import (
    DrumbeatError,
    Forbidden,
    InvalidInput,
    Locked,
    NoRoom,
    NotFound,
    Stopped,
    UsageError,
)
from storage.database.engine import Engine
from web.look.environment import WEB
from web.pages.access.routes import ROUTES as ACCESS
from web.pages.audit.routes import ROUTES as AUDIT
from web.pages.campaign.routes import ROUTES as CAMPAIGN
from web.pages.campaigns.routes import ROUTES as CAMPAIGNS
from web.pages.contacts.routes import ROUTES as CONTACTS
from web.pages.costs.routes import ROUTES as COSTS
from web.pages.drafts.routes import ROUTES as DRAFTS
from web.pages.guard import Guard
from web.pages.keys.routes import ROUTES as KEYS
from web.pages.message.routes import ROUTES as MESSAGE
from web.pages.people.routes import ROUTES as PEOPLE
from web.pages.review.routes import ROUTES as REVIEW
from web.pages.rules.routes import ROUTES as RULES
from web.pages.senders.routes import ROUTES as SENDERS
from web.pages.site import Site, page
from web.pages.templates.routes import ROUTES as TEMPLATES
from web.pages.today.routes import ROUTES as TODAY
from web.pages.users.routes import ROUTES as USERS

logger = logging.getLogger(__name__)

SCREENS: Final[Sequence[Sequence[BaseRoute]]] = (
    ACCESS,
    TODAY,
    DRAFTS,
    CAMPAIGNS,
    MESSAGE,
    RULES,
    REVIEW,
    PEOPLE,
    CONTACTS,
    SENDERS,
    COSTS,
    TEMPLATES,
    AUDIT,
    USERS,
    KEYS,
    CAMPAIGN,  # last: its addresses begin with any name
)
STATUS: Final[Sequence[tuple[type[DrumbeatError], int]]] = (
    (Forbidden, 403),
    (NoRoom, 507),
    (NotFound, 404),
    (InvalidInput, 422),
    (UsageError, 422),
    (Stopped, 409),
    (Locked, 409),
)
"""The status of an error's page; any other is 503."""


def pages_app(
    engine: Engine, settings: Settings, *, https_only: bool = False, more: Sequence[BaseRoute] = ()
) -> Starlette:
    """`https_only`: refuse what did not come by TLS, to this server or to a proxy that it trusts. `more`: pages from
    elsewhere."""
    hosts = _public_host(settings)
    app = Starlette(
        routes=[
            Mount("/static", StaticFiles(directory=WEB / "look" / "assets")),
            *more,
            *(route for screen in SCREENS for route in screen),
        ],
        middleware=[Middleware(Guard, engine=engine, hosts=hosts, https_only=https_only)],
        exception_handlers={
            DrumbeatError: _problem,
            HTTPException: _http_problem,
            Exception: _fault,
        },
    )
    app.state.site = Site(engine, settings)
    return app


def _public_host(settings: Settings) -> Sequence[str]:
    host = urlsplit(settings.public_url or "").hostname
    return [host] if host else []


def status_of(error: DrumbeatError) -> int:
    return next((status for kind, status in STATUS if isinstance(error, kind)), 503)


async def _problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, DrumbeatError):
        raise error
    sentence, hint = str(error), error.hint
    if isinstance(error, NoRoom):  # its own sentence names the server's folders
        sentence = "The server's disk is full: this was not done, or not to its end."
        hint = "Repeat it when there is room again."
    return page(request, "pages/problem.html", status=status_of(error), sentence=sentence, hint=hint)


async def _http_problem(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    sentence = "There is no such page." if status == 404 else "This cannot be done here."
    return page(request, "pages/problem.html", status=status, sentence=sentence, hint="")


async def _fault(request: Request, error: Exception) -> Response:
    logger.error("A page failed.", exc_info=error, extra={"action": "page_failed", "path": request.url.path})
    sentence = "Something went wrong in Drumbeat itself."
    return page(request, "pages/problem.html", status=500, sentence=sentence, hint="The log has the details.")
