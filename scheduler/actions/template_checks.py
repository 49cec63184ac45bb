"""Compares a campaign with the stored list of its account's templates when a run is about to be launched. The provider
is not asked: a launch waits for nobody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from campaigns.errors import InvalidInput
from campaigns.message.provider_templates import ProviderTemplate
from campaigns.message.template_match import contents_mismatches, used_templates
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.states import CampaignState, RunState
from storage.audience.campaigns import paused_for
from storage.audience.templates import find_list, find_templates
from storage.database.engine import Connection
from storage.runs.control import move_campaign, move_runs
from storage.runs.pausing import UNFIT

STALE: Final = timedelta(days=1)
"""A list older than that is no reason to refuse a campaign."""


async def usable_templates(
    connection: Connection, spec: CampaignSpec, now: datetime
) -> Sequence[ProviderTemplate] | None:
    """The templates that the campaign is made from, as stored within a day; None: they are not known."""
    if all(content.template is None for content in spec.contents.values()):
        return None
    known = await find_list(connection, spec.provider)
    if not known.is_within(STALE, now):
        return None
    return used_templates(await find_templates(connection, spec.provider), spec.contents.values())


async def template_problem(connection: Connection, spec: CampaignSpec, now: datetime) -> str | None:
    """Why the templates do not allow a run to be launched, or None."""
    templates = await usable_templates(connection, spec, now)
    if templates is None:
        return None
    found = contents_mismatches(spec.contents, spec.category, templates)
    lines = [
        f"{'' if variant is None else f'variant {variant}, '}{each.key}: {each.text}"
        for variant, each in found
    ]
    return f"{UNFIT}: {' '.join(dict.fromkeys(lines))}" if lines else None


async def refuse_unfit(connection: Connection, spec: CampaignSpec, now: datetime) -> None:
    """Raise InvalidInput if the templates do not allow a run to be launched."""
    if (problem := await template_problem(connection, spec, now)) is not None:
        raise InvalidInput(problem, hint=f"drumbeat template list {spec.provider}")


async def resume_fitting(connection: Connection, account: str, now: datetime) -> None:
    """Resume the account's campaigns that a mismatch kept from being launched, and that fit now."""
    for name, stored in await paused_for(connection, f"{UNFIT}: "):
        spec = CampaignSpec.from_json(stored)
        if spec.provider == account and await template_problem(connection, spec, now) is None:
            running = await move_runs(connection, name, [RunState.PAUSED], RunState.RUNNING)
            target = CampaignState.RUNNING if running else CampaignState.SCHEDULED
            await move_campaign(connection, name, [CampaignState.PAUSED], target, now)
