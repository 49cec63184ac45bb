"""The list step of a draft: upload, what was understood, corrected rows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from app.actions.drafts.drafts import fault_at
from app.actions.drafts.lists import LARGEST, receive_corrections, receive_list, save_uses
from app.views.drafts.column_uses import MEANINGS
from app.views.drafts.list_step import ListStep, list_step, rejects_file, sample_list
from campaigns.errors import DrumbeatError, InvalidInput, NotFound, SpecError
from campaigns.intake.twice_encoded import TWICE
from campaigns.phones.country_names import countries
from campaigns.reject_codes import IntakeCode
from campaigns.spec.campaign_spec import AudienceSpec
from web.pages.draft_fields import number_of
from web.pages.site import done, form_of, page, site_of
from web.protocol.uploads import uploaded_file

PAGE: Final = "pages/drafts/list.html"
_MOST_CELLS: Final = 5
"""Columns of a bad row that are shown."""
_AGAIN: Final = "2"
"""Seconds after which a page that waits for a check is asked for again, with and without JavaScript."""
_HINTS: Final = {
    IntakeCode.ENCODING_AMBIGUOUS: "Choose the one that shows the text right.",
    IntakeCode.ENCODING_WRONG: "Choose another encoding below, or save the file as UTF-8.",
    IntakeCode.DELIMITER_AMBIGUOUS: "Choose what separates the cells.",
    IntakeCode.SHEET_AMBIGUOUS: "Choose the sheet with the list.",
    IntakeCode.SHEET_UNKNOWN: "Choose the sheet with the list.",
    IntakeCode.PHONE_COLUMN_MISSING: "Say below which column holds the numbers. The first row must name the columns.",
    IntakeCode.PHONE_COLUMN_AMBIGUOUS: "Say below which column holds the phone numbers.",
    IntakeCode.VARIABLE_MISSING: "Say below which column it is, or give the variable a default with the message.",
    IntakeCode.COLUMN_UNKNOWN: "These are the columns of this file: save how each is used.",
    IntakeCode.COUNTRY_UNKNOWN: "Choose the country below.",
}
"""What to do about a whole list that cannot be read, where the command line would name an option."""
_READABLE: Final = {
    "utf-8": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows Western", "cp1250": "Windows Central European",
    "cp1254": "Windows Turkish", "cp1257": "Windows Baltic", "cp1251": "Windows Cyrillic",
    "mac_roman": "Mac Western", "mac_latin2": "Mac Central European", "cp850": "DOS Western",
    "cp852": "DOS Central European",
}  # fmt: skip
"""Encodings to choose from."""
_ENCODINGS: Final = {
    **_READABLE, "utf-8-sig": "UTF-8", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16", "xlsx": "Excel workbook",
    "xls": "Excel 97 workbook", "ods": "OpenDocument sheet", TWICE: "encoded twice, to be repaired",
}  # fmt: skip
"""How lists are encoded, and what kinds of workbooks there are."""
_DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar |"}
_READING: Final = (
    "default_country",
    "encoding",
    "delimiter",
    "sheet",
    "duplicates",
    "landlines",
    "date_format",
)
"""Keys of [audience] that the form has, as texts."""


async def show(request: Request) -> Response:
    return await _page(request)


async def back(request: Request) -> Response:
    """Where a page was shown in answer to a form, and is asked for again."""
    return done(request, _address(request.path_params["name"]))


async def upload(request: Request) -> Response:
    name, settings = request.path_params["name"], site_of(request).settings
    try:
        file = await uploaded_file(request, LARGEST)
        received = await receive_list(settings, name, file.filename, file.chunks)
    except InvalidInput as error:
        return await _page(request, about_upload=error)
    notice = "This is the list that the draft has already." if received.same else ""
    return done(request, _address(name), notice)


async def correct(request: Request) -> Response:
    name, settings = request.path_params["name"], site_of(request).settings
    try:
        file = await uploaded_file(request, LARGEST)
        found = await receive_corrections(settings, name, file.filename, file.chunks)
    except (InvalidInput, NotFound) as error:
        return await _page(request, about_corrections=error)
    rows = f"{found.rows:,} row{'' if found.rows == 1 else 's'}"
    if found.unused:
        return await _page(request, corrected=found.rows, unused=found.unused[:_MOST_UNUSED])
    if not found.rows:
        return done(request, _address(name), "Every row came back as it was: nothing is corrected.")
    return done(request, _address(name), f"{rows} put back into the list.")


async def save(request: Request) -> Response:
    name, settings, form = request.path_params["name"], site_of(request).settings, await form_of(request)
    columns = [str(column) for column in form.getlist("column")]
    uses = dict(zip(columns, map(str, form.getlist("use")), strict=False))
    try:
        await save_uses(settings, name, uses or None, _reading(form), str(form.get("digest", "")))
    except InvalidInput as error:
        return await _page(request, about_uses=error)
    return done(request, _address(name), "Saved.")


async def download_rejects(request: Request) -> Response:
    site = site_of(request)
    path, filename = await rejects_file(site.engine, site.settings, request.path_params["name"])
    return FileResponse(path, media_type="text/csv; charset=utf-8", filename=filename)


async def download_sample(request: Request) -> Response:
    name = request.path_params["name"]
    text = await sample_list(site_of(request).settings, name)
    as_file = {"Content-Disposition": f'attachment; filename="{name}.sample.csv"'}
    return Response(text.encode("utf-8-sig"), media_type="text/csv; charset=utf-8", headers=as_file)


_MOST_UNUSED: Final = 50


async def _page(request: Request, **problems: Any) -> Response:
    site = site_of(request)
    found = await list_step(site.engine, site.settings, request.path_params["name"])
    named = await asyncio.to_thread(countries)  # the first time takes a moment
    waits = found.draft.list_path is not None and found.check is None
    about = {
        key: problems.get(key)
        for key in ("about_upload", "about_corrections", "about_uses", "unused", "corrected")
    }
    response = page(
        request,
        PAGE,
        section="campaigns",
        status=422 if any(isinstance(problem, DrumbeatError) for problem in problems.values()) else 200,
        step="list",
        draft=found.draft,
        steps=found.steps,
        found=found,
        check=found.check,
        waits=waits,
        choices=_choices(found),
        shown=_shown(found),
        hint=_hint(found),
        faults=_faults(problems.get("about_uses")),
        countries=[("", "None: every number has its +"), *named.items()],
        encodings=_ENCODINGS,
        readable=_readable(found.audience.encoding),
        problem=_sentence(found),
        delimiters=_DELIMITERS,
        largest=LARGEST >> 20,
        **about,
    )
    if waits and not any(problems.values()):
        response.headers["Refresh"] = _AGAIN
    return response


def _choices(found: ListStep) -> list[tuple[str, str]]:
    """What a column can be used as, beside the variable of its own name."""
    check = found.check
    variables = [*check.needed, *check.optional] if check else []
    mapped = [use.use for use in found.uses if use.use and use.use not in MEANINGS]
    names = dict.fromkeys([*variables, *mapped])
    return [
        *MEANINGS.items(),
        *((name, f"Variable {{{{ {name} }}}}") for name in names if name not in MEANINGS),
    ]


def _shown(found: ListStep) -> list[str]:
    """The columns of bad rows that are shown: those at fault first, then those that are used, in the list's order."""
    if found.check is None:
        return []
    at_fault = dict.fromkeys(row.column for row in found.check.bad if row.column)
    used = dict.fromkeys(use.column.name for use in found.uses if use.is_used)
    rest = dict.fromkeys(use.column.name for use in found.uses)
    chosen = list({**at_fault, **used, **rest})[:_MOST_CELLS]
    return [use.column.name for use in found.uses if use.column.name in chosen]


