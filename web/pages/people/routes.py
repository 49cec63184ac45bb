"""The people of a campaign, one person of it, and its messages in doubt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from app.actions.steering import resolve_doubts
from app.views.messages import ENDED, WAITS
from app.views.people.doubts import Doubts, doubts_page
from app.views.people.people import (
    GROUPS,
    REJECTED,
    Asked,
    PeoplePage,
    people_counts,
    people_page,
    shown_count,
)
from app.views.people.people_export import export_people
from app.views.people.person_story import person_story
from app.wiring.databases import snapshot
from campaigns.errors import InvalidInput
from campaigns.figures import counted
from web.pages.site import done, form_of, is_number, number_in, page, site_of

SECTION: Final = "campaigns"
COUNTS_FOR: Final = 5.0
ACTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "resend": ("Send again", "will be sent again"),
    "give-up": ("Give up", "given up"),
}
"""Action -> its button, and what the notice says."""


async def show(request: Request) -> Response:
    site, name = site_of(request), request.path_params["name"]
    query = request.query_params
    asked = Asked.of(query)
    async with snapshot(site.engine) as connection:
        found = await people_page(connection, name, asked, site.now(), after=query.get("after", ""))

    async def read() -> dict[str, int]:
        async with snapshot(site.engine) as connection:
            return await people_counts(connection, name, asked.run)

    counts = await site.cached(("people", name, asked.run), read, COUNTS_FOR)
    return page(
        request,
        "pages/people/people.html",
        section=SECTION,
        found=found,
        asked=asked,
        groups=[(group, counts[group]) for group in (*GROUPS, REJECTED) if group in counts],
        everybody=sum(count for group, count in counts.items() if group != REJECTED),
        shown_count=shown_count,
        total=_total(found, asked),
        rules=sorted(WAITS),
        reasons=ENDED,
        means=WAITS,
    )


def _total(found: PeoplePage, asked: Asked) -> str:
    """`1,234 people`, or as much as is known."""
    noun = ("row", "rows") if asked.rejected else ("person", "people")
    if found.count is None:
        here = len(found.people) + len(found.rejected)
        return f"{here:,} {noun[here != 1]} on this page"
    return f"{shown_count(found.count)} {noun[found.count != 1]}"


async def export(request: Request) -> Response:
    name, asked = request.path_params["name"], Asked.of(request.query_params)
    parts = await export_people(site_of(request).engine, name, asked)
    which = asked.state or asked.rule or asked.code or asked.reason or "people"
    file = quote(f"{name}-{which}.csv", safe="")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{file}"}
    return StreamingResponse(parts, media_type="text/csv; charset=utf-8", headers=headers)


async def show_person(request: Request) -> Response:
    site, name, phone = site_of(request), request.path_params["name"], request.path_params["phone"]
    async with snapshot(site.engine) as connection:
        story = await person_story(connection, site.settings, name, phone, now=site.now)
    return page(request, "pages/people/person.html", section=SECTION, story=story)


async def show_doubts(request: Request) -> Response:
    found = await _doubts(request, after=number_in(request, "after") or 0)
    return page(request, "pages/people/doubts.html", section=SECTION, found=found)


async def _doubts(request: Request, **options: Any) -> Doubts:
    site = site_of(request)
    async with snapshot(site.engine) as connection:
        return await doubts_page(connection, site.settings, request.path_params["name"], **options)


async def ask_to_resolve(request: Request) -> Response:
    """The number and the consequence, before anything is done."""
    action, phone = _action(request.query_params), request.query_params.get("phone", "")
    found = await _doubts(request, phone=phone or None)
    return page(
        request,
        "pages/people/resolve.html",
        section=SECTION,
        found=found,
        action=action,
        phone=phone,
        button=ACTIONS[action][0],
    )


async def resolve(request: Request) -> Response:
    name, form = request.path_params["name"], await form_of(request)
    action, phone, expected = _action(form), str(form.get("phone", "")), str(form.get("expected", ""))
    if expected and not is_number(expected):
        raise InvalidInput("The form's count of messages is no number.", hint="Open the page again.")
    count = await resolve_doubts(
        site_of(request).engine,
        name,
        action,
        phones=[phone] if phone else None,
        expected=int(expected) if expected else None,
    )
    site_of(request).forget(("campaign", name))
    return done(
        request, f"/campaigns/{quote(name)}/doubts", f"{counted(count, 'message')} {ACTIONS[action][1]}."
    )


def _action(given: Mapping[str, Any]) -> Literal["resend", "give-up"]:
    match given.get("action"):
        case "resend":
            return "resend"
        case "give-up":
            return "give-up"
        case other:
            raise InvalidInput(f"{other!r} is not a decision.", hint="It is resend or give-up.")


ROUTES: Final = [
    Route("/campaigns/{name}/people", show, methods=["GET"]),
    Route("/campaigns/{name}/people.csv", export, methods=["GET"]),
    Route("/campaigns/{name}/people/{phone:path}", show_person, methods=["GET"]),
    Route("/campaigns/{name}/doubts", show_doubts, methods=["GET"]),
    Route("/campaigns/{name}/doubts/resolve", ask_to_resolve, methods=["GET"]),
    Route("/campaigns/{name}/doubts/resolve", resolve, methods=["POST"]),
]
