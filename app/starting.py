"""Starting what is stored already: a draft, or a clone."""

from __future__ import annotations

from datetime import datetime

from app.approving import guard_of
from app.settings import Settings
from campaigns.clock import Now, utc_now
from campaigns.errors import InvalidInput
from campaigns.states import CampaignState
from scheduler import control
from scheduler.approval import refuse_unapproved
from storage.campaigns import replace_spec, require
from storage.engine import Engine, writing


async def start_campaign(
    engine: Engine,
    settings: Settings,
    name: str,
    at: str | None = None,
    timezone: str | None = None,
    *,
    now: Now = utc_now,
) -> datetime:
    """Start a draft or a scheduled campaign at `at`, or now; when that is.

    Raises Stopped where it would start now and needs approval, InvalidInput where it has started or is paused.
    """
    moment = now()
    async with writing(engine) as connection:
        campaign = await require(connection, name)
        if campaign.state is CampaignState.PAUSED:
            raise InvalidInput(
                f"{name} is paused: {campaign.reason}", hint=f"drumbeat campaign resume {name}"
            )
        spec = campaign.spec
        if at is not None:
            spec = spec.changed(schedule={"at": at, **({"timezone": timezone} if timezone else {})})
            await replace_spec(connection, campaign.id, spec, moment)
        start = (spec.schedule.start_at if at is not None else None) or moment
        if start <= moment:
            await refuse_unapproved(connection, campaign, guard_of(settings), start)
    await control.schedule(engine, name, start, now=now)
    return start