def _readable(chosen: str | None) -> list[tuple[str, str]]:
    other = {chosen: _ENCODINGS.get(chosen, chosen)} if chosen else {}
    return [("", "Detect"), *{**_READABLE, **other}.items()]


def _sentence(found: ListStep) -> str:
    """The problem, without the ways to read the list, which are shown as buttons."""
    problem = found.check.problem if found.check else None
    if problem is None:
        return ""
    return f"{problem.message.partition('. ')[0].rstrip('.')}." if problem.choices else problem.message


def _hint(found: ListStep) -> str:
    problem = found.check.problem if found.check else None
    if problem is None:
        return ""
    guesses = [f"{use.column.name} as {use.use}" for use in found.uses if use.is_guess]
    if guesses and problem.code == IntakeCode.VARIABLE_MISSING:
        return f"Guessed below: {', '.join(guesses)}. Save it if that is right."
    return (
        _HINTS.get(IntakeCode(problem.code), problem.hint)
        if problem.code in set(IntakeCode)
        else problem.hint
    )


def _faults(error: DrumbeatError | None) -> Mapping[str, str]:
    """Key -> what is wrong with its field."""
    return dict(map(fault_at, error.faults)) if isinstance(error, SpecError) else {}


def _reading(form: FormData) -> dict[str, Any]:
    """The other keys of [audience]; those that are as by default are left out of the file."""
    defaults = {"duplicates": "first", "landlines": "reject"}
    found: dict[str, Any] = {}
    for key in _READING:
        if key in form:
            value = str(form[key]).strip() if key != "delimiter" else str(form[key])
            found[key] = None if value == defaults.get(key, "") else value
    percent = str(form.get("max_reject_percent", "")).strip()
    if percent:
        found["max_reject_percent"] = _number(percent)
    return found


def _number(text: str) -> float | str | None:
    """None: as by default."""
    number = number_of(text)
    return None if number == AudienceSpec().max_reject_percent else number


def _address(name: str) -> str:
    return f"/campaigns/drafts/{name}/list"


_LIST: Final = "/campaigns/drafts/{name}/list"
LIST_ROUTES: Final = [
    Route(_LIST, show, methods=["GET"]),
    Route(_LIST, upload, methods=["POST"]),
    Route(f"{_LIST}/corrections", correct, methods=["POST"]),
    Route(f"{_LIST}/corrections", back, methods=["GET"]),
    Route(f"{_LIST}/uses", back, methods=["GET"]),
    Route(f"{_LIST}/uses", save, methods=["POST"]),
    Route(f"{_LIST}/rejects.csv", download_rejects, methods=["GET"]),
    Route(f"{_LIST}/sample.csv", download_sample, methods=["GET"]),
]
