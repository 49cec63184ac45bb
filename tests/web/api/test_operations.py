"""Each operation of the API: the command that does the same, the right it needs, and who is let in."""

from __future__ import annotations

import importlib
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx

import web.api
from app.actions.api_keys import Scope
from app.views.answers.lists import MessageParts
from app.wiring.rights import RIGHTS, Role
from campaigns.frozen import field_names
from campaigns.message.content import Content
from tests.architecture.test_use_cases import COMMANDS, USE_CASES, imported
from tests.web.api.shapes import SEEN
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


FILES = {
    "GET /campaigns/{name}/file",
    "GET /campaigns/{name}/rejects/{file}",
    "GET /contacts/import/rejects/{file}",
}
"""Operations that answer with files alone: all others answer JSON that has a schema."""
MISSING = ("GET /campaigns/{name}/rejects/{file}", "GET /contacts/import/rejects/{file}")
"""What there is none of yet."""


async def test_each_operation_by_each_scope(world: World) -> None:
    """Refused without a key and below its scope, done with its scope, and let in above it; and each answer is as its
    schema says, without another key."""
    SEEN.clear()
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
    assert {name_of(each) for each in OPERATIONS if (each.method, each.path) not in SEEN} == FILES


def test_every_key_has_a_sentence_that_says_what_null_means() -> None:
    for name, schema in document()["components"]["schemas"].items():
        assert "__" not in name, "two types have the same name"
        is_body = schema.get("additionalProperties") is False
        for key, value in schema.get("properties", {}).items():
            about = value.get("description", "")
            assert about, f"{name}.{key}"
            if not is_body:
                assert about.endswith("."), f"{name}.{key}: {about}"
                is_nullable = {"type": "null"} in value.get("anyOf", ())
                assert not is_nullable or "null: " in about.lower(), f"{name}.{key}: {about}"


def test_a_preview_has_the_parts_of_a_message() -> None:
    parts = set(field_names(Content)) | {"template_text"}
    assert MessageParts.__annotations__.keys() | {"type"} == parts


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
