"""[schedule] of the campaign file: when it starts and until when it may go on."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from campaigns.content_spec import Part
from campaigns.pace import Duration
from campaigns.zones import find_zone, instant_of


def _written_time(value: Any) -> Any:
    if isinstance(value, date) and not isinstance(value, datetime):
        raise ValueError("the time of day is missing; write it like 2026-12-01T09:00")
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value.strip())
        except ValueError as error:
            raise ValueError(f"{value!r} is not a time; write it like 2026-12-01T09:00") from error
    return value


WrittenTime = Annotated[datetime, BeforeValidator(_written_time)]


class ScheduleSpec(Part):
    """When it starts and until when it may go on."""

    at: WrittenTime | None = Field(default=None, description="when it starts, such as 2026-12-01T09:00")
    timezone: str | None = Field(
        default=None, description="the zone of times without an offset, such as Africa/Porto-Novo"
    )
    ends_at: WrittenTime | None = Field(default=None, description="nothing is sent after this time")
    expires_after: Duration | None = Field(
        default=None, description="how long after the start a message is still worth sending, such as 12h"
    )

    @property
    def start_at(self) -> datetime | None:
        """`at` as an instant in UTC."""
        return self._instant(self.at)

    @property
    def end_at(self) -> datetime | None:
        """`ends_at` as an instant in UTC."""
        return self._instant(self.ends_at)

    def deadline(self, started_at: datetime) -> datetime | None:
        """When a message of a run that started at `started_at` expires: the sooner of both limits."""
        after = started_at + self.expires_after if self.expires_after is not None else None
        return min((limit for limit in (after, self.end_at) if limit is not None), default=None)

    def _instant(self, written: datetime | None) -> datetime | None:
        if written is None or written.tzinfo is not None:
            return written and written.astimezone(UTC)
        if self.timezone is None:
            raise ValueError(
                f"{written.isoformat()} is in no time zone; "
                'add timezone = "Africa/Porto-Novo" or an offset such as +01:00'
            )
        return instant_of(written, find_zone(self.timezone))

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        return find_zone(value).key if value is not None else None

    @field_validator("expires_after")
    @classmethod
    def _some_time(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value <= timedelta():
            raise ValueError("it must be longer than nothing")
        return value

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        start, end = self.start_at, self.end_at
        if start and end and end <= start:
            raise ValueError("ends_at must be later than at")
        return self
