"""The messages of a Bird channel in both directions, and the people on it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from emulators.base import Refusal, iso
from emulators.bird.requests import Order, Query
from emulators.outcomes import Plan, reached

WORKSPACE_ID = "0a5c7a3e-1111-4c7e-9d4b-5d2f1c000001"
CHANNEL_ID = "0a5c7a3e-2222-4c7e-9d4b-5d2f1c000002"
CONNECTOR = {"connector": {"id": "0a5c7a3e-3333-4c7e-9d4b-5d2f1c000003", "identifierValue": CHANNEL_ID}}
DAY = 24 * 3600.0

STATUS_NAMES = {"queued": "accepted", "read": "delivered"}
"""Bird's names of statuses where they differ: reading is an interaction there, not a status."""
WHATSAPP_CODES = {"not_on_whatsapp": "131026", "window_closed": "131047"}


def contact_id(number: str) -> str:
    """The id of the contact with this number (digits only)."""
    return str(uuid5(UUID(WORKSPACE_ID), number))


def contact(number: str) -> dict[str, str]:
    """A contact as messages show it."""
    return {"id": contact_id(number), "identifierKey": "phonenumber", "identifierValue": f"+{number}"}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to a person, and what becomes of it."""

    id: str
    number: str
    order: Order
    created_at: float
    plan: Plan

    def view(self, now: float) -> dict[str, Any]:
        """The message object of the document."""
        changed = iso(self.plan.changed_at(now) or self.created_at)
        order = self.order
        form = {"body": order.body} if order.template is None else {"template": order.template}
        return {
            "id": self.id,
            "channelId": CHANNEL_ID,
            "sender": CONNECTOR,
            "receiver": {"contacts": [contact(self.number)]},
            "meta": order.meta,
            "reference": order.reference or "",
            "parts": [{"platformReference": f"wamid.{UUID(self.id).hex.upper()}"}],
            "status": self.status(now),
            "direction": "outgoing",
            "lastStatusAt": changed,
            "createdAt": iso(self.created_at),
            "updatedAt": changed,
            **({"replyTo": order.reply_to} if order.reply_to else {}),
            **form,
            **(self._failure() if reached(self.plan.failed_at, now) else {"reason": "", "failure": None}),
        }

    def status(self, now: float) -> str:
        """Its status as Bird names it."""
        status = self.plan.status(now)
        if status == "failed":
            return "sending_failed" if self.plan.sent_at is None else "delivery_failed"
        return STATUS_NAMES.get(status, status)

    def _failure(self) -> dict[str, Any]:
        failure: dict[str, Any] = {"description": self.plan.reason, "source": {"name": "whatsapp"}}
        if code := WHATSAPP_CODES.get(self.plan.outcome):
            failure["source"]["code"] = code
        return {"reason": self.plan.reason, "failure": failure}


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message from a person."""

    id: str
    number: str
    text: str
    created_at: float

    def view(self, now: float) -> dict[str, Any]:
        """The message object of the document."""
        at = iso(self.created_at)
        return {
            "id": self.id,
            "channelId": CHANNEL_ID,
            "sender": {"contact": contact(self.number)},
            "receiver": CONNECTOR,
            "body": {"type": "text", "text": {"text": self.text}},
            "meta": {"extraInformation": {"timestamp": str(int(self.created_at))}},
            "reference": "",
            "parts": [{"platformReference": f"wamid.{UUID(self.id).hex.upper()}"}],
            "status": "delivered",
            "reason": "",
            "direction": "incoming",
            "lastStatusAt": at,
            "createdAt": at,
            "updatedAt": at,
        }


Message = Outgoing | Incoming


class Mailbox:
    """Every message of the channel, and until when each person's window is open."""

    def __init__(self) -> None:
        self._all: list[Message] = []
        self._by_id: dict[str, Message] = {}
        self._by_number: defaultdict[str, list[Message]] = defaultdict(list)
        self._numbers: dict[str, str] = {}
        self._windows: dict[str, float] = {}

    def add(self, message: Message) -> None:
        """Keep a message; one from a person opens their window for a day."""
        self._all.append(message)
        self._by_id[message.id] = message
        self._by_number[message.number].append(message)
        self._numbers[contact_id(message.number)] = message.number
        if isinstance(message, Incoming):
            self._windows[message.number] = message.created_at + DAY

    def get(self, message_id: str) -> Message:
        """Raises `Refusal` 404 for an unknown id."""
        if message_id not in self._by_id:
            raise Refusal(404, "The requested resource does not exist: message not found")
        return self._by_id[message_id]

    def page(self, query: Query) -> tuple[list[Message], str | None]:
        """The newest first, and the token of the page after."""
        found = self._all if query.number is None else self._by_number.get(query.number, [])
        end = max(len(found) - query.after, 0)
        page = found[max(end - query.limit, 0) : end][::-1]
        more = end > query.limit
        return page, str(query.after + query.limit) if more else None

    def window(self, number: str) -> float | None:
        """When the person's window ends or ended; None: they never wrote."""
        return self._windows.get(number)

    def window_of(self, contact: str) -> float | None:
        """The same by the contact's id. Raises `Refusal` 404 for an unknown one."""
        if contact not in self._numbers:
            raise Refusal(404, "The requested resource does not exist: contact not found")
        return self.window(self._numbers[contact])
