"""The inbox: conversations, their messages, and the keys that were used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from emulators.base import Refusal, iso
from emulators.outcomes import Plan

BUSINESS_ID = "b1a2c3d4-5566-4777-8888-99990000aaaa"
WINDOW = 24 * 3600.0
NEWEST = 50
"""How many messages a conversation shows."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `plan` says what becomes of an outbound one."""

    id: str
    conversation: str
    direction: str
    type: str
    text: str | None
    created_at: float
    plan: Plan | None = None

    def view(self, now: float) -> dict[str, Any]:
        """The message with the keys of the page's 201, in their order."""
        return {
            "id": self.id,
            "conversationId": self.conversation,
            "direction": self.direction,
            "messageType": self.type,
            "text": self.text,
            "deliveryStatus": self._status(now),
            "createdAt": _iso(self.created_at),
        }

    def _status(self, now: float) -> str:
        if self.plan is None:
            return "delivered"
        status = self.plan.status(now)
        return "sent" if status == "queued" else status


@dataclass(slots=True)
class Conversation:
    """The messages between the business and one customer. Times are unix seconds."""

    id: str
    phone: str
    name: str | None
    opened_at: float
    messages: list[Message] = field(default_factory=list)
    last_inbound_at: float | None = None
    last_outbound_at: float | None = None

    @property
    def active_at(self) -> float:
        return max(self.last_inbound_at or 0.0, self.last_outbound_at or 0.0, self.opened_at)

    def is_open(self, now: float) -> bool:
        """Whether the 24-hour customer service window is open."""
        return self.last_inbound_at is not None and now < self.last_inbound_at + WINDOW

    def say(self, message: Message) -> Message:
        """Add a message."""
        self.messages.append(message)
        if message.direction == "inbound":
            self.last_inbound_at = message.created_at
        else:
            self.last_outbound_at = message.created_at
        return message

    @property
    def status(self) -> str:
        """Whose turn it is."""
        waits = (self.last_outbound_at or 0.0) > (self.last_inbound_at or 0.0)
        return "pending_customer" if waits else "open"

    def view(self) -> dict[str, Any]:
        """The conversation as the list shows it."""
        unread = sum(each.created_at > (self.last_outbound_at or 0.0) for each in self.inbound())
        return {
            "id": self.id,
            "businessId": BUSINESS_ID,
            "customerPhone": self.phone,
            "customerName": self.name,
            "status": self.status,
            "mode": "ai",
            "unreadCount": unread,
            "lastInboundAt": _iso(self.last_inbound_at),
            "lastOutboundAt": _iso(self.last_outbound_at),
        }

    def inbound(self) -> list[Message]:
        return [message for message in self.messages if message.direction == "inbound"]

    def whole_view(self, now: float) -> dict[str, Any]:
        """The conversation with its newest messages, newest first."""
        messages = [message.view(now) for message in self.messages[: -NEWEST - 1 : -1]]
        return {
            "id": self.id,
            "customerPhone": self.phone,
            "customerName": self.name,
            "status": self.status,
            "messages": messages,
        }


class Inbox:
    """All conversations; one for each customer."""

    def __init__(self) -> None:
        self._by_id: dict[str, Conversation] = {}
        self._by_phone: dict[str, Conversation] = {}

    def get(self, conversation_id: str) -> Conversation:
        """Raises `Refusal` 404."""
        if found := self._by_id.get(conversation_id):
            return found
        raise Refusal(404, "Conversation not found")

    def with_customer(self, phone: str, name: str | None, now: float) -> Conversation:
        """The customer's conversation, a new one if there is none."""
        found = self._by_phone.get(phone)
        if found is None:
            found = Conversation(str(uuid4()), phone, name, now)
            self._by_id[found.id] = self._by_phone[phone] = found
        return found

    def listed(self, filters: dict[str, str]) -> list[Conversation]:
        """Those that pass the filters, most recently active first."""
        found = [each for each in self._by_id.values() if _passes(each, filters)]
        return sorted(found, key=lambda each: each.active_at, reverse=True)


def _passes(conversation: Conversation, filters: dict[str, str]) -> bool:
    wanted = filters.get("search", "").lower()
    return (
        filters.get("status") in (None, conversation.status)
        and filters.get("mode") in (None, "ai")
        and filters.get("assigned") in (None, "unassigned")
        and (wanted in conversation.phone or wanted in (conversation.name or "").lower())
    )


def _iso(at: float | None) -> str | None:
    """`2026-01-15T09:58:00.000Z`."""
    text = iso(at)
    return text and f"{text[:-4]}Z"
