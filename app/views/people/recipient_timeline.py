"""The view of `drumbeat why`, for one number in a campaign: the state of its message, what delays it and since when,
the estimated send time with its assumptions, and everything that happened to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from app.views.messages import ASSUMES, ENDED, WAITS
from app.views.people.listed_names import listed_name, shown_number
from app.views.people.timeline_events import amount, form_of, timeline_builder
from app.views.people.typos import typos_of
from app.wiring.approval_guard import guard_of
from app.wiring.settings import Settings
from campaigns.errors import DrumbeatError, InvalidInput, NotFound
from campaigns.frozen import frozen
from campaigns.rules.decision import Send, Skip, Wait
from campaigns.rules.names import WAITS_FOR_EVENT, Rule
from campaigns.states import ENDED_WITHOUT_RUN, CampaignState, JobState, RunState
from campaigns.time.clock import Now, utc_now
from scheduler.actions.approval import approval_problem
from scheduler.clock.coming import coming_run
from scheduler.clock.progress import LANE_PAUSED, NO_SENDER, OWN_TIME, PACING
from storage.audience.campaigns import Campaign, require
from storage.database.engine import Connection
from storage.retention.purged_totals import purged_since
from storage.runs.campaign_events import list_pauses
from storage.runs.runs import TOO_LATE
from storage.views.timelines import (
    JobHistory,
    Moment,
    RejectHistory,
    Row,
    find_jobs,
    find_rejects,
    find_row,
    nearest_number,
    row_of_job,
)

if TYPE_CHECKING:
    from campaigns.phones.phone import PhoneFault
    from campaigns.spec.campaign_spec import CampaignSpec
    from scheduler.forecast.send_forecast import Prospects
    from scheduler.sending.lanes import Lane

LONGEST_TYPO: Final = 20
"""Characters of what could be a mistyped number, of 16 at most: the memory for its neighbours grows with the square."""
LEAST: Final = 3
"""Least characters of a text that is not a number, to search the rejected rows for it."""
PAUSED: Final = ("run_paused", "campaign_paused")


@frozen
class RecipientTimeline:
    """The answer as `--json` prints it."""

    json: dict[str, Any]


@frozen
class _Hold:
    """What keeps a message from being sent now."""

    rule: str
    """Its name in app/views/messages.py and the rules."""
    detail: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """None: until somebody acts or something happens."""
    stops: bool = False
    """Whether no time can be estimated."""


@frozen
class _Case:
    """One number in one campaign, as read from the database."""

    connection: Connection
    settings: Settings
    campaign: Campaign
    phone: str
    """Their number, or a placeholder of which no number is known."""
    listed_as: str
    """What the campaign's messages have in its place."""
    now: datetime

    @property
    def spec(self) -> CampaignSpec:
        return self.campaign.spec

    @property
    def person(self) -> dict[str, str]:
        """Who it is, in the answer."""
        other = {} if self.listed_as == self.phone else {"listed_as": self.listed_as}
        return {"phone": self.phone, **other}

    def lane(self, name: str) -> Lane | None:
        """The lane to plan with; None if the settings have no such account or sender."""
        from scheduler.forecast.planning import planning_lanes

        account = self.settings.accounts.get(self.spec.provider)
        if account is None or name not in {
            f"{self.spec.provider}/{sender.name}" for sender in account.senders
        }:
            return None
        spec = self.spec.model_copy(update={"senders": [name.partition("/")[2]]})
        return planning_lanes(spec, account, self.settings.caps)[name]


