"""Magic numbers: the last four digits of a recipient choose what becomes of a message.

| ends with | outcome         | what happens                                                          |
|-----------|-----------------|-----------------------------------------------------------------------|
| 0901      | not_on_whatsapp | accepted, then failed without being sent: "Number is not on WhatsApp" |
| 0902      | expired         | sent, then failed: "Message expired"                                  |
| 0903      | undelivered     | sent, and nothing more ever                                           |
| 0904      | stuck           | stays queued for an hour, then goes the ordinary way                  |
| 0905      | instant         | sent, delivered and read the moment it leaves                         |
| 0906      | unread          | delivered, never read                                                 |
| 0907      | late_receipt    | sent in time, but delivered 30 s later than usual                     |
| 0908      | refused         | never accepted: the provider refuses the whole call that names it     |
| other     | read, delivered | delivered; a fixed share (35 %, by hash) also reads                   |

Of the ranges reserved for fiction, Britain's (447700900901) and France's (33639980901) hold them; the
American one (1xxx55501xx) does not.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from emulators.settings import Settings

HOUR = 3600.0
LATE = 30.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of one message: the times of its statuses, known from the start; None is never."""

    outcome: str
    sent_at: float | None = None
    delivered_at: float | None = None
    read_at: float | None = None
    failed_at: float | None = None
    reason: str | None = None

    def status(self, now: float) -> str:
        """`queued`, `sent`, `delivered`, `read` or `failed`."""
        if reached(self.failed_at, now):
            return "failed"
        if reached(self.read_at, now):
            return "read"
        if reached(self.delivered_at, now):
            return "delivered"
        return "sent" if reached(self.sent_at, now) else "queued"

    def changed_at(self, now: float) -> float | None:
        """When the status last changed, None while it has not."""
        times = (self.sent_at, self.delivered_at, self.read_at, self.failed_at)
        return max((at for at in times if at is not None and at <= now), default=None)


def reached(at: float | None, now: float) -> bool:
    """Whether a planned time has come."""
    return at is not None and at <= now


def is_refused(number: str) -> bool:
    """Whether the provider refuses any call that names this number."""
    return number.endswith("0908")


def plan(number: str, left_at: float, settings: Settings) -> Plan:
    """What becomes of a message to `number` (digits only) that leaves at `left_at`."""
    match number[-4:]:
        case "0901":
            return Plan(
                "not_on_whatsapp", failed_at=left_at + settings.sent_after, reason="Number is not on WhatsApp"
            )
        case "0902":
            return Plan(
                "expired",
                sent_at=left_at + settings.sent_after,
                failed_at=left_at + settings.delivered_after,
                reason="Message expired",
            )
        case "0903":
            return Plan("undelivered", sent_at=left_at + settings.sent_after)
        case "0904":
            return _ordinary("stuck", number, left_at + HOUR, settings)
        case "0905":
            return Plan("instant", sent_at=left_at, delivered_at=left_at, read_at=left_at)
        case "0906":
            return Plan("unread", left_at + settings.sent_after, left_at + settings.delivered_after)
        case "0907":
            return Plan(
                "late_receipt", left_at + settings.sent_after, left_at + settings.delivered_after + LATE
            )
        case _:
            return _ordinary(None, number, left_at, settings)


def _ordinary(outcome: str | None, number: str, left_at: float, settings: Settings) -> Plan:
    reads = zlib.crc32(number.encode()) % 100 < settings.read_percent
    return Plan(
        outcome or ("read" if reads else "delivered"),
        sent_at=left_at + settings.sent_after,
        delivered_at=left_at + settings.delivered_after,
        read_at=left_at + settings.read_after if reads else None,
    )
