"""Bird's webhooks: each signed by the documented algorithm, with what it tells."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from campaigns.states import JobState
from providers.events import Event, Inbound, NotUnderstood, Report, UserId
from tests.providers.contract import SECRET, WebhookCase

CHANNEL = "0a5c7a3e-2222-4c7e-9d4b-5d2f1c000002"
TO = "+31612345678"
ID = "123e4567-e89b-12d3-a456-426614174000"
CONNECTOR = {"connector": {"id": ID, "identifierValue": "text", "annotations": {"name": "text"}}}
HOOK = "https://shop.example/webhooks/bird"
AT = datetime(2024, 4, 24, 14, 45, 9, 682000, tzinfo=UTC)


def signature(key: str, timestamp: str, url: str, body: bytes) -> str:
    """As Bird's page on verifying webhooks describes it: the body's hash goes in as bytes, not as hex."""
    text = b"\n".join([timestamp.encode(), url.encode(), hashlib.sha256(body).digest()])
    return base64.b64encode(hmac.digest(key.encode(), text, "sha256")).decode()


def signed(body: bytes, timestamp: str = "1719823259", url: str = HOOK) -> dict[str, str]:
    return {
        "messagebird-signature": signature(SECRET, timestamp, url, body),
        "messagebird-request-timestamp": timestamp,
        "content-type": "application/json",
    }


def webhook_case(why: str, event: str, payload: dict[str, Any], *events: Event) -> WebhookCase:
    body = json.dumps({"service": "channels", "event": event, "payload": payload}).encode()
    return WebhookCase(why, signed(body), body, list(events), HOOK)


def told(status: str, state: JobState | None, **more: Any) -> Report:
    return Report(ID, status, state, AT, reference="run.7", **more)


OUTBOUND = {
    "id": ID,
    "channelId": CHANNEL,
    "sender": CONNECTOR,
    "receiver": {"contacts": [{"id": ID, "identifierKey": "phonenumber", "identifierValue": TO}]},
    "reference": "run.7",
    "parts": [{"platformReference": "wamid.x"}],
    "reason": "",
    "direction": "outgoing",
    "lastStatusAt": "2024-04-24T14:45:09.682Z",
    "createdAt": "2024-04-24T14:40:00Z",
    "updatedAt": "2024-04-24T14:45:10Z",
}
"""Of the document's message, the fields that matter."""

INBOUND = {
    "id": "404544c5-9920-45f1-8990-0855634ab7ac",
    "channelId": CHANNEL,
    "sender": {
        "contact": {
            "id": "d4e8935a-5f48-45a5-95a5-ee7ba1e2c5b4",
            "identifierKey": "phonenumber",
            "identifierValue": "+3511111111",
        }
    },
    "receiver": {"connector": {"id": "60bf59d6-fc6f-4511-89c4-75d9127d7a7c", "identifierValue": ""}},
    "body": {"type": "text", "text": {"text": "Test"}},
    "meta": {"extraInformation": {"timestamp": "1702496037"}},
    "reference": "",
    "parts": [{"platformReference": "wamid.y"}],
    "status": "delivered",
    "reason": "",
    "direction": "incoming",
    "lastStatusAt": "2023-12-13T19:34:01.858Z",
    "createdAt": "2023-12-13T19:34:01.858Z",
    "updatedAt": "2023-12-13T19:34:02.063Z",
}
CAME_AT = datetime(2023, 12, 13, 19, 34, 1, 858000, tzinfo=UTC)
STATUSES = {
    "accepted": JobState.ACCEPTED,
    "processing": JobState.ACCEPTED,
    "scheduled": JobState.ACCEPTED,
    "sent": JobState.SENT,
    "delivered": JobState.DELIVERED,
    "read": JobState.READ,
    "sending_failed": JobState.FAILED,
    "delivery_failed": JobState.FAILED,
    "rejected": JobState.FAILED,
    "skipped": JobState.FAILED,
}

