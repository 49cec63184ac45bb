"""A run in recipients' own time: when its time of day comes for each of them. Counted by place, not by person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from campaigns.frozen import frozen
from campaigns.phones.user_ids import PREFIX as USER_ID
from campaigns.spec.schedule_spec import ScheduleSpec
from campaigns.time.zones import find_zone, instant_of, zones_of_region
from storage.database.engine import Connection
from storage.runs.local_times import PREFIX, Place, audience_places, audience_regions


@frozen
class OwnTimes:
    """When a run's time of day comes for each of its audience."""

    regions: tuple[str, ...]
    """The countries that are one place each."""
    times: Mapping[str, datetime]
    """By place."""

    def of(self, timezone: str | None, region: str | None, phone: str) -> datetime:
        country = region if region in self.regions else None
        by_phone = f"{USER_ID}{region or ''}" if phone.startswith(USER_ID) else phone[:PREFIX]
        return self.times[timezone or country or by_phone]


async def own_times(
    connection: Connection, campaign_id: int, schedule: ScheduleSpec, nominal_at: datetime
) -> OwnTimes:
    """Of a campaign's next run."""
    return OwnTimes(*await times_of_places(connection, campaign_id, schedule, nominal_at))


async def times_of_places(
    connection: Connection, campaign_id: int, schedule: ScheduleSpec, nominal_at: datetime
) -> tuple[tuple[str, ...], dict[str, datetime]]:
    """The audience's countries that have one zone, and for each of its places the instant of the run's time of day.

    Where a number may be in several zones the last of them counts, so that no message is early.
    """
    everywhere = await audience_regions(connection, campaign_id)
    regions = tuple(region for region in everywhere if len(zones_of_region(region)) == 1)
    places = await audience_places(connection, campaign_id, regions)
    wall = schedule.wall_time(nominal_at)
    return regions, {
        place.name: max(instant_of(wall, zone) for zone in _zones(place) or {schedule.zone})
        for place in places
    }


def _zones(place: Place) -> set[ZoneInfo]:
    if place.timezone is not None:
        return {find_zone(place.timezone)}
    from campaigns.phones.phone_zones import zones_of

    return {zone for phone in place.phones for zone in zones_of(phone)}
