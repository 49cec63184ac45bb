"""When a campaign may be launched only once a person has approved it: above a number of recipients, or an amount."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.money.costs import Money, plain


@dataclass(frozen=True, slots=True)
class ApprovalLimits:
    """`[approval]` of drumbeat.toml; None: no limit of that kind."""

    recipients: int | None = None
    amount: Money | None = None

    def reason(self, recipients: int, worst_case: Money | None) -> str | None:
        """Why the campaign needs approval, or None where it needs none.

        `worst_case`: the most that it may cost; None: not known, and then no amount is known to hold it.
        """
        if self.recipients is not None and recipients > self.recipients:
            return f"{recipients:,} recipients, more than {self.recipients:,}"
        return None if self.amount is None else _too_dear(self.amount, worst_case)


def _too_dear(limit: Money, worst_case: Money | None) -> str | None:
    allowed = f"{plain(limit.amount)} {limit.currency}"
    if worst_case is None:
        return f"what it may cost is not known, and so may be more than {allowed}"
    if worst_case.amount == 0:
        return None
    cost = f"{plain(worst_case.amount)} {worst_case.currency}"
    if worst_case.currency != limit.currency:
        return f"it may cost {cost}, which cannot be compared with {allowed}"
    return f"it may cost {cost}, more than {allowed}" if worst_case.amount > limit.amount else None
