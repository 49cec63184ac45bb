"""Which campaigns need an approval before launch, from the settings."""

from __future__ import annotations

from app.wiring.settings import Settings
from campaigns.money.costs import Money
from campaigns.time.clock import utc_now
from scheduler.actions.approval import Guard, WorstCase
from storage.audience.campaigns import Campaign
from storage.database.engine import Connection


def guard_of(settings: Settings) -> Guard:
    """`[approval]` of drumbeat.toml."""
    return Guard(settings.approval, _worst_case_of(settings) if settings.approval.amount else None)


def _worst_case_of(settings: Settings) -> WorstCase:
    """The most that a campaign may cost, for the approval limit."""
    from scheduler.forecast.planning import planning_lanes
    from scheduler.forecast.worst_case import worst_case

    async def of_campaign(connection: Connection, campaign: Campaign) -> Money | None:
        spec = campaign.spec
        lanes = planning_lanes(spec, settings.account(spec.provider), settings.caps)
        at = max(utc_now(), campaign.start_at or utc_now())
        return await worst_case(connection, campaign, lanes[spec.lanes[0]], at)

    return of_campaign
