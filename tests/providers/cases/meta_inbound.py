"""What people did beside writing: edits, deletions, groups, calls, changed numbers, choices in WhatsApp's settings.
From Meta's webhook references (edit, revoke, group, system, calls, user_preferences) of 2026."""

from __future__ import annotations

from typing import Any

from campaigns.states import JobState
from providers.events import (
    Billed,
    Inbound,
    InboundKind,
    NotUnderstood,
    NumberChange,
    Preference,
    Report,
    UserId,
)
from tests.providers.cases.meta_webhooks import AT, METADATA, PRICING, STAMP, STATUS, WAMID, webhook_case
from tests.providers.contract import WebhookCase

NUMBER = METADATA["phone_number_id"]
PERSON = "16505551234"
WRITTEN = {"from": PERSON, "id": "wamid.in", "timestamp": STAMP}
CALL = {"id": "wacid.1", "from": PERSON, "to": "15550783881", "event": "connect", "timestamp": STAMP}


def _messages(why: str, message: dict[str, Any], *events: Any) -> WebhookCase:
    return webhook_case(why, "messages", {"metadata": METADATA, "messages": [message]}, list(events))


def _calls(why: str, call: dict[str, Any], *events: Any) -> WebhookCase:
    return webhook_case(why, "calls", {"metadata": METADATA, "calls": [call]}, list(events))


def _did(
    kind: InboundKind, message_id: str | None = "wamid.in", text: str | None = None, **more: Any
) -> Inbound:
    return Inbound(f"+{PERSON}", AT, NUMBER, message_id, text, kind=kind, **more)


CALLED = _did(InboundKind.CALL, None)

INBOUND = [
    _messages(
        "an edited message is read as it now is",
        {
            **WRITTEN,
            "id": "wamid.edit",
            "type": "edit",
            "edit": {
                "original_message_id": "wamid.in",
                "message": {"context": {"id": WAMID}, "type": "text", "text": {"body": "STOP"}},
            },
        },
        _did(InboundKind.EDIT, text="STOP", answers=WAMID),
    ),
    _messages(
        "an edited caption",
        {
            **WRITTEN,
            "type": "edit",
            "edit": {
                "original_message_id": "wamid.1",
                "message": {"type": "image", "image": {"id": "7", "caption": "Stop promotions"}},
            },
        },
        _did(InboundKind.EDIT, "wamid.1", "Stop promotions"),
    ),
    _messages(
        "a deleted message",
        {**WRITTEN, "id": "wamid.2", "type": "revoke", "revoke": {"original_message_id": "wamid.in"}},
        _did(InboundKind.DELETION),
    ),
    _messages(
        "a message to a group",
        {**WRITTEN, "group_id": "Y2FwaV9ncm91cDox", "type": "text", "text": {"body": "Hi all"}},
        _did(InboundKind.GROUP, text="Hi all"),
    ),
    _messages(
        "a form that a person filled in",
        {
            **WRITTEN,
            "type": "interactive",
            "interactive": {
                "type": "nfm_reply",
                "nfm_reply": {"name": "flow", "body": "Sent", "response_json": "{}"},
            },
        },
        _did(InboundKind.MESSAGE, text="Sent"),
    ),
    _messages(
        "a person changed their number",
        {
            **WRITTEN,
            "type": "system",
            "system": {
                "body": "User Sheena Nelson changed from 16505551234 to 12195555358",
                "wa_id": "12195555358",
                "type": "user_changed_number",
            },
        },
        NumberChange(f"+{PERSON}", None, "+12195555358", None),
    ),
    _messages(
        "and their user id with it",
        {
            **WRITTEN,
            "from_user_id": "US.2",
            "type": "system",
            "system": {
                "wa_id": "12195555358",
                "user_id": "US.2",
                "previous_user_id": "US.1",
                "type": "user_changed_number",
            },
        },
        NumberChange(f"+{PERSON}", "US.1", "+12195555358", "US.2"),
    ),
    _messages(
        "a user id changed and no number is shared",
        {
            "from_user_id": "US.2",
            "id": "wamid.3",
            "timestamp": STAMP,
            "type": "system",
            "system": {"user_id": "US.2", "previous_user_id": "US.1", "type": "user_changed_user_id"},
        },
        NumberChange(None, "US.1", None, "US.2"),
    ),
    _messages(
        "a person's security code changed",
        {**WRITTEN, "type": "system", "system": {"type": "customer_identity_changed"}},
    ),
    _messages(
        "a system message of another kind",
        {**WRITTEN, "type": "system", "system": {"type": "user_moved_house"}},
        NotUnderstood("system message user_moved_house"),
    ),
    _calls("a person called", {**CALL, "direction": "USER_INITIATED"}, CALLED),
    _calls(
        "a person's call ended",
        {**CALL, "event": "terminate", "direction": "USER_INITIATED", "status": "COMPLETED"},
        CALLED,
    ),
    _calls(
        "a call without a direction offers a connection",
        {**CALL, "session": {"sdp_type": "offer", "sdp": "v=0"}},
        CALLED,
    ),
    _calls(
        "the numbers stand the other way round in one of Meta's examples",
        {**CALL, "from": CALL["to"], "to": PERSON, "direction": "USER_INITIATED"},
        CALLED,
    ),
    _calls("our own call", {**CALL, "direction": "BUSINESS_INITIATED"}),
    _calls("our own call was answered", {**CALL, "session": {"sdp_type": "answer", "sdp": "v=0"}}),
    _calls(
        "a person without a number called",
        {
            "id": "wacid.1",
            "from_user_id": "US.1",
            "to": "15550783881",
            "timestamp": STAMP,
            "direction": "USER_INITIATED",
        },
        Inbound(None, AT, NUMBER, user_id="US.1", kind=InboundKind.CALL),
    ),
    _calls(
        "a call with number and user id",
        {**CALL, "from_user_id": "US.1", "direction": "USER_INITIATED"},
        UserId("US.1", f"+{PERSON}"),
        _did(InboundKind.CALL, None, user_id="US.1"),
    ),
    webhook_case(
        "a person signed up for marketing in WhatsApp",
        "user_preferences",
        {
            "metadata": METADATA,
            "user_preferences": [
                {
                    "wa_id": PERSON,
                    "category": "marketing_messages",
                    "value": "signup",
                    "timestamp": int(STAMP),
                }
            ],
        },
        [Preference(f"+{PERSON}", "in", "marketing", AT, "Meta user_preferences: marketing_messages signup")],
    ),
    webhook_case(
        "a choice that is not known",
        "user_preferences",
        {"metadata": METADATA, "user_preferences": [{"wa_id": PERSON, "value": "ponder"}]},
        [NotUnderstood("user preference ponder")],
    ),
    webhook_case(
        "the status of a message to a user id: whose number it is, the job knows",
        "messages",
        {
            "metadata": METADATA,
            "statuses": [
                {
                    **STATUS,
                    "recipient_id": "",
                    "recipient_user_id": "US.1",
                    "status": "delivered",
                    "pricing": PRICING,
                }
            ],
        },
        [Report(WAMID, "delivered", JobState.DELIVERED, AT, billed=Billed("marketing", None))],
    ),
]
