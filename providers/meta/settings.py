"""A Meta account and its senders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

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
    marketing_messages: Literal["fallback", "strict"] | None = None
    """Send templates of marketing campaigns through the Marketing Messages API: `fallback` lets Meta send them through
    Cloud API where the account is not ready for it, `strict` does not. Without it, all goes through Cloud API."""
    share_activity: bool | None = None
    """Whether Meta may use the activity of these messages, such as reads, to optimize them; default: the account's own
    setting at Meta."""
    senders: Sequence[MetaSender] = Field(default=[])

    @model_validator(mode="after")
    def _activity_of_marketing(self) -> Self:
        if self.share_activity is not None and self.marketing_messages is None:
            raise ValueError(
                "share_activity needs marketing_messages: it concerns messages sent through that API"
            )
        return self
