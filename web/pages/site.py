"""What every page uses: the site's engine and settings, who looks, and how an answer is made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import field
from datetime import UTC, tzinfo
from functools import partial
from typing import Any, Final, TypeVar, cast
from urllib.parse import parse_qsl, quote, unquote
from zoneinfo import ZoneInfo

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.actions.users import LoggedIn
from app.wiring.rights import Actor
from app.wiring.settings import Settings
from campaigns.errors import DrumbeatError, InvalidInput, NotFound
from campaigns.frozen import frozen
from campaigns.time.clock import Now, utc_now
from campaigns.time.zones import find_zone
from storage.database.engine import Engine
from web.look.environment import render, without_commands
from web.monitoring.cached import Cached
from web.protocol.uploads import body_of

T = TypeVar("T")
LARGEST_FORM: Final = 1024 * 1024
MOST_FIELDS: Final = 5_000
LONGEST_NUMBER: Final = 18
MOST_CACHED: Final = 500
"""Reads that are cached at once; the oldest make room."""
PATIENCE: Final = 10.0
ZONE: Final = "zone"
NOTICE: Final = "notice"
SECTIONS: Final = (
    ("today", "/", "Today"),
    ("campaigns", "/campaigns", "Campaigns"),
    ("contacts", "/contacts", "People"),
    ("senders", "/senders", "Senders"),
    ("costs", "/costs", "Costs"),
    ("templates", "/templates", "Templates"),
    ("audit", "/audit", "Audit"),
)
"""Name, address and label of the navigation's entries."""


@frozen
class Site:
    """One server's pages."""

    engine: Engine
    settings: Settings
    now: Now = utc_now
    _cached: dict[object, Cached[Any]] = field(default_factory=dict)

    async def cached(self, key: object, read: Callable[[], Awaitable[T]], seconds: float = 2.0) -> T:
        """What `read` returns, read once for all viewers and kept for so long. Equal keys have equal answers."""
        if key not in self._cached:
            while len(self._cached) >= MOST_CACHED:
                del self._cached[next(iter(self._cached))]
            self._cached[key] = Cached(read, seconds, PATIENCE)
        return cast("T", await self._cached[key].get())

    def forget(self, key: object) -> None:
        """Read it anew for the next who looks."""
        self._cached.pop(key, None)


def site_of(request: Request) -> Site:
    return cast("Site", request.app.state.site)


def viewer_of(request: Request) -> Actor:
    """Who looks at the page."""
    return user_of(request).actor


def user_of(request: Request) -> LoggedIn:
    return cast("LoggedIn", request.state.user)


def zone_of(request: Request) -> tzinfo:
    """The time zone that the browser named, else UTC."""
    try:
        return find_zone(unquote(request.cookies.get(ZONE, "UTC")))
    except ValueError:
        return UTC


def page(request: Request, template: str, *, section: str = "", status: int = 200, **values: Any) -> Response:
    """The whole page. `section`: the navigation's entry that it belongs to."""
    user = getattr(request.state, "user", None)
    notice = unquote(request.cookies.get(NOTICE, ""))
    shown = {
        "viewer": user.actor if user else None,
        "sections": SECTIONS,
        "section": section,
        "notice": notice,
        **_about(request),
        **values,
    }
    response = HTMLResponse(render(template, **shown), status)
    if notice:
        response.delete_cookie(NOTICE)
    return response


def fragment(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """A part of a page, without its frame."""
    user = getattr(request.state, "user", None)
    viewer = user.actor if user else None
    return HTMLResponse(render(template, viewer=viewer, **_about(request), **values), status)


def _about(request: Request) -> dict[str, Any]:
    zone = zone_of(request)
    return {
        "zone": zone,
        "zone_name": zone.key if isinstance(zone, ZoneInfo) else "UTC",
        "path": request.url.path,
        "query": request.query_params,
        "now": site_of(request).now(),
        "with_query": partial(_with_query, request),
    }


def number_in(request: Request, name: str) -> int | None:
    """The number that the address's parameter holds; None: none that a database could hold."""
    text = request.query_params.get(name, "")
    return int(text) if is_number(text) else None


def number_of_path(request: Request) -> int:
    """The `{number}` of the address's path. Raises NotFound for what is none."""
    text = request.path_params["number"]
    if not is_number(text):
        raise NotFound("There is no such page.")
    return int(text)


def is_number(text: str) -> bool:
    """Whether it is a whole number that a database could hold."""
    return text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER


def _with_query(request: Request, **changes: Any) -> str:
    """The page's address with these parameters changed; None takes one away."""
    return str(
        request.url.include_query_params(**{k: v for k, v in changes.items() if v is not None})
        .remove_query_params([k for k, v in changes.items() if v is None])
        .replace(scheme="", netloc="")
    )


def done(request: Request, address: str, notice: str = "") -> Response:
    """After a form: go to the address, and show the notice there."""
    response = RedirectResponse(address, 303)
    if notice:
        secure = request.url.scheme == "https"
        response.set_cookie(NOTICE, quote(notice), max_age=30, httponly=True, samesite="lax", secure=secure)
    return response


def sentences_of(error: DrumbeatError) -> str:
    """What is wrong, and what to do about it in the browser."""
    return f"{error} {without_commands(error.hint)}".strip()


async def form_of(request: Request) -> FormData:
    """The fields of a form. Raises InvalidInput for one that is too large or not whole."""
    held, size = [], 0
    async for chunk in body_of(request):
        size += len(chunk)
        if size > LARGEST_FORM:
            raise InvalidInput(f"The form has more than {LARGEST_FORM} bytes.", hint="Use a file.")
        held.append(chunk)
    try:
        text = b"".join(held).decode()
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)
        return FormData([(name, value) for name, value in fields])
    except ValueError as error:
        raise InvalidInput("The form cannot be read.", hint="Open the page again.") from error
