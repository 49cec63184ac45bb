"""A Voicebip account and its senders."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from providers.settings import AccountSettings, SecretPlace, SenderSettings


class VoicebipSender(SenderSettings):
    agent_id: str = Field(min_length=1)
    number: str = Field(pattern=r"^\+[1-9][0-9]{6,14}$")
    """`from_number`; Voicebip requires it in every call."""


class VoicebipAccount(AccountSettings):
    base_url: str = "https://api.voicebip.com"
    senders: Sequence[VoicebipSender] = Field(default=[])
    webhook_secret: SecretPlace | None = None
    """The key of Voicebip's webhook signatures; without it, webhooks are refused."""
