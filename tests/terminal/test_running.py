"""What a run prints in the end: by campaign, what waits, and what comes next."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from app.wiring.settings import Settings
from campaigns.states import CampaignState
from scheduler.clock.progress import CampaignSummary, Left, RunSummary
from storage.database.engine import open_engine
from terminal.output import show_times_in
from terminal.running import servers, summarise

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
TEN = datetime(2026, 3, 3, 10, tzinfo=UTC)
SPRING = CampaignSummary("spring", CampaignState.RUNNING, None, {"pending": 2, "read": 1})
SUMMER = CampaignSummary("summer", CampaignState.COMPLETED, None, {"failed": 1}, next_run=TEN)
WINTER = CampaignSummary("winter", CampaignState.SCHEDULED, None, {}, next_run=NINE)


@pytest.fixture(autouse=True)
def in_utc() -> Iterator[None]:
    show_times_in(UTC)
    yield
    show_times_in(None)


def printed(summary: RunSummary, capsys: pytest.CaptureFixture[str]) -> list[str]:
    summarise(summary)
    return capsys.readouterr().out.splitlines()


def test_each_campaign_is_summed_up_and_what_comes_next_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    states = {"pending": 2, "read": 1, "failed": 1}
    held = (Left("hours", 2, NINE),)
    lines = printed(RunSummary(states, left=held, campaigns=(SPRING, SUMMER, WINTER)), capsys)
    assert lines == [
        "Not finished: 2 pending, 1 read, 1 failed.",
        "  spring is running: 2 pending, 1 read.",
        "  summer is completed: 1 failed.",
        lines[3],
        "Next run: winter, at 2026-03-02 09:00:00 UTC.",
        "Next run: summer, at 2026-03-03 10:00:00 UTC.",
    ]
    assert lines[3].startswith("Waiting: 2 messages held by hours, the first until 2026-03-02 09:00:00 UTC.")


async def test_the_first_link_is_of_the_address_that_people_use(sqlite_url: str) -> None:
    settings = Settings(sqlite_url, public_url="https://send.example.com/")
    engine = open_engine(sqlite_url)
    notes: list[str] = []
    async with servers(engine, settings, ("127.0.0.1", 0), None, notes.append, pages=True):
        pass
    await engine.dispose()
    assert notes[0].startswith("Open https://send.example.com/join/")


def test_a_single_campaign_is_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(RunSummary({"read": 1}, campaigns=(SPRING, WINTER)), capsys)
    assert lines == ["Done: 1 read.", "Next run: winter, at 2026-03-02 09:00:00 UTC."]


def test_why_it_stopped_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    stopped = RunSummary({}, interrupted=True, stopped_by=("spring is paused: stock is low",))
    assert printed(stopped, capsys) == [
        "Stopped: nothing to send.",
        "Waiting: spring is paused: stock is low",
    ]
