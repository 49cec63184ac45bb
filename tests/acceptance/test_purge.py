"""`drumbeat db purge` through the command line, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import update

from campaigns.states import CampaignState
from campaigns.time.clock import utc_now
from cli import cli
from storage.database.engine import open_engine, writing
from storage.tables.audience import campaigns
from storage.tables.types import from_millis
from tests.support.project import Done, write_project

Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OURVOICE_API_KEY", "test-key")
    write_project(tmp_path)

    def run(*arguments: str) -> Done:
        result = CliRunner().invoke(cli, ("--database", database_url, *arguments))
        return Done(result.exit_code, result.stdout, result.stderr)

    assert run("db", "upgrade").code == 0
    assert run("campaign", "load", "spring.toml").code == 3
    return run


@pytest.fixture
def long_ago(run: Run, database_url: str) -> Run:
    """The campaign `spring` was cancelled long ago: three people, two rejected rows."""
    assert run("campaign", "cancel", "spring", "--yes").code == 0

    async def age() -> None:
        engine = open_engine(database_url)
        async with writing(engine) as connection:
            await connection.execute(update(campaigns).values(updated_at=from_millis(0)))
        await engine.dispose()

    asyncio.run(age())
    return run


PURGE = ("db", "purge", "--older-than", "90d")


def test_it_shows_what_would_go_and_asks(long_ago: Run) -> None:
    asked = long_ago(*PURGE)
    assert asked.code == 2
    assert "To confirm, use --yes" in asked.err
    for line in ("recipients of ended campaigns  3", "rejected rows of ended campaigns  2"):
        assert " ".join(line.split()) in " ".join(asked.out.split())
    looked = long_ago(*PURGE, "--dry-run", "--json").json
    assert (looked["found"]["recipients"], looked["purged"]) == (3, None)


def test_messages_under_way_are_not_purged(run: Run) -> None:
    looked = run(*PURGE, "--yes")
    assert looked.code == 0
    assert "nothing to purge" in looked.out


def test_after_it_the_reports_say_the_same_and_nothing_is_sent_again(long_ago: Run) -> None:
    before = long_ago("report", "delivery", "spring", "--json").json
    done = long_ago(*PURGE, "--yes", "--vacuum", "--json")
    assert done.code == 0
    assert (done.json["purged"]["recipients"], done.json["purged"]["rejects"]) == (3, 2)
    after = long_ago("report", "delivery", "spring", "--json").json
    day = f"{utc_now():%Y-%m-%d}"
    assert after.pop("purged_at").startswith(day)
    assert before.pop("purged_at") is None
    assert after == before
    assert after["states"] == {CampaignState.CANCELLED.value: 3}
    listed = long_ago("report", "recipients", "spring", "--json")
    assert listed.json == []
    assert f"purged on {day}" in listed.err
    asked = long_ago("why", "spring", "+447700900010")
    assert (asked.code, f"purged on {day}" in asked.err) == (7, True)
    again = long_ago("campaign", "load", "spring.toml")
    assert (again.code, "a campaign that has started is not changed" in again.err) == (5, True)


def test_too_soon_is_refused(long_ago: Run) -> None:
    refused = long_ago("db", "purge", "--older-than", "7d", "--yes")
    assert refused.code == 2
    assert "--older-than 30d" in refused.err
