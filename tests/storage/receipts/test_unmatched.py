"""Reports that come before their message is known, on an account that reports very many of other programs' messages."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from campaigns.states import JobState
from providers.events import Report
from storage.database.engine import Engine, reading, writing
from storage.receipts.adopting import adopt
from storage.receipts.receipts import doubts
from storage.receipts.statuses import apply_webhook_reports
from storage.receipts.unmatched import _known_late, matched_late
from storage.tables.runs import jobs
from tests.support.campaigns import job_rows, later
from tests.support.sent import answered, sending


async def reported(engine: Engine, *reports: Report) -> None:
    async with writing(engine) as connection:
        await apply_webhook_reports(connection, "hooked", reports, later(2))


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.receipts.unmatched.TRIED_AGAIN", 5)
    monkeypatch.setattr("storage.receipts.unmatched._known_late", _known_late.__wrapped__)


def of_others() -> list[Report]:
    return [Report(f"other{number}", "sent", JobState.SENT, later(2)) for number in range(6)]


async def test_a_failure_that_came_before_the_answer_is_found_among_those_of_others(engine: Engine) -> None:
    await sending(engine, 1)
    await reported(engine, Report("m1", "failed", JobState.FAILED, later(2), code="131026"), *of_others())
    await answered(engine, [1])
    async with reading(engine) as connection:
        assert await matched_late(connection) == {"hooked": ["m1"]}


async def test_what_was_reported_of_a_message_in_doubt_counts_once_it_is_found(engine: Engine) -> None:
    await sending(engine, 1)
    await reported(engine, Report("m1", "delivered", JobState.DELIVERED, later(2)), *of_others())
    async with writing(engine) as connection:
        await connection.execute(update(jobs).values(state="in_doubt"))
        [doubt] = await doubts(connection, "hooked/shop", 10)
        assert await adopt(connection, "hooked", doubt, "m1", later(9))
    assert [job.state for job in await job_rows(engine)] == ["delivered"]
