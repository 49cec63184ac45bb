"""Variants through the command line: checked at load, shown in previews, compared and decided."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest
from click.testing import CliRunner

from campaigns.spec.campaign_spec import load_spec
from cli import cli
from scheduler.clock.launch import launch_due
from storage.database.engine import open_engine
from tests.support.project import CAMPAIGN, Done, write_project

Run = Callable[..., Done]
VARIANTS = """\
[[variants]]
name = "short"
share = 50
[[variants]]
name = "long"
share = 50
[variants.content]
text = "Good morning {{ first_name }}, {{ offer }}"
[winner]
by = "hand"
"""
PEOPLE = "phone,first_name,offer\n+447700900010,Ada,socks\n+447700900012,Joan,\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OURVOICE_API_KEY", "test-key")
    return write_project(tmp_path, campaign=CAMPAIGN + VARIANTS, people=PEOPLE)


@pytest.fixture
def run(folder: Path) -> Run:
    def run(*arguments: str) -> Done:
        result = CliRunner().invoke(cli, arguments)
        return Done(result.exit_code, result.stdout, result.stderr)

    return run


def launch(folder: Path, *statements: str) -> None:
    """Launch what is due, and let the statements tell what became of it."""

    async def once() -> None:
        engine = open_engine(f"sqlite:///{folder / 'drumbeat.db'}")
        assert await launch_due(engine) == ["spring"]
        await engine.dispose()

    asyncio.run(once())
    with closing(connect(folder / "drumbeat.db", isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


def test_a_row_needs_the_variables_of_every_variant(run: Run) -> None:
    checked = run("campaign", "check", "spring.toml", "--json")
    assert (checked.json["accepted"], checked.json["reasons"]) == (1, {"blank_variable": 1})


def test_a_faulty_variant_is_reported_at_load(run: Run, folder: Path) -> None:
    wrong = CAMPAIGN + VARIANTS.replace("{{ offer }}", "{{ offer")
    (folder / "spring.toml").write_text(wrong, encoding="utf-8")
    checked = run("campaign", "check", "spring.toml")
    assert (checked.code, "Variant long: content.text, line 1" in checked.err) == (5, True)


def test_the_preview_shows_every_variant(run: Run) -> None:
    run("campaign", "load", "spring.toml")
    messages = run("campaign", "preview", "spring", "--json").json["messages"]
    assert [(each["phone"], each["variant"], each["text"]) for each in messages] == [
        ("+447700900010", "short", "Hi Ada"),
        ("+447700900010", "long", "Good morning Ada, socks"),
    ]
    assert "(text, variant long)" in run("campaign", "preview", "spring").out


def test_nothing_is_compared_before_it_is_sent_or_without_variants(run: Run, folder: Path) -> None:
    run("campaign", "load", "spring.toml", "--now")
    for words in (("campaign", "winner"), ("report", "variants")):
        done = run(*words, "spring")
        assert (done.code, "has not been sent yet" in done.err) == (5, True)
    (folder / "spring.toml").write_text(CAMPAIGN, encoding="utf-8")
    run("campaign", "load", "spring.toml", "--now")
    launch(folder)
    assert "spring has no variants" in run("report", "variants", "spring").err


def test_the_standing_is_shown_and_the_winner_chosen_by_hand(run: Run, folder: Path) -> None:
    (folder / "spring.csv").write_text(
        "phone,first_name,offer\n" + "".join(f"+4477009000{n},Ada,socks\n" for n in range(10, 70)), "utf-8"
    )
    run("campaign", "load", "spring.toml", "--now")
    split = load_spec(folder / "spring.toml").split
    assert split is not None
    tested = [f"+4477009000{n}" for n in range(10, 70) if split.in_test(f"+4477009000{n}")]
    sent = "UPDATE jobs SET state = 'delivered', accepted_at = 1, variant = '{}' WHERE phone = '{}'"
    told = [sent.format(split.variant_of(person), person) for person in tested]
    launch(folder, *told, "UPDATE jobs SET held_by = 'variant' WHERE state = 'pending'")
    shown = run("campaign", "winner", "spring", "--json").json
    counts = {each["variant"]: (each["sent"], each["delivered_rate"]) for each in shown["variants"]}
    assert sum(number for number, _ in counts.values()) == len(tested)
    assert {rate for _, rate in counts.values()} == {1.0}
    assert (shown["by"], shown["winner"], shown["waiting"]) == ("hand", None, 60 - len(tested))
    assert "manually" in run("campaign", "winner", "spring").out
    assert run("campaign", "winner", "spring", "middle").code == 7
    chosen = run("campaign", "winner", "spring", "long")
    assert (chosen.code, chosen.out) == (
        0,
        "long is the winner of spring; the recipients who waited get it.\n",
    )
    again = run("campaign", "winner", "spring", "short")
    assert (again.code, "is long already: chosen by a person" in again.err) == (5, True)
    report = run("report", "variants", "spring")
    assert "no difference" in report.out
    assert "The winner is long: chosen by a person." in report.out
    assert run("report", "variants", "spring", "--format", "csv").out.startswith(
        '"variant","sent","delivered",'
    )
    rows = run("report", "recipients", "spring", "--json").json
    assert {row["phone"]: row["variant"] for row in rows if row["variant"]} == {
        person: split.variant_of(person) for person in tested
    }
