"""When a campaign's runs are due, and what to do with those whose time has come. Pure; APScheduler's CronTrigger finds
the wall-clock times of a cron expression, and each of them becomes one instant here.

A wall-clock time that the clocks skip happens at the first instant after the gap; one that they repeat happens the
first time only.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from heapq import merge
from itertools import count
from typing import TYPE_CHECKING, Final

from campaigns.frozen import frozen
from campaigns.spec.schedule_spec import ScheduleSpec
from campaigns.time.cron import Cron
from campaigns.time.zones import instant_of

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
MOST_AT_ONCE: Final = 500
"""Missed occurrences that one launch records; what is beyond them comes with the next."""


class Miss(StrEnum):
    """Why an occurrence was not launched."""

    LATE = "late"
    """Nothing could launch it in time, or a newer one had come by then."""
    OVERLAP = "overlap"
    """The run before it was still sending."""
    LIST = "list"
    """Its list was to be read again and could not be; the reason is stored beside it."""


@frozen
class Turn:
    """What is done about the occurrences whose time has come."""

    run: datetime | None
    """The nominal time of the one to launch."""
    missed: tuple[tuple[datetime, Miss], ...]
    next_at: datetime | None
    """The nominal time of the next; None: there is none."""


@frozen
class Before:
    """What is known of the campaign's earlier runs."""

    runs: int = 0
    sending: bool = False
    ended_at: datetime | None = None
    """When the newest of them made its last call or was over."""


FIRST: Final = Before()


def first_start(schedule: ScheduleSpec, now: datetime) -> datetime | None:
    """When a campaign that is loaded now starts; None: no time is given, or none is left. This second still counts."""
    if not schedule.recurs:
        return schedule.start_at
    return next(occurrences(schedule, now - SECOND), None)


def occurrences(schedule: ScheduleSpec, after: datetime) -> Iterator[datetime]:
    """Every nominal time later than `after`, as instants in UTC, each once and in order, before `ends_at`."""
    begin, end, last = schedule.first_at, schedule.end_at, after
    try:
        for instant in _instants(schedule, after):
            if end is not None and instant >= end:
                return
            if instant > last and (begin is None or instant >= begin):
                last = instant
                yield instant
    except OverflowError:  # the calendar's last year
        return


def _instants(schedule: ScheduleSpec, after: datetime) -> Iterator[datetime]:
    """In order, some of them too early or twice."""
    zone = schedule.zone
    if schedule.cron is not None:
        begin = max(after, schedule.first_at - MINUTE) if schedule.first_at else after
        for wall in _cron_times(schedule.cron, begin.astimezone(zone).replace(tzinfo=None)):
            yield instant_of(wall, zone)
    elif schedule.every is not None and schedule.first_at is not None:
        yield from _steps(schedule, schedule.first_at, schedule.every, after)
    elif schedule.start_at is not None:
        yield schedule.start_at


def _cron_times(cron: Cron, after: datetime) -> Iterator[datetime]:
    """Wall-clock times from the minute after `after` on, in order. CronTrigger wants both days, cron either."""
    days = _field(cron.days, range(1, 32))
    weekdays = _field(cron.weekdays, range(7))
    pairs = [(days, "*"), ("*", weekdays)] if cron.either_day else [(days, weekdays)]
    return merge(*(_trigger_times(_trigger(cron, *pair), after) for pair in pairs))


def _trigger(cron: Cron, days: str, weekdays: str) -> CronTrigger:
    """It counts in UTC, where no day has a gap: it is asked for the times that clocks show, not for instants."""
    from apscheduler.triggers.cron import CronTrigger

    return CronTrigger(
        minute=_field(cron.minutes, range(60)),
        hour=_field(cron.hours, range(24)),
        day=days,
        month=_field(cron.months, range(1, 13)),
        day_of_week=weekdays,
        timezone=UTC,
    )


def _field(numbers: frozenset[int], every: range) -> str:
    return "*" if numbers == frozenset(every) else ",".join(map(str, sorted(numbers)))


def _trigger_times(trigger: CronTrigger, after: datetime) -> Iterator[datetime]:
    moment = after.replace(second=0, microsecond=0, tzinfo=UTC)
    while (moment := trigger.get_next_fire_time(None, moment + MINUTE)) is not None:
        yield moment.replace(tzinfo=None)


def _steps(schedule: ScheduleSpec, start: datetime, every: timedelta, after: datetime) -> Iterator[datetime]:
    """From `start` on; whole days are counted on the calendar of the zone, anything else by the clock."""
    wall = schedule.first_wall if schedule.whole_days else None
    for number in count(max(0, (after - start) // every - 1)):
        yield instant_of(wall + number * every, schedule.zone) if wall else start + number * every


def take_turn(schedule: ScheduleSpec, start_at: datetime, now: datetime, before: Before) -> Turn:
    """What to do, at `now`, about a campaign whose next nominal time `start_at` has come.

    At most one occurrence is launched, the newest, if it is not too late; a one-off is never too late.
    """
    if not schedule.recurs:
        return Turn(start_at, (), None)
    if schedule.max_runs is not None and before.runs >= schedule.max_runs:
        return Turn(None, (), None)
    due, next_at = _due(schedule, start_at, now)
    if next_at is not None and schedule.opens_at(next_at) <= now:
        return Turn(None, tuple((time, Miss.LATE) for time in due), next_at)
    if before.sending and schedule.overlap == "queue":
        return Turn(None, (), start_at)
    *older, newest = due
    missed = [(time, _why(schedule, time, before)) for time in older]
    if before.sending:
        return Turn(None, (*missed, (newest, Miss.OVERLAP)), next_at)
    if _too_late(schedule, newest, now, before):
        return Turn(None, (*missed, (newest, Miss.LATE)), next_at)
    is_last = schedule.max_runs is not None and before.runs + 1 >= schedule.max_runs
    return Turn(newest, tuple(missed), None if is_last else next_at)


def coming_at(
    schedule: ScheduleSpec, start_at: datetime, now: datetime, before: Before = FIRST
) -> datetime | None:
    """The nominal time of the run that is launched next, where `start_at` is the stored one: not of one that is missed
    already. None: none is left."""
    if schedule.opens_at(start_at) > now:
        return start_at
    turn = take_turn(schedule, start_at, now, before)
    return turn.run or turn.next_at


def _due(schedule: ScheduleSpec, start_at: datetime, now: datetime) -> tuple[list[datetime], datetime | None]:
    """The nominal times that have come, at most MOST_AT_ONCE, and the one that follows."""
    due = [start_at]
    for time in occurrences(schedule, start_at):
        if len(due) == MOST_AT_ONCE or schedule.opens_at(time) > now:
            return due, time
        due.append(time)
    return due, None


def _why(schedule: ScheduleSpec, nominal: datetime, before: Before) -> Miss:
    """One that waited in the queue was in the way of the run before it, any other of the clock."""
    queued = schedule.overlap == "queue" and before.ended_at and schedule.opens_at(nominal) <= before.ended_at
    return Miss.OVERLAP if queued else Miss.LATE


def _too_late(schedule: ScheduleSpec, nominal: datetime, now: datetime, before: Before) -> bool:
    """In a queue the time counts from when the run before it was over."""
    if schedule.lateness is None:
        return False
    since = schedule.closes_at(nominal)
    if schedule.overlap == "queue" and before.ended_at is not None:
        since = max(since, before.ended_at)
    return now - since > schedule.lateness
