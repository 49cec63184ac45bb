"""Media files of a draft: the page that uploads one for a key of the message, and the files themselves."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from app.actions.drafts.media import kind_of_place, limit_of_place, media_of, receive_media
from campaigns.errors import InvalidInput
from campaigns.spec.media_files import LARGEST
from web.pages.draft_steps import address_of, draft_of, step_page
from web.pages.site import done, site_of
from web.protocol.uploads import uploaded_file


async def show(request: Request) -> Response:
    return await _page(request)


async def upload(request: Request) -> Response:
    name, place = request.path_params["name"], request.query_params.get("for", "")
    try:
        file = await uploaded_file(request, LARGEST)
        await receive_media(site_of(request).settings, name, place, file.filename, file.chunks)
    except InvalidInput as error:
        return await _page(request, error)
    return done(request, address_of(name, "message"), f"The {kind_of_place(place)} is in the message.")


async def download(request: Request) -> Response:
    """The file, for `<img>` and to be saved: never shown as a page of ours."""
    name, file = request.path_params["name"], request.path_params["file"]
    path, kind = await media_of(site_of(request).settings, name, file)
    return FileResponse(path, media_type=kind, filename=file, headers={"Cache-Control": "private, no-cache"})


async def _page(request: Request, problem: InvalidInput | None = None) -> Response:
    draft, place = await draft_of(request), request.query_params.get("for", "")
    kind, limit = kind_of_place(place), limit_of_place(place)
    return step_page(
        request,
        draft,
        "message",
        "pages/message/media.html",
        status=422 if problem else 200,
        place=place,
        kind=kind,
        limit=limit,
        problem=problem,
    )


ROUTES: Final = [
    Route("/campaigns/drafts/{name}/message/media", show, methods=["GET"]),
    Route("/campaigns/drafts/{name}/message/media", upload, methods=["POST"]),
    Route("/campaigns/drafts/{name}/media/{file}", download, methods=["GET"]),
]
