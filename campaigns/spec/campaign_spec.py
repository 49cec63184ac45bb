"""The campaign file: what to send, to whom, when and how fast. Each key is a field here, checked at load."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import (
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from campaigns.errors import SpecError
from campaigns.intake.dates import refuse_incomplete
from campaigns.intake.model import ANY_USER_ID, IntakeOptions, UserIds
from campaigns.intake.names import fold
from campaigns.message.content_spec import ContentSpec
from campaigns.message.part import Part, Unmet, WhenMet
from campaigns.message.provider_templates import ProviderTemplate
from campaigns.message.template_category import AUTO, template_category
from campaigns.rules.decision import Consent
from campaigns.spec.breaker_spec import BreakerSpec
from campaigns.spec.schedule_spec import ScheduleSpec, Span
from campaigns.spec.stored import read_stored
from campaigns.spec.toml_files import NAME, TomlFile, explain, loc_of, read_toml
from campaigns.spec.values import Category, SomeTime
from campaigns.spec.variants_spec import (
    VariantSpec,
    WinnerSpec,
    refuse_uneven,
    refuse_unfit,
    split_of,
    with_whole_variants,
)
from campaigns.time.pace import Rate
from campaigns.variants import Split

if TYPE_CHECKING:
    from campaigns.spec.cap_spec import CapSpec
    from campaigns.spec.rules_spec import (
        BudgetSpec,
        ConsentSpec,
        HoldoutSpec,
        HoursSpec,
        MarketingMessagesSpec,
    )
else:
    BudgetSpec = Unmet("campaigns.spec.rules_spec", "BudgetSpec")
    CapSpec = Unmet("campaigns.spec.cap_spec", "CapSpec")
    ConsentSpec = Unmet("campaigns.spec.rules_spec", "ConsentSpec")
    HoldoutSpec = Unmet("campaigns.spec.rules_spec", "HoldoutSpec")
    HoursSpec = Unmet("campaigns.spec.rules_spec", "HoursSpec")
    MarketingMessagesSpec = Unmet("campaigns.spec.rules_spec", "MarketingMessagesSpec")


class AudienceSpec(Part):
    """Who gets it: a CSV or workbook, and how to read it."""

    csv: Path | None = Field(
        default=None, description="the CSV, .xlsx, .xls or .ods file, relative to the campaign file"
    )
    default_country: str | None = Field(
        default=None, description="country of numbers written without +, such as BJ, Benin or +229"
    )
    phone_column: str | list[str] | None = Field(
        default=None,
        description="the column of the phone numbers, or a list of columns: where one has no usable number, the "
        "next counts; default: found by its name",
    )
    map: dict[str, str] = Field(default={}, description="columns under another name: column = name")
    where: dict[str, str | list[str]] = Field(
        default={},
        description="only these rows: column = cell, or a list of cells; with several columns all must fit",
    )
    consent: str | None = Field(
        default=None,
        description="the column that says who agreed to marketing: yes, no, or the date; the others get no marketing",
    )
    date_format: str | None = Field(
        default=None, description="how the list writes dates, such as %d/%m/%Y; default: 2026-12-31"
    )
    delimiter: Literal[",", ";", "\t", "|"] | None = Field(default=None, description="default: detected")
    encoding: str | None = Field(default=None, description="default: detected")
    sheet: str | None = Field(
        default=None, description="the sheet of a workbook; default: the only one that has data"
    )
    duplicates: Literal["first", "last", "reject"] = Field(
        default="first", description="of several rows with the same number, which one counts"
    )
    landlines: Literal["reject", "accept"] = Field(
        default="reject", description="whether numbers that can only be landlines are accepted"
    )
    max_reject_percent: float = Field(
        default=20, ge=0, le=100, description="more rejected rows than this and nothing is loaded"
    )
    refresh: Literal["each_run"] | None = Field(
        default=None,
        description="each_run: every run reads the file again; default: it is read once, at load",
    )

    @field_validator("csv")
    @classmethod
    def _beside_the_file(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        folder = (info.context or {}).get("folder")
        return Path(folder, value).absolute() if value and folder else value

    @field_validator("default_country")
    @classmethod
    def _country_code(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if len(value) == 2 and value.isascii() and value.isalpha():
            return "GB" if value.upper() == "UK" else value.upper()
        from campaigns.phones.country_names import find_country

        if country := find_country(value):
            return country
        raise ValueError(
            f'{value!r} is not a country; write its two letters, such as "BJ", its name or "+229"'
        )

    @field_validator("phone_column", mode="before")
    @classmethod
    def _columns(cls, value: Any) -> Any:
        names = value if isinstance(value, list) else [value]
        if value is not None and not (names and all(isinstance(name, str) and name for name in names)):
            raise ValueError('it must be the name of a column, or a list such as ["WhatsApp", "Mobile"]')
        return value

    @field_validator("where", mode="before")
    @classmethod
    def _cells(cls, value: Any) -> Any:
        for column, cells in value.items() if isinstance(value, dict) else ():
            listed = cells if isinstance(cells, list) else [cells]
            if not (listed and all(isinstance(cell, str) for cell in listed)):
                raise ValueError(f'{column} must be a text, such as "Oui", or a list of texts')
        return value

    @field_validator("date_format")
    @classmethod
    def _a_whole_date(cls, value: str | None) -> str | None:
        if value is not None:
            refuse_incomplete(value)
        return value

    @field_validator("delimiter", mode="before")
    @classmethod
    def _named_tab(cls, value: Any) -> Any:
        return "\t" if value == "tab" else value

    def options(
        self,
        required: frozenset[str],
        timezone: str | None,
        sendable: Span | None = None,
        optional: frozenset[str] = frozenset(),
        user_ids: UserIds = ANY_USER_ID,
    ) -> IntakeOptions:
        """How the list is read. `required`: variables that every row must have; `timezone`: for times without an
        offset; `sendable`: now, and when it is too late to send; `optional`: variables that have a default;
        `user_ids`: who is named by the provider's user id alone."""
        return IntakeOptions(
            default_country=self.default_country,
            phone_columns=tuple(_listed(self.phone_column)),
            columns=self.map,
            delimiter=self.delimiter,
            encoding=self.encoding,
            sheet=self.sheet,
            duplicates=self.duplicates,
            landlines=self.landlines,
            required=required,
            optional=optional,
            where={column: frozenset(_listed(cells)) for column, cells in self.where.items()},
            consent=self.consent,
            date_format=self.date_format,
            timezone=timezone,
            sendable=sendable,
            user_ids=user_ids,
        )


