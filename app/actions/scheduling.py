"""Times as people give them: flags that replace a schedule's, and a moment in a campaign's zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from campaigns.errors import UsageError
from campaigns.spec.schedule_spec import ScheduleSpec


@dataclass(frozen=True)
class TimeFlags:
    """What the command line says of the time; None is not said."""

    now: bool = False
    at: str | None = None
    cron: str | None = None
    every: str | None = None
    timezone: str | None = None

    def changes(self, schedule: ScheduleSpec, now: datetime) -> dict[str, Any]:
        """The keys of [schedule] that they replace. Raises UsageError where --now makes no sense."""
        keys: dict[str, Any] = {"timezone": self.timezone} if self.timezone else {}
        start = self._start(schedule, now)
        if self.cron is not None:
            keys |= {"cron": self.cron, "at": None, "every": None}
        elif self.every is not None:
            begin = start or schedule.starts_at or schedule.at
            keys |= {"every": self.every, "cron": None, "at": None, "starts_at": begin}
        elif start is not None:
            keys |= schedule.moved_to(start)
        return keys

    def _start(self, schedule: ScheduleSpec, now: datetime) -> datetime | str | None:
        if not self.now:
            return self.at
        if schedule.cron is not None and self.every is None:
            raise UsageError(
                "--now cannot be said of a cron.", hint="Leave it out, or send once with --at TIME."
            )
        if schedule.recipient_local_time:
            raise UsageError(
                "--now cannot be said with recipient_local_time: now is another time of day in each zone.",
                hint="Say --at TIME.",
            )
        return now.replace(microsecond=0) if self.every or schedule.every else None


def instant_of_text(text: str, timezone: str | None) -> datetime:
    """The instant that a person wrote, in `timezone` where it has no offset; a day alone is its beginning.

    Raises UsageError where it is no time, or is in no zone.
    """
    try:
        moment = ScheduleSpec.model_validate({"at": text, "timezone": timezone}).start_at
    except ValidationError as error:
        raise UsageError(str(error.errors()[0]["ctx"]["error"]) + ".") from error
    if moment is None:
        raise UsageError("A time is missing.")
    return moment
