"""Accounts, senders and where their secrets are; which adapters there are."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest
from pydantic import ValidationError

from campaigns.errors import UsageError
from campaigns.message.content import MessageType
from providers.ourvoice.settings import OurVoiceAccount
from providers.registry import ADAPTERS, adapter_class, capabilities_of, providers_that_send
from providers.settings import Secret
from scheduler.sending.lanes import open_account
from tests.providers.contract import table_of

KEYS = {"adapter": "ourvoice", "api_key": "env:KEY"}
SHOP = {"name": "shop", "session_id": "a3f1b2c4-1234-4abc-9def-000011112222"}


def test_an_account_as_the_settings_file_has_it():
    account = OurVoiceAccount.model_validate(
        KEYS
        | {"rate": "20/s", "timeout": "5s", "senders": [SHOP | {"rate": "5/s", "number": "+22997000000"}]}
    )
    assert account.base_url == "https://api.getourvoice.com"
    assert account.currency == "XXX"
    assert account.timeout == timedelta(seconds=5)
    assert account.senders[0].session_id == SHOP["session_id"]
    assert repr(account.api_key) == "Secret('env:KEY')"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"base_url": "api.example.com"}, "base_url"),
        ({"base_url": "ftp://example.com"}, "base_url"),
        ({"base_url": "https://user:pass@example.com"}, "base_url"),
        ({"base_url": "https://example.com/?key=1"}, "base_url"),
        ({"currency": "francs"}, "currency"),
        ({"timeout": "0s"}, "timeout"),
        ({"senders": [SHOP, SHOP]}, "same name: shop"),
        ({"senders": [{"name": "shop"}]}, "session_id"),
        ({"senders": [SHOP | {"name": "My Shop"}]}, "name"),
    ],
)
def test_what_an_account_cannot_be(change, words):
    with pytest.raises(ValidationError, match=words):
        OurVoiceAccount.model_validate(KEYS | change)


def test_a_trailing_slash_of_the_base_url_is_dropped():
    assert OurVoiceAccount.model_validate(
        KEYS | {"base_url": "http://127.0.0.1:1/ourvoice/"}
    ).base_url.endswith("e")


def test_a_secret_is_read_from_its_place(monkeypatch, tmp_path):
    monkeypatch.setenv("KEY", " from-env\n")
    assert Secret("env:KEY").reveal() == "from-env"
    (tmp_path / "key").write_text("from-file\n")
    assert Secret(f"file:{tmp_path / 'key'}").reveal() == "from-file"


@pytest.mark.parametrize(
    "content",
    [None, b"", b" \n", b"\xff\xfe", "clé".encode(), b"two\nlines", "cl\u00e9".encode("latin-1"), b"a\0b"],
)
def test_a_missing_secret_is_reported_with_its_place(content, tmp_path):
    place = tmp_path / "key"
    if content is not None:
        place.write_bytes(content)
    with pytest.raises(UsageError, match="key") as caught:
        Secret(f"file:{place}").reveal()
    assert caught.value.hint
    assert ("a character that keys never have" in str(caught.value)) == bool((content or b"").strip())


@pytest.mark.parametrize("value", ["cl\u00e9-secrete", "\u201csk-live\u201d", "sk\udcfflive"])
@pytest.mark.parametrize("name", ADAPTERS)
def test_a_secret_of_other_characters_is_named_when_its_account_is_opened(monkeypatch, name, value):
    monkeypatch.setenv("SHOP_KEY", value)
    settings = table_of(name).settings().model_copy(update={"api_key": Secret("env:SHOP_KEY")})
    with pytest.raises(
        UsageError, match="The secret env:SHOP_KEY contains a character that keys never have"
    ) as caught:
        open_account("shop", settings)
    assert value not in str(caught.value)
    assert "codec" not in str(caught.value)


def test_a_device_is_no_secret() -> None:
    with pytest.raises(UsageError, match="is empty or missing"):
        Secret("file:/dev/zero").reveal()


def test_an_unknown_adapter_names_the_known_ones():
    with pytest.raises(UsageError) as caught:
        adapter_class("pigeon")
    assert "pigeon" in str(caught.value)
    assert "ourvoice" in caught.value.hint


def test_who_can_send_what():
    assert "ourvoice" in providers_that_send(MessageType.AUDIO)


def test_the_registry_alone_loads_no_adapter_and_no_http_library():
    names = ("httpx", "aiohttp", "providers.ourvoice")
    code = f"import providers.registry, sys; print([name for name in {names} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ADAPTERS)
def test_what_a_provider_can_do_is_the_same_with_and_without_its_adapter(name: str) -> None:
    assert capabilities_of(name) is adapter_class(name).capabilities
