"""Each operation of the API: the command that does the same, the right it needs, and who is let in."""

from __future__ import annotations

import importlib
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs

import web.api
from app.actions.api_keys import Scope
from app.wiring.rights import RIGHTS, Role
from tests.architecture.test_use_cases import COMMANDS, USE_CASES, imported
from tests.web.api.world import LAST, World, filled, name_of
from web.api.app import OPERATIONS
from web.api.openapi import document, statuses
from web.api.operations import Operation

NOT_IN_THE_API = {
    "completion": "prints a script for a shell",
    "db adopt": "who runs the database decides that",
    "db recount": "who runs the database decides that",
    "db backup": "writes a file at the server",
    "db purge": "who runs the database decides that",
    "db upgrade": "comes before the server starts",
    "demo": "is for a first look, on a terminal",
    "doctor": "checks the machine that the server runs on",
    "emulator": "serves what is no part of the product",
    "init": "writes files to start from",
    "key create": "a key that makes keys could never be revoked for good",
    "key list": "with the other two",
    "key revoke": "with the other two",
    "notify list": "is for who runs the server; [[notify]] is in its settings",
    "notify resend": "is for who runs the server",
    "notify test": "is for who runs the server",
    "run": "is a process",
    "serve": "is the process that answers",
    "up": "is a process",
    "user disable": "people are let in and out by people",
    "user enable": "people are let in and out by people",
    "user invite": "people are let in and out by people",
    "user list": "people are let in and out by people",
    "user role": "people are let in and out by people",
    "worker": "is a process",
}
"""Command -> why no operation does the same."""
BY_PAGES = {
    "campaign list": "app.views.campaigns.campaign_list:campaign_page",
    "campaign load": "app.actions.drafts.loading:load_list",
    "contacts import": "app.actions.preference_files:import_sent",
    "contacts list": "app.views.people.contacts:opted_out_page",
    "report recipients": "app.views.reports.recipient_files:write_recipients",
}
"""Commands whose operation reads a page at a time, or takes the list from the call."""
OF_THE_API_ALONE = {
    "GET /campaigns/{name}/file": "a command reads the file where it is",
    "PUT /campaigns/{name}/file": "a command reads the file where it is",
    "DELETE /campaigns/{name}/file": "a command reads the file where it is",
    "GET /campaigns/{name}/rejects/{file}": "a command writes the rows into a file",
    "GET /contacts/import/rejects/{file}": "a command writes the rows into a file",
    "GET /campaigns/{name}/people": "a command lists all; the pages have the same filters",
}
NOT_BY_KEY = {
    "campaign.load": "PUT /campaigns/{name}/list",
    "draft.create": "PUT /campaigns/{name}/file",
    "draft.upload": "PUT /campaigns/{name}/list",
}
"""Acts that an operation does beside its own, or that have no word of their own."""
OF_PAGES = {
    "contacts.upload": "keeps a file until a form says how it is read; the API brings both at once",
    "draft.correct": "corrects cells of a list in the browser",
    "draft.media": "keeps a picture that the message step uploads",
    "draft.test": "sends a message that the browser's form still changes; POST /campaigns/{name}/test",
    "draft.save": "saves the fields of a form",
    "webhook.again": "is for who runs the server",
}


def test_every_command_has_an_operation_or_a_reason() -> None:
    covered = {each.command for each in OPERATIONS if each.command}
    assert covered | NOT_IN_THE_API.keys() == COMMANDS.keys()
    assert not covered & NOT_IN_THE_API.keys()
    assert {name_of(each) for each in OPERATIONS if not each.command} == OF_THE_API_ALONE.keys()


def test_an_operation_calls_the_use_case_of_its_command() -> None:
    folder = Path(web.api.__file__).parent
    known = set().union(*(imported(path) for path in folder.glob("*.py")))
    for command in {each.command for each in OPERATIONS if each.command}:
        module, _, name = BY_PAGES.get(command, USE_CASES[command]).partition(":")
        assert hasattr(importlib.import_module(module), name)
        assert (module, name) in known, command


def test_every_act_has_an_operation_with_its_scope_or_a_reason() -> None:
    """What needs a right needs a key of a scope that has it, and no more than that."""
    for operation in OPERATIONS:
        if operation.act:
            assert operation.scope.role is RIGHTS[operation.act], name_of(operation)
        else:
            assert operation.method == "GET" or operation.command == "campaign check"
    covered = {each.act for each in OPERATIONS if each.act} | NOT_BY_KEY.keys() | OF_PAGES.keys()
    outside = {"database", "key", "notify", "user"}
    assert covered == {act for act in RIGHTS if act.partition(".")[0] not in outside}


