"""An account and its senders, as `drumbeat.toml` writes them. An adapter with keys of its own subclasses these."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from campaigns.errors import UsageError
from campaigns.pace import Duration, Rate


@dataclass(frozen=True)
class Secret:
    """Where a secret is, `env:NAME` or `file:PATH`; it is read when used and never kept, printed or stored."""

    place: str

    def reveal(self) -> str:
        """The secret itself. Raises UsageError where the variable or the file is not there."""
        kind, _, where = self.place.partition(":")
        if kind == "env":
            value = os.environ.get(where, "")
        else:
            path = Path(where).expanduser()
            value = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
        if not value:
            raise UsageError(f"The secret {self.place} is empty or missing.", hint=f"Set it: {_how_to_set(kind, where)}")
        return value

    def __repr__(self) -> str:
        return f"Secret({self.place!r})"


def _how_to_set(kind: str, where: str) -> str:
    return f"export {where}=…" if kind == "env" else f"write it to {where}"


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

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    adapter: str
    base_url: str
    api_key: SecretPlace
    rate: Rate | None = None
    senders: Sequence[SenderSettings] = Field(default_factory=list)
    timeout: Duration = timedelta(seconds=30)
    """The longest wait for an answer; past it the message is in doubt."""
    settle_after: Duration = timedelta(seconds=30)
    """How long after an unanswered call the provider's list is trusted to show what it took."""
