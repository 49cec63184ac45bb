"""What a campaign is expected to cost and how long it takes, with what the settings say."""

from __future__ import annotations

from collections.abc import Callable

from app.wiring.settings import Settings
from campaigns.time.clock import Now, utc_now
from scheduler.forecast.estimate import estimate
from scheduler.forecast.forecast import Estimate
from storage.audience.campaigns import require
from storage.database.engine import Connection


async def estimate_campaign(
    connection: Connection,
    name: str,
    settings: Settings,
    *,
    now: Now = utc_now,
    progress: Callable[[int], None] | None = None,
) -> Estimate:
    """What is expected of the campaign; `progress` receives how many recipients were gone through.

    Raises NotFound where there is no such campaign, or the settings lack its account or sender.
    """
    campaign = await require(connection, name)
    account = settings.account(campaign.spec.provider)
    return await estimate(
        connection, campaign, account, default_caps=settings.caps, now=now, progress=progress
    )
