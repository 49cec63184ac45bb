"""[[variants]] and [winner] of the campaign file: what is tested, on which recipients, and how the winner is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, StrictInt, ValidationError, model_validator

from campaigns.message.content_spec import ContentSpec
from campaigns.message.part import Part
from campaigns.spec.schedule_spec import ScheduleSpec
from campaigns.spec.toml_files import NAME
from campaigns.spec.values import SomeTime
from campaigns.variants import WHOLE, Measure, Split

BY_HAND: Final = "hand"
ANYTHING: Final = {"text": "-"}


def _in_hundredths(value: float) -> float:
    if value != round(value, 2):
        raise ValueError("a share has at most two decimal places, such as 33.34")
    return value


Percent = Annotated[float, Field(gt=0, le=100), AfterValidator(_in_hundredths)]


class VariantSpec(Part):
    """One of several messages that are tested against each other."""

    name: str = Field(
        pattern=NAME,
        max_length=40,
        description="how reports call it; lower-case letters, digits, - and _",
    )
    share: Percent = Field(description="its percentage of the test; those of all variants add up to 100")
    content: ContentSpec = Field(
        description="[variants.content]: what it says otherwise than [content]; keys that it leaves out are [content]'s"
    )


class WinnerSpec(Part):
    """How the variant for all other recipients is chosen, when, and from how many messages."""

    by: Literal["delivered", "read", "replied", "hand"] = Field(
        description="the largest share of messages delivered, read or replied to wins; hand: a person decides"
    )
    after: SomeTime | None = Field(
        default=None,
        description="how long after a run's launch the winner is named, such as 4h; not with hand",
    )
    test_percent: Percent = Field(
        default=20,
        description="the share of the audience in the test; the rest waits for the winner; "
        "with 100 nobody waits, and no winner is named",
    )
    minimum: StrictInt = Field(
        default=100,
        ge=1,
        le=1_000_000_000,
        description="messages of each variant, below which it is decided as a tie is",
    )
    tie: Literal["first", "hand"] = Field(
        default="first", description="what a tie comes to: the first variant wins, or a person decides"
    )

    @model_validator(mode="after")
    def _timed(self) -> Self:
        if self.by == BY_HAND and self.after is not None:
            raise ValueError('by = "hand" has no after: drumbeat campaign winner NAME VARIANT decides')
        if self.by != BY_HAND and self.after is None:
            raise ValueError('give the time of the choice, such as after = "4h"')
        return self

    @property
    def measure(self) -> Measure:
        """The measure that decides. Raises ValueError if a person decides."""
        return Measure(self.by)


def refuse_uneven(variants: Sequence[VariantSpec]) -> None:
    """Raise ValueError if the variants make no test or their shares do not add up to 100 %."""
    if not variants:
        return
    if len(variants) < 2:
        raise ValueError("a test needs at least two variants")
    if len({variant.name for variant in variants}) < len(variants):
        raise ValueError("two variants have the same name")
    total = sum(round(variant.share * 100) for variant in variants)
    if total != WHOLE:
        raise ValueError(f"the shares of the variants add up to {total / 100:g}, not to 100")


def refuse_unfit(winner: WinnerSpec, variants: Sequence[VariantSpec], schedule: ScheduleSpec) -> None:
    """Raise ValueError if there are no variants, or the winner could not be sent in time."""
    if not variants:
        raise ValueError("there is nothing to choose from; add [[variants]]")
    if winner.test_percent < 100:
        _refuse_too_late(winner, schedule)


def _refuse_too_late(winner: WinnerSpec, schedule: ScheduleSpec) -> None:
    if schedule.recipient_local_time:
        raise ValueError(
            "with recipient_local_time no recipient can wait for the winner, because each person has a different time; "
            "set test_percent to 100"
        )
    start = schedule.start_at or schedule.first_at
    if winner.after is None:
        return
    if schedule.expires_after is not None and schedule.expires_after <= winner.after:
        raise ValueError("after must be shorter than schedule.expires_after, or the rest expires")
    if start and schedule.end_at and schedule.end_at <= start + winner.after:
        raise ValueError("the winner would be named after schedule.ends_at, and the rest expires then")


def split_of(campaign: str, variants: Sequence[VariantSpec], winner: WinnerSpec | None) -> Split | None:
    """How recipients are assigned to variants; None without variants."""
    if not variants:
        return None
    shares = tuple((variant.name, round(variant.share * 100)) for variant in variants)
    return Split(campaign, shares, round(winner.test_percent * 100) if winner else WHOLE)


def with_whole_variants(data: Mapping[str, Any]) -> dict[str, Any]:
    """The campaign file's data with each variant's content completed by the keys of [content]. The campaign's content
    is then the first variant's. Unknown keys of [content] stay there, to be refused.
    """
    variants, shared = data.get("variants"), data.get("content", {})
    if not isinstance(variants, list) or not variants or not isinstance(shared, dict):
        return dict(data)
    known = {key: value for key, value in shared.items() if key in ContentSpec.model_fields}
    unknown = {key: value for key, value in shared.items() if key not in known}
    whole = [_with_shared_content(variant, known) for variant in variants]
    return {**data, "variants": whole, "content": {**_first_content(whole), **unknown}}


def _with_shared_content(variant: Any, shared: Mapping[str, Any]) -> Any:
    own = variant.get("content", {}) if isinstance(variant, dict) else None
    return {**variant, "content": {**shared, **own}} if isinstance(own, dict) else variant


def _first_content(variants: Sequence[Any]) -> dict[str, Any]:
    """Errors in it are reported once, at its place in the file."""
    try:
        content = variants[0]["content"]
        ContentSpec.model_validate(content)
    except (ValidationError, TypeError, KeyError):
        return ANYTHING
    return dict(content)
