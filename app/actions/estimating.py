"""Estimates with what the settings say: the account, its prices and the house's caps."""

from __future__ import annotations

from app.wiring.settings import Settings
from campaigns.money.costs import Money
from campaigns.time.clock import Now, utc_now
from scheduler.actions.approval import WorstCase
from scheduler.forecast.estimate import estimate, planning_lanes
from scheduler.forecast.forecast import Estimate
from scheduler.forecast.worst_case import worst_case
from storage.audience.campaigns import Campaign
from storage.database.engine import Connection
from terminal.progress import row_counter


async def estimate_campaign(
    connection: Connection, campaign: Campaign, settings: Settings, *, now: Now = utc_now
) -> Estimate:
    """What is expected of the campaign. Raises NotFound where the settings lack its account or sender."""
    account = settings.account(campaign.spec.provider)
    with row_counter() as progress:
        return await estimate(
            connection, campaign, account, house_caps=settings.caps, now=now, progress=progress
        )


def worst_case_of(settings: Settings) -> WorstCase:
    """What an approval asks: the most that a campaign may cost."""

    async def of_campaign(connection: Connection, campaign: Campaign) -> Money | None:
        spec = campaign.spec
        lanes = planning_lanes(spec, settings.account(spec.provider), settings.caps)
        at = max(utc_now(), campaign.start_at or utc_now())
        return await worst_case(connection, campaign, lanes[spec.lanes[0]], at)

    return of_campaign