async def recipient_timeline(
    connection: Connection, settings: Settings, name: str, text: str, *, now: Now = utc_now
) -> RecipientTimeline:
    """The timeline of the phone `text` in a campaign. Raises NotFound if the campaign does not know it, InvalidInput if
    it is not a number and is in no rejected row."""
    campaign = await require(connection, name)
    number = listed = text
    jobs, row = await _found(connection, campaign, listed)
    if row is None and not jobs:  # not as it is stored: to read it loads the library of phone numbers
        from campaigns.phones.phone import PhoneFault, read_person

        read = read_person(text, campaign.spec.audience.default_country, landlines=True)
        if isinstance(read, PhoneFault):
            return await _no_number(connection, campaign, text, read)
        number, listed = read.number, await listed_name(connection, campaign, read.number)
        jobs, row = await _found(connection, campaign, listed)
    case = _Case(connection, settings, campaign, await shown_number(connection, listed), listed, now())
    left_out = await find_rejects(connection, campaign.id, number)
    purged_at = await purged_since(connection, campaign.id)
    if purged_at is not None and not jobs and (row is None or campaign.purged_at is not None):
        raise NotFound(
            f"The details of {name} were purged on {purged_at:%Y-%m-%d}: nothing is known about {number} in it.",
            hint=f"drumbeat contacts show {number}",
        )
    only_tests = all(job.run_kind == "test" for job in jobs)
    if row is not None and only_tests:
        return await _waiting(case, row, jobs, left_out)
    if jobs:
        comes_again = row is not None and campaign.state is not CampaignState.CANCELLED
        next_run = await _next_run(case) if comes_again else None
        return await _launched(
            case, jobs, await row_of_job(connection, jobs[-1].id, listed), left_out, next_run
        )
    if left_out:
        return _rejected(number, left_out)
    raise await _unknown(case)


async def _found(
    connection: Connection, campaign: Campaign, listed: str
) -> tuple[Sequence[JobHistory], Row | None]:
    """What the campaign has of exactly this name."""
    jobs = await find_jobs(connection, campaign.id, listed)
    return jobs, await find_row(connection, campaign.id, listed)


async def _no_number(
    connection: Connection, campaign: Campaign, text: str, fault: PhoneFault
) -> RecipientTimeline:
    if len(text.strip()) >= LEAST and (left_out := await find_rejects(connection, campaign.id, text)):
        return _rejected(text, left_out)
    found = await _nearest(connection, campaign, "+" + "".join(filter(str.isdecimal, text)))
    raise InvalidInput(
        f"{text!r} cannot be used: {fault.reason}", hint=found or "Write it like +2290197000000."
    )


async def _unknown(case: _Case) -> NotFound:
    hint = f"drumbeat contacts show {case.phone} shows what else is known about it."
    return NotFound(
        f"{case.phone} is neither among the recipients of {case.campaign.name} nor in a rejected row.",
        hint=await _nearest(case.connection, case.campaign, case.phone) or hint,
    )


async def _nearest(connection: Connection, campaign: Campaign, phone: str) -> str | None:
    """ "Did you mean …?" with a recipient whose number is nearly the same."""
    if len(phone) > LONGEST_TYPO:
        return None
    found = await nearest_number(connection, campaign.id, phone, typos_of(phone))
    return f"Did you mean {found}?" if found else None


def _rejected(text: str, left_out: Sequence[RejectHistory]) -> RecipientTimeline:
    newest = left_out[0]
    return RecipientTimeline(
        {
            "phone": text,
            "state": "rejected",
            "reason": newest.reason,
            "code": newest.code,
            "held_by": None,
            "estimated_send_at": None,
            "rejected_rows": left_out,
            "timeline": list(_reject_moments(left_out)),
        }
    )


def _reject_moments(left_out: Sequence[RejectHistory]) -> Iterator[Moment]:
    for one in reversed(left_out):
        where = f"line {one.line} of {one.source}" + (f", column {one.column}" if one.column else "")
        yield Moment(one.at, "rejected", f"{where}: {one.code}: {one.reason}")


