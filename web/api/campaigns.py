"""Operations on campaigns: list, show, steer, report."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from app.actions.api_keys import Scope
from app.actions.scheduling import TimeFlags
from app.actions.starting import clone_campaign, start_campaign
from app.actions.steering import (
    approve_campaign,
    cancel_campaign,
    choose_winner,
    pause_campaign,
    resolve_doubts,
    resume_campaign,
    retry_failed,
    set_budget,
)
from app.actions.testing import send_test
from app.views.campaign_list import campaign_page
from app.views.cost_report import cost_report
from app.views.overview import campaign_overview
from app.views.recipient_timeline import recipient_timeline
from app.views.report_parts import Report
from app.views.reports import delivery_report, failures_report
from app.views.status import status
from app.views.upcoming_runs import upcoming_runs
from app.views.variants import variants_report
from app.wiring.databases import snapshot
from campaigns.errors import InvalidInput
from campaigns.states import CampaignState
from storage.database.engine import Connection
from web.api.operations import Body, Call, Nothing, Operation, Query
from web.pages.site import LONGEST_NUMBER

NAME: Final = "/campaigns/{name}"


class Pause(Body):
    """Why it is paused."""

    reason: str = Field(default="paused by the API", max_length=200)


class Start(Body):
    """When it starts; without a time by its own schedule, else now."""

    at: str | None = Field(
        default=None, description="such as 2026-12-01 09:00, in the campaign's zone", max_length=40
    )
    now: bool = False


class Resolve(Body):
    """What becomes of the messages in doubt."""

    action: Literal["resend", "give-up"]


class Retry(Body):
    """Who else is retried than those whose failure may be temporary."""

    expired: bool = False
    given_up: bool = False


class Winner(Body):
    """The variant that the others get."""

    variant: str = Field(max_length=100)


class Budget(Body):
    """The new budget, in the campaign's currency."""

    amount: str = Field(description='such as "40.00"', max_length=30)
    per: Literal["run", "day", "month"] = "run"


class Clone(Body):
    """The copy; it is a draft, unless a time is given."""

    name: str = Field(max_length=80)
    at: str | None = Field(default=None, max_length=40)


class Test(Body):
    """Where the message goes, and from which row of the list it is filled."""

    to: list[str] = Field(min_length=1, max_length=20, description="numbers with their plus")
    line: int | None = Field(default=None, ge=1, le=2**31)
    variant: str | None = Field(default=None, max_length=100)


async def _list(call: Call) -> Any:
    async with snapshot(call.site.engine) as connection:
        found = await campaign_page(
            connection,
            before=call.query["before"],
            state=call.query["state"],
            part_of_name=call.query["name"] or "",
            size=call.query["limit"] or 50,
        )
    return {"campaigns": found.campaigns, "next": found.older}


async def _show(call: Call) -> Any:
    async with snapshot(call.site.engine) as connection:
        found = await campaign_overview(connection, call.site.settings, call.path["name"], call.site.now())
    return found.json


async def _next(call: Call) -> Any:
    async with snapshot(call.site.engine) as connection:
        found = await upcoming_runs(connection, call.path["name"], call.query["limit"] or 10)
    return {"campaign": found.campaign.name, "runs": found.runs, "missed": found.missed}


async def _status(call: Call) -> Any:
    async with snapshot(call.site.engine) as connection:
        found = await status(connection, call.site.settings, call.site.now())
    return {
        "campaigns": [line.json for line in found.campaigns],
        "paused_senders": found.paused_lanes,
        "at_work": found.at_work,
    }


async def _why(call: Call) -> Any:
    async with snapshot(call.site.engine) as connection:
        found = await recipient_timeline(
            connection, call.site.settings, call.path["name"], call.path["phone"], now=call.site.now
        )
    return found.json


async def _report(call: Call) -> Any:
    make = _REPORTS.get(call.path["kind"])
    if make is None:
        raise InvalidInput("There is no such report.", hint=f"Choose one of: {', '.join(_REPORTS)}.")
    async with snapshot(call.site.engine) as connection:
        return (await make(connection, call.path["name"], call.query["run"])).json


async def _variants(connection: Connection, name: str, run_id: int | None) -> Report:
    if run_id is not None:
        raise InvalidInput("The report on variants is about the newest run.", hint="Leave out run.")
    return await variants_report(connection, name)


_REPORTS: Final = {
    "delivery": delivery_report,
    "cost": cost_report,
    "failures": failures_report,
    "variants": _variants,
}


def _done(call: Call, what: str, **more: Any) -> dict[str, Any]:
    return {"campaign": call.path["name"], "done": what, **more}


async def _pause(call: Call) -> Any:
    await pause_campaign(call.site.engine, call.path["name"], call.body.reason)
    return _done(call, "paused")


async def _resume(call: Call) -> Any:
    found = await resume_campaign(call.site.engine, call.site.settings, call.path["name"])
    return _done(call, "resumed", lanes=found.lanes)


async def _cancel(call: Call) -> Any:
    return _done(call, "cancelled", cancelled=await cancel_campaign(call.site.engine, call.path["name"]))


async def _approve(call: Call) -> Any:
    approval, goes_on = await approve_campaign(
        call.site.engine, call.site.settings, call.path["name"], call.caller.actor.name
    )
    details = {"by": approval.by, "at": approval.at, "digest": approval.digest, "goes_on": goes_on}
    return _done(call, "approved", **details)


