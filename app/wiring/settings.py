"""The settings: `drumbeat.toml`, overridden by `DRUMBEAT_…` variables, overridden by flags; parsed once."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from app.wiring.environment import from_environment
from campaigns.approval import ApprovalLimits
from campaigns.errors import NotFound, SpecError
from campaigns.frozen import frozen
from campaigns.message.part import Unmet, WhenMet
from campaigns.money.costs import Money
from campaigns.nearest import nearest
from campaigns.rules.caps import Cap
from campaigns.spec.toml_files import TomlFile, explain, read_toml
from campaigns.spec.values import LEAST_AGE, Amount, CurrencyCode, SomeTime
from providers.registry import ADAPTERS, account_settings
from providers.settings import AccountSettings

if TYPE_CHECKING:
    from campaigns.spec.cap_spec import CapSpec
    from providers.notify.settings import NotifySettings
else:
    CapSpec = Unmet("campaigns.spec.cap_spec", "CapSpec")
    NotifySettings = Unmet("providers.notify.settings", "NotifySettings")

FILE_NAME: Final = "drumbeat.toml"
DEFAULT_URL: Final = "sqlite:///drumbeat.db"


class DatabaseSettings(BaseModel):
    """Where everything is stored."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    url: str = Field(
        default=DEFAULT_URL,
        description="sqlite:///FILE, relative to drumbeat.toml, or postgresql://USER@HOST/NAME",
    )

    @field_validator("url")
    @classmethod
    def _known_kind(cls, value: str) -> str:
        if not re.match(r"(sqlite(\+\w+)?://(/|$)|postgresql(\+\w+)?://)", value):
            raise ValueError("a database is written as sqlite:///FILE or postgresql://USER@HOST/NAME")
        return value


class ServerSettings(BaseModel):
    """The address under which providers reach this server."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    public_url: str | None = Field(
        default=None,
        description="the address that providers were given, such as https://hooks.example.com; some sign it",
    )

    certificate: str | None = Field(
        default=None, description="a file with the certificate chain, for TLS without a proxy"
    )
    key: str | None = Field(default=None, description="the file with the certificate's private key")
    trusted_proxies: list[str] = Field(
        default=[],
        description="addresses of proxies on other machines that speak TLS with browsers and pass requests on",
    )

    @model_validator(mode="after")
    def _both_files(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together: two files in PEM form")
        return self

    @field_validator("public_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", value):
            raise ValueError('a public_url is written as "https://host" or "https://host/path"')
        return value


class ApprovalSettings(BaseModel):
    """Limits above which a campaign needs an approval before it is launched."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    recipients: int | None = Field(
        default=None, ge=0, description="a campaign to more recipients needs `drumbeat campaign approve`"
    )
    amount: Amount | None = Field(
        default=None,
        description='so does one that may cost more than this, such as "500.00", or whose cost is not known',
    )
    currency: CurrencyCode | None = Field(
        default=None, description="the amount's; three letters, such as USD"
    )

    second_person: bool = Field(
        default=False, description="true: whoever loaded a campaign cannot approve it; another user must"
    )

    @model_validator(mode="after")
    def _whole_amount(self) -> Self:
        if (self.amount is None) != (self.currency is None):
            raise ValueError('amount and currency go together: amount = "500.00", currency = "USD"')
        return self

    @property
    def limits(self) -> ApprovalLimits:
        amount = Money(self.amount, self.currency) if self.amount and self.currency else None
        return ApprovalLimits(self.recipients, amount)


def _old_enough(value: timedelta) -> timedelta:
    if value < LEAST_AGE:
        raise ValueError(
            f"a receipt may come {LEAST_AGE.days} days after its message: write {LEAST_AGE.days}d or more"
        )
    return value