async def _launched(
    case: _Case,
    jobs: Sequence[JobHistory],
    row: Row | None,
    left_out: Sequence[RejectHistory],
    next_run: datetime | None,
) -> RecipientTimeline:
    job = jobs[-1]
    hold = prospects = None
    if job.state is JobState.PENDING:
        prospects = await _prospects(case, job)
        hold = await _holder(case, job, prospects)
    account = case.settings.accounts.get(case.spec.provider)
    builder = await timeline_builder(case.connection, case.phone, case.spec, account)
    answer = {
        **case.person,
        "state": job.state,
        "reason": job.reason,
        "code": job.code,
        **_held(hold, prospects),
        "meaning": _meaning(hold, job.reason),
        "lane": job.lane,
        "run": job.nominal_at,
        "runs": len({one.run_id for one in jobs}),
        "expires_at": job.expires_at if hold else None,
        "next_run": next_run,
        "variant": job.variant,
        "form": job.form,
        "price": amount(job.price) if job.price else None,
        "cost": amount(job.cost) if job.cost else None,
        **_places(row, left_out),
        "timeline": await builder.timeline(case.connection, case.phone, jobs),
    }
    return RecipientTimeline(answer)


async def _prospects(case: _Case, job: JobHistory) -> Prospects | None:
    from scheduler.forecast.send_forecast import prospects_of_job

    lane = case.lane(job.lane)
    return None if lane is None else await prospects_of_job(case.connection, lane, job, case.now)


async def _holder(case: _Case, job: JobHistory, prospects: Prospects | None) -> _Hold:
    """The first thing that keeps a pending job from being sent."""
    if job.run_state is not RunState.RUNNING:
        pauses = await list_pauses(case.connection, case.campaign.id)
        since = pauses[-1].begin if pauses and pauses[-1].end is None else None
        return _Hold(f"run_{job.run_state.value}", job.run_reason, since, stops=True)
    if prospects is None:
        return _Hold(NO_SENDER, job.lane, stops=True)
    if job.lane_reason and (job.lane_until is None or job.lane_until > case.now):
        return _Hold(LANE_PAUSED, job.lane_reason, None, job.lane_until, stops=job.lane_until is None)
    if job.due_at > case.now and job.held_by not in WAITS_FOR_EVENT:
        return _Hold(job.held_by or OWN_TIME, None, job.held_since or job.launched_at, job.due_at)
    if isinstance(prospects.decision, Wait):
        rule = prospects.decision.rule
        since = job.held_since if job.held_by == rule else None
        return _Hold(rule, None, since, prospects.decision.until)
    return _Hold(PACING, None, job.due_at)


async def _waiting(
    case: _Case, row: Row, tests: Sequence[JobHistory], left_out: Sequence[RejectHistory]
) -> RecipientTimeline:
    """Before the launch: when it would be sent, or what the launch would do with it."""
    from scheduler.forecast.send_forecast import prospects_of_row

    campaign, name = case.campaign, case.spec.lanes[row.bucket % len(case.spec.lanes)]
    lane = case.lane(name)
    hold = prospects = None
    ended = _ended(campaign)
    if ended is None:
        if lane is not None:
            prospects = await prospects_of_row(case.connection, lane, campaign, row, case.now)
        hold = await _hold_before_launch(case, lane is not None)
    account = case.settings.accounts.get(case.spec.provider)
    builder = await timeline_builder(case.connection, case.phone, case.spec, account)
    loaded = Moment(row.loaded_at, "loaded", f"line {row.line} of {row.source}")
    timeline = [loaded, *await builder.timeline(case.connection, case.phone, tests)]
    answer = {
        **case.person,
        "state": ended[0] if ended else JobState.PENDING,
        "reason": campaign.reason or (ended[1] if ended else None),
        "code": None,
        **_held(hold, prospects),
        "meaning": _meaning(hold, ended[1] if ended else None),
        "lane": name,
        "next_run": await _next_run(case) if hold else None,
        **_places(row, left_out),
        "timeline": sorted(timeline, key=lambda moment: moment.at),
    }
    return RecipientTimeline(answer)


