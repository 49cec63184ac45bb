"""An account and its senders as in `drumbeat.toml`. Adapters with additional keys subclass these."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from campaigns.bounded_files import read_whole
from campaigns.errors import InvalidInput, NotFound, UsageError
from campaigns.frozen import frozen
from campaigns.money.costs import Money
from campaigns.spec.toml_files import NAME
from campaigns.time.pace import Duration, Rate

if TYPE_CHECKING:
    from providers.capabilities import Capabilities


@frozen
class Secret:
    """A reference to a secret, `env:NAME` or `file:PATH`; the secret is read when used and never printed or stored."""

    place: str

    def reveal(self) -> str:
        """The secret. Raises UsageError if it is missing, unreadable or not valid in a header."""
        kind, _, where = self.place.partition(":")
        value = (os.environ.get(where, "") if kind == "env" else _read(Path(where).expanduser())).strip()
        if not value:
            raise UsageError(f"The secret {self.place} is empty or missing.", hint=_how_to_set(kind, where))
        if not (value.isascii() and value.isprintable()):
            raise UsageError(
                f"The secret {self.place} contains a character that keys never have, such as an accented letter, "
                "a curly quotation mark or a line break.",
                hint="Copy the key again, without anything around it.",
            )
        return value

    @property
    def file(self) -> Path | None:
        """The file's path, if the secret is in a file."""
        kind, _, where = self.place.partition(":")
        return Path(where).expanduser() if kind == "file" else None

    def __repr__(self) -> str:
        return f"Secret({self.place!r})"


def reveal_key(secret: Secret | None, key: str) -> str:
    """The secret of an optional key of the account. Raises UsageError if it is missing, also from the settings."""
    if secret is None:
        raise UsageError(f"{key} is not set.", hint=f'Add {key} = "env:NAME" or "file:PATH" to the account.')
    return secret.reveal()


def _read(path: Path) -> str:
    """Bytes that are not UTF-8 become U+FFFD, which keys never have."""
    try:
        return read_whole(path).decode("utf-8-sig", errors="replace")
    except (InvalidInput, NotFound):
        return ""


def _how_to_set(kind: str, where: str) -> str:
    return (
        f"Set the variable: export {where}=…"
        if kind == "env"
        else f"Write the secret to {where}, readable by this user."
    )


def _secret(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"env:\w+|file:.+", value):
        return Secret(value)
    if isinstance(value, Secret):
        return value
    raise ValueError("write a secret as env:NAME or file:PATH, never the secret itself")


SecretPlace = Annotated[Secret, BeforeValidator(_secret)]


def _is_secret(field: FieldInfo) -> bool:
    """Whether the key's type is `SecretPlace`, or that or None."""
    kinds = (field.annotation, *get_args(field.annotation))
    return Secret in kinds or SecretPlace in kinds


def _flat_price(value: Any) -> Any:
    if isinstance(value, Money):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d{1,6})?)\s+([A-Z]{3})\s*", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('a price is written as an amount and a currency, such as "10 XOF" or "0.004 USD"')
    return Money(Decimal(match[1]), match[2])


def _zone(name: str) -> str:
    from campaigns.time.zones import find_zone

    return find_zone(name).key


FlatPrice = Annotated[Money, BeforeValidator(_flat_price)]


def _country(value: str) -> str:
    from campaigns.phones.phone import is_country

    if not is_country(value.upper()):
        raise ValueError('a country is written as its two letters, such as "BJ" or "FR"')
    return value.upper()


CountryCode = Annotated[str, AfterValidator(_country)]


class SenderSettings(BaseModel):
    """One lane: a sender identity at the account."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    name: str = Field(pattern=NAME)
    number: str | None = None
    rate: Rate | None = None


class AccountSettings(BaseModel):
    """Provider credentials and the limits its lanes share."""

    # An error about a key pasted here by mistake must not repeat it.
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
        defer_build=True,
    )

    adapter: str
    base_url: str
    api_key: SecretPlace
    rate: Rate | None = None
    senders: Sequence[SenderSettings] = Field(default=[])
    tier: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """The most people whom the senders together may reach outside a window within 24 hours; a lower limit that the
    provider shows holds as well."""
    pair_gap: Duration | None = None
    """The least time between two messages from one sender to one person; default: the provider's limit."""
    rates: Annotated[str, Field(pattern=NAME)] | None = None
    """The name of the rate cards, as given to `drumbeat rates import`."""
    rates_timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    """The account's time zone at the provider, such as Europe/Paris: new rates apply from midnight there."""
    price: FlatPrice | None = None
    """The price of each message without a rate card, such as "10 XOF"."""
    authentication_international_from: CountryCode | None = None
    """Where the business is based, once Meta charges it authentication-international rates in other countries."""
    timeout: Annotated[Duration, Field(gt=timedelta())] = timedelta(seconds=30)
    """The longest wait for an answer; after it the message is in doubt."""
    settle_after: Duration = timedelta(seconds=30)
    """How long after an unanswered call the provider's list can be relied on to show accepted messages."""

    def narrow(self, capabilities: Capabilities) -> Capabilities:
        """What this account can do of what its provider can: an account of a provider with several APIs uses one."""
        return capabilities

    @property
    def webhook_secrets(self) -> dict[str, Secret | None]:
        """The secrets that the provider's webhooks are verified with, by their keys; None: not in the settings."""
        keys = type(self).model_fields.items()
        return {key: getattr(self, key) for key, field in keys if key != "api_key" and _is_secret(field)}

    @property
    def home_code(self) -> str | None:
        """The calling code without international rates for authentication messages; None: such rates never apply."""
        home = self.authentication_international_from
        if home is None:
            return None
        from campaigns.phones.phone import calling_code

        return "+77" if home == "KZ" else calling_code(home)  # Russia has +7 too

    @field_validator("base_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", value):
            raise ValueError(
                'a base_url is written as "https://host" or "https://host/path", without a key in it'
            )
        return value.rstrip("/")

    @field_validator("senders")
    @classmethod
    def _named_once(cls, senders: Sequence[SenderSettings]) -> Sequence[SenderSettings]:
        names = [sender.name for sender in senders]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two senders have the same name: {', '.join(twice)}")
        return senders

    @model_validator(mode="after")
    def _one_price(self) -> Self:
        if self.rates is not None and self.price is not None:
            raise ValueError("give either rates or price: a message has one price")
        return self
