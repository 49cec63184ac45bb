"""Logging in and out, accepting an invitation, and one's own settings."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote
from zoneinfo import available_timezones

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from app.actions.users import (
    LONGEST_SESSION,
    TooManyAttempts,
    WrongPassword,
    accept_invitation,
    change_password,
    invited_as,
    log_in,
    log_out,
    log_out_everywhere,
)
from app.wiring.passwords import SHORTEST
from campaigns.errors import InvalidInput
from web.pages.guard import SESSION
from web.pages.site import ZONE, done, form_of, page, sentences_of, site_of, user_of


async def ask_to_log_in(request: Request) -> Response:
    if hasattr(request.state, "user"):
        return RedirectResponse("/", 303)
    return _log_in_page(request, to=request.query_params.get("to", "/"))


async def accept_log_in(request: Request) -> Response:
    form = await form_of(request)
    name, password, to = (str(form.get(field, "")) for field in ("name", "password", "to"))
    try:
        token = await log_in(site_of(request).engine, name, password, _address(request))
    except TooManyAttempts as error:
        return _log_in_page(request, to, name, str(error), 429)
    except WrongPassword:
        return _log_in_page(request, to, name, "The name or the password is wrong.", 403)
    return _with_session(request, RedirectResponse(_local(to), 303), token)


def _log_in_page(request: Request, to: str, name: str = "", problem: str = "", status: int = 200) -> Response:
    return page(request, "pages/access/login.html", status=status, to=_local(to), name=name, problem=problem)


async def show_invitation(request: Request) -> Response:
    token = request.path_params["token"]
    role = await invited_as(site_of(request).engine, token)
    return page(
        request,
        "pages/access/join.html",
        role=role,
        token=token,
        shortest=SHORTEST,
        name="",
        problem="",
    )


async def join(request: Request) -> Response:
    token, engine = request.path_params["token"], site_of(request).engine
    role = await invited_as(engine, token)
    form = await form_of(request)
    name, password = str(form.get("name", "")), str(form.get("password", ""))
    try:
        session = await accept_invitation(engine, token, name, password, _address(request))
    except InvalidInput as error:
        problem = sentences_of(error)
        return page(
            request,
            "pages/access/join.html",
            status=422,
            role=role,
            token=token,
            shortest=SHORTEST,
            name=name,
            problem=problem,
        )
    return _with_session(request, RedirectResponse("/", 303), session)


async def leave(request: Request) -> Response:
    form = await form_of(request)
    if form.get("everywhere"):
        await log_out_everywhere(site_of(request).engine, user_of(request))
    else:
        await log_out(site_of(request).engine, request.cookies[SESSION])
    return _logged_out()


async def show_settings(request: Request) -> Response:
    return _settings_page(request)


def _settings_page(request: Request, problem: str = "", status: int = 200) -> Response:
    return page(
        request,
        "pages/access/settings.html",
        status=status,
        shortest=SHORTEST,
        zones=[(zone, zone) for zone in sorted(available_timezones())],
        problem=problem,
    )


async def set_zone(request: Request) -> Response:
    form = await form_of(request)
    zone = str(form.get("zone", ""))
    if zone not in available_timezones():
        raise InvalidInput("This is no time zone.", hint="Choose one of the list.")
    response = done(request, "/settings", f"Times are shown in {zone}.")
    response.set_cookie(ZONE, quote(zone), max_age=31_536_000, samesite="lax")
    return response


async def set_password(request: Request) -> Response:
    form = await form_of(request)
    old, new = str(form.get("old", "")), str(form.get("new", ""))
    try:
        await change_password(site_of(request).engine, user_of(request), old, new, _address(request))
    except (WrongPassword, TooManyAttempts, InvalidInput) as error:
        return _settings_page(request, sentences_of(error), 422)
    return _logged_out()


def _logged_out() -> Response:
    response = RedirectResponse("/login", 303)
    response.delete_cookie(SESSION)
    return response


def _with_session(request: Request, response: Response, token: str) -> Response:
    secure = request.url.scheme == "https"
    age = round(LONGEST_SESSION.total_seconds())
    response.set_cookie(SESSION, token, max_age=age, httponly=True, samesite="lax", secure=secure)
    return response


def _local(address: str) -> str:
    """An address of this server, whatever a link may say."""
    plain = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if plain else "/"


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


ROUTES: Final = [
    Route("/login", ask_to_log_in, methods=["GET"]),
    Route("/login", accept_log_in, methods=["POST"]),
    Route("/join/{token}", show_invitation, methods=["GET"]),
    Route("/join/{token}", join, methods=["POST"]),
    Route("/logout", leave, methods=["POST"]),
    Route("/settings", show_settings, methods=["GET"]),
    Route("/settings/zone", set_zone, methods=["POST"]),
    Route("/settings/password", set_password, methods=["POST"]),
]
