"""Drafts: a new one, all of them, and one's campaign file."""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from app.actions.drafts.drafts import LARGEST_FILE, Draft, delete_draft, open_draft, save_text
from app.actions.drafts.sources import draft_from_file, draft_like, start_draft
from app.views.campaigns.campaign_list import campaign_page
from app.views.drafts.drafts import drafts_with_campaigns, steps_of
from app.wiring.databases import snapshot
from campaigns.errors import DrumbeatError, InvalidInput, NotFound
from web.pages.drafts.list_routes import LIST_ROUTES
from web.pages.site import done, form_of, page, site_of
from web.protocol.uploads import uploaded_file

NEW: Final = "pages/drafts/new.html"
FILE: Final = "pages/drafts/file.html"


async def new(request: Request) -> Response:
    return await _new(request, clone=request.query_params.get("clone", ""))


async def create(request: Request) -> Response:
    """From nothing, or like an earlier campaign."""
    site, form = site_of(request), await form_of(request)
    name, clone = str(form.get("name", "")).strip(), str(form.get("clone", "")).strip()
    try:
        if clone:
            draft = await draft_like(site.engine, site.settings, clone, name)
        else:
            draft = await start_draft(site.engine, site.settings, name)
    except (InvalidInput, NotFound) as error:
        return await _new(request, name, clone, error, status=422)
    return done(request, _address(draft, "list"))


async def create_from_file(request: Request) -> Response:
    """From a campaign file."""
    site = site_of(request)
    try:
        upload = await uploaded_file(request, LARGEST_FILE)
        content = b"".join([chunk async for chunk in upload.chunks])
        name = upload.fields.get("name", "").strip()
        draft = await draft_from_file(site.engine, site.settings, name, content)
    except InvalidInput as error:
        return await _new(request, about_file=error, status=422)
    return done(request, _address(draft, "list"))


async def _new(
    request: Request,
    name: str = "",
    clone: str = "",
    problem: DrumbeatError | None = None,
    about_file: DrumbeatError | None = None,
    status: int = 200,
) -> Response:
    async with snapshot(site_of(request).engine) as connection:
        earlier = [each.name for each in (await campaign_page(connection)).campaigns]
    return page(
        request,
        NEW,
        earlier=list(dict.fromkeys([*([clone] if clone else []), *earlier])),
        section="campaigns",
        status=status,
        name=name,
        clone=clone,
        problem=problem,
        about_file=about_file,
    )


async def show_all(request: Request) -> Response:
    site = site_of(request)
    drafts = await drafts_with_campaigns(site.engine, site.settings)
    return page(request, "pages/drafts/drafts.html", section="campaigns", drafts=drafts)


async def show(request: Request) -> Response:
    """Its first step that is not done."""
    draft = await open_draft(site_of(request).settings, request.path_params["name"])
    return RedirectResponse(
        _address(draft, next((s.key for s in steps_of(draft) if not s.done), "review")), 303
    )


async def show_file(request: Request) -> Response:
    draft = await open_draft(site_of(request).settings, request.path_params["name"])
    return _file(request, draft, draft.text)


async def save_file(request: Request) -> Response:
    settings, form = site_of(request).settings, await form_of(request)
    name, text = request.path_params["name"], str(form.get("text", ""))
    text = text.replace("\r\n", "\n")
    try:
        draft = await save_text(settings, name, text, str(form.get("digest", "")))
    except InvalidInput as error:
        return _file(request, await open_draft(settings, name), text, error, status=422)
    if draft.problem is not None:
        return _file(request, draft, draft.text, saved=True)
    return done(request, _address(draft, "file"), "Saved.")


def _file(
    request: Request,
    draft: Draft,
    text: str,
    refused: DrumbeatError | None = None,
    saved: bool = False,
    status: int = 200,
) -> Response:
    return page(
        request,
        FILE,
        section="campaigns",
        status=status,
        draft=draft,
        steps=steps_of(draft),
        step="",
        text=text,
        lines=_lines(text, str(refused or draft.problem or "")),
        refused=refused,
        saved=saved,
    )


def _lines(text: str, problems: str) -> list[tuple[int, str]]:
    """The lines that the problems name, so that nobody has to count."""
    written = text.split("\n")
    numbers = sorted({int(found[1]) for found in re.finditer(r"\bline (\d{1,6})\b", problems)})
    return [(number, written[number - 1][:200]) for number in numbers if 0 < number <= len(written)][:20]


async def download(request: Request) -> Response:
    draft = await open_draft(site_of(request).settings, request.path_params["name"])
    as_file = {"Content-Disposition": f'attachment; filename="{draft.name}.toml"'}
    return Response(draft.text, media_type="application/toml", headers=as_file)


async def delete(request: Request) -> Response:
    name = request.path_params["name"]
    await delete_draft(site_of(request).settings, name)
    return done(request, "/campaigns/drafts", f"The draft {name} and its list are deleted.")


def _address(draft: Draft, step: str) -> str:
    return f"/campaigns/drafts/{draft.name}/{step}"


_DRAFT: Final = "/campaigns/drafts/{name}"
ROUTES: Final = [
    Route("/campaigns/new", new, methods=["GET"]),
    Route("/campaigns/new", create, methods=["POST"]),
    Route("/campaigns/new/file", create_from_file, methods=["POST"]),
    Route("/campaigns/drafts", show_all, methods=["GET"]),
    Route(_DRAFT, show, methods=["GET"]),
    Route(f"{_DRAFT}/file", show_file, methods=["GET"]),
    Route(f"{_DRAFT}/file", save_file, methods=["POST"]),
    Route(f"{_DRAFT}/campaign.toml", download, methods=["GET"]),
    Route(f"{_DRAFT}/delete", delete, methods=["POST"]),
    *LIST_ROUTES,
]
