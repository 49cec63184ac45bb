"""What stands before every page: the host it is asked by, requests that another site's page sends, who is logged in,
and the headers that keep a browser from running or framing anything that is not ours."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.actions.users import LoggedIn, find_session
from app.wiring.rights import acting
from storage.database.engine import Engine
from web.pages.site import page

SESSION: Final = "drumbeat_session"
LIVE: Final = "x-drumbeat-live"
"""The header of a page that polls: it does not count as a person who is there."""
LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1"})
OPEN: Final = ("/login", "/join/", "/static/")
"""What can be seen without a session."""
SAFE_METHODS: Final = ("GET", "HEAD")
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
}


class Guard:
    """An ASGI app that lets only such requests through to `app` as may see it."""

    def __init__(
        self, app: ASGIApp, engine: Engine, hosts: Collection[str], *, https_only: bool = False
    ) -> None:
        self._https_only = https_only
        self._app = app
        self._engine = engine
        self._hosts = frozenset(hosts) | LOCAL_HOSTS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        send = _with_headers(send, cached="/static/" in scope["path"])
        if (refused := self._refused(request)) is not None:
            await refused(scope, receive, send)
            return
        user = await self._user(request)
        if user is None:
            await (self._app if _is_open(request) else _to_log_in(request))(scope, receive, send)
            return
        request.state.user = user
        with acting(user.actor):
            await self._app(scope, receive, send)

    def _refused(self, request: Request) -> Response | None:
        if self._https_only and request.url.scheme != "https":
            return PlainTextResponse("The pages are answered by https alone.", 403)
        if _host_of(request.headers) not in self._hosts:
            return PlainTextResponse("This server is not known by that name; see [server] public_url.", 421)
        if request.method not in SAFE_METHODS and not _is_from_our_page(request):
            return PlainTextResponse("This form does not come from a page of this server.", 403)
        return None

    async def _user(self, request: Request) -> LoggedIn | None:
        token = request.cookies.get(SESSION)
        if not token or request.url.path.startswith("/static/"):
            return None
        return await find_session(self._engine, token, active=LIVE not in request.headers)


def _host_of(headers: Headers) -> str:
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def _is_from_our_page(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    try:
        origin = urlsplit(request.headers.get("origin", ""))
    except ValueError:
        return False
    return bool(origin.netloc) and origin.netloc == request.headers.get("host")


def _is_open(request: Request) -> bool:
    return request.url.path.startswith(OPEN)


def _to_log_in(request: Request) -> Response:
    if request.method in SAFE_METHODS and LIVE not in request.headers:
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?to={quote(back)}", 303)
    if LIVE in request.headers:
        return PlainTextResponse("Log in again.", 401)
    return page(request, "pages/access/logged_out.html", status=401)


def _with_headers(send: Send, *, cached: bool) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "max-age=3600" if cached else "no-store")
        await send(message)

    return with_headers
