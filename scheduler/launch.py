"""Launch what is due: freeze the campaign into a run and expand its jobs, once however many launchers try."""

from __future__ import annotations

import logging
from datetime import datetime

from campaigns.clock import Now, utc_now
from campaigns.errors import DrumbeatError
from campaigns.spec import CampaignSpec
from campaigns.states import CampaignState
from storage.control import move_campaign
from storage.engine import Engine, reading, writing
from storage.lanes import ensure_lanes
from storage.runs import DueCampaign, due_campaigns, launch_run

logger = logging.getLogger(__name__)


async def launch_due(engine: Engine, *, now: Now = utc_now) -> list[str]:
    """Launch every scheduled campaign whose time has come; the names of those launched here."""
    async with reading(engine) as connection:
        due = await due_campaigns(connection, now())
    return [campaign.name for campaign in due if await launch(engine, campaign, now=now)]


async def launch(engine: Engine, campaign: DueCampaign, *, now: Now = utc_now) -> bool:
    """Launch one campaign; False where another launcher was first, or where it cannot be launched: it is paused."""
    moment = now()
    try:
        spec = CampaignSpec.from_json(campaign.spec)
        expires_at = spec.schedule.deadline(max(moment, campaign.start_at))
    except (ValueError, OverflowError, DrumbeatError) as error:
        await _pause(engine, campaign.name, f"It could not be launched: {error}", moment)
        return False
    async with writing(engine) as connection:
        await ensure_lanes(connection, spec.lanes)
        run_id = await launch_run(
            connection,
            campaign,
            lanes=spec.lanes,
            priority=spec.priority,
            expires_at=expires_at,
            now=moment,
        )
    return run_id is not None


async def _pause(engine: Engine, name: str, reason: str, now: datetime) -> None:
    """One campaign that cannot be launched must not keep the others waiting."""
    logger.error("%s: %s", name, reason, extra={"action": "launch_failed"})
    async with writing(engine) as connection:
        await move_campaign(
            connection, name, [CampaignState.SCHEDULED], CampaignState.PAUSED, now, reason=reason
        )
