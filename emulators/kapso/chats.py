"""What a Kapso project holds: its numbers, and the conversations and messages with people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from emulators import outcomes
from emulators.base import Clock
from emulators.cloud_api import Draft
from emulators.cloud_values import MetaRefusal
from emulators.outcomes import Plan, reached
from emulators.settings import Settings
from emulators.spellings import as_whatsapp

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Sender:
    """One of the project's numbers: as the current API names it, and as the legacy one does."""

    phone_number_id: str
    config_id: str
    number: str
    name: str


SENDERS = (
    Sender("123456789012345", "4a5b6c7d-8e9f-4a1b-8c3d-4e5f6a7b8c9d", "447700900990", "Shop"),
    Sender("123456789012346", "5b6c7d8e-9f0a-4b2c-9d4e-5f6a7b8c9d0e", "447700900991", "Service"),
)
"""The second is for campaigns with several senders."""

FAILURES = {
    "not_on_whatsapp": (131026, "Message undeliverable"),
    "expired": (131049, "This message was not delivered to maintain healthy ecosystem engagement."),
}
"""What Meta's error is for each outcome that fails."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message out or in. Times are unix seconds; `plan` is None for what a person wrote."""

    id: str
    wamid: str
    conversation: Conversation
    type: str
    text: str | None
    media_url: str | None
    body: dict[str, Any]
    created_at: float
    plan: Plan | None = None
    reference: str | None = None

    @property
    def direction(self) -> str:
        """`inbound` or `outbound`."""
        return "outbound" if self.plan else "inbound"

    def status(self, now: float) -> str:
        """`received`, or `pending` and what follows it."""
        if self.plan is None:
            return "received"
        status = self.plan.status(now)
        return "pending" if status == "queued" else status

    def changed_at(self, now: float) -> float:
        """When the status last changed."""
        return (self.plan.changed_at(now) if self.plan else None) or self.created_at

    def stages(self) -> dict[str, float]:
        """When each of Meta's statuses comes, those that come at all, oldest first."""
        if self.plan is None:
            return {}
        plan = self.plan
        times = {"sent": plan.sent_at, "delivered": plan.delivered_at, "read": plan.read_at}
        times["failed"] = plan.failed_at
        return {name: at for name, at in times.items() if at is not None}

    def statuses(self, now: float) -> list[dict[str, Any]]:
        """Meta's own status objects up to now, oldest first."""
        return [self._status(name, at) for name, at in self.stages().items() if at <= now]

    def _status(self, name: str, at: float) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": self.wamid,
            "status": name,
            "timestamp": str(int(at)),
            **self.conversation.names("recipient_id", "recipient_user_id"),
        }
        if "recipient_id" in shown:
            shown["recipient_id"] = as_whatsapp(self.conversation.phone)
        if self.reference is not None:
            shown["biz_opaque_callback_data"] = self.reference
        if name == "failed" and self.plan is not None:
            code, title = FAILURES[self.plan.outcome]
            shown["errors"] = [{"code": code, "title": title, "message": title}]
        elif name == "sent":
            shown["pricing"] = {"billable": True, "pricing_model": "PMP", "category": "marketing"}
        return shown


@dataclass(slots=True, eq=False)
class Conversation:
    """The messages between one of our numbers and a person, until a day passes without one."""

    id: str
    sender: Sender
    phone: str
    """Digits only, or a user id."""
    created_at: float
    last_active_at: float
    last_inbound_at: float | None = None
    last_outbound_at: float | None = None
    messages: list[Message] = field(default_factory=list)

    def names(self, number: str, user_id: str) -> dict[str, Any]:
        """The person under the field that fits: they are known by number or by user id."""
        return {number if self.phone.isdigit() else user_id: self.phone}

    def status(self, now: float) -> str:
        """`active` or `ended`."""
        return "active" if now - self.last_active_at < DAY else "ended"


class Chats:
    """Every conversation, found by id or by person, and every message by id."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._conversations: dict[str, Conversation] = {}
        self._by_person: defaultdict[str, list[Conversation]] = defaultdict(list)
        self._messages: dict[str, Message] = {}

    def conversations(self, phone: str | None = None) -> Iterator[Conversation]:
        """Newest activity first; all, or those with one person (digits only)."""
        found = self._conversations.values() if phone is None else self._by_person.get(phone, [])
        return iter(sorted(found, key=lambda each: each.last_active_at, reverse=True))

    def conversation(self, conversation_id: str) -> Conversation | None:
        """By id."""
        return self._conversations.get(conversation_id)

    def message(self, wamid: str) -> Message | None:
        """By Meta's id."""
        return self._messages.get(wamid)

    def window_open(self, sender: Sender, phone: str) -> bool:
        """Whether the person wrote to this number in the last 24 hours."""
        wrote = [each.last_inbound_at for each in self._by_person.get(phone, []) if each.sender == sender]
        return any(at is not None and reached(at, self._clock()) and self._clock() < at + DAY for at in wrote)

    def send(self, sender: Sender, draft: Draft) -> Message:
        """The message accepted. Raises MetaRefusal for a closed window and for the numbers that are refused."""
        if outcomes.is_refused(draft.to):
            raise MetaRefusal(131026, "Message undeliverable", "The recipient cannot be reached.")
        if not draft.template and not self.window_open(sender, draft.to):
            details = "More than 24 hours have passed since the recipient last replied."
            raise MetaRefusal(131047, "Re-engagement message", details)
        now = self._clock()
        conversation = self._talk(sender, draft.to)
        conversation.last_active_at = conversation.last_outbound_at = now
        plan = outcomes.plan(draft.to, now, self._settings)
        return self._keep(
            conversation, draft.type, draft.text, draft.media_url, draft.body, plan, draft.reference
        )

    def receive(self, sender: Sender, phone: str, text: str) -> Message:
        """A person wrote to the number."""
        conversation = self._talk(sender, phone)
        conversation.last_active_at = conversation.last_inbound_at = self._clock()
        return self._keep(conversation, "text", text, None, {"text": {"body": text}})

    def _talk(self, sender: Sender, phone: str) -> Conversation:
        """The active conversation with the person, or a new one."""
        now = self._clock()
        for each in reversed(self._by_person[phone]):
            if each.sender == sender and each.status(now) == "active":
                return each
        conversation = Conversation(str(uuid4()), sender, phone, now, now)
        self._conversations[conversation.id] = conversation
        self._by_person[phone].append(conversation)
        return conversation

    def _keep(
        self,
        conversation: Conversation,
        kind: str,
        text: str | None,
        media_url: str | None,
        body: dict[str, Any],
        plan: Plan | None = None,
        reference: str | None = None,
    ) -> Message:
        wamid = f"wamid.{uuid4().hex.upper()}"
        message = Message(
            str(uuid4()),
            wamid,
            conversation,
            kind,
            text,
            media_url,
            body,
            self._clock(),
            plan,
            reference,
        )
        conversation.messages.append(message)
        self._messages[wamid] = message
        return message