class RetentionSettings(BaseModel):
    """How long personal data is kept; once a day the runner deletes what is older. Data without an age is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    messages: Annotated[SomeTime, AfterValidator(_old_enough)] | None = Field(
        default=None, description="messages and lists of ended campaigns, such as 90d; at least 30d"
    )
    inbound: SomeTime | None = Field(default=None, description="messages from people, and closed windows")
    webhooks: SomeTime | None = Field(default=None, description="stored webhooks, once they are processed")
    evidence: SomeTime | None = Field(
        default=None, description="evidence of opt-outs; the opt-outs themselves stay"
    )

    @property
    def ages(self) -> dict[str, timedelta]:
        return {kind: age for kind, age in self if age is not None}


class DraftsSettings(BaseModel):
    """How much disk space the drafts of the pages may take, with their lists and uploaded media."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    max_mb: int = Field(default=512, ge=1, description="MB that one draft may hold")
    max_mb_together: int = Field(default=10_240, ge=1, description="MB that all drafts together may hold")


class _Written(BaseModel):
    """The three sources laid over each other: flags, environment, file."""

    # A secret in the wrong place must not be repeated.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    database: DatabaseSettings = Field(default={}, validate_default=True)
    server: WhenMet[ServerSettings] = Field(default_factory=ServerSettings.model_construct)
    providers: dict[str, dict[str, Any]] = Field(default={})
    caps: list[WhenMet[CapSpec]] = Field(default=[])
    approval: WhenMet[ApprovalSettings] = Field(default_factory=ApprovalSettings.model_construct)
    retention: WhenMet[RetentionSettings] = Field(default_factory=RetentionSettings.model_construct)
    drafts: WhenMet[DraftsSettings] = Field(default_factory=DraftsSettings.model_construct)
    notify: list[WhenMet[NotifySettings]] = Field(default=[])

    @field_validator("notify")
    @classmethod
    def _named_once(cls, tables: list[NotifySettings]) -> list[NotifySettings]:
        names = [table.name for table in tables]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two [[notify]] tables have the same name: {', '.join(twice)}")
        return tables


@frozen
class Settings:
    """Everything that is set, checked."""

    database_url: str
    accounts: Mapping[str, AccountSettings] = field(default_factory=dict)
    path: Path | None = None
    """The drumbeat.toml that was found."""
    public_url: str | None = None
    """The address that providers were given."""
    caps: tuple[Cap, ...] = ()
    """The caps of drumbeat.toml: they apply to every campaign that obeys caps."""
    approval: ApprovalLimits = field(default_factory=ApprovalLimits)
    """The limits above which a campaign needs approval."""
    retention: Mapping[str, timedelta] = field(default_factory=dict)
    """Kind of data -> how long it is kept; other kinds are kept."""
    certificate: tuple[Path, Path] | None = None
    """The files of the certificate and its key, for TLS without a proxy."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses of proxies that speak TLS with browsers."""
    second_person: bool = False
    """Whether somebody else must approve than who loaded the campaign."""
    notify: tuple[NotifySettings, ...] = ()
    """Whom to notify of what."""
    drafts: DraftsSettings = field(default_factory=DraftsSettings)
    """How much room drafts may take."""

    @property
    def sqlite_file(self) -> Path | None:
        """The database's file, where it is SQLite in a file."""
        kind, _, place = self.database_url.partition(":///")
        if not kind.startswith("sqlite") or place in ("", ":memory:"):
            return None
        return Path(place.partition("?")[0])

    @property
    def lanes(self) -> frozenset[str]:
        """Every sender, as ACCOUNT/SENDER."""
        return frozenset(
            f"{name}/{sender.name}" for name, account in self.accounts.items() for sender in account.senders
        )

    def account(self, name: str) -> AccountSettings:
        """The account of that name. Raises NotFound, naming the nearest one."""
        if name in self.accounts:
            return self.accounts[name]
        guess = nearest(name.lower(), self.accounts)
        where = self.path.name if self.path else FILE_NAME
        raise NotFound(
            f"There is no [providers.{name}] in {where}.",
            hint=f"Did you mean {guess}?"
            if guess
            else f"Add [providers.{name}] to {where}; drumbeat init writes an example.",
        )


