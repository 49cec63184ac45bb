"""Operations on the message templates of the accounts."""

from __future__ import annotations

from typing import Final

from app.actions.api_keys import Scope
from app.actions.templates import sync_account
from app.views.answers.operators import ShownTemplate, SyncedTemplates, Templates
from app.views.operators.templates import list_templates, show_template, template_json
from app.wiring.databases import snapshot
from app.wiring.probes import chosen_accounts
from web.api.operations import Again, Call, Nothing, Operation
from web.api.parameters import ACCOUNT, text


async def _list(call: Call) -> Templates:
    names = chosen_accounts(call.site.settings, call.query["account"])
    async with snapshot(call.site.engine) as connection:
        found = await list_templates(connection, call.site.settings, names)
    return {"accounts": [each.json for each in found]}


async def _show(call: Call) -> ShownTemplate:
    account = call.path["account"]
    call.site.settings.account(account)
    async with snapshot(call.site.engine) as connection:
        found = await show_template(connection, account, call.path["name"], call.query["language"])
    return {"account": account, **template_json(found)}


async def _sync(call: Call) -> SyncedTemplates:
    account = call.path["account"]
    found = await sync_account(call.site.engine, call.site.settings, account, now=call.site.now)
    return {"account": account, "templates": [template_json(each) for each in found]}


OPERATIONS: Final = [
    Operation(
        "GET",
        "/templates",
        "The stored templates of an account, or of all",
        Scope.READ,
        _list,
        "template list",
        query=(ACCOUNT,),
    ),
    Operation(
        "GET",
        "/templates/{account}/{name}",
        "One stored template",
        Scope.READ,
        _show,
        "template show",
        query=(text("language", "Its language; needed where it has several.", 20),),
    ),
    Operation(
        "POST",
        "/templates/{account}/sync",
        "Fetch them from the provider",
        Scope.MANAGE,
        _sync,
        "template sync",
        "template.sync",
        body=Nothing,
        again=Again.SAME,
        problems=(404, 422, 502),
    ),
]
