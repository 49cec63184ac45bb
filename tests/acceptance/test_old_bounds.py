"""A campaign that was stored before its counts had upper bounds is read, shown and sent."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import func, update

from app.wiring.rights import Role
from app.wiring.settings import Settings
from cli import cli
from storage.audience.campaigns import require
from storage.database.engine import reading, writing
from storage.tables.audience import campaigns
from storage.views.metrics_snapshot import read_metrics
from tests.acceptance.conftest import World
from tests.support.campaigns import later, spec
from tests.support.pages import Browser, log_in_as
from tests.support.project import CAMPAIGN, write_project

HUGE = "1" + "0" * 30
MARKED = 987_654
"""A count that is HUGE in the database."""
COUNTS = f"""
ramp = [{MARKED}, {MARKED}]
[schedule]
every = "1d"
max_runs = {MARKED}
[[caps]]
max = {MARKED}
per = "7d"
"""


async def test_it_is_sent_and_the_pages_and_metrics_show_it(sqlite_world: World) -> None:
    engine, accounts = sqlite_world.engine, {"ourvoice": sqlite_world.account}
    variants = [{"name": name, "share": 50, "content": {"text": name}} for name in "ab"]
    wanted = spec(
        pace={"delay_between": 0, "ramp": [MARKED]},
        caps=[{"max": MARKED, "per": "7d"}],
        variants=variants,
        winner={"by": "read", "after": "12h", "minimum": MARKED},
    )
    await sqlite_world.campaign(wanted, 8)
    async with writing(engine) as connection:
        await connection.execute(
            update(campaigns).values(spec=func.replace(campaigns.c.spec, str(MARKED), HUGE))
        )
    await sqlite_world.send(until_idle=True)
    assert await sqlite_world.ledger()
    assert {job.held_by for job in await sqlite_world.jobs()} <= {None, "variant"}
    async with reading(engine) as connection:
        winner = (await require(connection, "spring")).spec.winner
        await read_metrics(connection, later(0), later(0))
    assert winner is not None
    assert winner.minimum == 1_000_000_000
    async with Browser(engine, Settings("sqlite://", accounts)) as browser:
        await log_in_as(browser, engine, Role.EDITOR)
        for page in ("/", "/campaigns", "/campaigns/spring"):
            assert (await browser.get(page)).status_code == 200, page


def test_commands_show_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_project(tmp_path, campaign=CAMPAIGN + COUNTS))
    monkeypatch.setenv("OURVOICE_API_KEY", "test-key")
    run = CliRunner().invoke
    run(cli, ["campaign", "load", "spring.toml"])
    with closing(sqlite3.connect("drumbeat.db")) as database, database:
        database.execute("UPDATE campaigns SET spec = replace(spec, ?, ?)", (str(MARKED), HUGE))
    for command in (
        "campaign show spring",
        "campaign show spring --json",
        "campaign list",
        "campaign next spring",
        "campaign estimate spring",
        "campaign clone spring summer",
        "report delivery spring",
        "status",
    ):
        done = run(cli, command.split())
        assert done.exit_code == 0, (command, done.output)
