"""How long before its slots begin a process has to ask for them: as long as its transactions take to end."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from storage.sending.rate_slots import AHEAD, FARTHEST, LATE, LONGEST_LEAD

logger = logging.getLogger(__name__)

SHORTEST: Final = 0.05
"""Seconds."""
LONGEST: Final = LONGEST_LEAD.total_seconds()
FALL: Final = 0.9
"""What is left of the lead after a transaction that ended sooner: one slow one among quick ones may come again."""
AGAIN_AND_AGAIN: Final = 3
"""Transactions in a row that took longer than any lead, after which a warning is logged."""


class SlotLead:
    """The lead of one lane, or of the other requests to one account."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._seconds = SHORTEST
        self._too_long = 0
        self._refused = False

    def __call__(self) -> timedelta:
        return timedelta(seconds=self._seconds)

    @property
    def within(self) -> timedelta:
        """How far ahead slots may be: near, so that what is sent is decided from fresh facts. After a request that got
        none, anywhere: those of processes with longer leads may be in front again and again."""
        return FARTHEST if self._refused else self() + max(AHEAD, self())

    def note_granted(self, count: int) -> None:
        self._refused = count == 0

    def follow(self, took: float) -> None:
        """A transaction ended `took` seconds after it asked for slots: rise to that at once, and fall slowly."""
        self._seconds = min(max(took, FALL * self._seconds, SHORTEST), LONGEST)
        self._too_long = self._too_long + 1 if took > LONGEST + LATE.total_seconds() else 0
        if self._too_long == AGAIN_AND_AGAIN:
            logger.warning(
                "The database is too slow for the rate that several processes share: %d transactions in a row took "
                "longer than %g s to be committed, so their turns were over before the messages could be sent. "
                "Little or nothing is sent through account %s until it is faster: check its disk, its load and the "
                "network to it.",
                AGAIN_AND_AGAIN,
                LONGEST,
                self._account,
                extra={"action": "slots_missed", "account": self._account},
            )
