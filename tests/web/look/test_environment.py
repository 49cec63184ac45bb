"""How pages write amounts, times and what to do."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from campaigns.money.costs import Money
from tests.support.cases import each
from web.look.environment import grouped, money, wall_time, without_commands


@each(("amount", "shown"), [("9999990", "9,999,990.00"), ("-1234.5", "-1,234.50"), ("0.0125", "0.0125")])
def test_an_amount_is_grouped_and_keeps_its_places(amount: str, shown: str) -> None:
    assert grouped(Decimal(amount)) == shown
    assert money(Money(Decimal(amount), "XOF")) == f"{shown} XOF"


def test_a_time_of_everybodys_own_clock_has_no_zone() -> None:
    assert wall_time(datetime(2026, 12, 1, 9, 5, tzinfo=UTC), UTC) == "1 Dec 2026, 09:05"


@each(
    ("hint", "shown"),
    [
        (
            "Correct the time: year, month, day. Or use --at TIME, or --now.",
            "Correct the time: year, month, day.",
        ),
        ("drumbeat campaign show spring", ""),
        ("Write a--b.csv, not a b.csv.", "Write a--b.csv, not a b.csv."),
    ],
)
def test_a_page_shows_no_commands(hint: str, shown: str) -> None:
    assert without_commands(hint) == shown
