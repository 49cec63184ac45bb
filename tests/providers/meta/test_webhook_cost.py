"""What a status costs to read: it is what arrives most, up to three for each message sent."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from providers.meta.webhooks import events_in

MOST_CALLS = 24
"""Calls of Python functions for one status."""


def status(number: int) -> dict[str, Any]:
    return {
        "id": f"wamid.{number:054}",
        "status": "delivered",
        "timestamp": str(1_764_576_000 + number),
        "recipient_id": f"4477{number:08}",
        "biz_opaque_callback_data": f"0123456789abcdef.{number}",
        "pricing": {"billable": True, "pricing_model": "PMP", "category": "marketing", "type": "regular"},
    }


def body(size: int) -> dict[str, Any]:
    value = {"metadata": {"phone_number_id": "1"}, "statuses": [status(number) for number in range(size)]}
    return {"entry": [{"id": "2", "changes": [{"field": "messages", "value": value}]}]}


def calls_of_reading(data: dict[str, Any]) -> int:
    calls = 0

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        events_in(data)
    finally:
        sys.setprofile(before)
    return calls


def test_a_status_is_read_without_the_work_that_a_persons_message_needs() -> None:
    assert len(events_in(body(101))) == 101
    assert (calls_of_reading(body(101)) - calls_of_reading(body(1))) / 100 <= MOST_CALLS
