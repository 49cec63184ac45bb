"""What the steps of a draft have in common: the draft of the address, its frame, and the rows of its list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from app.actions.drafts.drafts import Draft, open_draft
from app.views.drafts.drafts import steps_of
from app.views.drafts.rows import ListRows, RecentRows
from campaigns.errors import DrumbeatError
from web.pages.site import form_of, page, site_of

ROWS: Final = RecentRows()
TYPED: Final = "What you entered is below: save it again to put it in the place of what was changed."
"""What to do where somebody else has changed the draft."""


def address_of(name: str, step: str) -> str:
    return f"/campaigns/drafts/{name}/{step}"


async def draft_of(request: Request) -> Draft:
    """Raises NotFound."""
    return await open_draft(site_of(request).settings, request.path_params["name"])


def step_page(
    request: Request, draft: Draft, step: str, file: str, *, status: int = 200, **values: Any
) -> Response:
    steps = steps_of(draft)
    return page(
        request, file, section="campaigns", status=status, draft=draft, steps=steps, step=step, **values
    )


async def rows_of(draft: Draft) -> tuple[ListRows | None, str]:
    """The rows of the list, or why they cannot be read; neither: there is no list yet."""
    try:
        return await ROWS.of(draft), ""
    except DrumbeatError as error:
        return None, str(error)


async def form_fields(request: Request) -> Mapping[str, str]:
    """The fields of a form that has each once."""
    return {name: str(value) for name, value in (await form_of(request)).items()}
