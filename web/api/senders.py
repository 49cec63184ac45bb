"""Operations on what sends: accounts, their sessions, processes, and receipts that are fetched now."""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field

from app.actions.api_keys import Scope
from app.actions.reconciling import reconcile_now
from app.actions.sessions import (
    create_session,
    delete_session,
    disconnect_session,
    list_sessions,
    reconnect_session,
    session_json,
    session_qr_code,
    show_session,
)
from app.views.answers.campaigns import StatusOfAll
from app.views.answers.operators import (
    Adapters,
    Answers,
    Balances,
    CreatedSession,
    Deleted,
    Limits,
    Notices,
    QrCode,
    Reconciled,
    ShownSession,
    ShownSessions,
)
from app.views.campaigns.status import status
from app.views.operators.balances import left_on
from app.views.operators.limits import shown_limits
from app.views.operators.process_status import ProcessStatus, process_status
from app.views.operators.providers import list_adapters, newest_notices
from app.wiring.databases import snapshot
from app.wiring.probes import chosen_accounts, probe
from web.api.operations import Again, Body, Call, Nothing, Operation
from web.api.parameters import ACCOUNT, LIMIT

SESSION: Final = "/sessions/{id}"
_ELSEWHERE: Final = (404, 422, 502)


class Reconcile(Body):
    """Whose messages are asked about; without it, those of all accounts."""

    account: str | None = Field(default=None, max_length=200, description="its name in the settings")


async def _status(call: Call) -> StatusOfAll:
    async with snapshot(call.site.engine) as connection:
        return (await status(connection, call.site.settings, call.site.now())).json


async def _workers(call: Call) -> ProcessStatus:
    return await process_status(call.site.engine)


async def _providers(call: Call) -> Adapters:
    return Adapters(list_adapters(call.site.settings))


def _accounts(call: Call) -> list[str]:
    return chosen_accounts(call.site.settings, call.query["account"])


async def _check(call: Call) -> Answers:
    settings = call.site.settings
    return Answers([each for name in _accounts(call) for each in await probe(settings, name)])


async def _balance(call: Call) -> Balances:
    found = [await left_on(call.site.settings, name, call.site.now) for name in _accounts(call)]
    return {"balances": [left.json for left in found]}


async def _limits(call: Call) -> Limits:
    found = [row for name in _accounts(call) for row in await shown_limits(call.site.settings, name)]
    return {"limits": [row.json for row in found]}


async def _notices(call: Call) -> Notices:
    async with snapshot(call.site.engine) as connection:
        return Notices(await newest_notices(connection, _accounts(call), call.query["limit"] or 20))


async def _reconcile(call: Call) -> Reconciled:
    names = chosen_accounts(call.site.settings, call.body.account)
    return Reconciled(await reconcile_now(call.site.engine, call.site.settings, names))


async def _sessions(call: Call) -> ShownSessions:
    found = await list_sessions(call.site.settings, call.query["account"])
    return ShownSessions([ShownSession(**session_json(each)) for each in found])


async def _create(call: Call) -> CreatedSession:
    made, code = await create_session(call.site.settings, call.query["account"])
    return CreatedSession(**session_json(made), qr_code=code)


async def _show(call: Call) -> ShownSession:
    found = await show_session(call.site.settings, call.query["account"], call.path["id"])
    return ShownSession(**session_json(found))


async def _qr(call: Call) -> QrCode:
    code = await session_qr_code(call.site.settings, call.query["account"], call.path["id"])
    return QrCode(call.path["id"], code)


async def _disconnect(call: Call) -> ShownSession:
    found = await disconnect_session(call.site.settings, call.query["account"], call.path["id"])
    return ShownSession(**session_json(found))


async def _reconnect(call: Call) -> ShownSession:
    found = await reconnect_session(call.site.settings, call.query["account"], call.path["id"])
    return ShownSession(**session_json(found))


async def _delete(call: Call) -> Deleted:
    await delete_session(call.site.settings, call.query["account"], call.path["id"])
    return Deleted(call.path["id"], deleted=True)


def _of_accounts(name: str, summary: str, handle: Any, query: Any = (ACCOUNT,)) -> Operation:
    path, command = f"/providers/{name}", f"provider {name}"
    return Operation("GET", path, summary, Scope.READ, handle, command, query=query)


def _seen_session(path: str, summary: str, handle: Any, scope: Scope, command: str) -> Operation:
    command = f"session {command}"
    return Operation("GET", path, summary, scope, handle, command, query=(ACCOUNT,), problems=_ELSEWHERE)


def _session_act(name: str, path: str, summary: str, handle: Any, again: Again) -> Operation:
    return Operation(
        "POST",
        path,
        summary,
        Scope.ADMIN,
        handle,
        f"session {name}",
        f"session.{name}",
        body=Nothing,
        query=(ACCOUNT,),
        again=again,
        problems=_ELSEWHERE,
    )


OPERATIONS: Final = [
    Operation("GET", "/status", "One line for each campaign", Scope.READ, _status, "status"),
    Operation("GET", "/workers", "The processes that send, and their lanes", Scope.READ, _workers, "workers"),
    Operation(
        "POST",
        "/reconcile",
        "Fetch the delivery status of messages now",
        Scope.SEND,
        _reconcile,
        "reconcile",
        "reconcile",
        body=Reconcile,
        again=Again.SAME,
        problems=_ELSEWHERE,
    ),
    Operation(
        "GET",
        "/providers",
        "The adapters, and the accounts that use them",
        Scope.READ,
        _providers,
        "provider list",
    ),
    _of_accounts("check", "Whether the accounts work", _check),
    _of_accounts("balance", "What is left on the accounts", _balance),
    _of_accounts("limits", "The senders' limits and quality", _limits),
    _of_accounts("notices", "The providers' notices, the newest first", _notices, (ACCOUNT, LIMIT)),
    _seen_session("/sessions", "The sessions of an account", _sessions, Scope.READ, "list"),
    _session_act("create", "/sessions", "Connect a phone", _create, Again.UNKNOWN),
    _seen_session(SESSION, "One session", _show, Scope.READ, "show"),
    _seen_session(f"{SESSION}/qr", "The code that its phone scans", _qr, Scope.ADMIN, "qr"),
    _session_act("disconnect", f"{SESSION}/disconnect", "Disconnect it", _disconnect, Again.SAME),
    _session_act("reconnect", f"{SESSION}/reconnect", "Connect it again", _reconnect, Again.SAME),
    _session_act("delete", f"{SESSION}/delete", "Delete it for good", _delete, Again.SAME),
]