def test_every_file_may_come_as_bytes() -> None:
    """The one type of a file that clients know which are made from the OpenAPI document."""
    for operation in OPERATIONS:
        assert operation.file is None or "application/octet-stream" in operation.file.media, name_of(
            operation
        )


DOCUMENT = document()
NO_SCHEMA = {
    "GET /campaigns/{name}",
    "GET /campaigns/{name}/estimate",
    "GET /campaigns/{name}/file",
    "GET /campaigns/{name}/people",
    "GET /campaigns/{name}/people/{phone}",
    "GET /campaigns/{name}/preview",
    "GET /campaigns/{name}/rejects/{file}",
    "GET /campaigns/{name}/reports/cost",
    "GET /campaigns/{name}/reports/delivery",
    "GET /campaigns/{name}/reports/failures",
    "GET /campaigns/{name}/reports/funnel",
    "GET /campaigns/{name}/reports/recipients",
    "GET /campaigns/{name}/reports/summary",
    "GET /campaigns/{name}/reports/variants",
    "GET /campaigns/{name}/winner",
    "GET /contacts/import/rejects/{file}",
    "GET /contacts/{phone}",
    "GET /contacts/{phone}/export",
    "GET /providers/balance",
    "GET /providers/limits",
    "GET /rates/{name}",
    "GET /reports/compare",
    "GET /templates",
    "GET /templates/{account}/{name}",
    "POST /campaigns/{name}/check",
    "POST /campaigns/{name}/winner",
    "POST /contacts/import",
    "POST /contacts/{phone}/erase",
    "POST /templates/{account}/sync",
    "PUT /campaigns/{name}/list",
}
"""Operations without a schema: their answer is a file, or is put together from parts that have no type yet."""
MISSING = (
    "GET /campaigns/{name}/rejects/{file}",
    "GET /contacts/import/rejects/{file}",
    "GET /templates/{account}/{name}",
    "GET /rates/{name}",
)
"""What there is none of yet."""


async def test_each_operation_by_each_scope(world: World) -> None:
    """Refused without a key and below its scope, done with its scope, and let in above it."""
    described: set[str] = set()
    async with AsyncExitStack() as stack:
        callers = {scope: await stack.enter_async_context(world.caller(scope)) for scope in (None, *Scope)}
        for operation in sorted(
            OPERATIONS, key=lambda each: (name_of(each) in LAST, name_of(each) == LAST[-1])
        ):
            for scope, caller in callers.items():
                address, given = filled(operation)
                if (
                    scope is not None
                    and scope.role.includes(operation.scope.role)
                    and scope != operation.scope
                ):
                    given = spoiled(operation)
                answer = await caller.request(operation.method, address, **given)
                judge(operation, scope, answer)
                if answer.is_success:
                    fits_schema(operation, answer, described)
    assert {name_of(each) for each in OPERATIONS} - described == NO_SCHEMA


def fits_schema(operation: Operation, answer: httpx.Response, described: set[str]) -> None:
    """A real answer is as its schema in the OpenAPI document says; `described` gets those that have one."""
    content = DOCUMENT["paths"][operation.path][operation.method.lower()]["responses"]
    schema = content[str(operation.status)]["content"].get("application/json", {}).get("schema")
    if not schema or not answer.headers["content-type"].startswith("application/json"):
        return
    described.add(name_of(operation))
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema_rs.Draft202012Validator(whole, validate_formats=True).validate(answer.json())


def spoiled(operation: Operation) -> dict[str, Any]:
    """What is refused once the key is let in, where there is such a thing."""
    params = [(operation.query[0].name, "1"), (operation.query[0].name, "2")] if operation.query else None
    return {"headers": {"content-type": "text/odd"}, "content": b"x", "params": params}


def judge(operation: Operation, scope: Scope | None, answer: httpx.Response) -> None:
    about = f"{scope}, {name_of(operation)}: {answer.text[:300]}"
    kind = answer.json()["type"] if answer.status_code >= 400 else ""
    if scope is None:
        assert (answer.status_code, kind) == (401, "urn:drumbeat:problem:no-key"), about
        assert answer.headers["www-authenticate"] == "Bearer"
    elif not scope.role.includes(operation.scope.role):
        assert (answer.status_code, kind) == (403, "urn:drumbeat:problem:scope"), about
    elif scope == operation.scope:
        expected = 404 if name_of(operation) in MISSING else operation.status
        assert answer.status_code == expected, about
    else:
        assert answer.status_code in {operation.status, *statuses(operation)} - {401, 403, 500}, about
    assert len(answer.headers["x-request-id"]) == 16
    assert scope is None or answer.headers["ratelimit-limit"] == "1200"


def test_a_scope_is_a_role() -> None:
    assert [scope.role for scope in Scope] == list(Role)
