"""Approve a campaign: by whom, and as it is stored at that moment."""

from __future__ import annotations

from typing import Final

from campaigns.approval import NEEDED
from campaigns.errors import InvalidInput
from campaigns.states import CampaignState, RunState
from campaigns.time.clock import Now, utc_now
from storage.audience.approvals import Approval, digest_campaign, store_approval
from storage.audience.campaigns import require
from storage.database.engine import Engine, reading, writing
from storage.runs.control import move_campaign, move_runs

OVER: Final = (CampaignState.COMPLETED, CampaignState.CANCELLED)


async def approve(engine: Engine, name: str, by: str, *, now: Now = utc_now) -> tuple[Approval, bool]:
    """Approve the campaign as it is stored; whether it had waited for that, and now starts at its time."""
    async with reading(engine) as connection:
        campaign = await require(connection, name)
        if campaign.state in OVER:
            raise InvalidInput(
                f"{name} is {campaign.state}; there is nothing to approve any more.",
                hint=f"drumbeat campaign clone {name} NEW",
            )
        approval = Approval(await digest_campaign(connection, campaign.id), by, now())
    async with writing(engine) as connection:
        await store_approval(connection, campaign.id, approval)
        campaign = await require(connection, name)
        waited = campaign.state is CampaignState.PAUSED and (campaign.reason or "").startswith(NEEDED)
        if waited:
            running = await move_runs(connection, name, [RunState.PAUSED], RunState.RUNNING)
            target = CampaignState.RUNNING if running else CampaignState.SCHEDULED
            await move_campaign(connection, name, [CampaignState.PAUSED], target, approval.at)
    return approval, waited
