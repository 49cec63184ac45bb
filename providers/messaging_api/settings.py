"""A Messaging API account and its senders."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from providers.settings import AccountSettings, SenderSettings


class MessagingApiSender(SenderSettings):
    business_whatsapp_number_id: str = Field(min_length=1)


class MessagingApiAccount(AccountSettings):
    senders: Sequence[MessagingApiSender] = Field(default=[])
