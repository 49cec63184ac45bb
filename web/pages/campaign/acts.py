"""What can be done to a campaign: each act has a page that names number and consequence, and a button that does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.actions import steering
from app.views.campaigns.live_campaign import LiveCampaign, live_campaign, retry_preview
from app.views.reports.variants import experiment_status
from app.wiring.databases import snapshot
from campaigns.errors import InvalidInput, NotFound
from campaigns.figures import counted
from campaigns.frozen import frozen
from scheduler.actions.budget import Per
from web.pages.campaign.names import page_of
from web.pages.site import Site, done, form_of, page, sentences_of, site_of, viewer_of

Do = Callable[[Site, str, FormData, str], Awaitable[str]]


async def _pause(site: Site, name: str, form: FormData, by: str) -> str:
    reason = str(form.get("reason", "")).strip() or f"paused by {by}"
    await steering.pause_campaign(site.engine, name, reason)
    return "Paused. Nothing more is sent until you resume it."


async def _resume(site: Site, name: str, form: FormData, by: str) -> str:
    await steering.resume_campaign(site.engine, site.settings, name)
    return "Resumed. It goes on where it stopped."


async def _cancel(site: Site, name: str, form: FormData, by: str) -> str:
    count = await steering.cancel_campaign(site.engine, name)
    return f"Cancelled. {counted(count, 'message')} will not be sent."


async def _approve(site: Site, name: str, form: FormData, by: str) -> str:
    _, waited = await steering.approve_campaign(site.engine, site.settings, name, by)
    return "Approved." + (" It starts at its time." if waited else "")


async def _retry(site: Site, name: str, form: FormData, by: str) -> str:
    made = await steering.retry_failed(site.engine, name, expired=False, given_up=False)
    return f"{counted(made.retried, 'message')} will be sent again."


async def _winner(site: Site, name: str, form: FormData, by: str) -> str:
    variant = str(form.get("variant", ""))
    await steering.choose_winner(site.engine, name, variant)
    return f"Variant {variant} is the winner: everybody who waited for it gets it."


async def _budget(site: Site, name: str, form: FormData, by: str) -> str:
    per = str(form.get("per", "run"))
    if per not in ("run", "day", "month"):
        raise InvalidInput("A budget is per run, day or month.")
    change = await steering.set_budget(site.engine, name, str(form.get("amount", "")), cast("Per", per))
    resumed = " The campaign goes on." if change.resumed else ""
    return f"The budget per {change.per} is now {change.after:f} {change.currency}.{resumed}"


@frozen
class Act:
    """One thing that can be done."""

    right: str
    do: Do


ACTS: Final = {
    "pause": Act("campaign.pause", _pause),
    "resume": Act("campaign.resume", _resume),
    "cancel": Act("campaign.cancel", _cancel),
    "approve": Act("campaign.approve", _approve),
    "retry": Act("campaign.retry", _retry),
    "winner": Act("campaign.winner", _winner),
    "budget": Act("campaign.budget", _budget),
}


async def ask(request: Request) -> Response:
    """The page that names the consequence."""
    return await _asked(request)


async def _asked(request: Request, problem: str = "", status: int = 200) -> Response:
    site, name, act = site_of(request), request.path_params["name"], request.path_params["act"]
    if act not in ACTS:
        raise NotFound("There is no such page.")
    found, more = await _facts(site, name, act)
    return page(
        request,
        f"pages/campaign/{act}.html",
        section="campaigns",
        status=status,
        found=found,
        here=page_of(name),
        may=viewer_of(request).may(ACTS[act].right),
        problem=problem,
        **more,
    )


async def _facts(site: Site, name: str, act: str) -> tuple[LiveCampaign, dict[str, Any]]:
    """Read now, not from what is cached: a number on a button is that of the moment."""
    async with snapshot(site.engine) as connection:
        found = await live_campaign(connection, site.settings, name, site.now())
        more: dict[str, Any] = {}
        if act == "retry":
            groups = await retry_preview(connection, name)
            more = {"groups": groups, "again": sum(group.count for group in groups if group.again)}
        elif act == "winner":
            more = {"test": await experiment_status(connection, name)}
        return found, more


async def carry_out(request: Request) -> Response:
    site, name, act = site_of(request), request.path_params["name"], request.path_params["act"]
    if act not in ACTS:
        raise NotFound("There is no such page.")
    form = await form_of(request)
    try:
        notice = await ACTS[act].do(site, name, form, viewer_of(request).name)
    except InvalidInput as error:
        return await _asked(request, sentences_of(error), 422)
    site.forget(("campaign", name))
    return done(request, page_of(name), notice)


ACT_ROUTES: Final = [
    Route("/campaigns/{name}/{act}", ask, methods=["GET"]),
    Route("/campaigns/{name}/{act}", carry_out, methods=["POST"]),
]