def _listed(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else value or []


class PaceSpec(Part):
    """How fast it may go; the lane's and the account's limits hold as well."""

    delay_between: Annotated[StrictInt, Field(ge=0, le=3_600_000)] | None = Field(
        default=None,
        description="least milliseconds between two sends on a lane; default: the provider's own",
    )
    rate: Rate | None = Field(
        default=None, description="most messages of the campaign on a lane, such as 2/s"
    )
    jitter: SomeTime | None = Field(
        default=None, description="each gap is made longer by a random time up to this, such as 2s"
    )
    ramp: list[Annotated[StrictInt, Field(ge=1, le=1_000_000_000)]] | None = Field(
        default=None,
        min_length=1,
        description="most messages on a lane on the first day, the second, …; after the last there is no limit",
    )
    contact_gap: SomeTime | None = Field(
        default=None, description="least time since any campaign last wrote to the person, such as 6h"
    )

    @property
    def gap(self) -> timedelta | None:
        return timedelta(milliseconds=self.delay_between) if self.delay_between is not None else None


class CampaignSpec(Part):
    """A campaign file, as validated."""

    name: str = Field(
        pattern=NAME,
        max_length=80,
        description="unique; lower-case letters, digits, - and _",
    )
    provider: str = Field(
        min_length=1, description="an account of drumbeat.toml: the NAME of [providers.NAME]"
    )
    senders: list[str] = Field(
        min_length=1, description="the account's senders; recipients are spread over them"
    )
    category: Category | Literal["auto"] = Field(
        default=Category.MARKETING, description="what it is for; auto: as the account's list has the template"
    )
    priority: StrictInt = Field(
        default=0, ge=-1000, le=1000, description="higher goes first where campaigns share a lane"
    )
    audience: AudienceSpec = Field(default_factory=AudienceSpec)
    content: ContentSpec = Field(description="what to send; with variants: what they have in common")
    schedule: ScheduleSpec = Field(default_factory=ScheduleSpec)
    pace: PaceSpec = Field(default_factory=PaceSpec)
    tags: list[str] = Field(default=[], description="names that caps can count by")
    caps: list[WhenMet[CapSpec]] = Field(
        default=[], description="how often a person may be written to, across campaigns"
    )
    obeys_caps: StrictBool = Field(
        default=True, description="whether caps hold it back; false for what must always arrive"
    )
    counts_toward_caps: StrictBool = Field(
        default=True, description="whether its messages use up the caps of others"
    )
    hours: WhenMet[HoursSpec] | None = Field(default=None, description="when messages may arrive")
    budget: WhenMet[BudgetSpec] | None = Field(default=None, description="what it may cost")
    consent: WhenMet[ConsentSpec] | None = Field(default=None, description="whether people must have agreed")
    holdout: WhenMet[HoldoutSpec] | None = Field(default=None, description="a group that gets nothing")
    breaker: BreakerSpec = Field(default_factory=BreakerSpec, description="when failures pause it")
    marketing_messages: WhenMet[MarketingMessagesSpec] | None = Field(
        default=None, description="whether it goes through Meta's Marketing Messages API"
    )
    variants: list[WhenMet[VariantSpec]] = Field(
        default=[], description="several messages to try out against each other"
    )
    winner: WhenMet[WinnerSpec] | None = Field(default=None, description="which variant the rest gets")

    @property
    def lanes(self) -> tuple[str, ...]:
        """The names of its lanes: account/sender."""
        return tuple(f"{self.provider}/{sender}" for sender in self.senders)

    @property
    def contents(self) -> Mapping[str | None, ContentSpec]:
        """The contents by variant; without variants, one content under None."""
        return {variant.name: variant.content for variant in self.variants} or {None: self.content}

    @property
    def has_templates(self) -> bool:
        """Whether any of its messages may go as a template."""
        return any(content.template is not None for content in self.contents.values())

    @property
    def optional_variables(self) -> frozenset[str]:
        """Folded names of the variables that have a default."""
        return frozenset(fold(name) for content in self.contents.values() for name in content.defaults)

    @property
    def needed_consent(self) -> Consent | None:
        """The consent that marketing needs; a list that says who agreed is reason enough to ask for it."""
        if self.consent is not None:
            return self.consent.consent
        return Consent(None) if self.audience.consent else None

    @property
    def split(self) -> Split | None:
        """How recipients are assigned to variants; None: no variants."""
        return split_of(self.name, self.variants, self.winner)

    @property
    def test_lasts(self) -> timedelta | None:
        """How long after a launch the winner is chosen; None: a person chooses it, or no recipients wait for it."""
        waits = self.winner is not None and self.winner.test_percent < 100
        return self.winner.after if self.winner and waits else None

    def category_of(self, content: ContentSpec, templates: Sequence[ProviderTemplate]) -> str:
        """The category of its messages with that content. `templates`: those of the account, as far as they are
        known."""
        if isinstance(self.category, Category):
            return self.category.value
        return template_category(content.template, templates)

    @field_validator("senders")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise ValueError("a sender is named twice")
        return value

    @field_validator("variants")
    @classmethod
    def _whole_test(cls, value: list[VariantSpec]) -> list[VariantSpec]:
        refuse_uneven(value)
        return value

    @field_validator("winner")
    @classmethod
    def _in_time(cls, value: WinnerSpec | None, info: ValidationInfo) -> WinnerSpec | None:
        if value is not None and {"variants", "schedule"} <= info.data.keys():
            refuse_unfit(value, info.data["variants"], info.data["schedule"])
        return value

    def to_json(self) -> str:
        return self.model_dump_json(exclude_none=True)

    @classmethod
    def from_json(cls, text: str) -> CampaignSpec:
        """The campaign as `to_json` stored it, whatever bounds counts have had since then."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return read_stored(cls, json.loads(text))

    def changed(self, **tables: Mapping[str, Any]) -> CampaignSpec:
        """A validated copy with some tables' keys replaced, as command-line flags do. Raises SpecError."""
        data = self.model_dump()
        for table, keys in tables.items():
            data[table] = {**data[table], **keys}
        try:
            return CampaignSpec.model_validate(data)
        except ValidationError as error:
            raise SpecError(
                "\n".join(_error_line(detail["loc"], detail) for detail in error.errors())
            ) from error


def _error_line(loc: tuple[int | str, ...], detail: Any) -> str:
    message = str(detail["ctx"]["error"] if detail["type"] == "value_error" else detail["msg"])
    return f"{_flag(*loc) if len(loc) == 2 else '.'.join(map(str, loc))}: {message[:1].lower()}{message[1:]}."


def _flag(table: int | str, key: int | str) -> str:
    """The option that set the key, such as `--at`."""
    if table not in ("audience", "schedule"):
        return f"{table}.{key}"
    return "--at" if key == "starts_at" else f"--{str(key).replace('_', '-')}"


_LISTS: Final = (".csv", ".xlsx", ".xls", ".ods")


def load_spec(path: Path) -> CampaignSpec:
    """The campaign in the file at `path`. Raises NotFound, and SpecError naming file, line and key."""
    if path.suffix.lower() in _LISTS and path.is_file():
        raise SpecError(
            f"{path.name} is a list, not a campaign file.",
            hint=f"drumbeat campaign load SPEC --csv {path}, or drumbeat campaign check {path}",
        )
    return spec_in(read_toml(path))


def spec_in(file: TomlFile) -> CampaignSpec:
    """The campaign in a file that has been read. Raises SpecError naming file, line and key."""
    from campaigns.message.placeholders import foreign_placeholders  # its patterns take long to compile

    try:
        spec = CampaignSpec.model_validate(
            with_whole_variants(file.data), context={"folder": file.path.parent}
        )
    except ValidationError as error:
        raise explain(error, file, CampaignSpec) from error
    for variant, content in spec.contents.items():
        for one in foreign_placeholders(content):
            about = f"variant {variant}, " if variant else ""
            raise file.error(
                loc_of(one.key),
                f"{about}{one.key} has {one.found}, line {one.line} of the text: a placeholder of another tool, which "
                "would be sent unchanged.",
                hint=f"Write {one.here}, with the name of the column; if it is meant as text, "
                "literal_placeholders = true in [content].",
            )
    if spec.category == AUTO and any(content.template is None for content in spec.contents.values()):
        raise file.error(
            ("category",),
            'category = "auto" is the category of the template, and the content has no template.',
            hint="Write marketing, utility, authentication or service.",
        )
    return spec
