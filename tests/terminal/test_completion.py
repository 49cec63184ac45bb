"""The shell completes the names of campaigns, runs and accounts, and stays silent where there are none."""

from __future__ import annotations

import sqlite3
from contextlib import chdir, closing
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from cli import cli
from tests.support.project import write_project


def completed(folder: Path, *words: str) -> list[str]:
    *before, last = words
    with chdir(folder):
        found = ShellComplete(cli, {}, "drumbeat", "_DRUMBEAT_COMPLETE").get_completions(before, last)
    return [item.value for item in found]


@pytest.fixture
def project(tmp_path: Path, sqlite_url: str) -> Path:
    """Two campaigns, one of them with two runs and a test."""
    with closing(sqlite3.connect(tmp_path / "drumbeat.db")) as connection, connection:
        for name in ("spring", "summer"):
            connection.execute(
                "INSERT INTO campaigns (name, state, spec, category, created_at, updated_at)"
                " VALUES (?, 'draft', '{}', 'marketing', 0, 0)",
                (name,),
            )
        for number, kind in ((11, "scheduled"), (12, "test"), (13, "scheduled")):
            connection.execute(
                "INSERT INTO runs (id, campaign_id, nominal_at, state, priority, spec, token, jobs, launched_at, kind)"
                " VALUES (?, 1, ?, 'completed', 0, '{}', ?, 0, 0, ?)",
                (number, number, str(number), kind),
            )
    return write_project(tmp_path)


def test_names_are_completed_with_what_is_there(project: Path) -> None:
    assert completed(project, "campaign", "show", "s") == ["summer", "spring"]
    assert completed(project, "campaign", "show", "sp") == ["spring"]
    assert completed(project, "report", "delivery", "spring", "--run", "") == ["13", "11"]
    assert completed(project, "provider", "check", "o") == ["ourvoice"]
    (project / "below").mkdir()
    assert completed(project / "below", "why", "sp") == ["spring"]
    elsewhere = f"sqlite:///{project / 'drumbeat.db'}"
    assert completed(Path("/"), "--database", elsewhere, "why", "sp") == ["spring"]


def test_without_a_project_nothing_is_completed_and_nothing_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("why", ""), ("report", "cost", "spring", "--run", ""), ("provider", "check", "")):
        assert completed(tmp_path, *words) == []
    (tmp_path / "drumbeat.toml").write_text("[database")
    assert completed(tmp_path, "provider", "check", "") == []
    (tmp_path / "drumbeat.toml").write_text('[database]\nurl = "postgresql://127.0.0.1:9/none"\n')
    assert completed(tmp_path, "why", "") == []
    assert not (tmp_path / "drumbeat.db").exists()
    assert capsys.readouterr() == ("", "")
