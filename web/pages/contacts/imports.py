"""A list of opt-outs by upload: what it holds is shown first, then a button imports it."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from app.actions.preference_files import (
    LARGEST,
    Reading,
    import_uploaded,
    receive_preferences,
    rejects_of,
    understand_preferences,
)
from campaigns.errors import IntakeError, InvalidInput
from campaigns.phones.country_names import countries
from web.pages.site import done, form_of, page, site_of
from web.protocol.uploads import uploaded_file

PAGE: Final = "pages/contacts/import.html"
ADDRESS: Final = "/contacts/import"


async def show(request: Request) -> Response:
    return _page(request)


async def upload(request: Request) -> Response:
    try:
        file = await uploaded_file(request, LARGEST)
        token = await receive_preferences(site_of(request).settings, file.filename, file.chunks)
    except InvalidInput as error:
        return _page(request, status=422, problem=error)
    return done(request, f"{ADDRESS}/{token}")


async def understand(request: Request) -> Response:
    """What the list holds, read as the address says."""
    reading, found, problem = _reading(request.query_params), None, None
    try:
        found = await understand_preferences(site_of(request).settings, request.path_params["token"], reading)
    except IntakeError as error:
        problem = error
    status = 422 if problem else 200
    return _page(request, status=status, found=found, reading=reading, problem=problem)


async def carry_out(request: Request) -> Response:
    site, token, form = site_of(request), request.path_params["token"], await form_of(request)
    report = await import_uploaded(site.engine, site.settings, token, _reading(form))
    return page(request, "pages/contacts/imported.html", section="contacts", report=report, token=token)


async def download_rejects(request: Request) -> Response:
    site = site_of(request)
    path = await rejects_of(site.engine, site.settings, request.path_params["token"])
    return FileResponse(path, media_type="text/csv; charset=utf-8", filename="opt-outs.rejects.csv")


def _reading(given: Any) -> Reading:
    """What was chosen; anything that is no choice is the default."""
    scopes = {"marketing": "marketing", "all": "all"}
    country = str(given.get("country", ""))
    return Reading(
        "in" if given.get("action") == "in" else "out",
        scopes.get(str(given.get("scope", ""))),  # type: ignore[arg-type]
        country if country in countries() else None,
        str(given.get("phone_column", ""))[:200],
    )


def _page(request: Request, *, status: int = 200, **values: Any) -> Response:
    shown = {"found": None, "reading": None, "problem": None, **values}
    return page(
        request,
        PAGE,
        section="contacts",
        status=status,
        largest=LARGEST >> 20,
        countries=[("", "None: every number has its +"), *countries().items()],
        **shown,
    )


ROUTES: Final = [
    Route(ADDRESS, show, methods=["GET"]),
    Route(ADDRESS, upload, methods=["POST"]),
    Route(f"{ADDRESS}/{{token}}", understand, methods=["GET"]),
    Route(f"{ADDRESS}/{{token}}", carry_out, methods=["POST"]),
    Route(f"{ADDRESS}/{{token}}/rejects.csv", download_rejects, methods=["GET"]),
]
