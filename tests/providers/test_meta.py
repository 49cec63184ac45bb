"""Cloud API beyond the contract: the published signature vector and the proof of a webhook's address."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from providers.base import WebhookRequest
from providers.meta import Meta, MetaAccount

PUBLISHED_SECRET = "It's a Secret to Everybody"
PUBLISHED = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


@pytest.fixture
def meta(monkeypatch: pytest.MonkeyPatch) -> Meta:
    monkeypatch.setenv("META_SECRET", PUBLISHED_SECRET)
    return Meta(
        MetaAccount.model_validate(
            {
                "adapter": "meta",
                "api_key": "env:META_SECRET",
                "app_secret": "env:META_SECRET",
                "verify_token": "env:META_SECRET",
            }
        )
    )


def test_the_published_vector(meta: Meta) -> None:
    request = WebhookRequest(
        "https://x/", {"x-hub-signature-256": PUBLISHED}, b"Hello, World!", datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert meta.verify(request)


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        (
            {"hub.mode": "subscribe", "hub.verify_token": PUBLISHED_SECRET, "hub.challenge": "1158201444"},
            "1158201444",
        ),
        ({"hub.mode": "subscribe", "hub.verify_token": "guess", "hub.challenge": "1"}, None),
        ({"hub.mode": "other", "hub.verify_token": PUBLISHED_SECRET, "hub.challenge": "1"}, None),
        ({}, None),
    ],
)
def test_the_webhook_address_is_proved_by_the_token(
    meta: Meta, query: dict[str, str], answer: str | None
) -> None:
    assert meta.handshake(query) == answer
