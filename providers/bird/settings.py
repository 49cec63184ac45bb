"""A Bird account and its senders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import Field, StrictBool

from providers.settings import AccountSettings, SecretPlace, SenderSettings

UUID: Final = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


class BirdSender(SenderSettings):
    channel_id: str = Field(pattern=UUID)


class BirdAccount(AccountSettings):
    base_url: str = "https://api.bird.com"
    workspace_id: str = Field(pattern=UUID)
    webhook_secret: SecretPlace | None = None
    """The `signingKey` of the webhook subscription."""
    cap_frequency: StrictBool = False
    """Whether Bird's frequency capping applies to marketing messages, in addition to ours."""
    senders: Sequence[BirdSender] = Field(default=[])
