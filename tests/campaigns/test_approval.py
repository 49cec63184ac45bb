"""When a campaign needs approval: by its recipients, by what it may cost, and where that is not known."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from campaigns.approval import ApprovalLimits
from campaigns.money.costs import Money
from tests.support.cases import each


def usd(amount: str) -> Money:
    return Money(Decimal(amount), "USD")


# name of the case, limits, recipients, worst case, part of the reason (None: needs none)
CASES = [
    ("no limits", ApprovalLimits(), 10_000_000, None, None),
    ("as many as allowed", ApprovalLimits(1000), 1000, None, None),
    ("one more", ApprovalLimits(1000), 1001, None, "1,001 recipients, more than 1,000"),
    ("none allowed", ApprovalLimits(0), 1, None, "more than 0"),
    ("as dear as allowed", ApprovalLimits(None, usd("500")), 1, usd("500.00"), None),
    ("dearer", ApprovalLimits(None, usd("500")), 1, usd("500.01"), "500.01 USD, more than 500.00 USD"),
    ("not known", ApprovalLimits(None, usd("500")), 1, None, "not known"),
    ("another currency", ApprovalLimits(None, usd("500")), 1, Money(Decimal(1), "XOF"), "cannot be compared"),
    ("nothing at all", ApprovalLimits(None, usd("500")), 1, Money(Decimal(0), "XOF"), None),
    ("both, cheap but many", ApprovalLimits(10, usd("500")), 11, usd("1"), "recipients"),
    ("both, few but dear", ApprovalLimits(10, usd("500")), 10, usd("501"), "more than 500.00 USD"),
]


@each(
    ("limits", "recipients", "worst_case", "says"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_what_needs_approval(
    limits: ApprovalLimits, recipients: int, worst_case: Money | None, says: str | None
) -> None:
    reason = limits.reason(recipients, worst_case)
    assert reason is None if says is None else says in (reason or "")


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.decimals("0.01", 1000, places=2))
def test_more_of_either_never_needs_approval_less(limit: int, recipients: int, cost: Decimal) -> None:
    limits = ApprovalLimits(limit, usd("500"))
    if limits.reason(recipients, Money(cost, "USD")):
        assert limits.reason(recipients + 1, Money(cost + 1, "USD"))
