"""The campaign file: what to send, to whom, when and how fast. Each key is a field here, checked at load.

Keys that a later version will obey are refused by name: a limit that is silently ignored is a broken promise.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    StrictInt,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from campaigns.content_spec import ContentSpec, Part
from campaigns.errors import SpecError
from campaigns.pace import Duration, Rate
from campaigns.toml_files import TomlFile, explain, read_toml
from campaigns.zones import find_zone, instant_of

LATER: Final[Mapping[str, frozenset[str]]] = {
    "": frozenset(
        {"caps", "hours", "budget", "holdout", "variants", "consent", "destinations", "tags", "approval"}
    ),
    "audience": frozenset({"refresh"}),
    "content": frozenset({"prefer"}),
    "schedule": frozenset(
        {"cron", "every", "starts_at", "max_runs", "recipient_local_time", "catch_up", "overlap"}
    ),
    "pace": frozenset({"ramp", "jitter", "pair_limit", "unique_per_day"}),
}
"""Keys that this version knows of and does not obey yet, by table."""


class Category(StrEnum):
    """What the message is for: it decides prices and rules."""

    MARKETING = "marketing"
    UTILITY = "utility"
    AUTHENTICATION = "authentication"
    SERVICE = "service"


class AudienceSpec(Part):
    """Who gets it: a CSV and how to read it."""

    csv: Path | None = Field(default=None, description="the CSV file, relative to the campaign file")
    default_country: str | None = Field(
        default=None, description="country of numbers written without +, such as BJ"
    )
    phone_column: str | None = Field(
        default=None, description="the column of the phone numbers; default: found by its name"
    )
    map: dict[str, str] = Field(default_factory=dict, description="columns under another name: column = name")
    delimiter: Literal[",", ";", "\t", "|"] | None = Field(default=None, description="default: detected")
    encoding: str | None = Field(default=None, description="default: detected")
    duplicates: Literal["first", "last", "reject"] = Field(
        default="first", description="of several rows with the same number, which one counts"
    )
    landlines: Literal["reject", "accept"] = Field(
        default="reject", description="whether numbers that can only be landlines are accepted"
    )
    max_reject_percent: float = Field(
        default=20, ge=0, le=100, description="more rejected rows than this and nothing is loaded"
    )

    @field_validator("csv")
    @classmethod
    def _beside_the_file(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        folder = (info.context or {}).get("folder")
        return Path(folder, value).absolute() if value and folder else value

    @field_validator("default_country")
    @classmethod
    def _country_code(cls, value: str | None) -> str | None:
        if value is not None and not (len(value) == 2 and value.isascii() and value.isalpha()):
            raise ValueError('a country is written as its two letters, such as "BJ" or "FR"')
        return value.upper() if value else None

    @field_validator("delimiter", mode="before")
    @classmethod
    def _named_tab(cls, value: Any) -> Any:
        return "\t" if value == "tab" else value


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


class PaceSpec(Part):
    """How fast it may go; the lane's and the account's limits hold as well."""

    delay_between: Annotated[StrictInt, Field(ge=0, le=3_600_000)] | None = Field(
        default=None,
        description="least milliseconds between two sends on a lane; default: the provider's own",
    )
    rate: Rate | None = Field(
        default=None, description="most messages of the campaign on a lane, such as 2/s"
    )

    @property
    def gap(self) -> timedelta | None:
        return timedelta(milliseconds=self.delay_between) if self.delay_between is not None else None


class CampaignSpec(Part):
    """A campaign file, as validated."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]*$",
        max_length=80,
        description="unique; lower-case letters, digits, - and _",
    )
    provider: str = Field(
        min_length=1, description="an account of drumbeat.toml: the NAME of [providers.NAME]"
    )
    senders: list[str] = Field(
        min_length=1, description="the account's senders; recipients are spread over them"
    )
    category: Category = Field(default=Category.MARKETING, description="what it is for")
    priority: StrictInt = Field(
        default=0, ge=-1000, le=1000, description="higher goes first where campaigns share a lane"
    )
    audience: AudienceSpec = Field(default_factory=AudienceSpec)
    content: ContentSpec
    schedule: ScheduleSpec = Field(default_factory=ScheduleSpec)
    pace: PaceSpec = Field(default_factory=PaceSpec)

    @property
    def lanes(self) -> tuple[str, ...]:
        """The names of its lanes: account/sender."""
        return tuple(f"{self.provider}/{sender}" for sender in self.senders)

    @field_validator("senders")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise ValueError("a sender is named twice")
        return value

    def to_json(self) -> str:
        return self.model_dump_json(exclude_none=True)

    @classmethod
    def from_json(cls, text: str) -> CampaignSpec:
        return cls.model_validate_json(text)

    def changed(self, **tables: Mapping[str, Any]) -> CampaignSpec:
        """A copy with keys of some tables replaced, validated again: what flags do. Raises SpecError."""
        data = self.model_dump()
        for table, keys in tables.items():
            data[table] = {**data[table], **keys}
        try:
            return CampaignSpec.model_validate(data)
        except ValidationError as error:
            raise SpecError(
                "\n".join(_said_plainly(detail["loc"], detail) for detail in error.errors())
            ) from error


def _said_plainly(loc: tuple[int | str, ...], detail: Any) -> str:
    message = detail["ctx"]["error"] if detail["type"] == "value_error" else detail["msg"]
    return f"{'.'.join(map(str, loc))}: {message}."


def load_spec(path: Path) -> CampaignSpec:
    """The campaign in the file at `path`. Raises NotFound, and SpecError naming file, line and key."""
    file = read_toml(path)
    _refuse_later_keys(file)
    try:
        return CampaignSpec.model_validate(file.data, context={"folder": path.parent})
    except ValidationError as error:
        raise explain(error, file, CampaignSpec) from error


def _refuse_later_keys(file: TomlFile) -> None:
    for table, later in LATER.items():
        keys = file.data.get(table) if table else file.data
        for key in keys if isinstance(keys, dict) else ():
            if key in later:
                loc = (table, key) if table else (key,)
                raise file.error(
                    loc,
                    f"{'.'.join(loc)} is not supported by this version yet.",
                    hint=f"Remove {key}, or wait for the version that obeys it.",
                )
