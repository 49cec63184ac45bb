"""Cloud API's webhooks, from Meta's webhook reference. Signatures are made here, by the published rule."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from campaigns.states import JobState
from providers.events import Billed, Effect, Inbound, Notice, NotUnderstood, Preference, Report, UserId
from providers.meta.pricing import NOTHING
from tests.providers.contract import SECRET, WebhookCase

WAMID = "wamid.HBgLMTY1MDU1NTEyMzQVAgARGBI5QTNDQTVCM0Q0Q0Q2RTY3RTcA"
AT = datetime(2026, 11, 20, 11, 59, tzinfo=UTC)
STAMP = str(int(AT.timestamp()))


def signed(body: bytes) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}


def webhook_case(
    why: str, field: str, value: dict[str, Any], events: list[Any], at: datetime | None = None
) -> WebhookCase:
    entry: dict[str, Any] = {"id": "102290129340398", "changes": [{"field": field, "value": value}]}
    if at is not None:
        entry["time"] = int(at.timestamp())
    body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
    return WebhookCase(why, signed(body), body, events)


METADATA = {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"}
STATUS = {"id": WAMID, "timestamp": STAMP, "recipient_id": "16505551234"}
PRICING = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "marketing"}
FAILED = {
    "code": 131049,
    "title": "Not delivered",
    "message": "Not delivered",
    "error_data": {"details": "To keep the ecosystem healthy"},
}
BILLED = Billed("marketing", "+16505551234")

WEBHOOKS = [
    webhook_case(
        "sent with pricing and our reference",
        "messages",
        {
            "messaging_product": "whatsapp",
            "metadata": METADATA,
            "statuses": [
                {**STATUS, "status": "sent", "pricing": PRICING, "biz_opaque_callback_data": "run.7"}
            ],
        },
        [Report(WAMID, "sent", JobState.SENT, AT, reference="run.7", billed=BILLED)],
    ),
    webhook_case(
        "what is not billed costs nothing, by its type first",
        "messages",
        {
            "metadata": METADATA,
            "statuses": [
                {**STATUS, "status": "sent", "pricing": {**PRICING, **said}}
                for said in (
                    {"billable": False, "type": "free_customer_service", "category": "service"},
                    {"type": "free_entry_point"},
                    {"billable": False, "type": None},
                    {"billable": False},
                )
            ],
        },
        [
            *(Report(WAMID, "sent", JobState.SENT, AT, cost=NOTHING) for _ in range(3)),
            Report(WAMID, "sent", JobState.SENT, AT, billed=BILLED),
        ],
    ),
    webhook_case(
        "three statuses in one body, one of them unknown",
        "messages",
        {
            "metadata": METADATA,
            "statuses": [{**STATUS, "status": word} for word in ("delivered", "read", "deleted")],
        },
        [
            Report(WAMID, "delivered", JobState.DELIVERED, AT),
            Report(WAMID, "read", JobState.READ, AT),
            Report(WAMID, "deleted", None, AT),
        ],
    ),
    webhook_case(
        "failed with its code",
        "messages",
        {"metadata": METADATA, "statuses": [{**STATUS, "status": "failed", "errors": [FAILED]}]},
        [
            Report(
                WAMID,
                "failed",
                JobState.FAILED,
                AT,
                reason="Not delivered: To keep the ecosystem healthy",
                code="131049",
                cost=NOTHING,
            )
        ],
    ),
    webhook_case(
        "a person wrote",
        "messages",
        {
            "metadata": METADATA,
            "contacts": [{"profile": {"name": "Ada"}, "wa_id": "16505551234"}],
            "messages": [
                {
                    "from": "16505551234",
                    "id": "wamid.in",
                    "timestamp": STAMP,
                    "type": "text",
                    "text": {"body": "Hi"},
                }
            ],
        },
        [Inbound("+16505551234", AT, "106540352242922", "wamid.in", "Hi")],
    ),
    webhook_case(
        "a person pressed a button",
        "messages",
        {
            "metadata": METADATA,
            "messages": [
                {
                    "from": "16505551234",
                    "id": "wamid.in",
                    "timestamp": STAMP,
                    "type": "interactive",
                    "interactive": {"type": "button_reply", "button_reply": {"id": "yes", "title": "Yes"}},
                }
            ],
        },
        [Inbound("+16505551234", AT, "106540352242922", "wamid.in", "Yes", "yes")],
    ),
    webhook_case(
        "a person with a username pressed a template's button: no number anywhere",
        "messages",
        {
            "metadata": METADATA,
            "contacts": [{"profile": {"name": "Ada", "username": "ada"}, "user_id": "US.1349"}],
            "messages": [
                {
                    "from_user_id": "US.1349",
                    "id": "wamid.in",
                    "timestamp": STAMP,
                    "type": "button",
                    "button": {"payload": "STOP", "text": "No more offers"},
                    "context": {"from": "15550783881", "id": WAMID},
                }
            ],
        },
        [Inbound(None, AT, "106540352242922", "wamid.in", "No more offers", "STOP", "US.1349", WAMID)],
    ),
    webhook_case(
        "a message of nobody",
        "messages",
        {"metadata": METADATA, "messages": [{"id": "wamid.in", "timestamp": STAMP}]},
        [],
    ),
    webhook_case(
        "a status with number and user id: who that id is",
        "messages",
        {
            "metadata": METADATA,
            "contacts": [{"wa_id": "16505551234", "user_id": "US.1349"}],
            "statuses": [{**STATUS, "status": "read", "recipient_user_id": "US.1349"}],
        },
        [UserId("US.1349", "+16505551234"), Report(WAMID, "read", JobState.READ, AT)],
    ),
    webhook_case(
        "a person wrote, with number and user id, from a list",
        "messages",
        {
            "metadata": METADATA,
            "messages": [
                {
                    "from": "553188887777",
                    "from_user_id": "BR.77",
                    "id": "wamid.in",
                    "timestamp": STAMP,
                    "type": "interactive",
                    "interactive": {
                        "type": "list_reply",
                        "list_reply": {"id": "opt_out", "title": "Enough", "description": "No offers"},
                    },
                }
            ],
        },
        [
            UserId("BR.77", "+5531988887777"),
            Inbound("+5531988887777", AT, "106540352242922", "wamid.in", "Enough", "opt_out", "BR.77"),
        ],
    ),
    webhook_case(
        "a Mexican number, spelt Meta's way",
        "messages",
        {
            "metadata": METADATA,
            "messages": [
                {
                    "from": "5215512345678",
                    "id": "wamid.in",
                    "timestamp": STAMP,
                    "type": "text",
                    "text": {"body": "STOP"},
                }
            ],
        },
        [Inbound("+525512345678", AT, "106540352242922", "wamid.in", "STOP")],
    ),
    webhook_case(
        "a person stopped marketing, named by user id alone",
        "user_preferences",
        {
            "metadata": METADATA,
            "contacts": [{"profile": {"name": "Ada"}, "user_id": "US.1349"}],
            "user_preferences": [
                {
                    "user_id": "US.1349",
                    "category": "marketing_messages",
                    "value": "stop",
                    "timestamp": int(STAMP),
                }
            ],
        },
        [
            Preference(
                None, "out", "marketing", AT, "Meta user_preferences: marketing_messages stop", "US.1349"
            )
        ],
    ),
    webhook_case(
        "a person stopped marketing",
        "user_preferences",
        {
            "metadata": METADATA,
            "user_preferences": [
                {
                    "wa_id": "16505551234",
                    "category": "marketing_messages",
                    "value": "stop",
                    "timestamp": int(STAMP),
                }
            ],
        },
        [
            Preference(
                "+16505551234", "out", "marketing", AT, "Meta user_preferences: marketing_messages stop"
            )
        ],
    ),
    webhook_case(
        "a template was paused",
        "message_template_status_update",
        {"event": "PAUSED", "message_template_name": "spring_sale", "message_template_language": "en_US"},
        [
            Notice(
                "message_template_status_update",
                "spring_sale",
                "event: PAUSED, message_template_language: en_US",
                None,
                Effect.TEMPLATE_STOPPED,
                "en_US",
                "PAUSED",
            )
        ],
    ),
    webhook_case(
        "a voice message was played",
        "messages",
        {"metadata": METADATA, "statuses": [{**STATUS, "status": "played"}]},
        [Report(WAMID, "played", JobState.READ, AT)],
    ),
    webhook_case(
        "an On-Premises code without words",
        "messages",
        {"metadata": METADATA, "statuses": [{**STATUS, "status": "failed", "errors": [{"code": 1026}]}]},
        [
            Report(
                WAMID,
                "failed",
                JobState.FAILED,
                AT,
                reason="The person's app cannot receive this message.",
                code="1026",
                cost=NOTHING,
            )
        ],
    ),
    webhook_case(
        "a person came from an advertisement, with a picture",
        "messages",
        {
            "metadata": METADATA,
            "messages": [
                {
                    "from": "16505551234",
                    "id": "wamid.in",
                    "timestamp": STAMP,
                    "type": "image",
                    "image": {"id": "1", "mime_type": "image/jpeg", "caption": "This one?"},
                    "referral": {"source_type": "ad", "source_id": "120226305854810726", "ctwa_clid": "A"},
                }
            ],
        },
        [Inbound("+16505551234", AT, "106540352242922", "wamid.in", "This one?")],
    ),
    webhook_case(
        "a template's quick reply, a message that the API cannot show, and a system message",
        "messages",
        {
            "metadata": METADATA,
            "messages": [
                {
                    "from": "16505551234",
                    "id": "wamid.1",
                    "timestamp": STAMP,
                    "type": "button",
                    "button": {"payload": "STOP", "text": "Stop"},
                },
                {
                    "from": "16505551234",
                    "id": "wamid.2",
                    "timestamp": STAMP,
                    "type": "unsupported",
                    "errors": [{"code": 131051, "title": "Message type unknown"}],
                },
                {
                    "from": "16505551234",
                    "id": "wamid.3",
                    "timestamp": STAMP,
                    "type": "system",
                    "system": {"body": "Ada's security code changed", "type": "customer_identity_changed"},
                },
            ],
        },
        [
            Inbound("+16505551234", AT, "106540352242922", "wamid.1", "Stop", "STOP"),
            Inbound("+16505551234", AT, "106540352242922", "wamid.2"),
        ],
    ),
    webhook_case(
        "the account is limited",
        "messages",
        {
            "metadata": METADATA,
            "errors": [{"code": 130429, "title": "Rate limit hit", "message": "Rate limit hit"}],
        },
        [Notice("errors", "106540352242922", "130429: Rate limit hit")],
    ),
    webhook_case(
        "the messaging limit has changed",
        "business_capability_update",
        {"max_daily_conversations_per_business": 2000, "max_phone_numbers_per_waba": 25},
        [
            Notice(
                "business_capability_update",
                "2000",
                "max_phone_numbers_per_waba: 25",
                AT,
                Effect.LIMIT_CHANGED,
                value="2000",
            )
        ],
        at=AT,
    ),
    webhook_case(
        "the account broke a policy",
        "account_update",
        {"event": "ACCOUNT_VIOLATION", "violation_info": {"violation_type": "ADULT"}},
        [Notice("account_update", "ACCOUNT_VIOLATION", 'violation_info: {"violation_type":"ADULT"}', AT)],
        at=AT,
    ),
    webhook_case(
        "more throughput for a number",
        "phone_number_quality_update",
        {"display_phone_number": "15550783881", "event": "THROUGHPUT_UPGRADE"},
        [Notice("phone_number_quality_update", "15550783881", "event: THROUGHPUT_UPGRADE", AT)],
        at=AT,
    ),
    webhook_case(
        "people like a template less",
        "message_template_quality_update",
        {
            "previous_quality_score": "GREEN",
            "new_quality_score": "YELLOW",
            "message_template_id": 278077987957091,
            "message_template_name": "welcome",
            "message_template_language": "en-US",
        },
        [
            Notice(
                "message_template_quality_update",
                "welcome",
                "previous_quality_score: GREEN, new_quality_score: YELLOW, "
                "message_template_id: 278077987957091, message_template_language: en-US",
                AT,
                language="en-US",
            )
        ],
        at=AT,
    ),
    webhook_case(
        "a template will cost more",
        "template_category_update",
        {
            "message_template_id": 278077987957091,
            "message_template_name": "welcome",
            "message_template_language": "en-US",
            "previous_category": "UTILITY",
            "new_category": "MARKETING",
        },
        [
            Notice(
                "template_category_update",
                "welcome",
                "message_template_id: 278077987957091, message_template_language: en-US, "
                "previous_category: UTILITY, new_category: MARKETING",
                AT,
                Effect.CATEGORY_CHANGED,
                "en-US",
                "marketing",
            )
        ],
        at=AT,
    ),
    webhook_case(
        "a template will cost more in a day",
        "template_category_update",
        {
            "message_template_name": "welcome",
            "message_template_language": "en-US",
            "new_category": "UTILITY",
            "correct_category": "MARKETING",
            "category_update_timestamp": 1746169200,
        },
        [
            Notice(
                "template_category_update",
                "welcome",
                "message_template_language: en-US, new_category: UTILITY, correct_category: MARKETING, "
                "category_update_timestamp: 2025-05-02 07:00 UTC",
                AT,
                language="en-US",
            )
        ],
        at=AT,
    ),
    webhook_case("something new", "flows", {"event": "FLOW_STATUS_CHANGE"}, [NotUnderstood("field flows")]),
]
