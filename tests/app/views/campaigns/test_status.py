"""A line for each campaign: its progress, what comes next, and what holds it; on both databases."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, select, update

from app.actions.running import of_campaigns, run_campaigns
from app.views.campaigns.overview import campaign_overview
from app.views.campaigns.status import status
from app.wiring.settings import Settings
from campaigns.errors import NotFound
from campaigns.states import CampaignState
from scheduler.clock import runner
from scheduler.clock.progress import CampaignSummary, Ended, Left, RunSummary
from scheduler.clock.watch import Watch
from storage.database.changes import Changes
from storage.database.engine import Engine, reading, writing
from storage.sending.lanes import ensure_lanes, pause_lane
from storage.tables.audience import campaigns, recipients
from storage.tables.lanes import workers
from storage.tables.runs import jobs, runs
from terminal.running import exit_code
from tests.support.campaigns import account, spec, store_campaign

NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)
MORNING = datetime(2026, 3, 2, 9, tzinfo=UTC)
LANE = "ourvoice/shop"


def settings(folder: Path) -> Settings:
    return Settings("sqlite://", {"ourvoice": account("http://127.0.0.1:9", folder / "key", "x")})


async def launched(engine: Engine, campaign_id: int, held: dict[str, int]) -> None:
    """A running run in which as many messages wait for each rule as said, until the morning; the others are sent."""
    async with writing(engine) as connection:
        people = (
            await connection.execute(select(recipients).where(recipients.c.campaign_id == campaign_id))
        ).all()
        made = await connection.execute(
            insert(runs)
            .values(
                campaign_id=campaign_id,
                nominal_at=NOW,
                state="running",
                priority=0,
                spec="{}",
                jobs=len(people),
                launched_at=NOW,
            )
            .returning(runs.c.id)
        )
        run_id = made.scalar_one()
        rules = [rule for rule, number in held.items() for _ in range(number)]
        for person, rule in zip(people, [*rules, *[None] * (len(people) - len(rules))], strict=True):
            state = {"state": "pending", "held_by": rule, "due_at": MORNING} if rule else {"state": "sent"}
            values = {"due_at": NOW, "updated_at": NOW, "lane": LANE, **state}
            await connection.execute(
                insert(jobs).values(run_id=run_id, recipient_id=person.id, phone=person.phone, **values)
            )
        await connection.execute(
            update(campaigns).where(campaigns.c.id == campaign_id).values(state="running", start_at=None)
        )


async def test_each_campaign_has_a_line(engine: Engine, tmp_path: Path) -> None:
    running = await store_campaign(engine, spec("running"), 8)
    await launched(engine, running, {"hours": 3, "budget": 1})
    await store_campaign(engine, spec("coming"), 2, start_at=MORNING + timedelta(days=1))
    draft = await store_campaign(engine, spec("draft"), 1, start_at=None)
    paused = await store_campaign(engine, spec("paused"), 1)
    over = await store_campaign(engine, spec("over"), 1)
    async with writing(engine) as connection:
        for campaign_id, state, reason in (
            (draft, "draft", None),
            (paused, "paused", "stock is low"),
            (over, "completed", None),
        ):
            chosen = campaigns.c.id == campaign_id
            await connection.execute(update(campaigns).where(chosen).values(state=state, reason=reason))
    async with reading(engine) as connection:
        found = await status(connection, settings(tmp_path), NOW)
    lines = {line.status.name: line for line in found.campaigns}
    assert list(lines) == ["paused", "draft", "coming", "running", "over"]
    assert {name: line.holds for name, line in lines.items()} == {
        "paused": "stock is low",
        "draft": "not started",
        "coming": "",
        "running": "1 budget, 3 hours, 4 awaiting receipt",
        "over": "",
    }
    assert (lines["running"].status.done, lines["running"].status.total) == (4, 8)
    assert (lines["running"].next_at, lines["coming"].next_at) == (MORNING, MORNING + timedelta(days=1))
    assert lines["over"].next_at is None
    assert found.needs_runner


async def test_a_runner_that_is_alive_and_a_paused_sender_are_seen(engine: Engine, tmp_path: Path) -> None:
    campaign_id = await store_campaign(engine, spec(), 2)
    await launched(engine, campaign_id, {"hours": 2})
    until = MORNING + timedelta(hours=1)
    async with writing(engine) as connection:
        await ensure_lanes(connection, [LANE])
        await pause_lane(connection, LANE, "no balance", until)
        await connection.execute(
            insert(workers).values(
                name="w", kind="runner", host="h", pid=1, leads=True, since=NOW, seen_at=NOW
            )
        )
    async with reading(engine) as connection:
        found = await status(connection, settings(tmp_path), NOW)
        shown = await campaign_overview(connection, settings(tmp_path), "spring", NOW)
    assert not found.needs_runner
    assert [(pause.lane, pause.reason) for pause in found.paused_lanes] == [(LANE, "no balance")]
    assert found.campaigns[0].held == shown.held == (Left("lane_paused", 2, until),)
    assert (
        "waiting",
        "2 messages held by lane_paused, the first until 2026-03-02 10:00:00 UTC. "
        "Its sender is paused; the reason beside the sender says why and what to do.",
    ) in list(shown.facts())


async def ended(engine: Engine, campaign_id: int, at: datetime) -> None:
    over = update(runs).where(runs.c.campaign_id == campaign_id)
    async with writing(engine) as connection:
        await connection.execute(over.values(state="completed", ended_at=at))


async def test_a_runner_sees_which_run_has_ended_with_its_numbers(engine: Engine, changes: Changes) -> None:
    over = await store_campaign(engine, spec("over"), 3)
    await launched(engine, over, {})
    await launched(engine, await store_campaign(engine, spec("open"), 2), {"hours": 1})
    watch = Watch(engine, {}, lambda: NOW, changes)
    assert (await watch.look()).ended == ()
    await ended(engine, over, at=NOW)
    assert (await watch.look()).ended == (Ended("over", {"sent": 3}),)
    assert (await watch.look()).ended == ()


async def test_a_run_that_began_and_ended_between_two_looks_is_seen_too(
    engine: Engine, changes: Changes
) -> None:
    before = await store_campaign(engine, spec("before"), 1)
    await launched(engine, before, {})
    await ended(engine, before, at=NOW - timedelta(seconds=1))
    watch = Watch(engine, {}, lambda: NOW, changes)
    assert (await watch.look()).ended == ()
    short = await store_campaign(engine, spec("short"), 3)
    await launched(engine, short, {})
    await ended(engine, short, at=NOW)
    snapshot = await watch.look()
    assert (snapshot.ended, snapshot.total) == ((Ended("short", {"sent": 3}),), 3)
    assert (await watch.look()).ended == ()
    assert [one.campaign for one in (await watch.summary(interrupted=False)).campaigns] == ["short"]


async def test_what_a_look_that_broke_off_has_found_is_told_by_the_next(
    engine: Engine, changes: Changes
) -> None:
    over = await store_campaign(engine, spec("over"), 3)
    await launched(engine, over, {})
    watch = Watch(engine, {}, lambda: NOW, changes)
    await watch.look()
    await ended(engine, over, at=NOW)

    def broken(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM lanes" in statement:
            raise ConnectionError

    event.listen(engine.sync_engine, "before_cursor_execute", broken)
    with pytest.raises(ConnectionError):
        await watch.look()
    event.remove(engine.sync_engine, "before_cursor_execute", broken)
    assert (await watch.look()).ended == (Ended("over", {"sent": 3}),)


def test_the_exit_code_is_about_the_campaigns_that_were_asked_for() -> None:
    held = (Left("hours", 2, MORNING),)
    stuck = (Left("run_state", 3, None),)
    summary = RunSummary(
        {"pending": 5, "read": 1, "failed": 1},
        stopped_by=("autumn is paused: stock is low",),
        left=(*held, *stuck),
        campaigns=(
            CampaignSummary("spring", CampaignState.RUNNING, None, {"pending": 2, "read": 1}, held),
            CampaignSummary("autumn", CampaignState.PAUSED, "stock is low", {"pending": 3}, stuck),
            CampaignSummary("summer", CampaignState.COMPLETED, None, {"failed": 1}),
        ),
    )
    codes = {name: exit_code(of_campaigns(summary, [name])) for name in ("spring", "autumn", "summer")}
    assert codes == {"spring": 0, "autumn": 6, "summer": 3}
    assert of_campaigns(summary, ["spring"]).states == {"pending": 2, "read": 1}
    assert exit_code(summary) == 6


async def test_a_run_for_a_campaign_is_summed_up_for_it_alone(
    sqlite_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = tuple(
        CampaignSummary(name, CampaignState.COMPLETED, None, {"failed" if name == "autumn" else "read": 1})
        for name in ("spring", "autumn")
    )

    async def ends(*_: Any, **__: Any) -> RunSummary:
        return RunSummary({"read": 1, "failed": 1}, campaigns=ended)

    async def run(*asked: str) -> RunSummary:
        return await run_campaigns(
            sqlite_engine,
            settings(tmp_path),
            distributed=False,
            until_idle=True,
            wait_receipts=timedelta(),
            stop=asyncio.Event(),
            progress=lambda _: None,
            observe=lambda _: None,
            asked=asked,
        )

    monkeypatch.setattr(runner, "run", ends)
    await store_campaign(sqlite_engine, spec("spring"), 1)
    assert (exit_code(await run()), exit_code(await run("spring"))) == (3, 0)
    with pytest.raises(NotFound):
        await run("unknown")
