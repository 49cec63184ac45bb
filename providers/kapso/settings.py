"""A Kapso account and its senders, and the URLs of the two APIs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import Field, model_validator

from providers.settings import AccountSettings, Secret, SecretPlace, SenderSettings

if TYPE_CHECKING:
    from providers.capabilities import Capabilities

BASE_URLS: Final = {
    "current": "https://api.kapso.ai/meta/whatsapp/v24.0",
    "legacy": "https://app.kapso.ai/api/v1",
}
SENDER_KEYS: Final = {"current": "phone_number_id", "legacy": "whatsapp_config_id"}


class KapsoSender(SenderSettings):
    phone_number_id: str | None = Field(None, pattern=r"^[\w-]+$")
    """The sender's id in the current API; every webhook has it, so it is also useful with the legacy API."""
    whatsapp_config_id: str | None = Field(None, pattern=r"^[\w-]+$")
    """The sender's id in the legacy API."""


class KapsoAccount(AccountSettings):
    api: Literal["legacy", "current"] = "current"
    """Which of Kapso's two APIs is used: the one in Meta's format, or the older one with conversations."""
    base_url: str = ""
    """Default: the URL of the chosen API."""
    webhook_secret: SecretPlace | None = None
    """The secret of Kapso's webhook signatures; without it, webhooks are refused."""
    app_secret: SecretPlace | None = None
    """The key of Meta's own signatures, for webhooks of kind "meta" that Kapso passes on without its own."""
    business_account_id: str | None = Field(None, pattern=r"^\d+$")
    """The id of the WhatsApp business account (WABA), of which the templates are listed by the current API; without it,
    they are not checked."""
    senders: Sequence[KapsoSender] = Field(default=[])

    def narrow(self, capabilities: Capabilities) -> Capabilities:
        from providers.kapso.capabilities import LEGACY

        return LEGACY if self.api == "legacy" else capabilities

    @property
    def webhook_secrets(self) -> dict[str, Secret | None]:
        """One of the two is enough; without either, `webhook_secret` is missing."""
        secrets = super().webhook_secrets
        keys = [key for key, secret in secrets.items() if secret is not None] or ["webhook_secret"]
        return {key: secrets[key] for key in keys}

    @model_validator(mode="before")
    @classmethod
    def _address_of_the_api(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("base_url"):
            return {**data, "base_url": BASE_URLS.get(str(data.get("api", "current")), "")}
        return data

    @model_validator(mode="after")
    def _senders_of_the_api(self) -> Self:
        key = SENDER_KEYS[self.api]
        for sender in self.senders:
            if getattr(sender, key) is None:
                raise ValueError(f'the sender {sender.name} needs its {key}, because api = "{self.api}"')
        return self


def sender_id(sender: SenderSettings, api: Literal["legacy", "current"]) -> str:
    """The sender's id in the API."""
    return str(getattr(sender, SENDER_KEYS[api]))
