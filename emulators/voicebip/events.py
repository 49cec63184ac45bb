"""What Voicebip posts to the agent's webhook, and how it signs it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import orjson

from emulators.base import Clock, iso
from emulators.outcomes import Plan

CODES = {"not_on_whatsapp": 131026, "expired": 131049}


def signature(body: bytes, secret: str, clock: Clock) -> dict[str, str]:
    """The headers of a delivery: HMAC-SHA256 of "{unix seconds}.{raw body}"."""
    at = str(int(clock()))
    mark = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Voicebip-Timestamp": at, "X-Voicebip-Signature": f"sha256={mark}"}


class Envelope:
    """Makes the events between one agent's number and the persons it talks to."""

    def __init__(self, agent: str, number: str) -> None:
        self._agent, self._number = agent, number

    def received(self, phone: str, text: str, at: float) -> bytes:
        """A person wrote."""
        message_id = f"msg_{uuid4().hex}"
        inbound = {"message_id": message_id, "body": text, "type": "text", "received_at": _iso(at)}
        payload = {"message_id": message_id, "message_type": "text", "inbound_message": inbound}
        return self._event("message.received", phone, at, payload)

    def opted_out(self, phone: str, text: str, at: float) -> bytes:
        """A person does not want to hear from the agent any more."""
        return self._event("message.opt_out", phone, at, {"inbound_message": {"body": text}})

    def closing(self, phone: str, at: float) -> bytes:
        """A person's window ends an hour from now."""
        return self._event("window.closing", phone, at, {})

    def statuses(self, message_id: str, phone: str, plan: Plan) -> Iterator[tuple[float, bytes]]:
        """Every event of a message, and when it is sent."""
        times = {
            "sent": plan.sent_at,
            "delivered": plan.delivered_at,
            "read": plan.read_at,
            "failed": plan.failed_at,
        }
        for status, at in times.items():
            if at is not None:
                payload: dict[str, Any] = {"message_id": message_id}
                if status == "failed":
                    payload["error"] = {"code": CODES.get(plan.outcome), "message": plan.reason}
                yield at, self._event(f"message.{status}", phone, at, payload)

    def _event(self, kind: str, phone: str, at: float, payload: dict[str, Any]) -> bytes:
        return orjson.dumps(
            {
                "event_id": f"evt_{uuid4().hex}",
                "event_type": kind,
                "channel": "whatsapp",
                "agent_id": self._agent,
                "number": self._number,
                "from": phone,
                "timestamp": _iso(at),
                "payload": {**payload, "conversation_id": f"conv_{phone.removeprefix('+')}"},
            }
        )


def _iso(at: float) -> str:
    """`2026-04-09T12:05:00Z`, with parts of a second."""
    return iso(at) or ""
