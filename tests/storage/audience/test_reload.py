"""A campaign that is loaded again while its run is launched: the run has the old text and the old list or the new of
both, whoever is first."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select, update

from app.actions import loading
from app.actions.loading import Flags, load_campaign
from app.wiring.settings import load_settings
from campaigns.errors import InvalidInput
from scheduler.audience.load import TooManyRejects
from scheduler.clock.launch import launch_due
from storage.database.engine import Engine, open_engine, reading, writing
from storage.runs.campaign_events import list_campaign_events
from storage.runs.runs import complete_runs
from storage.tables.audience import campaigns
from storage.tables.runs import jobs, runs
from tests.storage.audience.test_clones import cloned
from tests.support.campaigns import job_rows
from tests.support.project import CAMPAIGN, write_project

OLD, NEW = "+447700900001", "+447700900002"
START = datetime(2030, 1, 1, 9, tzinfo=UTC)
ONCE = '[schedule]\nat = "2030-01-01T09:00"\ntimezone = "UTC"\n'


class Project:
    """A campaign in a folder, and one database."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.folder, self.engine = write_project(folder, campaign=CAMPAIGN + ONCE), engine
        self.settings = load_settings(folder / "drumbeat.toml")

    def write(self, text: str, *people: str, schedule: str = ONCE) -> None:
        campaign = CAMPAIGN.replace("Hi {{ first_name }}", f"{text} {{{{ first_name }}}}") + schedule
        (self.folder / "spring.toml").write_text(campaign)
        rows = "".join(f"{phone},Ada\n" for phone in people)
        (self.folder / "spring.csv").write_text(f"phone,first_name\n{rows}")

    async def load(
        self, engine: Engine | None = None, now: datetime = START - timedelta(hours=1), replace: bool = False
    ) -> Any:
        flags = Flags(rejects=self.folder / "rejects.csv", replace=replace)
        path = self.folder / "spring.toml"
        return await load_campaign(engine or self.engine, self.settings, path, flags, now=lambda: now)

    async def launched(self) -> list[tuple[str, list[str]]]:
        """Each run's text and people."""
        jobs = await job_rows(self.engine)
        async with reading(self.engine) as connection:
            found = (await connection.execute(select(runs.c.id, runs.c.spec))).all()
        return [
            (
                orjson.loads(row.spec)["content"]["text"].split()[0],
                [job.phone for job in jobs if job.run_id == row.id],
            )
            for row in found
        ]

    async def stored(self) -> list[str]:
        async with reading(self.engine) as connection:
            return list(await connection.scalars(select(campaigns.c.name).order_by(campaigns.c.id)))


