"""Operations on a campaign's file and its list: store, check, load, preview, and the rows that were rejected."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

from app.actions.api_keys import Scope
from app.actions.drafts.drafts import LARGEST_FILE, open_draft
from app.actions.drafts.lists import LARGEST
from app.actions.drafts.loading import delete_campaign_file, load_list, put_campaign_file, rejects_file
from app.actions.loading import Flags, Loaded, TooManyRejects
from app.views.answers.campaigns import Done
from app.views.answers.lists import (
    CheckedCampaign,
    FileProblem,
    LoadedList,
    PreviewedMessage,
    Previews,
    ProblemPlace,
    StoredFile,
)
from app.views.answers.people import PeopleOfCampaign, PersonTimeline
from app.views.drafts.preflight import preflight
from app.views.message.sampling import Choice, preview_json, preview_messages, unshown_templates
from app.views.people.people import Asked
from app.views.people.people_export import people_list
from app.views.people.recipient_timeline import recipient_timeline
from app.wiring.databases import snapshot
from campaigns.errors import SpecError, UsageError
from web.api.campaigns import NAME
from web.api.operations import CSV, LISTS, Again, Call, FileAnswer, FileBody, Nothing, Operation
from web.api.parameters import AFTER, BIG, LIMIT, RUN, number, switch, text
from web.api.problems import Problem, problem_of

TOML: Final = "application/toml"
FILES: Final = dict.fromkeys((TOML, "text/plain", "application/octet-stream"), ".toml")
"""What a campaign file may come as; programs that are made from the OpenAPI document know no TOML."""
FILE: Final = f"{NAME}/file"
LIST: Final = f"{NAME}/list"
REJECTS: Final = f"{NAME}/rejects/{{file}}"
SOME: Final = 1_000
FEW: Final = 3
PREVIEWS: Final = ("first", "line", "random", "longest", "missing")
PEOPLE: Final = ("state", "rule", "code", "reason", "text", "search")


async def _get_file(call: Call) -> FileAnswer:
    draft = await open_draft(call.site.settings, call.path["name"])
    return FileAnswer(TOML, draft.text.encode(), tag=draft.digest)


async def _put_file(call: Call) -> StoredFile:
    try:
        text = await asyncio.to_thread(_file(call).read_text, encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SpecError("The campaign file is not UTF-8.") from error
    draft, is_new = await put_campaign_file(call.site.settings, call.path["name"], text, call.seen)
    # What is missing or wrong is no refusal: a file may be stored before it is complete.
    found = problem_of(draft.problem) if draft.problem else None
    problem = (
        FileProblem(found.detail, found.hint, cast("Sequence[ProblemPlace]", found.errors)) if found else None
    )
    return StoredFile(draft.name, "created" if is_new else "replaced", draft.digest, problem is None, problem)


async def _delete_file(call: Call) -> Done:
    await delete_campaign_file(call.site.settings, call.path["name"], call.seen)
    return Done(call.path["name"], "deleted")


async def _check(call: Call) -> CheckedCampaign:
    draft = await open_draft(call.site.settings, call.path["name"])
    flags = Flags(rejects=draft.folder / ".list" / "rejected-000000000000.csv")
    try:
        found = await preflight(call.site.settings, draft.path, flags)
    except TooManyRejects as error:
        raise _too_many(call, error) from error
    return cast("CheckedCampaign", {**found.json, **_rejects(call, found.loaded)})


async def _put_list(call: Call) -> LoadedList:
    try:
        loaded = await load_list(
            call.site.engine,
            call.site.settings,
            call.path["name"],
            _file(call),
            replace=bool(call.query["replace"]),
            now=call.site.now,
        )
    except TooManyRejects as error:
        raise _too_many(call, error) from error
    return cast("LoadedList", {**loaded.json, **_rejects(call, loaded)})


def _too_many(call: Call, error: TooManyRejects) -> Problem:
    loaded = Loaded(error.report.campaign, error.report)
    found = problem_of(error)
    more = {"report": {**loaded.json, **_rejects(call, loaded)}}
    return Problem(422, "too-many-rejects", found.detail, hint=found.hint, errors=found.errors, more=more)


def _rejects(call: Call, loaded: Loaded) -> dict[str, Any]:
    """Their address instead of their place at the server."""
    place = loaded.report.rejects_file
    name = call.path["name"]
    return {"rejects_file": place and f"/api/v1/campaigns/{name}/rejects/{place.name}"}


async def _get_rejects(call: Call) -> FileAnswer:
    site, name = call.site, call.path["name"]
    found = await rejects_file(site.engine, site.settings, name, call.path["file"])
    return FileAnswer(f"{CSV}; charset=utf-8", found, found.name)


def _file(call: Call) -> Path:
    assert call.file is not None  # noqa: S101
    return call.file


async def _preview(call: Call) -> Previews:
    name, site = call.path["name"], call.site
    given = {option: call.query[option] for option in PREVIEWS if call.query[option] is not None}
    if len(given) > 1:
        raise UsageError(f"Give only one of {', '.join(given)}.")
    option, count = next(iter(given.items()), ("first", FEW))
    if option != "line" and count > FEW and not call.caller.actor.may("people.export"):
        raise Problem(
            403,
            "scope",
            f"A key that reads previews at most {FEW} messages at once: more is a list of people.",
            hint="Use a key with the scope manage.",
        )
    async with snapshot(site.engine) as connection:
        found = await preview_messages(connection, name, Choice(option), count, call.query["seed"] or 0)
        unshown = await unshown_templates(connection, site.settings, name)
    messages = [cast("PreviewedMessage", message) for each in found for message in preview_json(each)]
    return {"campaign": name, "messages": messages, "templates_not_shown": unshown}


async def _people(call: Call) -> PeopleOfCampaign:
    filters = {key: call.query[key] or "" for key in PEOPLE}
    asked = Asked.of({**filters, "run": str(call.query["run"] or "")})
    after, size = call.query["after"] or "", call.query["limit"] or 50
    found = await people_list(call.site.engine, call.path["name"], asked, after, size, now=call.site.now)
    return cast("PeopleOfCampaign", found)


async def _why(call: Call) -> PersonTimeline:
    async with snapshot(call.site.engine) as connection:
        found = await recipient_timeline(
            connection, call.site.settings, call.path["name"], call.path["phone"], now=call.site.now
        )
    return cast("PersonTimeline", found.json)


_OF_PREVIEW: Final = (
    number("first", "The first so many recipients; 3 without any choice.", 1, SOME),
    number("line", "The recipient in this line of the file.", 1, BIG),
    number("random", "So many random recipients.", 1, SOME),
    number("longest", "So many of the longest messages.", 1, SOME),
    number("missing", "So many recipients with the most blank cells.", 1, SOME),
    number("seed", "With random: another seed draws others.", 0, BIG),
)
_OF_PEOPLE: Final = tuple(
    text(name, description)
    for name, description in zip(
        PEOPLE,
        (
            "States with commas between, such as failed,in_doubt; or rejected: rows that were not accepted.",
            "Those whom this rule holds.",
            "Those with this code of the provider.",
            "Those with this reason.",
            "Those with this text of the provider.",
            "A number, or a part of a name.",
        ),
        strict=True,
    )
)

OPERATIONS: Final = [
    Operation(
        "GET", FILE, "The campaign file", Scope.READ, _get_file, media=(TOML,), tagged=True, problems=(404,)
    ),
    Operation(
        "PUT",
        FILE,
        "Store the campaign file",
        Scope.MANAGE,
        _put_file,
        act="draft.write",
        file=FileBody(FILES, LARGEST_FILE, "A campaign file, in TOML."),
        problems=(404, 412, 422),
    ),
    Operation(
        "DELETE",
        FILE,
        "Delete it with its list",
        Scope.MANAGE,
        _delete_file,
        act="draft.delete",
        problems=(404, 412, 422),
    ),
    Operation(
        "PUT",
        LIST,
        "Load the list",
        Scope.SEND,
        _put_list,
        "campaign load",
        "campaign.load",
        file=FileBody(LISTS, LARGEST, "The list: a CSV or a spreadsheet."),
        query=(switch("replace", "Replace the list that was loaded, instead of adding to it."),),
        problems=(404, 409, 422),
    ),
    Operation(
        "POST",
        f"{NAME}/check",
        "Check file and list as a load would, and look ahead",
        Scope.MANAGE,
        _check,
        "campaign check",
        body=Nothing,
        again=Again.SAME,
    ),
    Operation(
        "GET",
        REJECTS,
        "Rows that were rejected",
        Scope.MANAGE,
        _get_rejects,
        act="people.export",
        media=(CSV,),
        problems=(404,),
    ),
    Operation(
        "GET",
        f"{NAME}/preview",
        "Messages as they would arrive",
        Scope.READ,
        _preview,
        "campaign preview",
        query=_OF_PREVIEW,
    ),
    Operation(
        "GET",
        f"{NAME}/people",
        "Its people by state, rule or code",
        Scope.MANAGE,
        _people,
        act="people.export",
        query=(LIMIT, AFTER, RUN, *_OF_PEOPLE),
    ),
    Operation("GET", f"{NAME}/people/{{phone}}", "What happened to one person", Scope.READ, _why, "why"),
]
