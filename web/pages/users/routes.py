"""Users and their roles, for admins."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.actions.users import disable_user, enable_user, invite_user, list_users, set_role
from app.wiring.rights import RIGHTS, Role
from campaigns.errors import Forbidden, InvalidInput
from web.pages.site import done, form_of, page, site_of, viewer_of

ROLES: Final = {
    Role.VIEWER: "sees everything, changes nothing",
    Role.EDITOR: "prepares campaigns and lists, records opt-outs, pauses",
    Role.SENDER: "also starts, approves, cancels and retries",
    Role.ADMIN: "also users, personal data, senders and the database",
}


async def show(request: Request) -> Response:
    return await _page(request)


async def invite(request: Request) -> Response:
    form = await form_of(request)
    role = _role(str(form.get("role", "")))
    token = await invite_user(site_of(request).engine, role)
    link = f"{site_of(request).settings.public_url or str(request.base_url).rstrip('/')}/join/{token}"
    return await _page(request, link=link, invited=role)


async def _page(request: Request, link: str = "", invited: Role | None = None) -> Response:
    if not viewer_of(request).may("user.invite"):
        raise Forbidden("Only an admin sees the users.")
    rights = {role: sorted(name for name, least in RIGHTS.items() if least == role) for role in Role}
    return page(
        request,
        "pages/users/users.html",
        users=await list_users(site_of(request).engine),
        roles=ROLES,
        rights=rights,
        link=link,
        invited=invited,
    )


async def change_role(request: Request) -> Response:
    form = await form_of(request)
    name, role = request.path_params["name"], _role(str(form.get("role", "")))
    await set_role(site_of(request).engine, name, role)
    return done(request, "/settings/users", f"{name} is a {role} now.")


async def disable(request: Request) -> Response:
    name = request.path_params["name"]
    await disable_user(site_of(request).engine, name)
    return done(request, "/settings/users", f"{name} cannot log in any more.")


async def enable(request: Request) -> Response:
    name = request.path_params["name"]
    await enable_user(site_of(request).engine, name)
    return done(request, "/settings/users", f"{name} can log in again.")


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is not a role.", hint=f"Choose one of: {', '.join(Role)}.") from error


ROUTES: Final = [
    Route("/settings/users", show, methods=["GET"]),
    Route("/settings/users", invite, methods=["POST"]),
    Route("/settings/users/{name}/role", change_role, methods=["POST"]),
    Route("/settings/users/{name}/disable", disable, methods=["POST"]),
    Route("/settings/users/{name}/enable", enable, methods=["POST"]),
]
