"""Where commands may write: nothing that must not be lost is ever written over, by whatever name it is called."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from app.wiring.output_files import needed_files, output_place, write_port_file
from app.wiring.settings import load_settings
from campaigns.errors import UsageError
from tests.support.cases import each
from tests.support.project import Done, invoke, write_project

Run = Callable[..., Done]
REPORTS = ("summary", "delivery", "cost", "failures", "recipients", "funnel")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a loaded campaign, never changed."""
    folder = write_project(tmp_path_factory.mktemp("project"))
    settings = folder / "drumbeat.toml"
    settings.write_text(settings.read_text().replace('"env:OURVOICE_API_KEY"', '"file:key.txt"'))
    (folder / "key.txt").write_text("test-key")
    (folder / "unloaded.toml").write_text('[audience]\ncsv = "later.csv"\n')
    (folder / "later.csv").write_text("phone\n+447700900010\n")
    assert invoke(folder, "campaign", "load", "spring.toml").code == 3
    return folder


@pytest.fixture
def folder(loaded: Path, tmp_path: Path) -> Path:
    place = tmp_path / "project"
    shutil.copytree(loaded, place)
    (place / "drumbeat.db.lock").touch()
    return place


@pytest.fixture
def run(folder: Path) -> Run:
    return lambda *arguments: invoke(folder, *arguments)


NEEDED = (
    "drumbeat.db",
    "drumbeat.db-wal",
    "drumbeat.db-shm",
    "drumbeat.db-journal",
    "drumbeat.db.lock",
    "drumbeat.toml",
    "spring.toml",
    "unloaded.toml",
    "later.csv",
    "key.txt",
)


def everything_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("name", NEEDED)
def test_what_the_project_needs_is_never_an_output(run: Run, folder: Path, name: str) -> None:
    before = everything_in(folder)
    others = [name, f"../project/{name}", str(folder / name), name.upper()]
    if (folder / name).exists():
        (folder / "link.csv").symlink_to(name)
        others.append("link.csv")
        if name != "drumbeat.db":  # with two names it is not opened at all
            os.link(folder / name, folder / "same.csv")
            others.append("same.csv")
        before = everything_in(folder)
    for other in others:
        done = run("report", "recipients", "spring", "--output", other, "--force", "--format", "csv")
        assert (done.code, "belongs to the project" in done.err) == (2, True), (other, done)
        done = run("campaign", "check", "spring.toml", "--rejects", other)
        assert (done.code, "belongs to the project" in done.err) == (2, True), (other, done)
    assert everything_in(folder) == before


def test_a_list_that_a_campaign_was_loaded_from_is_never_an_output(run: Run, folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "people.csv").write_text("phone\n+447700900010\n")
    campaign = (folder / "spring.toml").read_text()
    (folder / "spring.toml").write_text(campaign.replace('"spring"', '"other"'))
    run("campaign", "load", "spring.toml", "--csv", "elsewhere/people.csv")
    done = run("report", "delivery", "other", "--output", "elsewhere/people.csv", "--force")
    assert (done.code, "belongs to the project" in done.err) == (2, True)


def test_another_projects_database_or_campaign_is_none_either(run: Run, folder: Path) -> None:
    shutil.copy(folder / "drumbeat.db", folder / "old.backup")
    (folder / "away").mkdir()
    (folder / "away" / "winter.toml").write_text("")
    for name in ("old.backup", "away/winter.toml"):
        done = run("report", "delivery", "spring", "--format", "csv", "--output", name, "--force")
        assert (done.code, "belongs to the project" in done.err) == (2, True)


@pytest.mark.parametrize("kind", REPORTS)
def test_a_file_that_is_there_asks_for_force(run: Run, folder: Path, kind: str) -> None:
    output = folder / "out.csv"
    output.write_text("mine")
    refused = run("report", kind, "spring", "--output", "out.csv")
    assert (refused.code, refused.out) == (2, "")
    assert "out.csv already exists." in refused.err
    assert "--force" in refused.err
    assert output.read_text() == "mine"
    assert run("report", kind, "spring", "--output", "out.csv", "--force").code == 0
    assert output.read_text().startswith('"')
    assert stat.S_IMODE(output.stat().st_mode) == 0o600


@each(
    ("arguments", "says"),
    [
        (("--output", "x.pdf"), "Reports cannot be written as .pdf"),
        (("--output", "x.ods", "--format", "csv"), "Reports cannot be written as .ods"),
        (("--output", "x.html", "--format", "csv"), "contradict"),
        (("--format", "xlsx"), "--output FILE.xlsx"),
        (("--run", "1", "--since", "2026-01-01"), "leave out --since"),
        (("--output", "x.zzz"), "Reports cannot be written as .zzz"),
        (("--output", "x.csv", "--json"), "contradict"),
        (("--output", "x.json", "--format", "table"), "contradict"),
    ],
)
@pytest.mark.parametrize("kind", REPORTS)
def test_the_file_ending_gives_the_format_or_nothing_is_written(
    run: Run, folder: Path, kind: str, arguments: tuple[str, ...], says: str
) -> None:
    done = run("report", kind, "spring", *arguments)
    assert (done.code, says in done.err) == (2, True)
    assert not list(folder.glob("x.*"))


