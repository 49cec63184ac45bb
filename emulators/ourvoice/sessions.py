"""The WhatsApp sessions of an Our Voice account, and what may be done with each in which status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import segno

from emulators.base import Clock, Refusal, iso

ACCOUNT_ID = "6b1d9c52-8f04-4c7e-a2b6-90f3d7e51c48"
READY_SESSION_ID = "a3f1b2c4-1234-4abc-9def-000011112222"
READY_SESSION_NUMBER = "2290197000000"
STATUSES = ("pending", "connected", "disconnected", "banned", "failed")


@dataclass(slots=True)
class Session:
    """One WhatsApp account connected to the Our Voice account. Times are unix seconds."""

    id: str
    status: str
    created_at: float
    updated_at: float
    phone_number: str | None = None
    reason: str | None = None

    @property
    def session_id(self) -> str:
        """The gateway's name for the session."""
        return f"session_{self.id}"

    def view(self) -> dict[str, Any]:
        """The session as the API shows it; `reason` only where there is one, as in the document's sample."""
        shown = {
            "id": self.id,
            "account_id": ACCOUNT_ID,
            "session_id": self.session_id,
            "phone_number": self.phone_number,
            "display_name": self.session_id,
            "status": self.status,
            "last_seen_at": iso(self.updated_at),
            "created_at": iso(self.created_at),
            "updated_at": iso(self.updated_at),
        }
        return shown if self.reason is None else {**shown, "reason": self.reason}

    def qr_code(self) -> str:
        """The QR code to scan, as a PNG in a data URL."""
        uri: str = segno.make(f"2@{self.id},{ACCOUNT_ID}", error="m").png_data_uri(scale=4)
        return uri


class SessionBook:
    """All sessions; one is connected from the start."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        ready = self._new(READY_SESSION_ID, "connected")
        ready.phone_number = READY_SESSION_NUMBER
        self._sessions = {ready.id: ready}

    def all(self) -> list[Session]:
        """Newest first."""
        return list(reversed(self._sessions.values()))

    def find(self, name: str) -> Session | None:
        """By uuid or by session_id string."""
        return self._sessions.get(name) or self._sessions.get(name.removeprefix("session_"))

    def get(self, session_id: str) -> Session:
        """By uuid. Raises `Refusal` 404."""
        if session := self._sessions.get(session_id.lower()):
            return session
        raise Refusal(404, "WhatsApp session not found.")

    def create(self) -> Session:
        """A pending session that waits for its QR code to be scanned."""
        session = self._new(str(uuid4()), "pending")
        self._sessions[session.id] = session
        return session

    def connect(self, session: Session, phone_number: str) -> None:
        """The QR code was scanned with the phone of that number."""
        session.phone_number = phone_number
        self.put(session, "connected")

    def move(self, session: Session, origin: str, target: str) -> None:
        """From one status to another. Raises `Refusal` 422 if the session is in a third one."""
        if session.status != origin:
            raise Refusal(
                422, f"The WhatsApp session is {session.status}; only a {origin} one can become {target}."
            )
        self.put(session, target)

    def put(self, session: Session, status: str, reason: str | None = None) -> None:
        """Into a status, whatever it was."""
        session.status, session.reason, session.updated_at = status, reason, self._clock()

    def delete(self, session: Session) -> None:
        """For good; its messages stay."""
        del self._sessions[session.id]

    def _new(self, session_id: str, status: str) -> Session:
        now = self._clock()
        return Session(session_id, status, created_at=now, updated_at=now)
