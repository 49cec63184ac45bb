"""Approval limits: above a number of recipients or an amount, a person must approve a campaign before it launches."""

from __future__ import annotations

from typing import Final

from campaigns.frozen import frozen
from campaigns.money.costs import Money, plain

NEEDED: Final = "It needs approval"
"""How the reason of a pause begins that an approval ends."""


@frozen
class ApprovalLimits:
    """`[approval]` of drumbeat.toml; None: no limit of that kind."""

    recipients: int | None = None
    amount: Money | None = None

    def reason(self, recipients: int, worst_case: Money | None) -> str | None:
        """Why the campaign needs approval, or None where it needs none.

        `worst_case`: the most that it may cost; None: unknown, which exceeds every amount limit.
        """
        if self.recipients is not None and recipients > self.recipients:
            return f"{recipients:,} recipients, more than {self.recipients:,}"
        return None if self.amount is None else _too_dear(self.amount, worst_case)


def _too_dear(limit: Money, worst_case: Money | None) -> str | None:
    allowed = f"{plain(limit.amount)} {limit.currency}"
    if worst_case is None:
        return f"its cost is not known, so it may be more than {allowed}"
    if worst_case.amount == 0:
        return None
    cost = f"{plain(worst_case.amount)} {worst_case.currency}"
    if worst_case.currency != limit.currency:
        return f"it may cost {cost}, which cannot be compared with {allowed}"
    return f"it may cost {cost}, more than {allowed}" if worst_case.amount > limit.amount else None
