"""People across campaigns: search, one person with all that is known, opt-outs, export and erasure of their data."""

from __future__ import annotations

from typing import Final, cast, get_args
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from app.actions.contacts import link_user_id, number_of, record_preference
from app.actions.personal_data import (
    ELSEWHERE,
    LOOKED_AT,
    erase_person,
    export_person,
    facts_of,
    what_is_held,
)
from app.views.json_text import to_json
from app.views.people.contact_pages import contacts_page, person_page
from app.wiring.databases import snapshot
from campaigns.errors import Forbidden, InvalidInput
from campaigns.phones.stop_words import Action, Scope, StopWord, usual_scope
from web.pages.contacts import imports
from web.pages.site import done, form_of, number_in, page, site_of, viewer_of

SECTION: Final = "contacts"


async def show(request: Request) -> Response:
    search = request.query_params.get("search", "")
    async with snapshot(site_of(request).engine) as connection:
        found = await contacts_page(connection, search, number_in(request, "before"))
    if found.number:
        return RedirectResponse(_address(found.number), 303)
    return page(request, "pages/contacts/contacts.html", section=SECTION, found=found, search=search.strip())


async def show_person(request: Request) -> Response:
    return await _person(request)


async def _person(request: Request, problem: str = "", evidence: str = "", status: int = 200) -> Response:
    site, phone = site_of(request), _phone(request)
    async with snapshot(site.engine) as connection:
        found = await person_page(connection, phone, site.settings.caps, site.now())
    return page(
        request,
        "pages/contacts/person.html",
        status=status,
        section=SECTION,
        found=found,
        person=found.person,
        out={entry.scope: entry for entry in found.person.opt_outs},
        problem=problem,
        evidence=evidence,
    )


async def opt(request: Request) -> Response:
    phone, form = _phone(request), await form_of(request)
    action = _one_of(str(form.get("action", "")), Action)
    scope = str(form.get("scope", "")) or usual_scope(cast("Action", action))
    evidence = str(form.get("evidence", "")).strip()
    if not evidence:
        return await _person(request, "Say how you know it: a ticket, a call, a letter.", status=422)
    preference = StopWord(cast("Action", action), cast("Scope", _one_of(scope, Scope)))
    source = f"browser:{viewer_of(request).name}"
    out = await record_preference(site_of(request).engine, phone, preference, source, evidence)
    scopes = " and of ".join(entry.scope for entry in out)
    notice = f"{phone} is opted out of {scopes}." if out else f"{phone} is not opted out."
    return done(request, _address(phone), notice)


async def link(request: Request) -> Response:
    site, form = site_of(request), await form_of(request)
    phone = number_of(str(form.get("phone", "")), None)
    account, user_id = str(form.get("account", "")), str(form.get("user_id", ""))
    await link_user_id(site.engine, site.settings, account, user_id, phone)
    return done(
        request, _address(phone), f"{user_id} is {phone}: what was asked for under it holds for the number."
    )


async def export(request: Request) -> Response:
    site, phone = site_of(request), _phone(request)
    document = await export_person(site.engine, phone, site.now())
    headers = {"Content-Disposition": f'attachment; filename="{phone.removeprefix("+")}.json"'}
    return Response(to_json(document, indent=2), media_type="application/json", headers=headers)


async def ask_to_erase(request: Request) -> Response:
    return await _erase_page(request)


async def _erase_page(request: Request, problem: str = "", status: int = 200) -> Response:
    if not viewer_of(request).may("contacts.erase"):
        raise Forbidden("Only an admin erases a person's data.")
    phone = _phone(request)
    held = await what_is_held(site_of(request).engine, phone, LOOKED_AT)
    return page(
        request,
        "pages/contacts/erase.html",
        status=status,
        section=SECTION,
        phone=phone,
        held=list(facts_of(held)),
        elsewhere=ELSEWHERE,
        looked_at=LOOKED_AT,
        problem=problem,
    )


async def erase(request: Request) -> Response:
    site, phone, form = site_of(request), _phone(request), await form_of(request)
    typed = "".join(str(form.get("typed", "")).split())
    if typed != phone and viewer_of(request).may("contacts.erase"):
        return await _erase_page(request, f"Type {phone} to erase it; you typed {typed or 'nothing'}.", 422)
    erased = await erase_person(site.engine, phone, site.now())
    return page(
        request,
        "pages/contacts/erased.html",
        section=SECTION,
        phone=phone,
        facts=list(erased.facts),
        elsewhere=ELSEWHERE,
    )


def _phone(request: Request) -> str:
    return number_of(request.path_params["phone"], None)


def _address(phone: str) -> str:
    return f"/contacts/{quote(phone)}"


def _one_of(text: str, choices: object) -> str:
    known = get_args(choices)
    if text not in known:
        raise InvalidInput(f"{text!r} is none of {', '.join(known)}.", hint="Open the page again.")
    return text


ROUTES: Final = [
    Route("/contacts", show, methods=["GET"]),
    Route("/contacts/link", link, methods=["POST"]),
    *imports.ROUTES,
    Route("/contacts/{phone:path}/opt", opt, methods=["POST"]),
    Route("/contacts/{phone:path}/export", export, methods=["POST"]),
    Route("/contacts/{phone:path}/erase", ask_to_erase, methods=["GET"]),
    Route("/contacts/{phone:path}/erase", erase, methods=["POST"]),
    Route("/contacts/{phone:path}", show_person, methods=["GET"]),
]