WEBHOOKS = [
    *[
        webhook_case(
            f"it is {status}", "whatsapp.outbound", OUTBOUND | {"status": status}, told(status, state)
        )
        for status, state in {**STATUSES, "deleted": None, "pondering": None}.items()
    ],
    webhook_case(
        "the failure of Bird's page on failure codes",
        "whatsapp.outbound",
        OUTBOUND
        | {
            "status": "delivery_failed",
            "reason": "details: unknown subscriber; reason: unknown_subscriber; code: 1",
            "details": "unknown_subscriber",
            "failure": {"code": 15005, "source": {"name": "sms-messagebird", "code": "1"}},
        },
        told(
            "delivery_failed",
            JobState.FAILED,
            reason="details: unknown subscriber; reason: unknown_subscriber; code: 1",
            code="15005",
        ),
    ),
    webhook_case(
        "a failure with WhatsApp's own code",
        "whatsapp.outbound",
        OUTBOUND
        | {
            "status": "sending_failed",
            "failure": {
                "code": 14000,
                "description": "Window closed",
                "source": {"name": "whatsapp", "code": "131047"},
            },
        },
        told("sending_failed", JobState.FAILED, reason="Window closed", code="131047"),
    ),
    webhook_case(
        "a rejection before WhatsApp was asked",
        "whatsapp.outbound",
        OUTBOUND
        | {
            "status": "rejected",
            "failure": {"code": 11002, "source": {"name": "pre-processing", "code": ""}},
        },
        told("rejected", JobState.FAILED, code="11002"),
    ),
    webhook_case(
        "a person writes",
        "whatsapp.inbound",
        INBOUND,
        Inbound("+3511111111", CAME_AT, CHANNEL, "404544c5-9920-45f1-8990-0855634ab7ac", "Test"),
    ),
    webhook_case(
        "a person without a phone number writes",
        "whatsapp.inbound",
        INBOUND | {"sender": {"contact": {"id": "x", "identifierKey": "bsuid", "identifierValue": "US.12"}}},
        Inbound(None, CAME_AT, CHANNEL, INBOUND["id"], "Test", user_id="US.12"),
    ),
    webhook_case(
        "a person with a number and a user id writes",
        "whatsapp.inbound",
        INBOUND | {"meta": {"extraInformation": {"whatsappbsuid": "PT.12"}}},
        UserId("PT.12", "+3511111111"),
        Inbound("+3511111111", CAME_AT, CHANNEL, INBOUND["id"], "Test", user_id="PT.12"),
    ),
    webhook_case(
        "a person presses a button with a payload",
        "whatsapp.inbound",
        INBOUND
        | {
            "body": {
                "type": "text",
                "text": {
                    "text": "No more offers",
                    "actions": [
                        {"type": "postback", "postback": {"text": "No more offers", "payload": "STOP"}}
                    ],
                },
            }
        },
        Inbound("+3511111111", CAME_AT, CHANNEL, INBOUND["id"], "No more offers", "STOP"),
    ),
    webhook_case(
        "a Brazilian number, spelt WhatsApp's way",
        "whatsapp.inbound",
        INBOUND
        | {
            "sender": {
                "contact": {"id": "x", "identifierKey": "phonenumber", "identifierValue": "+553188887777"}
            }
        },
        Inbound("+5531988887777", CAME_AT, CHANNEL, INBOUND["id"], "Test"),
    ),
    webhook_case(
        "a person reads",
        "whatsapp.interaction",
        {
            "id": "i",
            "type": "read",
            "messageId": ID,
            "channelId": CHANNEL,
            "createdAt": "2024-04-24T14:45:09.682Z",
        },
        Report(ID, "read", JobState.READ, AT),
    ),
    webhook_case(
        "a person does something that we do not know",
        "whatsapp.interaction",
        {"type": "reported-as-spam", "messageId": ID},
        Report(ID, "reported-as-spam", None),
    ),
    webhook_case(
        "the number is among the contact's other identifiers",
        "whatsapp.inbound",
        {
            "id": ID,
            "channelId": CHANNEL,
            "sender": {
                "contact": {
                    "id": ID,
                    "identifierKey": "externalid",
                    "identifierValue": "20481234567",
                    "identifiers": [
                        {"key": "emailaddress", "value": "a@example.com"},
                        {"key": "phonenumber", "value": TO},
                    ],
                }
            },
            "body": {"type": "text", "text": {"text": "STOP"}},
        },
        Inbound(TO, None, CHANNEL, ID, "STOP"),
    ),
    webhook_case("an event of another kind", "sms.outbound", OUTBOUND, NotUnderstood("event sms.outbound")),
]
