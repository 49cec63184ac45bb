"""An account and its senders as `drumbeat.toml` writes them. An adapter with own keys subclasses these."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from campaigns.errors import UsageError
from campaigns.pace import Duration, Rate


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
                f"The secret {self.place} holds characters that no key has.", hint="Copy it again."
            )
        return value

    def __repr__(self) -> str:
        return f"Secret({self.place!r})"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
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
    timeout: Annotated[Duration, Field(gt=timedelta())] = timedelta(seconds=30)
    """The longest wait for an answer; past it the message is in doubt."""
    settle_after: Duration = timedelta(seconds=30)
    """How long after an unanswered call the provider's list is trusted to show what it took."""

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
