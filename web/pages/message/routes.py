"""The message step: the form, its preview, and what saving it changes in the campaign file."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from secrets import randbelow, token_hex
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.actions.drafts.drafts import Draft, StaleDraft, save_section
from app.actions.testing import SampleRow, send_draft_test
from app.views.drafts.messages import (
    DraftPreview,
    Outlet,
    contents_of,
    outlet_of,
    preview_draft,
)
from app.views.drafts.rows import ListRows
from app.views.message.sampling import Choice
from app.views.messages import outcome_of_test
from app.wiring.settings import Settings
from campaigns.errors import DrumbeatError, Fault, Forbidden, InvalidInput, SpecError
from campaigns.message.content import MessageType
from campaigns.spec.toml_edits import edited
from campaigns.spec.toml_files import loc_of, parse_toml
from web.pages.draft_fields import Changes, Fields
from web.pages.draft_steps import TYPED, address_of, draft_of, form_fields, rows_of, step_page
from web.pages.message import media
from web.pages.message.card_form import card_fields
from web.pages.message.form import (
    changes_of,
    chosen_accounts,
    kind_of,
    lanes_of,
    list_rows,
    rows_of_sections,
    without_unfinished,
)
from web.pages.message.template_form import template_form
from web.pages.site import done, fragment, sentences_of, site_of

KINDS: Final = {
    MessageType.TEXT: ("Text", ""),
    MessageType.IMAGE: ("Image", "with a caption"),
    MessageType.VIDEO: ("Video", "with a caption"),
    MessageType.DOCUMENT: ("Document", "such as a PDF"),
    MessageType.LIST: ("List", "options to choose from"),
    MessageType.TEMPLATE: ("Template only", "also outside the 24 hours"),
    MessageType.AUDIO: ("Audio", "or a voice message"),
    MessageType.STICKER: ("Sticker", "a WebP image"),
    MessageType.FILES: ("Several files", "in one message"),
    MessageType.FLOW: ("Flow", "a form inside the chat"),
    MessageType.PRODUCT: ("Product", "one of a catalog"),
    MessageType.PRODUCTS: ("Products", "several of a catalog"),
    MessageType.CATALOG: ("Catalog", "a button that opens it"),
    MessageType.LOCATION: ("Location", "a place on the map"),
    MessageType.LOCATION_REQUEST: ("Location request", "a button to share theirs"),
    MessageType.CONTACTS: ("Contact card", "to save or call"),
    MessageType.REACTION: ("Reaction", "to an earlier message"),
}
CHOICES: Final = (
    (Choice.FIRST.value, "First person"),
    (Choice.LINE.value, "Line …"),
    (Choice.RANDOM.value, "Somebody else"),
    (Choice.LONGEST.value, "Longest message"),
    (Choice.MISSING.value, "Most blanks"),
)
_PREVIEW: Final = "pages/message/preview.html"


async def show(request: Request) -> Response:
    draft = await draft_of(request)
    return await _page(request, draft, Fields(draft.data), {})


async def save(request: Request) -> Response:
    draft, form = await draft_of(request), await form_fields(request)
    changes = changes_of(form, draft.data)
    if "show" in form:
        return await _page(request, draft, Fields(draft.data, changes), form)
    attach = form.get("attach", "")
    if attach:
        changes = without_unfinished(changes)
    try:
        _refuse_two_accounts(form)
        await save_section(site_of(request).settings, draft.name, changes, form.get("digest"))
    except SpecError as error:
        return await _page(request, draft, Fields(draft.data, changes, error), form, status=422)
    except StaleDraft as error:
        changed = InvalidInput(str(error), hint=TYPED)
        return await _page(request, draft, Fields(draft.data, changes, changed), form, status=422)
    if "test" in form:
        return await _test(request, form)
    if attach:
        return done(request, f"{address_of(draft.name, 'message')}/media?{urlencode({'for': attach})}")
    stays = "stay" in form
    return done(request, address_of(draft.name, "message" if stays else "rules"), "Saved." if stays else "")


async def _test(request: Request, form: Mapping[str, str]) -> Response:
    """Send the message, as it has just been saved, to one number."""
    site, draft = site_of(request), await draft_of(request)
    rows, problem = await rows_of(draft)
    try:
        row = _test_row(rows, form, problem)
        found = await send_draft_test(
            site.engine,
            site.settings,
            draft.name,
            row,
            form.get("test-to", ""),
            form.get("test-variant") or None,
            form.get("press", ""),
        )
    except Forbidden:
        raise
    except DrumbeatError as error:
        tested = f"Not sent. {sentences_of(error)}"
        return await _page(request, draft, Fields(draft.data), form, status=422, tested=tested)
    if found.all_accepted or found.waiting:
        return done(request, address_of(draft.name, "message"), outcome_of_test(found))
    return await _page(request, draft, Fields(draft.data), form, tested=outcome_of_test(found))


def _test_row(rows: ListRows | None, form: Mapping[str, str], problem: str) -> SampleRow:
    """The row that the preview shows. Raises InvalidInput where there is none."""
    line = form.get("test-line", "")
    found = next((row for row in (rows.rows if rows else ()) if str(row.line) == line), None)
    if found is None:
        raise InvalidInput(problem or "There is no row to fill the message with. Upload the list first.")
    return SampleRow(found.line, found.phone, found.vars)


async def preview(request: Request) -> Response:
    draft, form = await draft_of(request), await form_fields(request)
    changes = changes_of(form, draft.data)
    outlet = await _outlet(request, Fields(draft.data, changes))
    rows, _ = await rows_of(draft)
    shown, problem = await asyncio.to_thread(_preview, draft, changes, form, rows, outlet)
    return fragment(request, _PREVIEW, preview=shown, problem=problem, has_list=rows is not None)


def _refuse_two_accounts(form: Mapping[str, str]) -> None:
    """The campaign file has one account, so the form cannot hold two for it to refuse."""
    if len(chosen := chosen_accounts(form)) > 1:
        text = f"The senders of one campaign belong to one account, not to {' and '.join(sorted(chosen))}."
        raise SpecError(text, faults=[Fault(("senders",), text)])


async def _outlet(request: Request, fields: Fields) -> Outlet:
    site = site_of(request)
    return await outlet_of(site.engine, site.settings, fields.text("provider"))


def _preview(
    draft: Draft, changes: Changes, form: Mapping[str, str], rows: ListRows | None, outlet: Outlet
) -> tuple[DraftPreview | None, str]:
    """The message as it would be with these changes, or why there is none to show."""
    chosen = form.get("row")
    choice = Choice(chosen) if chosen in {each.value for each in Choice} else Choice.FIRST
    number = randbelow(1 << 30)
    if choice is Choice.LINE:
        text = form.get("row-number", "").strip()
        number = int(text) if text.isdecimal() and len(text) < 10 else 0
    try:
        locs = {loc_of(key) if isinstance(key, str) else key: value for key, value in changes.items()}
        file = parse_toml(draft.path, edited(draft.file, locs).encode())
        return (
            preview_draft(
                contents_of(file),
                rows.rows if rows else (),
                choice,
                number,
                outlet,
                category=str(file.data.get("category", "marketing")),
                blanks=rows.blanks if rows else None,
                whole=rows is None or rows.whole,
            ),
            "",
        )
    except DrumbeatError as error:
        return None, sentences_of(error)


async def _page(
    request: Request,
    draft: Draft,
    fields: Fields,
    form: Mapping[str, str],
    *,
    status: int = 200,
    tested: str = "",
) -> Response:
    outlet = await _outlet(request, fields)
    rows, list_problem = await rows_of(draft)
    kind = form.get("kind") or kind_of(fields).value
    offered = {*outlet.types, kind}
    changes = _changes_to(draft, fields)
    shown, problem = await asyncio.to_thread(_preview, draft, changes, form, rows, outlet)
    listed = Fields({"content": {"list": {"row": list_rows(fields)}}})
    listed.problems = _list_problems(fields)
    return step_page(
        request,
        draft,
        "message",
        "pages/message/message.html",
        status=status,
        fields=fields,
        lists=listed,
        accounts=_accounts(site_of(request).settings),
        lanes=lanes_of(fields),
        lost_lanes=[lane for lane in lanes_of(fields) if lane not in site_of(request).settings.lanes],
        kind=kind,
        kinds=[(each.value, *KINDS[each]) for each in KINDS if each in offered] + _unshown(kind),
        additions={str(each) for each in outlet.additions},
        several_images=outlet.several_images,
        takes_buttons=outlet.buttons,
        takes_previews=outlet.link_previews,
        takes_replies=outlet.replies,
        columns=rows.columns if rows else (),
        list_problem=list_problem,
        has_list=rows is not None,
        templates=sorted(outlet.templates, key=lambda each: (each.name, each.language)),
        filling=template_form(fields, outlet.templates),
        cards=card_fields(fields),
        preview=shown,
        problem=problem,
        choices=CHOICES,
        row=form.get("row", Choice.FIRST.value),
        row_number=form.get("row-number", ""),
        press=token_hex(16),
        test_to=form.get("test-to", ""),
        test_variant=form.get("test-variant", ""),
        tested=tested,
        defaults=_defaults(fields, shown),
    )


def _unshown(kind: str) -> list[tuple[str, str, str]]:
    """A type that the file has and the form has no fields for."""
    if kind in {each.value for each in KINDS}:
        return []
    return [(kind, kind.replace("_", " ").capitalize(), "as in the campaign file")]


def _changes_to(draft: Draft, fields: Fields) -> Changes:
    """From the draft to what the page shows."""
    keys = ("provider", "senders", "category", "content", "variants", "winner")
    return {key: fields.data.get(key) for key in keys if fields.data.get(key) != draft.data.get(key)}


def _list_problems(fields: Fields) -> dict[str, str]:
    """The problems of a list's sections at the one table that shows them."""
    counts = [len(rows) for rows in rows_of_sections(fields)]
    found = {}
    for at, text in fields.problems.items():
        if place := re.match(r"content\.list\.sections\[(\d+)\]\.rows\[(\d+)\]", at):
            number = sum(counts[: int(place[1])]) + int(place[2])
            found[f"content.list.row[{number}]{at[place.end() :]}"] = text
    return found


def _accounts(settings: Settings) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Account, adapter, and its senders with their numbers."""
    return [
        (name, account.adapter, [(sender.name, sender.number or "") for sender in account.senders])
        for name, account in settings.accounts.items()
    ]


def _defaults(fields: Fields, shown: DraftPreview | None) -> list[tuple[str, str]]:
    """Each variable of the message and what it is where its cell is blank."""
    given = fields.raw("content.defaults")
    known = {str(name): str(text) for name, text in given.items()} if isinstance(given, dict) else {}
    names = shown.variables if shown else ()
    return list({**{name: "" for name in names if name not in known}, **known}.items())


ROUTES: Final = [
    Route("/campaigns/drafts/{name}/message", show, methods=["GET"]),
    Route("/campaigns/drafts/{name}/message", save, methods=["POST"]),
    Route("/campaigns/drafts/{name}/message/preview", preview, methods=["POST"]),
    *media.ROUTES,
]
