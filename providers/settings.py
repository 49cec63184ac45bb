"""An account and its senders as `drumbeat.toml` writes them. An adapter with own keys subclasses these."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from campaigns.bounded_files import read_whole
from campaigns.errors import InvalidInput, NotFound, UsageError
from campaigns.money.costs import Money
from campaigns.money.prices import CARD_NAME
from campaigns.phones.phone import calling_code, is_country
from campaigns.time.pace import Duration, Rate


@dataclass(frozen=True)
class Secret:
    """Where a secret is, `env:NAME` or `file:PATH`; it is read when used and never printed or stored."""

    place: str

    def reveal(self) -> str:
        """The secret itself. Raises UsageError where it is missing, unreadable or not fit for a header."""
        kind, _, where = self.place.partition(":")
        value = (os.environ.get(where, "") if kind == "env" else _read(Path(where).expanduser())).strip()
        if not value:
            raise UsageError(f"The secret {self.place} is empty or missing.", hint=_how_to_set(kind, where))
        if not (value.isascii() and value.isprintable()):
            raise UsageError(
                f"The secret {self.place} holds a character that no key has, such as an accented letter, a curly "
                "quotation mark or a line break.",
                hint="Copy it again, and nothing beside it.",
            )
        return value

    @property
    def file(self) -> Path | None:
        """Where it is, if in a file."""
        kind, _, where = self.place.partition(":")
        return Path(where).expanduser() if kind == "file" else None

    def __repr__(self) -> str:
        return f"Secret({self.place!r})"


def _read(path: Path) -> str:
    """What is not UTF-8 has U+FFFD in it, which no key has."""
    try:
        return read_whole(path).decode("utf-8-sig", errors="replace")
    except (InvalidInput, NotFound):
        return ""


def _how_to_set(kind: str, where: str) -> str:
    return f"Set it: export {where}=…" if kind == "env" else f"Write it to {where}, readable by this user."


def _secret(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"env:\w+|file:.+", value):
        return Secret(value)
    if isinstance(value, Secret):
        return value
    raise ValueError("a secret is written as env:NAME or file:PATH, never as itself")


SecretPlace = Annotated[Secret, BeforeValidator(_secret)]


def _flat_price(value: Any) -> Any:
    if isinstance(value, Money):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d{1,6})?)\s+([A-Z]{3})\s*", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('a price is written as an amount and a currency, such as "10 XOF" or "0.004 USD"')
    return Money(Decimal(match[1]), match[2])


FlatPrice = Annotated[Money, BeforeValidator(_flat_price)]


def _country(value: str) -> str:
    if not is_country(value.upper()):
        raise ValueError('a country is written as its two letters, such as "BJ" or "FR"')
    return value.upper()


CountryCode = Annotated[str, AfterValidator(_country)]


class SenderSettings(BaseModel):
    """One lane: a sender identity at the account."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    number: str | None = None
    rate: Rate | None = None


class AccountSettings(BaseModel):
    """Provider credentials and the limits its lanes share."""

    # A key written out by mistake must not be repeated by the error that says so.
    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True
    )

    adapter: str
    base_url: str
    api_key: SecretPlace
    rate: Rate | None = None
    senders: Sequence[SenderSettings] = Field(default_factory=list)
    tier: Annotated[int, Field(ge=1)] | None = None
    """The most people that its senders together may reach outside a window in any 24 hours."""
    pair_gap: Duration | None = None
    """The least time between two messages from one sender to one person; default: what its provider asks for."""
    rates: Annotated[str, Field(pattern=CARD_NAME)] | None = None
    """The name of its rate cards: `drumbeat rates import` gives it."""
    price: FlatPrice | None = None
    """What each message costs where there is no rate card, such as "10 XOF"."""
    authentication_international_from: CountryCode | None = None
    """Where the business is based, once Meta charges it authentication-international rates in other countries."""
    timeout: Annotated[Duration, Field(gt=timedelta())] = timedelta(seconds=30)
    """The longest wait for an answer; past it the message is in doubt."""
    settle_after: Duration = timedelta(seconds=30)
    """How long after an unanswered call the provider's list is trusted to show what it took."""

    @property
    def home_code(self) -> str | None:
        """The calling code in which authentication messages cost no international rate; None: none costs it."""
        home = self.authentication_international_from
        return calling_code(home) if home else None

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
            raise ValueError("say either rates or price: a message has one price")
        return self
