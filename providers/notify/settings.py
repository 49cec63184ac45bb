"""One `[[notify]]` table of `drumbeat.toml`: whom to notify of what."""

from __future__ import annotations

import re
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from campaigns.notify_events import NotifyEvent
from campaigns.spec.toml_files import NAME
from providers.settings import SecretPlace


class NotifySettings(BaseModel):
    """Where to, and on which events."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
        defer_build=True,
    )

    name: str = Field(pattern=NAME, description="its name in `drumbeat notify`; unique")
    events: tuple[NotifyEvent, ...] = Field(
        default_factory=lambda: tuple(NotifyEvent),
        min_length=1,
        description=f"what to notify of: {', '.join(NotifyEvent)}",
    )
    apprise: SecretPlace | None = Field(
        default=None,
        description="the place of an address of apprise, which holds a password: `env:NAME` or `file:PATH`",
    )
    url: str | None = Field(default=None, description="or the address of a webhook, which is signed")
    secret: SecretPlace | None = Field(
        default=None, description="the place of the secret that signs it: `env:NAME` or `file:PATH`"
    )
    rejects_above: int = Field(
        default=0, ge=0, description="`rejects` comes when more rows of a list than this were rejected"
    )
    phones: bool = Field(
        default=False, description="true: phone numbers may be named, such as those in doubt"
    )

    @field_validator("url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s#]*)?", value):
            raise ValueError('a url is written as "https://host/path", without a password in it')
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.apprise is None) == (self.url is None):
            raise ValueError('give either apprise = "env:NAME" or url = "https://…" with its secret')
        if (self.url is None) != (self.secret is None):
            raise ValueError('url and secret go together: secret = "env:NAME" signs what is sent to the url')
        return self
