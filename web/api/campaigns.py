"""Operations on campaigns: list, show, steer."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from app.actions.api_keys import Scope
from app.actions.backfilling import backfill_runs, missed_runs
from app.actions.contacts import number_of
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
from app.views.answers.campaigns import (
    Approved,
    Backfilled,
    BudgetChanged,
    Campaigns,
    Cancelled,
    Cloned,
    ComingRuns,
    Done,
    EstimatedCampaign,
    ListedCampaign,
    Resolved,
    Resumed,
    Retried,
    ShownCampaign,
    Started,
    Tested,
)
from app.views.answers.variants import VariantTest
from app.views.campaigns.campaign_list import campaign_page
from app.views.campaigns.estimates import estimate_campaign, estimate_json
from app.views.campaigns.overview import campaign_overview, campaign_version
from app.views.campaigns.upcoming_runs import upcoming_runs
from app.views.reports.variants import experiment_json, experiment_status
from app.wiring.databases import snapshot
from campaigns.errors import UsageError
from campaigns.states import CampaignState
from web.api.operations import Body, Call, Nothing, Operation, Versioned
from web.api.parameters import BEFORE, LIMIT, choice, number, text

NAME: Final = "/campaigns/{name}"
FEW: Final = 50


class Pause(Body):
    """Why it is paused."""

    reason: str = Field(
        default="paused by the API", min_length=1, max_length=200, description="shown beside the campaign"
    )


class Start(Body):
    """When it starts; without a time by its own schedule, else now."""

    at: str | None = Field(
        default=None, description="such as 2026-12-01T09:00, in the campaign's zone", max_length=40
    )
    now: bool = Field(default=False, description="at once, whatever its schedule; not with `at`")
    timezone: str | None = Field(default=None, description="the zone of `at`", max_length=60)


class Resolve(Body):
    """What becomes of the messages in doubt."""

    action: Literal["resend", "give-up"] = Field(
        description="send them again, which may be a second copy; or give them up, so that they count as cancelled"
    )
    phones: list[str] | None = Field(
        default=None, min_length=1, max_length=1_000, description="only the messages to these numbers"
    )


class Retry(Body):
    """Who else is retried than those whose failure may be temporary."""

    expired: bool = Field(default=False, description="also those whose time ran out")
    given_up: bool = Field(default=False, description="also those in doubt that were given up")


class Winner(Body):
    """The variant that the others get."""

    variant: str = Field(max_length=100, description="its name in the campaign file")


class Budget(Body):
    """The new budget, in the campaign's currency."""

    amount: str = Field(description='such as "40.00"', max_length=30)
    per: Literal["run", "day", "month"] = Field(default="run", description="which of its budgets")


class Clone(Body):
    """The copy; it is a draft, unless a time is given."""

    name: str = Field(max_length=80, description="of the copy")
    at: str | None = Field(
        default=None, max_length=40, description="such as 2026-12-01T09:00, in the campaign's zone"
    )
    now: bool = Field(default=False, description="start it at once; not with `at`")
    timezone: str | None = Field(default=None, max_length=60, description="the zone of `at`")


class Test(Body):
    """Where the message goes, and from which row of the list it is filled."""

    to: list[str] = Field(min_length=1, max_length=20, description="numbers with their plus")
    line: int | None = Field(
        default=None, ge=1, le=2**31, description="the line of the list; without it, the first recipient"
    )
    variant: str | None = Field(default=None, max_length=100, description="without it, the first")


class Backfill(Body):
    """Which of the missed runs are launched."""

    since: str = Field(max_length=40, description="such as 2026-12-01T09:00, in the campaign's zone")
    until: str | None = Field(default=None, max_length=40, description="without it: up to now")


async def _list(call: Call) -> Campaigns:
    state = call.query["state"]
    async with snapshot(call.site.engine) as connection:
        found = await campaign_page(
            connection,
            before=call.query["before"],
            state=CampaignState(state) if state else None,
            part_of_name=call.query["name"] or "",
            size=call.query["limit"] or FEW,
        )
    return Campaigns([ListedCampaign(**each) for each in found.json], found.older)


async def _show(call: Call) -> Versioned[ShownCampaign]:
    name = call.path["name"]
    async with snapshot(call.site.engine) as connection:
        found = await campaign_overview(connection, call.site.settings, name, call.site.now())
        return Versioned(found.json, await campaign_version(connection, name))


async def _next(call: Call) -> ComingRuns:
    async with snapshot(call.site.engine) as connection:
        found = await upcoming_runs(
            connection, call.path["name"], call.query["number"] or 10, now=call.site.now
        )
        return ComingRuns(**found.json)


async def _estimate(call: Call) -> EstimatedCampaign:
    name = call.path["name"]
    async with snapshot(call.site.engine) as connection:
        found = await estimate_campaign(connection, name, call.site.settings, now=call.site.now)
    return estimate_json(name, found)


def _times(call: Call) -> TimeFlags:
    if call.body.now and call.body.at is not None:
        raise UsageError("Give either now or at, not both.")
    return TimeFlags(now=call.body.now, at=call.body.at, timezone=call.body.timezone)


async def _pause(call: Call) -> Done:
    name = call.path["name"]
    await pause_campaign(call.site.engine, name, call.body.reason)
    return Done(name, "paused")


async def _resume(call: Call) -> Resumed:
    name = call.path["name"]
    return Resumed(name, "resumed", (await resume_campaign(call.site.engine, call.site.settings, name)).lanes)


