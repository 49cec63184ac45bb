"""What a runner says when it ends: what is left, what for and until when, and as what a script should take it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from campaigns.time.clock import utc_now
from scheduler.actions.control import pause
from scheduler.clock.progress import Left, RunSummary, Snapshot, Upcoming
from storage.database.engine import writing
from storage.sending.lanes import ensure_lanes, pause_lane
from terminal.running import exit_code, summarise
from tests.acceptance.conftest import World
from tests.support.campaigns import spec
from tests.support.project import CAMPAIGN, invoke, write_project

NIGHT = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LANE = "ourvoice/shop"


async def go(world: World) -> RunSummary:
    return await world.run(now=lambda: NIGHT)


async def test_messages_that_wait_for_a_time_are_shown_with_rule_and_time(world: World) -> None:
    await world.campaign(spec(hours={"allow": "09:00-19:00"}), 3, start_at=NIGHT)
    summary = await go(world)
    held = (Left("hours", 3, MORNING),)
    [one] = summary.campaigns
    assert (summary.states, summary.left) == ({"pending": 3}, held)
    assert (one.campaign, one.states, one.left) == ("spring", {"pending": 3}, held)
    assert exit_code(summary) == 0


async def test_messages_that_wait_for_a_sender_are_shown_with_reason_and_end_of_the_pause(
    world: World,
) -> None:
    await world.campaign(spec(), 3, start_at=NIGHT)
    until = NIGHT + timedelta(minutes=4)
    async with writing(world.engine) as connection:
        await ensure_lanes(connection, [LANE])
        await pause_lane(connection, LANE, "The provider cannot be reached: refused", until)
    summary = await go(world)
    assert summary.stopped_by == (f"{LANE} is paused: The provider cannot be reached: refused",)
    assert summary.left == (Left("lane_paused", 3, until),)
    assert exit_code(summary) == 6


async def test_what_is_left_of_a_paused_campaign_waits_for_a_person(world: World) -> None:
    await world.campaign(spec(hours={"allow": "09:00-19:00"}), 3, start_at=NIGHT)
    await go(world)
    await pause(world.engine, "spring", "stock is low")
    summary = await go(world)
    assert summary.left == (Left("run_state", 3, None),)
    assert exit_code(summary) == 6


@pytest.mark.parametrize(
    ("left", "code"),
    [
        (Left("own_time", 1, MORNING), 0),
        (Left("retry", 1, MORNING), 6),
        (Left("budget", 1, MORNING), 6),
        (Left("variant", 1, None), 6),
    ],
)
def test_only_what_the_calendar_releases_is_no_reason_to_look(left: Left, code: int) -> None:
    assert exit_code(RunSummary({"pending": 1}, left=(left,))) == code


def test_done_is_shown_only_if_nothing_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    summarise(RunSummary({"read": 2}))
    summarise(RunSummary({"pending": 1_000, "read": 2}, left=(Left("hours", 1_000, MORNING),)))
    summarise(RunSummary({"pending": 1}, interrupted=True))
    assert capsys.readouterr().out.splitlines() == [
        "Done: 2 read.",
        "Not finished: 1,000 pending, 2 read.",
        "Waiting: 1,000 messages held by hours, the first until 2026-03-02 09:00:00 UTC. "
        "It is outside the allowed hours in the person's time zone.",
        "Stopped: 1 pending.",
    ]


def test_the_exit_code_is_about_the_campaign_that_is_asked_for(tmp_path: Path) -> None:
    write_project(tmp_path)
    (tmp_path / "autumn.toml").write_text(CAMPAIGN.replace('"spring"', '"autumn"'))
    invoke(tmp_path, "campaign", "load", "spring.toml")
    invoke(tmp_path, "campaign", "load", "autumn.toml", "--now")
    invoke(tmp_path, "campaign", "pause", "autumn", "--reason", "stock is low")
    once = ("run", "--until-idle", "--wait-receipts", "0s")
    assert invoke(tmp_path, *once).code == 6
    asked = invoke(tmp_path, *once, "--campaign", "spring")
    assert (asked.code, asked.out) == (0, "Done: nothing to send.\n")
    assert invoke(tmp_path, *once, "--campaign", "autumn").code == 6
    unknown = invoke(tmp_path, *once, "--campaign", "sprng")
    assert (unknown.code, "Did you mean spring?" in unknown.err) == (7, True)


async def test_each_campaign_has_its_part_of_the_summary_and_the_next_run_is_named(world: World) -> None:
    tomorrow = utc_now().replace(microsecond=0) + timedelta(days=1)
    await world.campaign(spec("first"), 3)
    await world.campaign(spec("second"), 2)
    await world.campaign(spec("coming"), 2, start_at=tomorrow)
    seen: list[Snapshot] = []
    summary = await world.run(progress=seen.append)
    assert {snapshot.upcoming for snapshot in seen} == {Upcoming("coming", tomorrow)}
    states = {one.campaign: (one.state, sum(one.states.values())) for one in summary.campaigns}
    assert states == {"first": ("completed", 3), "second": ("completed", 2), "coming": ("scheduled", 0)}
    assert {one.campaign: one.next_run for one in summary.campaigns}["coming"] == tomorrow


async def test_while_nothing_is_sent_the_run_shows_what_holds_the_messages(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.clock.watch.HELD_EVERY", 0.0)
    await world.campaign(spec(hours={"allow": "09:00-19:00"}), 3, start_at=NIGHT)
    seen: list[Snapshot] = []
    await world.run(now=lambda: NIGHT, progress=seen.append)
    assert seen[-1].held == (Left("hours", 3, MORNING),)
