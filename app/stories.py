"""What `drumbeat why` tells: a recipient's job, what holds it, and when it would be sent at this pace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.settings import Settings
from campaigns.errors import InvalidInput, NotFound
from campaigns.pace import Rate
from campaigns.phone import PhoneFault, read_phone
from campaigns.spec import CampaignSpec
from campaigns.states import CampaignState, JobState, RunState
from providers.registry import adapter_class
from storage.campaigns import Campaign, require
from storage.engine import Connection
from storage.timelines import JobStory, Moment, find_job, is_recipient, jobs_ahead, timeline


@dataclass(frozen=True)
class Story:
    """The answer as `--json` prints it."""

    json: dict[str, Any]


async def tell_story(connection: Connection, settings: Settings, name: str, text: str) -> Story:
    """The story of the phone `text` in a campaign. Raises NotFound, InvalidInput where it is no number."""
    campaign = await require(connection, name)
    phone = _number(text, campaign.spec)
    job = await find_job(connection, campaign.id, phone)
    if job is None:
        return await _before_launch(connection, campaign, phone)
    moments = await timeline(connection, job)
    return Story(_answer(phone, job, await _estimate(connection, settings, campaign, job), moments))


def _number(text: str, spec: CampaignSpec) -> str:
    found = read_phone(text, spec.audience.default_country, landlines=True)
    if isinstance(found, PhoneFault):
        raise InvalidInput(f"{text!r} is no phone number: {found.reason}", hint="Write it like +22901970000.")
    return found.number


async def _before_launch(connection: Connection, campaign: Campaign, phone: str) -> Story:
    if not await is_recipient(connection, campaign.id, phone):
        raise NotFound(
            f"{phone} is not among the recipients of {campaign.name}.",
            hint=f"drumbeat report failures {campaign.name} shows why rows were rejected.",
        )
    cancelled = campaign.state is CampaignState.CANCELLED
    return Story(
        {
            "phone": phone,
            "state": JobState.CANCELLED if cancelled else JobState.PENDING,
            "reason": campaign.reason,
            "code": None,
            "held_by": None if cancelled else f"campaign_{campaign.state.value}",
            "estimated_send_at": campaign.start_at if campaign.state is CampaignState.SCHEDULED else None,
            "timeline": [Moment(campaign.created_at, "loaded", "into the audience")],
        }
    )


def _answer(
    phone: str, job: JobStory, estimate: datetime | None, moments: Sequence[Moment]
) -> dict[str, Any]:
    return {
        "phone": phone,
        "state": job.state,
        "reason": job.reason,
        "code": job.code,
        "held_by": _holder(job),
        "estimated_send_at": estimate,
        "timeline": moments,
    }


def _holder(job: JobStory) -> str | None:
    """The first thing that keeps a pending job from being sent."""
    if job.state is not JobState.PENDING:
        return None
    if job.run_state is not RunState.RUNNING:
        return (
            f"run_{job.run_state.value}: {job.run_reason}" if job.run_reason else f"run_{job.run_state.value}"
        )
    if job.lane_reason:
        return f"lane_paused: {job.lane_reason}"
    return job.held_by or "pacing"


async def _estimate(
    connection: Connection, settings: Settings, campaign: Campaign, job: JobStory
) -> datetime | None:
    """When it would be sent if nothing else happens; None where it is paused, or not waiting at all."""
    stopped = job.run_state is not RunState.RUNNING or (job.lane_reason and job.lane_until is None)
    if job.state is not JobState.PENDING or stopped:
        return None
    ahead = await jobs_ahead(connection, job)
    start = max(filter(None, (job.due_at, job.lane_until, datetime.now(UTC))))
    return start + ahead * _interval(settings, campaign, job.lane)


def _interval(settings: Settings, campaign: Campaign, lane: str) -> timedelta:
    """The least time between two sends of the campaign on the lane: the tightest of all its limits."""
    account_name, _, sender_name = lane.partition("/")
    account = settings.accounts.get(account_name)
    gap, rates = campaign.spec.pace.gap, [campaign.spec.pace.rate]
    if account is not None:
        rates += [account.rate, *(sender.rate for sender in account.senders if sender.name == sender_name)]
        gap = adapter_class(account.adapter).capabilities.delay_between if gap is None else gap
    return max(gap or timedelta(), *(_spacing(rate) for rate in rates))


def _spacing(rate: Rate | None) -> timedelta:
    return rate.per / rate.count if rate else timedelta()
