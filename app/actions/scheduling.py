"""Times from the command line: options that replace a schedule's, and a moment in a campaign's zone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from campaigns.errors import SpecError, UsageError
from campaigns.figures import counted
from campaigns.frozen import frozen
from campaigns.spec.schedule_spec import A_MINUTE, FAR, ScheduleSpec
from campaigns.time.pace import write_duration
from scheduler.clock.calendar import first_start

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)

Confirm = Callable[[str], None]
"""Asks the user; returns only if the answer is yes."""


@frozen
class TimeFlags:
    """The time options of the command line; None: not given."""

    now: bool = False
    at: str | None = None
    cron: str | None = None
    every: str | None = None
    timezone: str | None = None

    def changes(self, schedule: ScheduleSpec, now: datetime) -> dict[str, Any]:
        """The keys of [schedule] that they replace. Raises UsageError if --now makes no sense."""
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
                "--now cannot be combined with a cron schedule.",
                hint="Leave it out, or send once with --at TIME.",
            )
        if schedule.recipient_local_time:
            raise UsageError(
                "--now cannot be combined with recipient_local_time: the time of day differs by zone.",
                hint="Use --at TIME.",
            )
        return now.replace(microsecond=0) if self.every or schedule.every else None


def start_of(schedule: ScheduleSpec, times: TimeFlags, now: datetime) -> datetime | None:
    """The time of the first run; None: no time is given. Raises SpecError if it is in the past, or if no run is left
    before `ends_at`."""
    start = now if times.now and not schedule.recurs else first_start(schedule, now)
    if start is None and (schedule.cron or schedule.first_at):
        raise SpecError("schedule.ends_at leaves no time for a run.", hint="Set a later ends_at.")
    if schedule.end_at is not None and schedule.end_at <= max(start or now, now):
        raise SpecError("schedule.ends_at leaves no time for a run.", hint="Set a later ends_at.")
    if start is not None and not schedule.recurs and now - schedule.closes_at(start) >= A_MINUTE:
        raise _past(schedule, times, now - start)
    return start


def _past(schedule: ScheduleSpec, times: TimeFlags, late: timedelta) -> SpecError:
    place, instead = ("--at", "") if times.at else ("schedule.at", " Or use --at TIME.")
    otherwise = "" if schedule.recipient_local_time else " Only --now sends it late."
    return SpecError(
        f"{place}: {schedule.at:%Y-%m-%d %H:%M} was {_roughly(late)} ago.",
        hint=f"Correct the time: year, month, day, in this order.{instead}{otherwise}",
    )


def schedule_warnings(schedule: ScheduleSpec, start: datetime | None, now: datetime) -> Iterator[str]:
    """A question for each probable mistake: too often, or the wrong year."""
    if schedule.is_frequent:
        written = (
            f"cron {schedule.cron}" if schedule.cron else f"every {write_duration(schedule.every or HOUR)}"
        )
        yield f"Everybody in the list would get it more often than once an hour ({written}). Is that intended?"
    if start is not None and start - now > FAR:
        yield f"It would start only on {start:%Y-%m-%d}, in {_roughly(start - now)}. Is that intended?"


def start_flag(schedule: ScheduleSpec) -> str:
    """The option that starts a campaign without a time; empty if the schedule has a time."""
    if schedule.cron is not None or schedule.first_at is not None:
        return ""
    return " --at TIME" if schedule.recipient_local_time else " --now"


def _roughly(span: timedelta) -> str:
    """`28 days`, `3 hours`, `5 minutes`"""
    size, unit = next(
        ((size, unit) for size, unit in ((DAY, "day"), (HOUR, "hour")) if span >= 2 * size),
        (A_MINUTE, "minute"),
    )
    return counted(span // size, unit)


def instant_of_text(option: str, text: str, timezone: str | None) -> datetime:
    """The moment that the option's text names, in `timezone` if it has no offset; a date alone is its beginning.

    Raises UsageError if it is not a time, or has no zone.
    """
    text = f"{text.strip()}T00:00" if re.fullmatch(r"\d{4}-\d\d-\d\d", text.strip()) else text
    try:
        moment = ScheduleSpec.model_validate({"at": text, "timezone": timezone}).start_at
    except ValidationError as error:
        raise UsageError(f"{option}: {error.errors()[0]['ctx']['error']}.") from error
    if moment is None:
        raise UsageError(f"{option}: the time is missing.")
    return moment
