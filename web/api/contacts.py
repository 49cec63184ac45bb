"""Operations on people: opt-outs, and the data of one person."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, cast, get_args

from pydantic import Field

from app.actions.api_keys import Scope
from app.actions.contacts import link_user_id, number_of, record_preference
from app.actions.drafts.lists import LARGEST
from app.actions.personal_data import erase_person, export_person
from app.actions.preference_files import import_sent, rejects_of
from app.views.answers.people import (
    ErasedPerson,
    ExportedPerson,
    ImportedPreferences,
    Linked,
    Recorded,
    ShownPerson,
)
from app.views.people.contacts import OptedOutPage, opted_out_page, person_overview
from app.wiring.databases import snapshot
from campaigns.intake.model import IntakeOptions
from campaigns.phones.stop_words import Action, StopWord, usual_scope
from campaigns.phones.stop_words import Scope as OptOutScope
from web.api.operations import CSV, LISTS, Again, Body, Call, FileAnswer, FileBody, Nothing, Operation
from web.api.parameters import COUNTRY, LIMIT, choice, number, text

PHONE: Final = "/contacts/{phone}"
REJECTS: Final = "/contacts/import/rejects/{file}"
ENDING: Final = ".csv"
SCOPES: Final = get_args(OptOutScope)


class Preference(Body):
    """What it is about, and how we know."""

    scope: Literal["all", "marketing"] | None = Field(
        default=None, description="without it: marketing for an opt-out, all for an opt-in"
    )
    source: str = Field(default="api", max_length=200, description="who or what reported it")
    evidence: str | None = Field(
        default=None, max_length=2_000, description="what shows it, such as the text that they wrote"
    )


class Link(Body):
    """Whose number a provider's user id is."""

    account: str = Field(max_length=200, description="the account whose webhooks name the user id")
    user_id: str = Field(max_length=200, description="as the webhooks of that account name the person")


async def _list(call: Call) -> OptedOutPage:
    given, size = call.query, call.query["limit"] or 50
    return await opted_out_page(call.site.engine, given["scope"], given["after"] or 0, size)


def _phone(call: Call) -> str:
    return number_of(call.path["phone"], call.query["default_country"])


async def _show(call: Call) -> ShownPerson:
    phone = _phone(call)
    async with snapshot(call.site.engine) as connection:
        found = await person_overview(connection, phone, call.site.settings.caps, call.site.now())
    return found.json


async def _opt_out(call: Call) -> Recorded:
    return await _record(call, "out")


async def _opt_in(call: Call) -> Recorded:
    return await _record(call, "in")


async def _record(call: Call, action: Action) -> Recorded:
    phone = _phone(call)
    wanted = StopWord(action, call.body.scope or usual_scope(action))
    out = await record_preference(
        call.site.engine, phone, wanted, call.body.source, call.body.evidence, now=call.site.now
    )
    return Recorded(phone, action, wanted.scope, [entry.scope for entry in out])


async def _link(call: Call) -> Linked:
    phone, site = _phone(call), call.site
    account, user_id = call.body.account, call.body.user_id
    out = await link_user_id(site.engine, site.settings, account, user_id, phone, now=site.now)
    return Linked(phone, user_id, account, [entry.scope for entry in out])


async def _import(call: Call) -> ImportedPreferences:
    path, given = cast("Path", call.file), call.query
    action: Action = "in" if given["action"] == "in" else "out"
    options = IntakeOptions(
        landlines="accept",
        default_country=given["default_country"],
        phone_columns=(given["phone_column"],) if given["phone_column"] else (),
    )
    found, token = await import_sent(
        call.site.engine,
        call.site.settings,
        path,
        options,
        action,
        given["scope"],
        given["source"] or "import:api",
        now=lambda: call.asked_at,  # what people ask for before it is repeated is newer
    )
    first = [
        {"line": each.line, "column": each.column, "code": each.code, "reason": each.reason}
        for each in found.first_rejects
    ]
    address = token and f"/api/v1{REJECTS.format(file=f'{token}{ENDING}')}"
    return cast("ImportedPreferences", {**found.json, "rejects_file": address, "first_rejects": first})


async def _get_rejects(call: Call) -> FileAnswer:
    token = call.path["file"].removesuffix(ENDING)
    found = await rejects_of(call.site.engine, call.site.settings, token)
    return FileAnswer(f"{CSV}; charset=utf-8", found, "opt-outs.rejects.csv")


async def _export(call: Call) -> ExportedPerson:
    found = await export_person(call.site.engine, _phone(call), call.site.now())
    return cast("ExportedPerson", found)


async def _erase(call: Call) -> ErasedPerson:
    found = await erase_person(call.site.engine, _phone(call), call.site.now())
    return cast("ErasedPerson", found.json)


SCOPE: Final = choice("scope", "Which messages.", SCOPES)

OPERATIONS: Final = [
    Operation(
        "GET",
        "/contacts",
        "Everybody who is opted out, the oldest opt-out first",
        Scope.MANAGE,
        _list,
        "contacts list",
        "people.export",
        query=(LIMIT, number("after", "The `next` of the page before."), SCOPE),
    ),
    Operation(
        "POST",
        "/contacts/import",
        "Opt out everybody in a list",
        Scope.MANAGE,
        _import,
        "contacts import",
        "contacts.import",
        file=FileBody(LISTS, LARGEST, "A CSV or a spreadsheet of numbers, with preferences of their own."),
        query=(
            choice("action", "Opt out, or in again; out without it.", ("out", "in")),
            SCOPE,
            text("source", "Who or what reported it."),
            COUNTRY,
            text("phone_column", "The column of the numbers; without it, detected."),
        ),
        again=Again.SAME,
        problems=(422,),
    ),
    Operation(
        "GET",
        REJECTS,
        "Rows of an import that were rejected, for an hour",
        Scope.MANAGE,
        _get_rejects,
        act="people.export",
        media=(CSV,),
        problems=(404,),
    ),
    Operation(
        "GET",
        PHONE,
        "What is known of a person",
        Scope.READ,
        _show,
        "contacts show",
        query=(COUNTRY,),
        problems=(422,),
    ),
    Operation(
        "POST",
        f"{PHONE}/optout",
        "Opt a person out",
        Scope.MANAGE,
        _opt_out,
        "contacts optout",
        "contacts.opt",
        body=Preference,
        query=(COUNTRY,),
        problems=(422,),
    ),
    Operation(
        "POST",
        f"{PHONE}/optin",
        "Opt a person in again",
        Scope.MANAGE,
        _opt_in,
        "contacts optin",
        "contacts.opt",
        body=Preference,
        query=(COUNTRY,),
        problems=(422,),
    ),
    Operation(
        "POST",
        f"{PHONE}/link",
        "Record whose number a user id is",
        Scope.MANAGE,
        _link,
        "contacts link",
        "contacts.link",
        body=Link,
        query=(COUNTRY,),
    ),
    Operation(
        "GET",
        f"{PHONE}/export",
        "All that is stored about a person",
        Scope.ADMIN,
        _export,
        "contacts export",
        "contacts.export",
        query=(COUNTRY,),
        problems=(422,),
    ),
    Operation(
        "POST",
        f"{PHONE}/erase",
        "Erase all that is stored about a person",
        Scope.ADMIN,
        _erase,
        "contacts erase",
        "contacts.erase",
        body=Nothing,
        query=(COUNTRY,),
        again=Again.SAME,
        problems=(422,),
    ),
]
