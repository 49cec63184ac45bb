"""Senders and the processes that send; webhooks; sessions of a gateway by QR code."""

from __future__ import annotations

from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.actions.sessions import (
    create_session,
    delete_session,
    disconnect_session,
    list_sessions,
    reconnect_session,
    session_qr_code,
    show_session,
)
from app.actions.webhooks import read_again
from app.views.messages import WAITS
from app.views.operators.balances import left_on
from app.views.operators.senders import (
    Processes,
    Senders,
    processes,
    require_account,
    senders,
    set_aside_page,
)
from app.wiring.databases import snapshot
from campaigns.errors import Forbidden
from web.pages.site import Site, done, fragment, number_in, number_of_path, page, site_of, viewer_of

ASKED_FOR: Final = 30.0
"""Seconds that one answer of a provider serves all who ask for a balance."""


async def show(request: Request) -> Response:
    found = await _read(site_of(request))
    return page(request, "pages/senders/senders.html", section="senders", found=found, means=WAITS)


async def live(request: Request) -> Response:
    return fragment(request, "pages/senders/live.html", found=await _read(site_of(request)), means=WAITS)


async def _read(site: Site) -> Senders:
    async def read() -> Senders:
        async with snapshot(site.engine) as connection:
            return await senders(connection, site.settings, site.now())

    return await site.cached("senders", read)


async def show_processes(request: Request) -> Response:
    site = site_of(request)

    async def read() -> Processes:
        async with snapshot(site.engine) as connection:
            return await processes(connection, site.now())

    found = await site.cached("processes", read)
    return page(request, "pages/senders/workers.html", section="senders", found=found)


async def show_webhooks(request: Request) -> Response:
    site = site_of(request)
    async with snapshot(site.engine) as connection:
        found = await set_aside_page(connection, before=number_in(request, "before"))
    senders_found = await _read(site)
    return page(
        request,
        "pages/senders/webhooks.html",
        section="senders",
        found=found,
        accounts=[each for each in senders_found.accounts if each.by_webhook],
        address=site.settings.public_url,
    )


async def read_webhook_again(request: Request) -> Response:
    number = number_of_path(request)
    await read_again(site_of(request).engine, number)
    return done(request, "/senders/webhooks", f"Webhook {number} is read again.")


async def ask_balance(request: Request) -> Response:
    site, account = site_of(request), request.path_params["account"]
    require_account(site.settings, account)
    found = await site.cached(("balance", account), partial(left_on, site.settings, account), ASKED_FOR)
    return page(request, "pages/senders/balance.html", section="senders", found=found)


async def show_sessions(request: Request) -> Response:
    site, account = site_of(request), request.path_params["account"]
    require_account(site.settings, account)
    found = await list_sessions(site.settings, account)
    return page(request, "pages/senders/sessions.html", section="senders", account=account, sessions=found)


async def connect(request: Request) -> Response:
    account = request.path_params["account"]
    session, code = await create_session(site_of(request).settings, account)
    return page(
        request, "pages/senders/qr.html", section="senders", account=account, session=session, code=code
    )


async def show_code(request: Request) -> Response:
    if not viewer_of(request).may("session.create"):
        raise Forbidden("Only an admin sees a code: whoever scans it controls the session.")
    site, account, number = site_of(request), request.path_params["account"], request.path_params["id"]
    session = await show_session(site.settings, account, number)
    code = await session_qr_code(site.settings, account, number) if session.status == "pending" else ""
    return page(
        request, "pages/senders/qr.html", section="senders", account=account, session=session, code=code
    )


async def disconnect(request: Request) -> Response:
    account, number = request.path_params["account"], request.path_params["id"]
    await disconnect_session(site_of(request).settings, account, number)
    return done(request, f"/senders/{account}/sessions", f"{number} is disconnected.")


async def reconnect(request: Request) -> Response:
    account, number = request.path_params["account"], request.path_params["id"]
    await reconnect_session(site_of(request).settings, account, number)
    return done(request, f"/senders/{account}/sessions/{number}", f"{number} is being reconnected.")


async def delete(request: Request) -> Response:
    account, number = request.path_params["account"], request.path_params["id"]
    await delete_session(site_of(request).settings, account, number)
    return done(request, f"/senders/{account}/sessions", f"{number} is deleted.")


ROUTES: Final = [
    Route("/senders", show, methods=["GET"]),
    Route("/senders/live", live, methods=["GET"]),
    Route("/senders/workers", show_processes, methods=["GET"]),
    Route("/senders/webhooks", show_webhooks, methods=["GET"]),
    Route("/senders/webhooks/{number}/again", read_webhook_again, methods=["POST"]),
    Route("/senders/{account}/balance", ask_balance, methods=["GET"]),
    Route("/senders/{account}/sessions", show_sessions, methods=["GET"]),
    Route("/senders/{account}/sessions", connect, methods=["POST"]),
    Route("/senders/{account}/sessions/{id}", show_code, methods=["GET"]),
    Route("/senders/{account}/sessions/{id}/disconnect", disconnect, methods=["POST"]),
    Route("/senders/{account}/sessions/{id}/reconnect", reconnect, methods=["POST"]),
    Route("/senders/{account}/sessions/{id}/delete", delete, methods=["POST"]),
]
