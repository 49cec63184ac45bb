"""How an attempt to notify somebody ended, where it failed."""

from __future__ import annotations

from campaigns.frozen import frozen


@frozen
class Undelivered:
    """It was not delivered, as far as is known."""

    problem: str
    """One sentence, without a secret."""
    retry_after: float | None = None
    """Seconds that the receiver asked us to wait."""
