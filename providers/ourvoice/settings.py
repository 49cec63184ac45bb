"""An Our Voice account and its senders."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from campaigns.money.costs import NO_CURRENCY
from providers.settings import AccountSettings, SenderSettings


class OurVoiceSender(SenderSettings):
    session_id: str = Field(min_length=1)


class OurVoiceAccount(AccountSettings):
    base_url: str = "https://api.getourvoice.com"
    senders: Sequence[OurVoiceSender] = Field(default=[])
    currency: str = Field(NO_CURRENCY, pattern=r"^[A-Z]{3}$")
    """The account's billing currency; Our Voice's answers do not include it."""
