"""Missing secrets are reported before work begins: an error for what sending needs, a warning for webhooks."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from app.wiring.needed_secrets import missing_webhook_secrets, require_secrets
from app.wiring.settings import Settings, load_settings
from campaigns.errors import UsageError
from providers.registry import ADAPTERS, adapter_class
from providers.settings import Secret

KEPT = "env:THE_KEY"


@pytest.fixture(autouse=True)
def the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", "secret")


def settings_of(folder: Path, **webhook_secrets: str) -> Settings:
    """Voicebip accounts by name, each with a webhook secret at that place; an empty one: none."""
    path = folder / "drumbeat.toml"
    tables = [
        f'[providers.{name}]\nadapter = "voicebip"\napi_key = "{KEPT}"\n'
        + (f'webhook_secret = "{place}"\n' if place else "")
        for name, place in webhook_secrets.items()
    ]
    path.write_text("\n".join(tables), encoding="utf-8")
    return load_settings(path)


def test_one_account_without_a_webhook_secret_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_of(tmp_path, well=KEPT, unset="env:NO_SUCH_KEY", bare="")
    with caplog.at_level(logging.WARNING):
        require_secrets(settings, webhooks=True)
    warned = {record.account: record.getMessage() for record in caplog.records}  # type: ignore[attr-defined]
    assert warned.keys() == {"unset", "bare"}
    assert (
        "providers.unset.webhook_secret: The secret env:NO_SUCH_KEY is empty or missing." in warned["unset"]
    )
    assert "export NO_SUCH_KEY=" in warned["unset"]
    assert "webhook_secret is not set" in warned["bare"]
    assert "503" in warned["bare"]


def test_no_account_that_can_receive_is_an_error(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, unset="env:NO_SUCH_KEY", bare="")
    with pytest.raises(UsageError) as caught:
        require_secrets(settings, webhooks=True)
    assert "2 secrets are missing" in str(caught.value)
    assert "providers.bare.webhook_secret" in str(caught.value)
    require_secrets(settings)  # to send needs neither


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_secret_of_an_adapter_is_known(name: str) -> None:
    """A key of the type of a secret is either the one to send with or one of webhooks, and none is missed."""
    model = adapter_class(name).account_settings
    kinds = {key for key, field in model.model_fields.items() if "Secret" in str(field.annotation)}
    account = model.model_construct(adapter=name, **dict.fromkeys(kinds, Secret(KEPT)))
    assert account.webhook_secrets.keys() | {"api_key"} == kinds
    assert bool(account.webhook_secrets) == adapter_class(name).capabilities.webhooks
    bare = model.model_construct(adapter=name, api_key=Secret(KEPT))
    assert {*missing_webhook_secrets(Settings("", {"x": bare}), "x")} or not bare.webhook_secrets


def test_one_of_kapsos_two_signatures_is_enough() -> None:
    model = adapter_class("kapso").account_settings
    secret = Secret(KEPT)
    assert model.model_construct(adapter="kapso", api_key=secret).webhook_secrets == {"webhook_secret": None}
    account = model.model_construct(adapter="kapso", api_key=secret, app_secret=secret)
    assert account.webhook_secrets == {"app_secret": secret}
