"""Kapso's webhooks with fields dropped, retyped, repeated and nested: no body breaks the reading."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from providers.events import Event, Inbound, Unread, UserId, WindowUntil
from tests.providers.cases.kapso import TABLE, WEBHOOKS
from tests.providers.contract import WebhookCase

ODD = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1e300,
        2**70,
        "",
        "x" * 5000,
        "9" * 40,
        "9999-12-31T23:59:59Z",
        "\u0000",
        [],
        {},
        [[]],
        [{}],
        {"id": []},
    ]
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything in a body."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in _places(each, (*path, key)))]


def _changed(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return deepcopy(odd)
    value[path[0]] = _changed(value[path[0]], path[1:], odd)
    return value


@given(st.data(), st.sampled_from(WEBHOOKS))
def test_a_real_body_with_an_odd_field_is_read_as_far_as_it_goes(data: st.DataObject, row: WebhookCase):
    body = json.loads(row.body)
    for _ in range(data.draw(st.integers(1, 3))):
        body = _changed(body, data.draw(st.sampled_from(_places(body))), data.draw(ODD))
    raw = json.dumps(body).encode()
    events = TABLE.adapter().parse_webhook(row.request(body=raw))
    for event in events:
        assert isinstance(event, Event)
        assert not isinstance(event, Unread)
        moments = [getattr(event, name, None) for name in ("at", "until")]
        assert all(moment is None or moment.utcoffset() is not None for moment in moments)
        if isinstance(event, Inbound | WindowUntil | UserId):
            assert event.phone.startswith("+") if event.phone is not None else event.user_id


def test_a_thousand_messages_in_one_batch_are_all_reported():
    one = json.loads(WEBHOOKS[0].body)
    body = orjson.dumps({"type": "whatsapp.message.received", "batch": True, "data": [one] * 1000})
    events = TABLE.adapter().parse_webhook(WEBHOOKS[0].request(body=body))
    assert events == WEBHOOKS[0].events * 1000