async def _cancel(call: Call) -> Cancelled:
    name = call.path["name"]
    return Cancelled(name, "cancelled", await cancel_campaign(call.site.engine, name))


async def _approve(call: Call) -> Approved:
    name = call.path["name"]
    approval, goes_on = await approve_campaign(
        call.site.engine, call.site.settings, name, call.caller.actor.name
    )
    return Approved(name, "approved", approval.by, approval.at, approval.digest, goes_on)


async def _start(call: Call) -> Started:
    name = call.path["name"]
    at = await start_campaign(call.site.engine, call.site.settings, name, _times(call), now=call.site.now)
    return Started(name, "started", at)


async def _resolve(call: Call) -> Resolved:
    name = call.path["name"]
    phones = [number_of(phone, None) for phone in call.body.phones or ()] or None
    count = await resolve_doubts(call.site.engine, name, call.body.action, phones=phones)
    return Resolved(name, call.body.action, count)


async def _retry(call: Call) -> Retried:
    name = call.path["name"]
    made = await retry_failed(call.site.engine, name, expired=call.body.expired, given_up=call.body.given_up)
    return Retried(name, "retry", made.run_id, made.retried, made.groups)


async def _experiment(call: Call) -> VariantTest:
    name = call.path["name"]
    async with snapshot(call.site.engine) as connection:
        return experiment_json(name, await experiment_status(connection, name))


async def _winner(call: Call) -> VariantTest:
    await choose_winner(call.site.engine, call.path["name"], call.body.variant)
    return await _experiment(call)


async def _budget(call: Call) -> BudgetChanged:
    name = call.path["name"]
    change = await set_budget(call.site.engine, name, call.body.amount, call.body.per)
    amounts = (change.before, change.after, change.used)
    return BudgetChanged(name, "budget", change.per, change.currency, *amounts, change.resumed, change.paused)


async def _clone(call: Call) -> Cloned:
    recipients, start_at = await clone_campaign(
        call.site.engine,
        call.site.settings,
        call.path["name"],
        call.body.name,
        _times(call),
        now=call.site.now,
    )
    return Cloned(call.body.name, "cloned", call.path["name"], recipients, start_at)


async def _backfill(call: Call) -> Backfilled:
    engine, name = call.site.engine, call.path["name"]
    missed = await missed_runs(engine, name, call.body.since, call.body.until, now=call.site.now)
    runs = await backfill_runs(engine, call.site.settings, name, missed, now=call.site.now)
    return Backfilled(name, "backfilled", runs)


async def _test(call: Call) -> Tested:
    found = await send_test(
        call.site.engine,
        call.site.settings,
        call.path["name"],
        call.body.to,
        call.body.line,
        call.body.variant,
    )
    run = found.run
    name = call.path["name"]
    return Tested(name, "test", run.run_id, run.line, run.phones, run.expires_at, found.messages)


STATE: Final = choice("state", "Only campaigns in this state.", [state.value for state in CampaignState])
PART_OF_NAME: Final = text("name", "A part of the name.", 80)
NUMBER: Final = number("number", "How many; 10 without it.", 1, 1_000)


def _act(
    command: str, summary: str, scope: Scope, handle: Any, body: type[Body] = Nothing, **more: Any
) -> Operation:
    """`campaign pause` is POST /campaigns/{name}/pause."""
    act = more.pop("act", f"campaign.{command}")
    more.setdefault("problems", (404, 409, 412, 422))
    path = f"{NAME}/{command}"
    known = {"command": f"campaign {command}", "act": act, "body": body, "matched": True}
    return Operation("POST", path, summary, scope, handle, **known, **more)


OPERATIONS: Final = [
    Operation(
        "GET",
        "/campaigns",
        "The campaigns, the newest first",
        Scope.READ,
        _list,
        "campaign list",
        query=(LIMIT, BEFORE, STATE, PART_OF_NAME),
    ),
    Operation("GET", NAME, "One campaign", Scope.READ, _show, "campaign show", tagged=True),
    Operation("GET", f"{NAME}/next", "Its next runs", Scope.READ, _next, "campaign next", query=(NUMBER,)),
    Operation(
        "GET", f"{NAME}/estimate", "What it would cost and take", Scope.READ, _estimate, "campaign estimate"
    ),
    _act("start", "Start a draft", Scope.SEND, _start, Start),
    _act("pause", "Send nothing more", Scope.MANAGE, _pause, Pause),
    _act("resume", "Go on", Scope.SEND, _resume),
    _act("cancel", "End it for good", Scope.SEND, _cancel),
    _act("approve", "Approve it as it is now", Scope.SEND, _approve),
    _act("budget", "Change a budget", Scope.SEND, _budget, Budget),
    _act("resolve", "Decide about messages in doubt", Scope.SEND, _resolve, Resolve),
    _act(
        "retry-failed",
        "Send again to those whose failure may be temporary",
        Scope.SEND,
        _retry,
        Retry,
        act="campaign.retry",
    ),
    Operation("GET", f"{NAME}/winner", "Its variant test", Scope.READ, _experiment, "campaign winner"),
    _act("winner", "Choose the winner", Scope.SEND, _winner, Winner),
    _act("clone", "Copy it", Scope.SEND, _clone, Clone, status=201),
    _act("backfill", "Launch missed runs", Scope.SEND, _backfill, Backfill),
    _act("test", "Send it to your own numbers", Scope.SEND, _test, Test),
]