def _ended(campaign: Campaign) -> tuple[JobState, str] | None:
    """How and why it has ended for a person without a message; None: a run is to come."""
    no_run_left = campaign.state is CampaignState.RUNNING and campaign.start_at is None
    return ENDED_WITHOUT_RUN.get(CampaignState.COMPLETED if no_run_left else campaign.state)


async def _hold_before_launch(case: _Case, has_lane: bool) -> _Hold:
    from scheduler.actions.template_checks import template_problem
    from storage.runs.pausing import UNFIT

    campaign = case.campaign
    if not has_lane:
        return _Hold(NO_SENDER, case.spec.provider, stops=True)
    if campaign.state is CampaignState.DRAFT:
        return _Hold("campaign_draft", stops=True)
    if campaign.state is CampaignState.PAUSED:
        return _Hold(f"campaign_{campaign.state.value}", campaign.reason, stops=True)
    if problem := await _approval(case):
        return _Hold("approval", problem, stops=True)
    if problem := await template_problem(case.connection, case.spec, case.now):
        return _Hold(UNFIT, problem.removeprefix(f"{UNFIT}: "), stops=True)
    run_at = await _next_run(case)
    return _Hold("campaign_scheduled", until=case.spec.schedule.opens_at(run_at) if run_at else None)


async def _next_run(case: _Case) -> datetime | None:
    """The nominal time of the campaign's next run."""
    campaign = case.campaign
    return await coming_run(case.connection, campaign.id, case.spec.schedule, campaign.start_at, case.now)


async def _approval(case: _Case) -> str | None:
    try:
        return await approval_problem(case.connection, case.campaign, guard_of(case.settings))
    except DrumbeatError as error:  # another sender of the campaign is not in the settings
        return str(error)


def _held(hold: _Hold | None, prospects: Prospects | None) -> dict[str, Any]:
    """What delays it, and what is expected then. The keys that scripts rely on are always present."""
    if hold is None:
        return {"held_by": None, "estimated_send_at": None}
    send_at = prospects.send_at if prospects and not hold.stops else None
    pace = prospects.pace if prospects else None
    return {
        "held_by": f"{hold.rule}: {hold.detail}" if hold.detail else hold.rule,
        "rule": hold.rule,
        "held_since": hold.since,
        "held_until": hold.until,
        "estimated_send_at": send_at,
        "assumes": [ASSUMES[one] for one in prospects.assumes] if prospects and send_at else [],
        "ahead": prospects.ahead if prospects else None,
        "pace": f"{pace.name} {pace.value}" if pace else None,
        "expected": _expected(prospects) if prospects else None,
    }


def _expected(prospects: Prospects) -> dict[str, Any]:
    """The rules' decision once every delay that has an end is over."""
    if prospects.too_late:
        return _skipped(JobState.SKIPPED, TOO_LATE, prospects.end_at)
    match prospects.end:
        case Send(form=form):
            price = prospects.price
            return {
                "decision": "send",
                "form": form,
                "because": form_of(form, prospects.end_facts),
                "price": amount(price.money) if price else None,
            }
        case Skip(reason=reason, state=state):
            return _skipped(state, reason, prospects.end_at)
        case Wait(rule=rule):
            return {"decision": "wait", "rule": rule, "because": WAITS[rule]}


def _skipped(state: JobState, reason: str, at: datetime) -> dict[str, Any]:
    return {"decision": state, "reason": reason, "because": ENDED[reason], "at": at}


def _meaning(hold: _Hold | None, reason: str | None) -> str | None:
    """What it means, as text."""
    if hold is None:
        return ENDED.get(reason or "")
    return WAITS[Rule.RUN_STATE] if hold.rule in PAUSED else WAITS.get(hold.rule)


def _places(row: Row | None, left_out: Sequence[RejectHistory]) -> dict[str, Any]:
    """The rows of the files that have the number."""
    return {
        "line": row.line if row else None,
        "source": row.source if row else None,
        "rejected_rows": left_out,
    }
