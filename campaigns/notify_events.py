"""What people may be notified of."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class NotifyEvent(StrEnum):
    FINISHED = "finished"
    """Every message of a run has its outcome."""
    PAUSED = "paused"
    """A guard paused a campaign: budget, failures, the provider, a list that cannot be read."""
    NEEDS_APPROVAL = "needs_approval"
    """A campaign is due and waits for `drumbeat campaign approve`."""
    IN_DOUBT = "in_doubt"
    """Messages have been in doubt for minutes: nothing but a person may settle them."""
    SENDER_DOWN = "sender_down"
    """A sender is paused until it is well again or a person resumes it."""
    BUDGET = "budget"
    """80 % of a budget is spent or reserved."""
    WEBHOOKS_SILENT = "webhooks_silent"
    """Messages were accepted, and no webhook has come from the account since."""
    REJECTS = "rejects"
    """Rows of a list were rejected, more than `rejects_above`."""


STANDING: Final = (NotifyEvent.IN_DOUBT, NotifyEvent.SENDER_DOWN, NotifyEvent.WEBHOOKS_SILENT)
"""Those that last, and end: announced once for as long as they do."""
