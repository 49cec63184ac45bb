"""The expected cost and duration of a campaign under the current settings."""

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
    """Estimate the campaign; `progress` receives the number of recipients processed so far.

    Raises NotFound where there is no such campaign, or the settings lack its account or sender.
    """
    campaign = await require(connection, name)
    account = settings.account(campaign.spec.provider)
    return await estimate(
        connection, campaign, account, default_caps=settings.caps, now=now, progress=progress
    )
