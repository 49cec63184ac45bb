"""The tables of the campaign file that configure the sending rules."""

from __future__ import annotations

import re
from collections.abc import Container
from datetime import date, time
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    StrictBool,
    field_validator,
    model_validator,
)

from campaigns.message.part import Part
from campaigns.money.costs import Money
from campaigns.rules.decision import DAYS, Consent, Holdout, Hours
from campaigns.rules.hours import describe_hours
from campaigns.rules.hours_presets import PRESETS
from campaigns.spec.values import Amount, CurrencyCode, SomeTime
from campaigns.time.public_holidays import PublicHolidays, refuse_unknown_place

DAY: Final = 1440
"""Minutes."""


Span = tuple[time, time]


def _spans(value: Any) -> tuple[Span, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not texts:
        raise ValueError('hours are written as "09:00-19:00", or as a list of such')
    return tuple(_span(text) for text in texts)


def _span(value: Any) -> Span:
    match = (
        re.fullmatch(r"\s*(\d{1,2}:\d\d)\s*-\s*(\d{1,2}:\d\d)\s*", value) if isinstance(value, str) else None
    )
    if match is None:
        raise ValueError(f'{value!r} are not hours; write them like "09:00-19:00"')
    start, end = _clock(match[1]), _clock("00:00" if match[2] == "24:00" else match[2])
    if start == end and match[2] != "24:00":
        raise ValueError(
            f"{value!r} begins and ends at the same time; leave [hours] out to allow the whole day"
        )
    return start, end


def _clock(text: str) -> time:
    hour, _, minute = text.partition(":")
    try:
        return time(int(hour), int(minute))
    except ValueError as error:
        raise ValueError(f"{text} is not a time of day") from error


def _write_spans(spans: tuple[Span, ...]) -> list[str]:
    return [f"{start:%H:%M}-{f'{end:%H:%M}' if end != time() else '24:00'}" for start, end in spans]


Spans = Annotated[tuple[Span, ...], BeforeValidator(_spans), PlainSerializer(_write_spans)]
WHOLE_DAY: Final = ((time(), time()),)


def _preset(value: str) -> str:
    if value not in PRESETS:
        raise ValueError(f"{value!r} is not known; the presets are {', '.join(PRESETS)}")
    return value


def _places(value: Any) -> tuple[str, ...]:
    places = [value] if isinstance(value, str) else value
    if not isinstance(places, list | tuple) or not all(isinstance(place, str) for place in places):
        raise ValueError('write a country such as "FR", or a list of countries and regions')
    for place in places:
        refuse_unknown_place(place)
    return tuple(places)


Places = Annotated[tuple[str, ...], BeforeValidator(_places)]


class HoursSpec(Part):
    """When messages may arrive, by the recipient's clock."""

    allow: Spans | None = Field(default=None, description='such as "09:00-19:00", or a list of such')
    quiet: Spans | None = Field(default=None, description='the opposite, such as "21:00-08:00"')
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] | None = Field(
        default=None, min_length=1, description='on which days, such as ["mon", "tue"]; default: all'
    )
    holidays: Places | None = Field(
        default=None,
        min_length=1,
        description='a country, or a list of countries and regions such as ["FR", "FR-57"], on whose public holidays '
        "nothing arrives",
    )
    preset: Annotated[str, AfterValidator(_preset)] | None = Field(
        default=None,
        description="a country's times for marketing, such as fr-marketing; only holidays may be added to it",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.preset is not None:
            self._refuse_beside_the_preset()
        elif self.allow is not None and self.quiet is not None:
            raise ValueError('give either allow or quiet; allow = "00:00-24:00" is the whole day')
        elif self.allow is None and self.quiet is None and self.holidays is None:
            raise ValueError(
                'give either allow or quiet, a preset, or holidays; allow = "00:00-24:00" is the whole day'
            )
        if self.quiet is not None and not _complement(self.quiet):
            raise ValueError("quiet leaves no time to send")
        return self

    def _refuse_beside_the_preset(self) -> None:
        own = [key for key in ("allow", "quiet", "days") if getattr(self, key) is not None]
        if own:
            raise ValueError(
                f"the preset {self.preset} sets the hours ({describe_hours(self.hours)}): leave out "
                f"{' and '.join(own)}, or write these hours without the preset"
            )

    @property
    def hours(self) -> Hours:
        if self.preset is not None:
            table = PRESETS[self.preset]
            return Hours(
                table.allow,
                table.days,
                table.on_weekday,
                _holidays((*table.holidays, *(self.holidays or ()))),
            )
        allow = self.allow or (WHOLE_DAY if self.quiet is None else _complement(self.quiet))
        days = frozenset(DAYS.index(day) for day in self.days) if self.days else frozenset(range(7))
        return Hours(allow, days, holidays=_holidays(self.holidays or ()))

    @property
    def text(self) -> str:
        """The hours in words."""
        preset = f"{self.preset}: " if self.preset else ""
        return f"{preset}{describe_hours(self.hours)}, by the recipient's clock"


def _holidays(places: tuple[str, ...]) -> Container[date]:
    return PublicHolidays(tuple(dict.fromkeys(places))) if places else frozenset()


def _complement(quiet: tuple[Span, ...]) -> tuple[Span, ...]:
    """The times of day outside `quiet`, each within one day."""
    free, at = [], 0
    for start, end in [*sorted(part for span in quiet for part in _parts(span)), (DAY, DAY)]:
        if start > at:
            free.append((_time_of(at), _time_of(start)))
        at = max(at, end)
    return tuple(free)


def _parts(span: Span) -> list[tuple[int, int]]:
    """The span as minutes of the day, cut at midnight."""
    start, end = (clock.hour * 60 + clock.minute for clock in span)
    return [(start, end)] if start < end else [(start, DAY), (0, end)]


def _time_of(minute: int) -> time:
    return time(minute // 60 % 24, minute % 60)


class BudgetSpec(Part):
    """What the campaign may cost."""

    currency: CurrencyCode = Field(description="three letters, such as USD")
    max: Amount | None = Field(default=None, description="for each run; reaching it pauses the run")
    per_day: Amount | None = Field(
        default=None, description="for each day; what is above it waits for the next"
    )
    per_month: Amount | None = Field(default=None, description="for each month; what is above it waits")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.max is None and self.per_day is None and self.per_month is None:
            raise ValueError("give max, per_day or per_month")
        return self

    def money(self, amount: Decimal) -> Money:
        return Money(amount, self.currency)


class ConsentSpec(Part):
    """Marketing only to people whose row has the time of their consent: in consent_at, or in audience.consent."""

    required: StrictBool = Field(default=True, description="whether a row without consent_at gets nothing")
    max_age: SomeTime | None = Field(default=None, description="older consent counts no more, such as 365d")

    @property
    def consent(self) -> Consent | None:
        return Consent(self.max_age) if self.required else None


class MarketingMessagesSpec(Part):
    """Whether the templates of a marketing campaign go through Meta's Marketing Messages API; in place of what the
    account's settings say."""

    policy: Literal["off", "fallback", "strict"] = Field(
        description="off: through Cloud API; fallback: through Cloud API where the account is not ready for the other; "
        "strict: never through Cloud API"
    )
    share_activity: StrictBool | None = Field(
        default=None,
        description="whether Meta may use the activity of these messages, such as reads, to optimize them; "
        "default: the account's setting",
    )

    @model_validator(mode="after")
    def _activity_of_marketing(self) -> Self:
        if self.share_activity is not None and self.policy == "off":
            raise ValueError("share_activity concerns messages sent through that API, and policy is off")
        return self


class HoldoutSpec(Part):
    """A group that receives nothing, for comparison with the campaign."""

    percent: float = Field(gt=0, lt=100, description="share of the recipients, to a hundredth of a percent")
    salt: str | None = Field(
        default=None, description="campaigns with the same salt hold back the same people; default: the name"
    )

    @field_validator("percent")
    @classmethod
    def _in_hundredths(cls, value: float) -> float:
        if value != round(value, 2):
            raise ValueError("a share has at most two decimal places, such as 2.5 or 0.01")
        return value

    def holdout(self, campaign: str) -> Holdout:
        return Holdout(self.percent, self.salt or campaign)