@pytest.fixture
def project(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("OURVOICE_API_KEY", "test-key")
    return Project(tmp_path, engine)


async def test_a_launch_between_list_and_text_has_both_new(
    project: Project, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("Old", OLD)
    await project.load()
    other = open_engine(database_url)
    store, launching = loading.replace_spec, []

    async def interrupted(*given: Any) -> None:
        launching.append(asyncio.create_task(launch_due(other, now=lambda: START)))
        await asyncio.wait(launching, timeout=0.3)
        await store(*given)

    monkeypatch.setattr(loading, "replace_spec", interrupted)
    project.write("New", OLD, NEW)
    await project.load()
    await launching[0]
    await launch_due(other, now=lambda: START)
    await other.dispose()
    assert await project.launched() == [("New", [OLD, NEW])]


async def test_a_load_that_comes_after_the_launch_changes_nothing(project: Project) -> None:
    project.write("Old", OLD)
    await project.load()
    await launch_due(project.engine, now=lambda: START)
    project.write("New", OLD, NEW)
    with pytest.raises(
        InvalidInput, match="Campaign spring is running; a campaign that has started is not changed"
    ):
        await project.load()
    assert await project.launched() == [("Old", [OLD])]


@pytest.mark.parametrize("turn", range(4))
async def test_whoever_wins_the_run_is_of_one_piece(project: Project, database_url: str, turn: int) -> None:
    project.write("Old", OLD)
    await project.load()
    other = open_engine(database_url)
    project.write("New", OLD, NEW)

    async def launch() -> None:
        await asyncio.sleep(turn * 0.004)
        for _ in range(1000):
            if await launch_due(other, now=lambda: START):
                return
            await asyncio.sleep(0.001)

    loaded, _ = await asyncio.gather(project.load(), launch(), return_exceptions=True)
    await other.dispose()
    if isinstance(loaded, InvalidInput):
        assert await project.launched() == [("Old", [OLD])]
    else:
        assert await project.launched() == [("New", [OLD, NEW])]


async def test_a_load_that_fails_leaves_no_campaign_and_changes_none(project: Project) -> None:
    project.write("Old", "nobody", OLD, "no one")
    with pytest.raises(TooManyRejects):
        await project.load()
    assert await project.stored() == []
    project.write("Old", OLD)
    await project.load()
    project.write("New", NEW, "nobody", "no one")
    with pytest.raises(TooManyRejects):
        await project.load()
    await launch_due(project.engine, now=lambda: START)
    assert await project.launched() == [("Old", [OLD])]


async def test_two_who_load_a_new_campaign_at_once_make_one(project: Project, database_url: str) -> None:
    project.write("Old", OLD)
    other = open_engine(database_url)
    both = await asyncio.gather(project.load(), project.load(other))
    await other.dispose()
    assert sorted(loaded.report.already_loaded for loaded in both) == [False, True]
    assert await project.stored() == ["spring"]


async def test_two_who_clone_to_one_name_make_one(project: Project, database_url: str) -> None:
    project.write("Old", OLD)
    await project.load()
    other = open_engine(database_url)
    both = await asyncio.gather(
        *(cloned(engine, "spring", "again") for engine in (project.engine, other)), return_exceptions=True
    )
    await other.dispose()
    assert sorted(map(str, both)) == ["1", "There is a campaign 'again' already."]
    assert await project.stored() == ["spring", "again"]


DAILY = '[schedule]\ncron = "0 9 * * *"\ntimezone = "UTC"\n'
DAY = timedelta(days=1)


async def test_a_list_is_replaced_before_the_start(project: Project) -> None:
    project.write("Old", OLD)
    await project.load()
    project.write("New", NEW)
    await project.load(replace=True)
    await launch_due(project.engine, now=lambda: START)
    assert await project.launched() == [("New", [NEW])]


async def test_a_list_that_was_loaded_with_others_replaces_them_too(project: Project) -> None:
    project.write("Old", OLD)
    await project.load()
    project.write("Old", NEW)
    await project.load()
    project.write("Old", OLD)
    assert (await project.load(replace=True)).report.already_loaded is False
    assert (await project.load(replace=True)).report.already_loaded is True
    await launch_due(project.engine, now=lambda: START)
    assert await project.launched() == [("Old", [OLD])]


async def test_one_that_is_sent_once_keeps_its_list_after_the_start(project: Project) -> None:
    project.write("Old", OLD)
    await project.load()
    await launch_due(project.engine, now=lambda: START)
    project.write("Old", NEW)
    with pytest.raises(InvalidInput, match="a campaign that has started is not changed"):
        await project.load(replace=True)
    assert await project.launched() == [("Old", [OLD])]


async def test_a_recurring_one_uses_the_new_list_from_its_next_run_on(project: Project) -> None:
    project.write("Old", OLD, schedule=DAILY)
    await project.load()
    await launch_due(project.engine, now=lambda: START)
    project.write("Old", NEW, schedule=DAILY)
    with pytest.raises(InvalidInput, match="has started"):
        await project.load(now=START + timedelta(hours=1))
    await project.load(now=START + timedelta(hours=1), replace=True)
    assert await project.launched() == [("Old", [OLD])]
    async with reading(project.engine) as connection:
        assert [each.detail for each in await list_campaign_events(connection, 1, 5)] == [
            "replaced by spring.csv"
        ]
        due = await connection.scalar(select(campaigns.c.start_at))
    assert due == START + DAY
    async with project.engine.begin() as connection:  # the first run is over
        await connection.execute(update(jobs).values(state="skipped", reason="holdout"))
    await launch_due(project.engine, now=lambda: START + DAY)
    assert await project.launched() == [("Old", [OLD]), ("Old", [NEW])]


async def test_a_months_budget_keeps_its_currency_between_two_runs(project: Project) -> None:
    """What was spent in dollars cannot be counted in euros."""

    def priced(currency: str) -> str:
        return f'{DAILY}[budget]\nper_month = "50.00"\ncurrency = "{currency}"\n'

    project.write("Old", OLD, schedule=priced("USD"))
    await project.load()
    project.write("Older", OLD, schedule=priced("EUR"))
    await project.load()  # nothing was spent before the first run
    assert await launch_due(project.engine, now=lambda: START) == ["spring"]
    async with writing(project.engine) as connection:
        await connection.execute(update(jobs).values(state="read"))
        await complete_runs(connection, START + timedelta(hours=1))
    project.write("New", OLD, schedule=priced("USD"))
    with pytest.raises(InvalidInput, match="spring has spent in EUR"):
        await project.load(now=START + timedelta(hours=2))
    project.write("New", OLD, schedule=priced("EUR"))
    await project.load(now=START + timedelta(hours=2))


async def test_a_recurring_one_that_has_started_keeps_all_but_its_list(project: Project) -> None:
    project.write("Old", OLD, schedule=DAILY)
    await project.load()
    await launch_due(project.engine, now=lambda: START)
    project.write("New", NEW, schedule=DAILY)
    with pytest.raises(InvalidInput, match="only its list can be replaced, and its file differs in content"):
        await project.load(now=START + timedelta(hours=1), replace=True)


@pytest.mark.parametrize("turn", range(3))
async def test_a_replaced_list_and_a_launch_at_once(project: Project, database_url: str, turn: int) -> None:
    project.write("Old", OLD)
    await project.load()
    other = open_engine(database_url)
    project.write("New", NEW)

    async def launch() -> None:
        await asyncio.sleep(turn * 0.005)
        for _ in range(1000):
            if await launch_due(other, now=lambda: START):
                return
            await asyncio.sleep(0.001)

    loaded, _ = await asyncio.gather(project.load(replace=True), launch(), return_exceptions=True)
    await other.dispose()
    wanted = [("Old", [OLD])] if isinstance(loaded, InvalidInput) else [("New", [NEW])]
    assert await project.launched() == wanted
