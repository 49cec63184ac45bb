"""What providers say later about messages that were paid for: a failure gives money and room back, an arrival after
all takes them again, a price is spent."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from campaigns.money.costs import Money
from campaigns.states import JobState
from providers.events import Report
from storage.database.engine import Engine, writing
from storage.receipts.statuses import apply_webhook_reports
from storage.sending.budgets import Reservation, reserve, used_of
from storage.sending.contact_history import NewHistoryRow, add_to_history, recent_history
from tests.support.campaigns import EPOCH, later
from tests.support.sent import answered, sending

KEY = "1:run:1"


def usd(amount: str) -> Money:
    return Money(Decimal(amount), "USD")


def report(state: JobState, cost: Money | None = None, at: datetime | None = None) -> Report:
    return Report("m1", state.value, state, at or later(9), cost=cost, code="131026")


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(
    ("reports", "used", "past_messages"),
    [
        ([report(JobState.DELIVERED)], 50_000, 1),
        ([report(JobState.FAILED)], 0, 0),
        ([report(JobState.DELIVERED, usd("0.02"))], 20_000, 1),
        ([report(JobState.SENT, usd("0")), report(JobState.DELIVERED)], 0, 1),
        ([report(JobState.FAILED), report(JobState.FAILED)], 0, 0),
        ([report(JobState.FAILED), report(JobState.SENT)], 0, 0),
        ([report(JobState.FAILED), report(JobState.DELIVERED)], 50_000, 1),
        ([report(JobState.FAILED), report(JobState.READ), report(JobState.FAILED)], 50_000, 1),
        ([report(JobState.FAILED), report(JobState.DELIVERED, usd("0.02"))], 20_000, 1),
        ([report(JobState.FAILED), report(JobState.READ), report(JobState.READ, usd("0.02"))], 20_000, 1),
    ],
)
async def test_a_report_settles_budget_and_history(
    engine: Engine, reports: list[Report], used: int, past_messages: int, at_once: bool
) -> None:
    await sending(engine, 1)
    await answered(engine, [1])
    async with writing(engine) as connection:
        await reserve(connection, [Reservation(1, (KEY,), usd("0.05"))])
        await add_to_history(
            connection, "hooked/shop", later(1), [NewHistoryRow(1, "+44", 1, "marketing", (), counts=True)]
        )
    for some in [reports] if at_once else [[one] for one in reports]:
        async with writing(engine) as connection:
            await apply_webhook_reports(connection, "hooked", some, later(10))
    async with writing(engine) as connection:
        assert (await used_of(connection, [KEY])).get(KEY, 0) == used
        found = await recent_history(connection, ["+44"], EPOCH)
    assert [touch.at for touch in found.get("+44", [])] == [later(1)] * past_messages
