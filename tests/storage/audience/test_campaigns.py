"""A stored campaign, and what is known of it without the models of its whole file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from campaigns.states import CampaignState
from storage.audience.campaigns import Campaign
from tests.support.accounts import TEMPLATE
from tests.support.campaigns import spec
from tests.support.cases import each

BOTH = {"text": "Hi", "template": TEMPLATE}
ONE = {"name": "a", "share": 50, "content": {"text": "Hi"}}


@each(
    ("tables", "has_templates"),
    [
        ({}, False),
        ({"content": BOTH}, True),
        ({"content": {"images": [{"url": "https://host/a.png"}]}}, False),
        ({"content": {"text": "Hi", "catalog": {}}}, False),
        ({"content": {"text": "Hi", "location_request": True, "template": TEMPLATE}}, True),
        ({"content": {"contacts": [{"formatted_name": "Ada"}]}}, False),
        ({"content": {"template": TEMPLATE}}, True),
        ({"schedule": {"cron": "0 9 * * 1", "timezone": "Europe/Paris"}}, False),
        ({"schedule": {"at": datetime(2026, 12, 24, 9, tzinfo=UTC), "expires_after": "12h"}}, False),
        ({"variants": [ONE, {**ONE, "name": "b", "content": {"template": TEMPLATE}}]}, True),
        ({"variants": [ONE, {**ONE, "name": "b"}], "content": BOTH}, False),
    ],
)
def test_lanes_and_templates_are_as_in_its_file(tables: dict[str, Any], has_templates: bool) -> None:
    file = spec("spring", provider="meta", senders=["two", "one"], **tables)
    stored = Campaign(1, "spring", CampaignState.DRAFT, None, file.to_json(), None, datetime.now(UTC))
    assert stored.lanes == file.lanes == ("meta/two", "meta/one")
    assert stored.has_templates == file.has_templates == has_templates
    assert stored.types == file.content.types
    assert stored.schedule == file.schedule
    assert "spec" not in vars(stored)
