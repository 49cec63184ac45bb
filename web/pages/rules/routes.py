"""The rules step: the form, the sentence that says what it does, and what saving it changes in the campaign file."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final
from zoneinfo import available_timezones

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.actions.drafts.drafts import Draft, StaleDraft, save_section
from app.views.drafts.list_step import checked
from app.views.drafts.rules import RulesPreview, preview_rules
from campaigns.errors import DrumbeatError, InvalidInput, SpecError
from campaigns.rules.decision import DAYS
from campaigns.rules.hours_presets import PRESETS
from campaigns.spec.toml_edits import edited
from campaigns.spec.toml_files import loc_of, parse_toml
from web.pages.draft_fields import Changes, Fields
from web.pages.draft_steps import TYPED, address_of, draft_of, form_fields, step_page
from web.pages.rules.form import changes_of, hours_of, needs_consent, when_of
from web.pages.site import done, fragment, sentences_of, site_of

PATIENCE: Final = 1.0
"""Seconds that the page waits for the check of the list before it shows that it is under way."""
_PREVIEW: Final = "pages/rules/preview.html"
ZONES: Final = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))


async def show(request: Request) -> Response:
    draft = await draft_of(request)
    return await _page(request, draft, Fields(draft.data), {}, {})


async def save(request: Request) -> Response:
    draft, form = await draft_of(request), await form_fields(request)
    changes = changes_of(form, dict(draft.data))
    if "show" in form:
        return await _page(request, draft, Fields(draft.data, changes), form, changes)
    try:
        await save_section(site_of(request).settings, draft.name, changes, form.get("digest"))
    except SpecError as error:
        fields = Fields(draft.data, changes, error)
        return await _page(request, draft, fields, form, changes, status=422)
    except StaleDraft as error:
        changed = InvalidInput(str(error), hint=TYPED)
        fields = Fields(draft.data, changes, changed)
        return await _page(request, draft, fields, form, changes, status=422)
    stays = "stay" in form
    return done(request, address_of(draft.name, "rules" if stays else "review"), "Saved." if stays else "")


async def preview(request: Request) -> Response:
    draft, form = await draft_of(request), await form_fields(request)
    shown, problem, waits = await _preview(request, draft, changes_of(form, dict(draft.data)))
    return fragment(request, _PREVIEW, preview=shown, problem=problem, waits=waits)


async def _preview(request: Request, draft: Draft, changes: Changes) -> tuple[RulesPreview | None, str, bool]:
    """What the rules come to with these changes, or why that cannot be said; and whether the list is still being
    checked, so that nobody knows how many messages there are."""
    site = site_of(request)
    check = await checked(site.settings, draft, PATIENCE)
    waits = check is None and draft.list_path is not None
    recipients = check.accepted if check is not None and check.problem is None else None

    def read() -> RulesPreview:
        locs = {loc_of(key) if isinstance(key, str) else key: value for key, value in changes.items()}
        file = parse_toml(draft.path, edited(draft.file, locs).encode())
        return preview_rules(site.settings, file, recipients, site.now())

    try:
        return await asyncio.to_thread(read), "", waits
    except DrumbeatError as error:
        return None, sentences_of(error), False


async def _page(
    request: Request,
    draft: Draft,
    fields: Fields,
    form: Mapping[str, str],
    changes: Changes,
    *,
    status: int = 200,
) -> Response:
    shown, problem, waits = await _preview(request, draft, changes)
    return step_page(
        request,
        draft,
        "rules",
        "pages/rules/rules.html",
        status=status,
        fields=fields,
        when=form.get("when") or when_of(fields),
        hours=form.get("hours-way") or hours_of(fields),
        consent=needs_consent(fields),
        days=DAYS,
        chosen_days=chosen if isinstance(chosen := fields.raw("hours.days"), list) else [],
        presets=PRESETS,
        zones=ZONES,
        preview=shown,
        problem=problem if status == 200 else "",
        waits=waits,
    )


ROUTES: Final = [
    Route("/campaigns/drafts/{name}/rules", show, methods=["GET"]),
    Route("/campaigns/drafts/{name}/rules", save, methods=["POST"]),
    Route("/campaigns/drafts/{name}/rules/preview", preview, methods=["POST"]),
]