@pytest.mark.parametrize("report", [*((kind,) for kind in REPORTS), ("recipients", "--not-reached")])
def test_every_ending_has_its_form(run: Run, folder: Path, report: tuple[str, ...]) -> None:
    kind, *flags = report
    for name in ("x.CSV", "x.json", "x.txt", "x"):
        assert run("report", kind, "spring", *flags, "--output", name).code == 0
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert (folder / "x.CSV").read_text().startswith('"')
    assert json.loads((folder / "x.json").read_text()) is not None
    for name in ("x.txt", "x"):
        assert (folder / name).read_text()[:1] not in ('"', "{", "[")
    for name, begins in (("x.html", b"<!doctype html>"), ("x.xlsx", b"PK")):
        assert run("report", kind, "spring", *flags, "--output", name).code == 0
        assert (folder / name).read_bytes().startswith(begins)
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("flags", "ending"), [((), "html"), (("--format", "xlsx"), "xlsx"), (("--json",), "json")]
)
def test_in_a_folder_a_report_is_named_after_campaign_report_and_day(
    run: Run, folder: Path, flags: tuple[str, ...], ending: str
) -> None:
    (folder / "out").mkdir()
    assert run("report", "summary", "spring", "--out", "out", *flags).code == 0
    [made] = (folder / "out").iterdir()
    assert re.fullmatch(rf"spring-summary-\d{{4}}-\d\d-\d\d\.{ending}", made.name)
    again = run("report", "summary", "spring", "--out", "out", *flags)
    assert (again.code, "already exists" in again.err) == (2, True)


def test_the_database_is_its_users_alone(loaded: Path) -> None:
    assert stat.S_IMODE((loaded / "drumbeat.db").stat().st_mode) == 0o600


def test_a_link_is_followed_and_stays(run: Run, folder: Path) -> None:
    (folder / "out.csv").symlink_to("real.csv")
    assert run("report", "delivery", "spring", "--output", "out.csv").code == 0
    assert (folder / "out.csv").is_symlink()
    assert (folder / "real.csv").read_text().startswith('"group"')


@pytest.mark.parametrize(
    "option",
    [("report", "delivery", "spring", "--output"), ("campaign", "check", "spring.toml", "--rejects")],
)
def test_what_is_no_file_is_no_output(run: Run, folder: Path, option: tuple[str, ...]) -> None:
    os.mkfifo(folder / "fifo")
    (folder / "folder").mkdir()
    (folder / "loop").symlink_to("loop")
    before = os.stat("/dev/null")
    force = ("--force",) if option[0] == "report" else ()
    nowhere = ("fifo", "loop", "/dev/null", "/dev/stdout")
    for name in nowhere if option[0] == "report" else (*nowhere, "folder"):
        done = run(*option, name, *force)
        assert (done.code, done.out) == (2, ""), (name, done)
    assert stat.S_ISFIFO((folder / "fifo").stat().st_mode)
    assert (os.stat("/dev/null").st_mode, os.stat("/dev/null").st_rdev) == (before.st_mode, before.st_rdev)
    done = run(*option, "nowhere/x.csv")
    assert (done.code, "There is no folder" in done.err) == (2, True)


def test_rejects_never_replace_a_file(run: Run, folder: Path) -> None:
    (folder / "bad.csv").write_text("mine")
    for command in (
        ("campaign", "load", "spring.toml"),
        ("contacts", "import", "spring.csv", "--default-country", "GB"),
    ):
        done = run(*command, "--rejects", "bad.csv")
        assert (done.code, "bad.csv already exists" in done.err) == (2, True)
    assert (folder / "bad.csv").read_text() == "mine"


def test_rejects_are_named_after_campaign_and_list(run: Run, folder: Path) -> None:
    (folder / "spring.rejects.csv").write_text("being mended")
    (folder / "people.csv").write_text("phone\n+447700900010\nnobody\nno one\n")
    often = ("--max-reject-percent", "100", "--json")
    for arguments, name in (
        (("check", "spring.toml"), "spring.rejects-2.csv"),
        (("check", "spring.toml"), "spring.rejects-2.csv"),
        (("check", "spring.toml", "--csv", "people.csv"), "spring.people.rejects.csv"),
        (("check", "people.csv"), "people.rejects.csv"),
        (("check", "spring.toml", "--csv", "spring.people.rejects.csv"), "spring.people.rejects.csv"),
    ):
        assert run("campaign", *arguments, *often).json["rejects_file"] == str(folder / name)
    assert (folder / "spring.rejects.csv").read_text() == "being mended"


def test_a_new_project_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "hello.csv").symlink_to("nowhere")
    done = invoke(tmp_path, "init")
    assert (done.code, "hello.csv already exists" in done.err) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["hello.csv"]


def test_a_port_file_replaces_a_port_file_alone(tmp_path: Path) -> None:
    write_port_file(tmp_path / "port", 1234)
    write_port_file(tmp_path / "port", 80)
    assert (tmp_path / "port").read_text() == "80"
    (tmp_path / "people.csv").write_text("phone\n")
    with pytest.raises(UsageError, match="already exists"):
        write_port_file(tmp_path / "people.csv", 80)


def test_every_file_of_the_project_is_known_before_it_is_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    settings = load_settings()
    for path in folder.iterdir():
        if path.name != "spring.rejects.csv":
            with pytest.raises(UsageError, match="belongs to the project"):
                output_place(path, needed_files(settings), option="--output", force=True)
