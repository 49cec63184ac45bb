"""What the account knows about the people it writes to: windows, stopped marketing, and the pace per person."""

from __future__ import annotations

from emulators.meta.errors import refused
from emulators.meta.templates import Template

WINDOW = 24 * 3600.0
BURST = 45
"""Messages to one person that may go at once."""
PAIR_GAP = 6.0
"""Seconds per message to one person in the long run."""


class People:
    """Every person, by number (digits only) and number of ours."""

    def __init__(self) -> None:
        self._open_until: dict[tuple[str, str], float] = {}
        self._stopped: set[str] = set()
        self._paid_until: dict[str, float] = {}

    def wrote(self, person: str, to: str, now: float) -> None:
        """A person wrote to a number of ours: the window opens."""
        self._open_until[person, to] = now + WINDOW

    def prefer(self, person: str, choice: str) -> None:
        """A person stops marketing, or resumes it."""
        (self._stopped.add if choice == "stop" else self._stopped.discard)(person)

    def check(self, person: str, sender: str, template: Template | None, now: float) -> None:
        """Whether a message may go to this person. Raises MetaRefusal."""
        if template is None and now >= self._open_until.get((person, sender), 0.0):
            raise refused(
                131047,
                "Message failed to send because more than 24 hours have passed since the customer last replied"
                " to this number.",
            )
        if template is not None and template.category == "MARKETING" and person in self._stopped:
            raise refused(131050, "The recipient has chosen to stop receiving marketing messages.")

    def pace(self, person: str, sender: str, now: float) -> None:
        """Count one message to this person. Raises MetaRefusal 131056 where that is too fast."""
        paid = max(self._paid_until.get(f"{sender} {person}", 0.0), now)
        if paid - now >= BURST * PAIR_GAP:
            raise refused(131056, "Too many messages to this person in a short period of time.")
        self._paid_until[f"{sender} {person}"] = paid + PAIR_GAP
