"""Voicebip's webhooks: the one example of its pages, and the other events in the same envelope.

Signed here by the documented algorithm: HMAC-SHA256 of "{timestamp}.{raw body}".
"""

from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime
from typing import Any

from campaigns.states import JobState
from providers.events import Event, Inbound, Preference, Report, WindowUntil
from tests.providers.contract import SECRET, WebhookCase

FROM, TO = "+447700900100", "+447700900123"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SIGNED_AT = "1795176000"
"""NOON, in unix seconds."""

RECEIVED: dict[str, Any] = {
    "event_id": "evt_xxx",
    "event_type": "message.received",
    "channel": "whatsapp",
    "agent_id": "agt_xxx",
    "number": FROM,
    "from": TO,
    "timestamp": "2026-04-09T12:05:00Z",
    "payload": {
        "message_id": "msg_xxx",
        "conversation_id": "conv_xxx",
        "message_type": "text",
        "inbound_message": {
            "message_id": "msg_xxx",
            "body": "I need help with my order",
            "type": "text",
            "received_at": "2026-04-09T12:05:00Z",
        },
    },
}
AT = datetime(2026, 4, 9, 12, 5, tzinfo=UTC)
WROTE = Inbound(TO, AT, FROM, "msg_xxx", "I need help with my order")


def status(word: str, **payload: Any) -> dict[str, Any]:
    return RECEIVED | {"event_type": f"message.{word}", "payload": {"message_id": "msg_xxx", **payload}}


def webhook_case(why: str, body: Any, *events: Event) -> WebhookCase:
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    mark = hmac.digest(SECRET.encode(), b"%s.%s" % (SIGNED_AT.encode(), raw), "sha256").hex()
    headers = {"x-voicebip-signature": f"sha256={mark}", "x-voicebip-timestamp": SIGNED_AT}
    return WebhookCase(why, headers, raw, list(events), received_at=NOON)


WEBHOOKS = [
    webhook_case("Inbound Messages", RECEIVED, WROTE),
    webhook_case(
        "an image came in",
        RECEIVED | {"payload": {"message_id": "msg_xxx"}},
        Inbound(TO, AT, FROM, "msg_xxx"),
    ),
    webhook_case("several in one body", [RECEIVED, RECEIVED], WROTE, WROTE),
    webhook_case("a message by SMS opens no window", RECEIVED | {"channel": "sms"}),
    webhook_case("numbers without a plus", RECEIVED | {"from": TO[1:], "number": FROM[1:]}, WROTE),
    webhook_case(
        "a Mexican number, spelt WhatsApp's way",
        RECEIVED | {"from": "5215512345678"},
        Inbound("+525512345678", AT, FROM, "msg_xxx", "I need help with my order"),
    ),
    webhook_case("nobody's message", RECEIVED | {"from": "anonymous"}),
    *[
        webhook_case(word, status(word), Report("msg_xxx", word, state, AT))
        for word, state in {
            "sent": JobState.SENT,
            "delivered": JobState.DELIVERED,
            "read": JobState.READ,
            "failed": JobState.FAILED,
            "send_failed": JobState.FAILED,
            "pondering": None,
        }.items()
    ],
    webhook_case(
        "failed, and why",
        status("failed", error={"code": 131026, "message": "Message undeliverable"}),
        Report("msg_xxx", "failed", JobState.FAILED, AT, "Message undeliverable", code="131026"),
    ),
    webhook_case(
        "failed, and why in other words",
        status("send_failed", error="No route", error_code="NO_ROUTE"),
        Report("msg_xxx", "send_failed", JobState.FAILED, AT, "No route", code="NO_ROUTE"),
    ),
    webhook_case("a receipt of an SMS", status("delivered") | {"channel": "sms"}),
    webhook_case("a receipt of nothing", status("delivered", message_id=None)),
    webhook_case(
        "no time: when it came",
        status("sent") | {"timestamp": None},
        Report("msg_xxx", "sent", JobState.SENT, NOON),
    ),
    webhook_case(
        "opted out",
        status("opt_out"),
        Preference(TO, "out", "all", AT, "Voicebip: opted out on whatsapp"),
    ),
    webhook_case(
        "opted out, with a number spelt WhatsApp's way",
        status("opt_out") | {"from": "+553188887777"},
        Preference("+5531988887777", "out", "all", AT, "Voicebip: opted out on whatsapp"),
    ),
    webhook_case(
        "opted out by SMS, in a word",
        status("opt_out", inbound_message={"body": "STOP"}) | {"channel": "sms"},
        Preference(TO, "out", "all", AT, "Voicebip: opted out on sms: STOP"),
    ),
    webhook_case(
        "window.closing",
        RECEIVED | {"event_type": "window.closing", "payload": {"conversation_id": "conv_xxx"}},
        WindowUntil(TO, datetime(2026, 4, 9, 13, 5, tzinfo=UTC), FROM),
    ),
    webhook_case(
        "window.closing, with our number as the sender",
        RECEIVED | {"event_type": "window.closing", "from": FROM, "payload": {"to": TO}},
        WindowUntil(TO, datetime(2026, 4, 9, 13, 5, tzinfo=UTC), FROM),
    ),
    webhook_case("a call", RECEIVED | {"event_type": "call.completed", "channel": "voice"}),
    webhook_case("not JSON", b"\xff{"),
]