def find_config(start: Path) -> Path | None:
    """The nearest drumbeat.toml in `start` or a folder above it."""
    places = (folder / FILE_NAME for folder in (start, *start.parents))
    return next((path for path in places if path.is_file()), None)


def load_settings(
    config: Path | None = None, database: str | None = None, folder: Path | None = None
) -> Settings:
    """The settings of a command run in `folder`. Raises NotFound, SpecError naming file, line and key."""
    folder = folder or Path.cwd()
    path = config or find_config(folder)
    file = read_toml(path) if path else TomlFile(folder / FILE_NAME, "", {})
    written = _lay_over(file, {"database": {"url": database}} if database else {}, folder)
    accounts = {name: _account(name, values, file) for name, values in written.providers.items()}
    caps = tuple(cap.cap for cap in written.caps)
    return Settings(
        _resolved(written.database.url, folder),
        accounts,
        path,
        written.server.public_url,
        caps,
        written.approval.limits,
        written.retention.ages,
        _files(written.server, path.parent if path else folder),
        tuple(written.server.trusted_proxies),
        written.approval.second_person,
        tuple(written.notify),
        written.drafts,
    )


def _files(server: ServerSettings, folder: Path) -> tuple[Path, Path] | None:
    if server.certificate is None or server.key is None:
        return None
    return folder / server.certificate, folder / server.key


def _lay_over(file: TomlFile, flags: Mapping[str, Any], folder: Path) -> _Written:
    data = dict(file.data)
    base = file.path.parent
    table = data.get("database", {})
    if isinstance(table, dict):
        # A path in the file is beside the file; one from a flag or a variable is where the command runs.
        url = table.get("url", DEFAULT_URL)
        data["database"] = {**table, "url": _resolved(url, base) if isinstance(url, str) else url}
    try:
        return _Written.model_validate(_merged(data, from_environment(_Written), flags))
    except ValidationError as error:
        raise _set_elsewhere(error, flags) or explain(error, file, _Written, hide=True) from error


def _merged(*sources: Mapping[str, Any]) -> dict[str, Any]:
    """Key by key; a later source wins."""
    merged: dict[str, Any] = {}
    for source in sources:
        for key, value in source.items():
            under = merged.get(key)
            if isinstance(under, dict) and isinstance(value, dict):
                value = _merged(under, value)
            merged[key] = value
    return merged


def _set_elsewhere(
    error: ValidationError, flags: Mapping[str, Any], within: tuple[str, ...] = ()
) -> SpecError | None:
    """The problem with a key that a flag or a variable sets, naming that and not the file."""
    detail = error.errors()[0]
    keys = tuple(map(str, (*within, *detail["loc"])))
    variable = f"DRUMBEAT_{'__'.join(keys)}".upper()
    place = "--database" if flags and keys == ("database", "url") else variable
    if place == variable and variable not in {name.upper() for name in os.environ}:
        return None
    problem = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else detail["msg"]
    return SpecError(f"{place}: {problem}.")


def _resolved(url: str, folder: Path) -> str:
    kind, separator, place = url.partition(":///")
    if not kind.startswith("sqlite") or place in ("", ":memory:"):
        return url
    return f"{kind}{separator}{(folder / place).absolute()}"


def _account(name: str, values: Mapping[str, Any], file: TomlFile) -> AccountSettings:
    within = ("providers", name)
    adapter = values.get("adapter")
    if not isinstance(adapter, str):
        raise file.error(within, f'providers.{name}.adapter is missing; write adapter = "ourvoice".')
    if adapter not in ADAPTERS:
        guess = nearest(adapter.lower(), ADAPTERS)
        hint = f"Did you mean {guess}?" if guess else f"Known: {', '.join(sorted(ADAPTERS))}."
        raise file.error((*within, "adapter"), f"providers.{name}.adapter is not a known adapter.", hint=hint)
    model = account_settings(adapter)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _set_elsewhere(error, {}, within) or explain(error, file, model, within, hide=True) from error
