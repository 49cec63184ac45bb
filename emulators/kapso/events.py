"""Kapso's webhooks, version 2: payloads and headers, as its page "Message events" shows them."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import orjson

from emulators.base import iso
from emulators.kapso.chats import Conversation, Message

EVENT = "whatsapp.message."


def payload(message: Message, now: float) -> dict[str, Any]:
    """The body of an event about the message as it is at `now`."""
    conversation = message.conversation
    return {
        "message": message_view(message, now, inner={"statuses": message.statuses(now)}),
        "conversation": {
            **conversation_view(conversation, now),
            "metadata": {},
            "phone_number_id": conversation.sender.phone_number_id,
            "kapso": activity(conversation),
        },
        "is_new_conversation": len(conversation.messages) == 1,
        "phone_number_id": conversation.sender.phone_number_id,
    }


def batch(payloads: list[dict[str, Any]]) -> dict[str, Any]:
    """Several inbound messages of one conversation in one call."""
    return {"type": EVENT + "received", "batch": True, "data": payloads}


def sign(body: bytes, secret: str) -> dict[str, str]:
    """The headers of a webhook: what happened, its key, and the hex HMAC-SHA256 of the raw body."""
    data = orjson.loads(body)
    if "object" in data:  # of kind "meta": Meta's own body, passed on
        return {
            "X-Webhook-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
            "X-Idempotency-Key": hashlib.sha256(body).hexdigest(),
        }
    headers = {
        "X-Webhook-Event": _event_of(data),
        "X-Webhook-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
        "X-Idempotency-Key": hashlib.sha256(body).hexdigest(),
        "X-Webhook-Payload-Version": "v2",
    }
    if data.get("batch"):
        headers |= {"X-Webhook-Batch": "true", "X-Batch-Size": str(len(data["data"]))}
    return headers


def message_view(message: Message, now: float, inner: dict[str, Any] | None = None) -> dict[str, Any]:
    """The message in Meta's shape with Kapso's fields, as a webhook and the current API show it."""
    status = message.status(now)
    conversation = message.conversation
    person = ("from", "from_user_id") if message.plan is None else ("to", "recipient")
    return {
        "id": message.wamid,
        "timestamp": str(int(message.changed_at(now))),
        "type": message.type,
        **conversation.names(*person),
        "kapso": {
            "direction": message.direction,
            "status": status,
            "processing_status": "pending" if status in ("pending", "received") else "completed",
            "origin": "cloud_api",
            "has_media": message.media_url is not None,
            "content": message.text,
            "phone_number": f"+{conversation.phone}" if conversation.phone.isdigit() else None,
            "whatsapp_conversation_id": message.conversation.id,
            **(inner or {}),
        },
    }


def conversation_view(conversation: Conversation, now: float) -> dict[str, Any]:
    """What both APIs and the webhooks show of a conversation."""
    return {
        "id": conversation.id,
        "phone_number": f"+{conversation.phone}" if conversation.phone.isdigit() else None,
        "business_scoped_user_id": None if conversation.phone.isdigit() else conversation.phone,
        "status": conversation.status(now),
        "last_active_at": iso(conversation.last_active_at),
        "created_at": iso(conversation.created_at),
        "updated_at": iso(conversation.last_active_at),
    }


def activity(conversation: Conversation) -> dict[str, Any]:
    """The `kapso` object of a conversation."""
    return {
        "contact_name": None,
        "messages_count": len(conversation.messages),
        "last_message_id": conversation.messages[-1].wamid if conversation.messages else None,
        "last_inbound_at": iso(conversation.last_inbound_at),
        "last_outbound_at": iso(conversation.last_outbound_at),
    }


def _event_of(data: dict[str, Any]) -> str:
    first = data["data"][0] if data.get("batch") else data
    return EVENT + str(first["message"]["kapso"]["status"])
