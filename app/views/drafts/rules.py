"""What the rules of a draft come to, before anything is loaded: its next runs, and the first and last message."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from app.actions.scheduling import TimeFlags, schedule_warnings, start_of
from app.wiring.settings import Settings
from campaigns.errors import DrumbeatError, SpecError
from campaigns.frozen import frozen
from campaigns.money.prices import Prices
from campaigns.rules.hours import next_open
from campaigns.spec.campaign_spec import CampaignSpec, spec_in
from campaigns.spec.schedule_spec import ScheduleSpec
from campaigns.spec.toml_files import TomlFile
from scheduler.clock.calendar import occurrences
from scheduler.forecast.durations import LaneLoad, Limit, hours_limit, pace_limits, ramp_limit
from scheduler.forecast.planning import planning_lanes
from scheduler.sending.plans import plan_of

RUNS: Final = 5
"""Runs that are shown."""


@frozen
class Outline:
    """What is expected of the first run, by its pace and its hours alone."""

    first_at: datetime
    last_at: datetime
    recipients: int
    binding: Limit | None
    """The limit that decides how long it takes."""


@frozen
class RulesPreview:
    zone: ZoneInfo
    """The campaign's."""
    starts_at: datetime | None
    """None: when a person starts it."""
    runs: Sequence[datetime]
    """The next ones, if it recurs."""
    local: bool
    """Whether each person gets it at that time of their own clock."""
    hours: str | None
    outline: Outline | None
    """None: sender or message are still missing, or how many people there are is not known."""
    deadline: datetime | None
    """When a message that has not gone is not worth sending any more."""
    warnings: Sequence[str]


def preview_rules(settings: Settings, file: TomlFile, recipients: int | None, now: datetime) -> RulesPreview:
    """`recipients`: the accepted rows of the list; None: not known. Raises SpecError where the times are wrong."""
    schedule = _schedule(file)
    start = start_of(schedule, TimeFlags(), now)
    later = occurrences(schedule, start) if start and schedule.recurs else iter(())
    runs = list(islice(chain([start] if start else [], later), min(RUNS, schedule.max_runs or RUNS)))
    try:
        spec = spec_in(file)
    except SpecError:
        spec = None
    begins = schedule.opens_at(start) if start else now
    return RulesPreview(
        schedule.zone,
        start,
        runs if schedule.recurs else (),
        schedule.recipient_local_time,
        spec.hours.text if spec and spec.hours else None,
        _outline(settings, spec, recipients, max(now, begins)) if spec and recipients else None,
        schedule.deadline(schedule.closes_at(start or now)),
        list(schedule_warnings(schedule, start, now)),
    )


def _schedule(file: TomlFile) -> ScheduleSpec:
    try:
        return ScheduleSpec.model_validate(file.data.get("schedule", {}))
    except ValidationError as error:
        detail = error.errors()[0]
        message = str(detail["ctx"]["error"] if detail["type"] == "value_error" else detail["msg"])
        raise SpecError(f"{message[:1].upper()}{message[1:]}.") from error


def _outline(settings: Settings, spec: CampaignSpec, recipients: int, at: datetime) -> Outline | None:
    try:
        lanes = planning_lanes(spec, settings.account(spec.provider), settings.caps)
    except DrumbeatError:
        return None
    plans = {name: plan_of(spec, lanes[name], Prices(())) for name in spec.lanes}
    share = -(-recipients // len(plans))
    loads = [LaneLoad(lanes[name], plan, share, {}) for name, plan in plans.items()]
    found: list[Limit | None] = [*pace_limits(loads), ramp_limit(loads, at)]
    takes = max((limit.takes for limit in found if limit), default=timedelta())
    first = at
    if spec.hours is not None:
        zone = spec.schedule.zone if spec.schedule.timezone else ZoneInfo("UTC")
        first = max(at, next_open(at.replace(second=0, microsecond=0), spec.hours.hours, (zone,)))
        found.append(hours_limit(spec.hours.hours, takes, first.astimezone(zone).date()))
    limits = [limit for limit in found if limit]
    binding = max(limits, key=lambda limit: limit.takes, default=None)
    if binding is not None and not binding.takes:
        binding = None
    last = first + (binding.takes if binding else timedelta())
    return Outline(first.astimezone(UTC), last.astimezone(UTC), recipients, binding)
