"""[schedule] of the campaign file: when it starts, how often it is sent, and until when it may go on."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    StrictBool,
    StrictInt,
    field_validator,
    model_validator,
)

from campaigns.message.part import Part
from campaigns.time.cron import Cron
from campaigns.time.pace import Duration, parse_duration, write_duration
from campaigns.time.zones import find_zone, instant_of, skipped_before

SOONEST: Final = timezone(timedelta(hours=14))
LAST: Final = timezone(timedelta(hours=-12))
"""The zones furthest ahead of and furthest behind UTC."""
A_MINUTE: Final = timedelta(minutes=1)
A_DAY: Final = timedelta(days=1)
AN_HOUR: Final = timedelta(hours=1)
A_YEAR: Final = timedelta(days=366)
FAR: Final = 20 * A_YEAR
"""A time further in the future than this is taken for a typing error."""
CATCH_UP: Final = timedelta(hours=1)


class CatchUp(StrEnum):
    ALWAYS = "always"
    NEVER = "never"


def _written_time(value: Any) -> Any:
    if isinstance(value, date) and not isinstance(value, datetime):
        raise ValueError("the time of day is missing; write it like 2026-12-01T09:00")
    if isinstance(value, str):
        value = _read_time(value.strip())
    return value.replace(microsecond=0) if isinstance(value, datetime) else value


def _read_time(text: str) -> datetime:
    try:
        date.fromisoformat(text)
    except ValueError:
        try:
            return datetime.fromisoformat(text)
        except ValueError as error:
            raise ValueError(f"{text!r} is not a time; write it like 2026-12-01T09:00") from error
    raise ValueError(f"{text!r} has no time of day; write it like 2026-12-01T09:00")


def _catch_up(value: Any) -> timedelta | CatchUp:
    if value in tuple(CatchUp):
        return CatchUp(value)
    try:
        limit = parse_duration(value)
    except ValueError as error:
        raise ValueError('write a duration such as "1h", or "always" or "never"') from error
    if limit < A_MINUTE:
        raise ValueError('it must be at least "1m"')
    return limit


def _write_catch_up(value: timedelta | CatchUp) -> str:
    return value.value if isinstance(value, CatchUp) else write_duration(value)


Span = tuple[datetime, datetime]
"""A range that includes its start and excludes its end."""

WrittenTime = Annotated[datetime, BeforeValidator(_written_time)]
Lateness = Annotated[timedelta | CatchUp, BeforeValidator(_catch_up), PlainSerializer(_write_catch_up)]


class ScheduleSpec(Part):
    """When it starts, how often, and until when it may go on. A run's nominal time is the campaign zone's."""

    at: WrittenTime | None = Field(default=None, description="once, then: such as 2026-12-01T09:00")
    cron: Cron | None = Field(
        default=None,
        description="again and again: minute, hour, day of month, month, day of week, such as 0 9 * * mon",
    )
    every: Duration | None = Field(
        default=None,
        description="again and again from starts_at, such as 1d; whole days keep the time of day",
    )
    timezone: str | None = Field(
        default=None,
        description="the zone of cron and of times without an offset, such as Africa/Porto-Novo",
    )
    starts_at: WrittenTime | None = Field(default=None, description="cron and every: no run before this time")
    ends_at: WrittenTime | None = Field(default=None, description="nothing is sent after this time")
    max_runs: StrictInt | None = Field(
        default=None, ge=1, le=1_000_000, description="cron and every: so many runs at most"
    )
    expires_after: Duration | None = Field(
        default=None,
        description="how long after the time that a run was planned for a message is still worth sending, such as 12h",
    )
    recipient_local_time: StrictBool = Field(
        default=False, description="whether each person gets it when the time comes in their own zone"
    )
    catch_up: Lateness | None = Field(
        default=None,
        description="cron and every: how late a run may still start, or always or never; default: 1h",
    )
    overlap: Literal["skip", "queue"] = Field(
        default="skip",
        description="cron and every: what a run does that comes while the one before it is sending",
    )

    @property
    def recurs(self) -> bool:
        return self.cron is not None or self.every is not None

    @property
    def is_frequent(self) -> bool:
        """Whether its runs come more often than once an hour."""
        return (self.cron is not None and len(self.cron.minutes) > 1) or (
            self.every is not None and self.every < AN_HOUR
        )

    @property
    def zone(self) -> ZoneInfo:
        """The campaign's zone; UTC if none is given."""
        return find_zone(self.timezone or "UTC")

    @property
    def start_at(self) -> datetime | None:
        """`at` as an instant in UTC."""
        return self._instant(self.at)

    @property
    def first_at(self) -> datetime | None:
        """`starts_at` as an instant in UTC."""
        return self._instant(self.starts_at)

    @property
    def end_at(self) -> datetime | None:
        """`ends_at` as an instant in UTC."""
        return self._instant(self.ends_at)

    @property
    def lateness(self) -> timedelta | None:
        """How late a run may still start; None: no limit. At least a minute, for delays of the runner itself."""
        match self.catch_up:
            case CatchUp.ALWAYS:
                return None
            case CatchUp.NEVER:
                return A_MINUTE
            case None:
                return CATCH_UP
            case limit:
                return limit

    def wall_time(self, nominal: datetime) -> datetime:
        """The time of day as written, without a zone: what clocks in the campaign's zone show, or would show if they
        did not skip it."""
        shown = nominal.astimezone(self.zone).replace(tzinfo=None, fold=0)
        skipped = (wall for wall in skipped_before(nominal, self.zone) if self._names(wall))
        return next(skipped, shown)

    def _names(self, wall: datetime) -> bool:
        """Whether one of the runs has that nominal time."""
        if self.cron is not None:
            return self.cron.names(wall)
        written = self.at or self.first_wall
        return (
            written is not None
            and written.tzinfo is None
            and (wall.time() == written.time() if self.whole_days else wall == written)
        )

    @property
    def whole_days(self) -> bool:
        """Whether runs repeat at the same time of day, every number of days."""
        return self.every is not None and not self.every % A_DAY

    @property
    def first_wall(self) -> datetime | None:
        """`starts_at` as shown by clocks in the campaign's zone."""
        if self.starts_at is None or self.starts_at.tzinfo is None:
            return self.starts_at
        return self.starts_at.astimezone(self.zone).replace(tzinfo=None, fold=0)

    def opens_at(self, nominal: datetime) -> datetime:
        """When the run is launched; with recipient_local_time, as soon as the first zone on earth reaches the time."""
        if not self.recipient_local_time:
            return nominal
        return self.wall_time(nominal).replace(tzinfo=SOONEST).astimezone(UTC)

    def closes_at(self, nominal: datetime) -> datetime:
        """When the run's time has come in every recipient's zone."""
        if not self.recipient_local_time:
            return nominal
        return self.wall_time(nominal).replace(tzinfo=LAST).astimezone(UTC)

    def deadline(self, planned_at: datetime) -> datetime | None:
        """When a message of a run that was planned for `planned_at` expires: the earlier of both limits."""
        after = planned_at + self.expires_after if self.expires_after is not None else None
        return min((limit for limit in (after, self.end_at) if limit is not None), default=None)

    def span_of_rows(self, start: datetime | None, now: datetime) -> Span:
        """The range of valid `send_at` values in rows, if the first run is at `start`: not in the past, not after the
        message has expired, and not so far ahead that the year must be a typing error."""
        once = start is not None and not self.recurs
        end = self.deadline(self.closes_at(start)) if start is not None and once else self.end_at
        return now, min(end or now + FAR, now + FAR)

    def moved_to(self, start: datetime | str) -> dict[str, Any]:
        """The keys that move the start to that time: once, or with `every` from then on."""
        if self.every is not None:
            return {"starts_at": start}
        alone = dict.fromkeys(("cron", "starts_at", "max_runs"))
        catch_up = self.catch_up if self.recipient_local_time else None
        return {**alone, "overlap": "skip", "catch_up": catch_up, "at": start}

    def _instant(self, written: datetime | None) -> datetime | None:
        if written is None:
            return None
        if written.tzinfo is None and self.timezone is None:
            raise ValueError(
                f"{written.isoformat()} has no time zone; "
                'add timezone = "Africa/Porto-Novo" or an offset such as +01:00'
            )
        try:
            return written.astimezone(UTC) if written.tzinfo else instant_of(written, self.zone)
        except OverflowError as error:
            raise ValueError(f"{written.isoformat()} is outside the range of valid times") from error

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        return find_zone(value).key if value is not None else None

    @field_validator("expires_after")
    @classmethod
    def _some_time(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value <= timedelta():
            raise ValueError("it must be more than 0")
        return value

    @field_validator("every")
    @classmethod
    def _sensible(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and (not A_MINUTE <= value <= A_YEAR or value.microseconds):
            raise ValueError("it must be from 1m to 366d, in whole seconds")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [name for name in ("at", "cron", "every") if getattr(self, name) is not None]
        if given == ["at", "every"]:
            raise ValueError("every counts from starts_at; call at starts_at")
        if len(given) > 1:
            raise ValueError(f"give one of at, cron and every, not {' and '.join(given)}")
        if self.cron is not None and self.timezone is None:
            raise ValueError('cron has no time zone; add timezone = "Africa/Porto-Novo"')
        if self.recipient_local_time and self.timezone is None:
            raise ValueError(
                "recipient_local_time needs the timezone that the time is written in; "
                'add timezone = "Africa/Porto-Novo"'
            )
        return self

    @model_validator(mode="after")
    def _only_for_recurring(self) -> Self:
        if self.recurs:
            return self
        given = [name for name in ("starts_at", "max_runs") if getattr(self, name) is not None]
        given += ["overlap"] if self.overlap != "skip" else []
        given += ["catch_up"] if self.catch_up is not None and not self.recipient_local_time else []
        if given:
            raise ValueError(f"{' and '.join(given)} can be used only with cron or every")
        return self

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        end = self.end_at
        for name, start in (("at", self.start_at), ("starts_at", self.first_at)):
            if start and end and end <= start:
                raise ValueError(f"ends_at must be later than {name}")
        return self
