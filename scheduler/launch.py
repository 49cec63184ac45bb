"""Launch what is due: freeze the campaign into a run and expand its jobs, once however many launchers try."""

from __future__ import annotations

from campaigns.clock import Now, utc_now
from campaigns.spec import CampaignSpec
from storage.engine import Engine, reading, writing
from storage.runs import DueCampaign, due_campaigns, launch_run


async def launch_due(engine: Engine, *, now: Now = utc_now) -> list[str]:
    """Launch every scheduled campaign whose time has come; the names of those launched here."""
    async with reading(engine) as connection:
        due = await due_campaigns(connection, now())
    return [campaign.name for campaign in due if await launch(engine, campaign, now=now)]


async def launch(engine: Engine, campaign: DueCampaign, *, now: Now = utc_now) -> bool:
    """Launch one campaign; False where another launcher was first."""
    spec = CampaignSpec.from_json(campaign.spec)
    moment = now()
    async with writing(engine) as connection:
        run_id = await launch_run(
            connection,
            campaign,
            lanes=spec.lanes,
            priority=spec.priority,
            expires_at=spec.schedule.deadline(max(moment, campaign.start_at)),
            now=moment,
        )
    return run_id is not None
