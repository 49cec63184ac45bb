"""A range of dates as people give it: whole days in their time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.frozen import frozen
from campaigns.time.zones import instant_of


@frozen
class Period:
    """From `since` on and before `until`; None: without that end."""

    since: datetime | None = None
    until: datetime | None = None

    def __contains__(self, moment: datetime) -> bool:
        return (self.since is None or self.since <= moment) and (self.until is None or moment < self.until)

    @classmethod
    def of_days(cls, since: date | None, until: date | None, zone: ZoneInfo | None) -> Period:
        """The days from `since` to `until`, both among them; without a zone, in this machine's. Raises ValueError if
        they are the wrong way round."""
        if since is not None and until is not None and until < since:
            raise ValueError(f"the range ends on {until}, before it begins on {since}")
        after = None if until is None else until + timedelta(days=1)
        return cls(_midnight(since, zone), _midnight(after, zone))


ALWAYS: Final = Period()


def _midnight(day: date | None, zone: ZoneInfo | None) -> datetime | None:
    if day is None:
        return None
    midnight = datetime.combine(day, time())
    return midnight.astimezone(UTC) if zone is None else instant_of(midnight, zone)
