"""A full disk: every command that writes ends in a sentence that names what is full and what to do; what was there
before stays, and nothing is half done."""

from __future__ import annotations

import resource
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from subprocess import PIPE, run
from typing import Any

import pytest

from tests.support.project import Done, environment, invoke, write_project

MANY = "phone,first_name\n" + "".join(f"+447700900{number:03},{'Ada' * 60}\n" for number in range(999))
FEW = "phone,first_name\n+447700900010,Ada\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_project(tmp_path, people=FEW)


@contextmanager
def no_room(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No database of this process grows beyond what it is."""
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def bounded(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection = connect(*args, **kwargs)
        connection.execute("PRAGMA max_page_count = 1")
        return connection

    with monkeypatch.context() as patch:
        for module in (sqlite3, sqlite3.dbapi2):
            patch.setattr(module, "connect", bounded)
        yield


def is_told(done: Done, place: Path) -> bool:
    """Whether it ended in a sentence that names the place and what to do."""
    assert "Something unexpected" not in done.err
    assert "Traceback" not in done.err
    return done.code == 1 and str(place) in done.err and "Try: Free some space" in done.err


def rows(folder: Path, table: str) -> int:
    with closing(sqlite3.connect(folder / "drumbeat.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_a_load_into_a_full_database_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert invoke(folder, "campaign", "load", "spring.toml").code == 0
    (folder / "spring.csv").write_text(MANY)
    with no_room(monkeypatch):
        assert is_told(invoke(folder, "campaign", "load", "spring.toml"), folder / "drumbeat.db")
    assert invoke(folder, "campaign", "list", "--json").json[0]["recipients"] == 1
    assert invoke(folder, "campaign", "load", "spring.toml").code == 3
    assert invoke(folder, "campaign", "list", "--json").json[0]["recipients"] == 999


def test_preferences_that_do_not_fit_are_not_half_stored(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke(folder, "campaign", "load", "spring.toml")
    (folder / "stop.csv").write_text(MANY)
    with no_room(monkeypatch):
        done = invoke(folder, "contacts", "import", "stop.csv", "--source", "paper")
    assert is_told(done, folder / "drumbeat.db")
    assert rows(folder, "optouts") == 0


def test_a_check_needs_room_for_temporary_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with no_room(monkeypatch):
        done = invoke(folder, "campaign", "check", "spring.toml")
    assert "Something unexpected" not in done.err
    assert "no room left to write to the folder for temporary files" in done.err
    assert "Try: Free some space" in done.err


def test_a_new_database_that_does_not_fit_leaves_none_that_hinders(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (("campaign", "load", "spring.toml"), ("db", "upgrade")):
        with no_room(monkeypatch):
            assert is_told(invoke(folder, *command), folder / "drumbeat.db")
    assert invoke(folder, "campaign", "load", "spring.toml").code == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", [("report", "recipients", "spring", "--format", "csv"), ("--help",)])
def test_output_to_a_full_disk_is_a_sentence(folder: Path, command: tuple[str, ...]) -> None:
    invoke(folder, "campaign", "load", "spring.toml", "--now")
    with open("/dev/full", "w") as full:
        done = run(
            [sys.executable, "-m", "cli", *command],
            cwd=folder,
            env=environment(),
            stdout=full,
            stderr=PIPE,
            text=True,
        )
    assert (done.returncode, done.stderr) == (
        1,
        "Error: the output cannot be written: No space left on device.\n"
        "Try: Free some space on its disk, then repeat.\n",
    )


def test_on_a_full_disk_not_even_a_report_can_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite needs room for the files beside the database."""
    invoke(folder, "campaign", "load", "spring.toml")
    (folder / "drumbeat.db-shm").unlink(missing_ok=True)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        done = invoke(folder, "report", "delivery", "spring")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert is_told(done, folder / "drumbeat.db")
    assert "its disk may be full" in done.err
    assert invoke(folder, "report", "delivery", "spring").code == 0
