"""A Meta account and its senders."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from providers.settings import AccountSettings, SecretPlace, SenderSettings


class MetaSender(SenderSettings):
    phone_number_id: str = Field(pattern=r"^\d+$")


class MetaAccount(AccountSettings):
    base_url: str = "https://graph.facebook.com/v24.0"
    app_secret: SecretPlace | None = None
    """The key of the webhook signatures; without it, webhooks are refused."""
    verify_token: SecretPlace | None = None
    """The token that Meta must send when it verifies the webhook URL."""
    business_account_id: str | None = Field(None, pattern=r"^\d+$")
    """The id of the WhatsApp business account (WABA), of which the templates are listed; without it, they are not
    checked."""
    senders: Sequence[MetaSender] = Field(default_factory=list)