async def _start(call: Call) -> Any:
    times = TimeFlags(now=call.body.now, at=call.body.at)
    at = await start_campaign(
        call.site.engine, call.site.settings, call.path["name"], times, now=call.site.now
    )
    return _done(call, "started", start_at=at)


async def _resolve(call: Call) -> Any:
    count = await resolve_doubts(call.site.engine, call.path["name"], call.body.action)
    return _done(call, call.body.action, resolved=count)


async def _retry(call: Call) -> Any:
    made = await retry_failed(
        call.site.engine, call.path["name"], expired=call.body.expired, given_up=call.body.given_up
    )
    return _done(call, "retry", run=made.run_id, retried=made.retried, groups=made.groups)


async def _winner(call: Call) -> Any:
    await choose_winner(call.site.engine, call.path["name"], call.body.variant)
    return _done(call, "winner", variant=call.body.variant)


async def _budget(call: Call) -> Any:
    change = await set_budget(call.site.engine, call.path["name"], call.body.amount, call.body.per)
    names = ("per", "currency", "before", "after", "used", "resumed", "paused")
    return _done(call, "budget", **{name: getattr(change, name) for name in names})


async def _clone(call: Call) -> Any:
    times = TimeFlags(at=call.body.at)
    recipients, start_at = await clone_campaign(
        call.site.engine, call.site.settings, call.path["name"], call.body.name, times
    )
    return {
        "campaign": call.body.name,
        "done": "cloned",
        "of": call.path["name"],
        "recipients": recipients,
        "start_at": start_at,
    }


async def _test(call: Call) -> Any:
    found = await send_test(
        call.site.engine,
        call.site.settings,
        call.path["name"],
        call.body.to,
        call.body.line,
        call.body.variant,
    )
    run = found.run
    details = {"run": run.run_id, "line": run.line, "to": run.phones, "expires_at": run.expires_at}
    return _done(call, "test", **details, messages=found.messages)


def _whole(least: int, most: int) -> Any:
    def read(text: str) -> int:
        is_number = text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER
        if not is_number or not least <= int(text) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(text)

    return read


def _short(text: str) -> str:
    if len(text) > 80:
        raise ValueError("at most 80 characters")
    return text


LIMIT: Final = Query(
    "limit", "How many at most.", {"type": "integer", "minimum": 1, "maximum": 200}, _whole(1, 200)
)
_BIG: Final = 2**31 - 1
BEFORE: Final = Query(
    "before",
    "The `next` of the page before.",
    {"type": "integer", "minimum": 1, "maximum": _BIG},
    _whole(1, _BIG),
)
STATE: Final = Query(
    "state",
    "Only campaigns in this state.",
    {"type": "string", "enum": [state.value for state in CampaignState]},
    CampaignState,
)
PART_OF_NAME: Final = Query("name", "A part of the name.", {"type": "string", "maxLength": 80}, _short)
RUN: Final = Query(
    "run", "Of this run alone.", {"type": "integer", "minimum": 1, "maximum": _BIG}, _whole(1, _BIG)
)

OPERATIONS: Final = [
    Operation("GET", "/status", "One line for each campaign", Scope.READ, _status),
    Operation(
        "GET",
        "/campaigns",
        "The campaigns, the newest first",
        Scope.READ,
        _list,
        query=(LIMIT, BEFORE, STATE, PART_OF_NAME),
    ),
    Operation("GET", NAME, "One campaign", Scope.READ, _show, tagged=True),
    Operation("GET", f"{NAME}/next", "Its next runs", Scope.READ, _next, query=(LIMIT,)),
    Operation("GET", f"{NAME}/people/{{phone}}", "What happened to one person", Scope.READ, _why),
    Operation("GET", f"{NAME}/reports/{{kind}}", "A report", Scope.READ, _report, query=(RUN,)),
    Operation("POST", f"{NAME}/pause", "Send nothing more", Scope.MANAGE, _pause, body=Pause),
    Operation("POST", f"{NAME}/resume", "Go on", Scope.SEND, _resume, body=Nothing, problems=(404, 409, 422)),
    Operation("POST", f"{NAME}/cancel", "End it for good", Scope.SEND, _cancel, body=Nothing),
    Operation("POST", f"{NAME}/approve", "Approve it as it is now", Scope.SEND, _approve, body=Nothing),
    Operation(
        "POST", f"{NAME}/start", "Start a draft", Scope.SEND, _start, body=Start, problems=(404, 409, 422)
    ),
    Operation("POST", f"{NAME}/resolve", "Decide about doubts", Scope.SEND, _resolve, body=Resolve),
    Operation("POST", f"{NAME}/retry-failed", "Send again to some", Scope.SEND, _retry, body=Retry),
    Operation("POST", f"{NAME}/winner", "Choose the winner", Scope.SEND, _winner, body=Winner),
    Operation("POST", f"{NAME}/budget", "Change a budget", Scope.SEND, _budget, body=Budget),
    Operation("POST", f"{NAME}/clone", "Copy it", Scope.SEND, _clone, body=Clone, status=201),
    Operation(
        "POST", f"{NAME}/test", "Send it to your own numbers", Scope.SEND, _test, body=Test, guarded=False
    ),
]
