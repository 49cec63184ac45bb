"""A campaign's life through the command line: previewed, tested, approved, started, retried, cloned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from sqlite3 import connect

import pytest
from click.testing import CliRunner
from sqlalchemy import select, update

from cli import cli
from scheduler.actions.retrying import retry_failed
from scheduler.actions.testing import start_test
from scheduler.clock.launch import launch_due
from scheduler.clock.one_run import send_run
from storage.database.engine import reading, writing
from storage.tables.audience import campaigns
from storage.tables.runs import jobs, runs
from tests.acceptance.conftest import World
from tests.support.campaigns import later, phone, spec
from tests.support.project import CAMPAIGN, Done, write_project

Run = Callable[..., Done]
APPROVAL = "\n[approval]\nrecipients = 2\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OURVOICE_API_KEY", "test-key")
    return write_project(tmp_path)


@pytest.fixture
def run(folder: Path) -> Run:
    def run(*arguments: str) -> Done:
        result = CliRunner().invoke(cli, arguments)
        return Done(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def unattended(monkeypatch: pytest.MonkeyPatch) -> None:
    """`campaign test` does not wait for its messages: their provider never answers, and it would wait for minutes."""
    monkeypatch.setitem(send_run.__kwdefaults__, "longest", timedelta())


def execute(folder: Path, statement: str) -> None:
    with closing(connect(folder / "drumbeat.db", isolation_level=None)) as database:
        database.execute(statement)


def settings(folder: Path, more: str) -> None:
    path = folder / "drumbeat.toml"
    path.write_text(path.read_text("utf-8") + more, encoding="utf-8")


def test_a_preview_shows_the_rows_that_are_asked_for(run: Run, folder: Path) -> None:
    (folder / "spring.csv").write_text(
        "phone,first_name\n+447700900010,Ada\n+447700900011,\n+447700900012,Wilhelmina\n", encoding="utf-8"
    )
    run("campaign", "load", "spring.toml")

    def shown(*options: str) -> list[tuple[int, str]]:
        messages = run("campaign", "preview", "spring", *options, "--json").json["messages"]
        return [(message["line"], message["text"]) for message in messages]

    assert shown("--line", "3") == [(3, "Hi there")]
    assert shown("--longest", "2") == [(4, "Hi Wilhelmina"), (3, "Hi there")]
    assert shown("--missing", "5") == [(3, "Hi there")]
    assert sorted(shown("--random", "3", "--seed", "7")) == sorted(shown("--first", "3"))
    assert len(shown("--random", "2")) == 2
    assert run("campaign", "preview", "spring", "--missing", "1").out == (
        "line 3  +447700900011  (text)  blank: first_name\n  Hi there\n\n"
    )
    nobody = run("campaign", "preview", "spring", "--line", "99")
    assert (nobody.code, "No recipient of spring is on line 99." in nobody.err) == (7, True)
    assert run("campaign", "preview", "spring", "--line", "2", "--first", "1").code == 2
    assert "Did you mean spring?" in run("campaign", "preview", "sprin").err


def test_a_preview_shows_both_forms(run: Run, folder: Path) -> None:
    template = '\n[content.template]\nname = "hi"\nlanguage = "en"\nparameters = ["{{ first_name }}"]\n'
    run("campaign", "load", "spring.toml")
    with_template = (
        "UPDATE campaigns SET spec = json_set(spec, '$.content.template', "
        'json(\'{"name": "hi", "language": "en", "parameters": ["{{ first_name }}"]}\'))'
    )
    execute(folder, with_template)
    messages = run("campaign", "preview", "spring", "-n", "1", "--json").json["messages"]
    assert [message["type"] for message in messages] == ["text", "template"], template


def test_a_large_campaign_starts_only_once_it_is_approved(run: Run, folder: Path) -> None:
    settings(folder, APPROVAL)
    refused = run("campaign", "load", "spring.toml", "--now")
    assert refused.code == 6
    assert "spring is loaded but does not start. It needs approval: 3 recipients, more than 2." in refused.err
    assert run("campaign", "start", "spring").code == 6
    shown = run("campaign", "show", "spring", "--json").json
    assert (shown["state"], shown["approval"]["needed"]) == (
        "draft",
        "It needs approval: 3 recipients, more than 2.",
    )
    approved = run("campaign", "approve", "spring", "--by", "ada", "--json").json
    assert (approved["by"], len(approved["digest"]), approved["goes_on"]) == ("ada", 64, False)
    shown = run("campaign", "show", "spring", "--json").json["approval"]
    assert (shown["needed"], shown["by"]) == (None, "ada")
    assert run("campaign", "start", "spring", "--json").json["campaign"] == "spring"
    assert run("campaign", "show", "spring", "--json").json["state"] == "scheduled"


def test_an_edited_file_voids_the_approval(run: Run, folder: Path) -> None:
    settings(folder, APPROVAL)
    run("campaign", "load", "spring.toml")
    run("campaign", "approve", "spring", "--by", "ada")
    (folder / "spring.toml").write_text(CAMPAIGN.replace("Hi {{", "Buy now, {{"), encoding="utf-8")
    refused = run("campaign", "load", "spring.toml", "--now")
    assert (refused.code, "changed after ada approved it" in refused.err) == (6, True)
    assert "changed after ada approved it" in run("campaign", "show", "spring").out


def test_a_later_start_may_be_approved_until_then(run: Run, folder: Path) -> None:
    settings(folder, APPROVAL)
    loaded = run("campaign", "load", "spring.toml", "--at", "2040-01-01T09:00Z", "--json")
    assert (loaded.code, loaded.json["state"]) == (3, "scheduled")
    assert loaded.json["held"] == "It needs approval: 3 recipients, more than 2."


def test_a_wrong_approval_table_is_reported(run: Run, folder: Path) -> None:
    settings(folder, '\n[approval]\namount = "500.00"\n')
    done = run("campaign", "list")
    assert (done.code, "amount and currency go together" in done.err) == (5, True)


def test_an_amount_of_which_nothing_is_known_needs_approval(run: Run, folder: Path) -> None:
    settings(folder, '\n[approval]\namount = "500.00"\ncurrency = "USD"\n')
    refused = run("campaign", "load", "spring.toml", "--now")
    assert (refused.code, "more than 500.00 USD" in refused.err) == (6, True)


@pytest.mark.usefixtures("unattended")
def test_a_test_is_made_of_a_draft(run: Run) -> None:
    run("campaign", "load", "spring.toml")
    done = run("campaign", "test", "spring", "--to", "07700 900099", "--line", "3", "--json").json
    assert (done["line"], done["to"]) == (3, ["+447700900099"])
    story = run("why", "spring", "+447700900099", "--json").json
    assert (story["state"], story["timeline"][0]["event"]) == ("pending", "launched as a test")
    assert run("report", "delivery", "spring", "--json").json["jobs"] == 3
    assert [line["kind"] for line in run("campaign", "show", "spring", "--json").json["runs"]] == ["test"]
    assert run("campaign", "test", "spring").code == 2
    assert run("campaign", "test", "spring", "--to", "hello").code == 5
    assert run("campaign", "test", "spring", "--to", "+447700900099", "--line", "99").code == 7


def test_a_clone_is_a_draft_until_it_is_started(run: Run) -> None:
    run("campaign", "load", "spring.toml", "--at", "2030-01-01T09:00Z")
    cloned = run("campaign", "clone", "spring", "summer", "--json").json
    assert (cloned["campaign"], cloned["recipients"], cloned["start_at"]) == ("summer", 3, None)
    shown = run("campaign", "show", "summer", "--json").json
    assert (shown["state"], shown["rows"], shown["next_run"]) == ("draft", 5, None)
    when = ("--at", "2031-06-01T09:00", "--timezone", "Africa/Porto-Novo")
    assert run("campaign", "start", "summer", *when, "--json").json["start_at"] == "2031-06-01T08:00:00+00:00"
    later_one = run("campaign", "clone", "spring", "autumn", *when, "--json").json
    assert later_one["start_at"] == "2031-06-01T08:00:00+00:00"
    assert run("campaign", "clone", "spring", "winter", "--now", "--json").json["start_at"]
    assert run("campaign", "clone", "spring", "summer").code == 5
    assert run("campaign", "clone", "spring", "New Name").code == 5
    assert run("campaign", "clone", "sprin", "x").code == 7
    assert run("campaign", "clone", "spring", "x", "--now", "--at", "2031-06-01T09:00Z").code == 2


@pytest.mark.parametrize(
    ("state", "hint"),
    [
        ("running", "campaign pause spring"),
        ("paused", "campaign cancel spring"),
        ("completed", "campaign clone"),
    ],
)
def test_what_has_started_is_not_edited(run: Run, folder: Path, state: str, hint: str) -> None:
    run("campaign", "load", "spring.toml", "--now")
    execute(
        folder,
        "INSERT INTO runs (campaign_id, nominal_at, state, priority, spec, token, jobs, launched_at)"
        " VALUES (1, 0, 'running', 0, '{}', 't', 3, 0)",
    )
    execute(folder, f"UPDATE campaigns SET state = '{state}'")
    refused = run("campaign", "load", "spring.toml")
    assert refused.code == 5
    assert f"spring is {state}; a campaign that has started is not changed." in refused.err
    assert hint in refused.err


def test_what_was_paused_before_its_start_is_edited_and_stays_paused(run: Run) -> None:
    run("campaign", "load", "spring.toml", "--at", "2030-01-01T09:00Z")
    run("campaign", "pause", "spring", "--reason", "stock is low")
    loaded = run("campaign", "load", "spring.toml", "--at", "2031-01-01T09:00Z", "--json")
    assert (loaded.code, loaded.json["state"]) == (3, "paused")
    assert loaded.json["start_at"] == "2031-01-01T09:00:00+00:00"
    shown = run("campaign", "show", "spring", "--json").json
    assert (shown["state"], shown["reason"]) == ("paused", "stock is low")
    refused = run("campaign", "start", "spring")
    assert (refused.code, "stock is low" in refused.err) == (5, True)
    assert run("campaign", "resume", "spring").code == 0


@pytest.mark.usefixtures("unattended")
def test_show_shows_what_holds_it_and_resume_ends_that(run: Run, folder: Path) -> None:
    run("campaign", "load", "spring.toml", "--now")
    run("campaign", "test", "spring", "--to", "+447700900099")
    execute(folder, "UPDATE campaigns SET state = 'running'")
    execute(folder, "UPDATE lanes SET paused_reason = 'the session is down', paused_until = NULL")
    execute(folder, "INSERT INTO budgets VALUES ('1:run:1', 'USD', 1500000, 20000000)")
    execute(folder, "INSERT INTO missed_runs (campaign_id, nominal_at, reason, at) VALUES (1, 0, 'late', 0)")
    shown = run("campaign", "show", "spring", "--json").json
    assert shown["paused_lanes"] == [
        {"lane": "ourvoice/shop", "reason": "the session is down", "until": None}
    ]
    assert shown["budgets"] == [{"budget": "run 1", "currency": "USD", "reserved": "1.50", "spent": "20.00"}]
    assert [missed["reason"] for missed in shown["missed_runs"]] == ["late"]
    text = run("campaign", "show", "spring").out
    for part in ("the session is down", "20.00 USD spent, 1.50 reserved", "1970-01-01 00:00:00 UTC: late"):
        assert part in text
    assert run("campaign", "resume", "spring", "--json").json["lanes"] == ["ourvoice/shop"]
    assert run("campaign", "show", "spring", "--json").json["paused_lanes"] == []
    assert run("campaign", "resume", "spring").code == 5
    execute(folder, "UPDATE lanes SET paused_reason = 'too fast', paused_until = 9999999999999")
    timed = run("campaign", "resume", "spring")
    assert (timed.code, "goes on by itself at 2286-11-20" in timed.err) == (5, True)


def test_retry_shows_what_it_retries_and_why_not_the_rest(run: Run, folder: Path) -> None:
    run("campaign", "load", "spring.toml", "--now")
    assert run("campaign", "retry-failed", "spring").code == 5
    execute(
        folder,
        "INSERT INTO runs (campaign_id, nominal_at, state, priority, spec, token, jobs, launched_at)"
        " SELECT 1, 0, 'completed', 0, spec, 't', 3, 0 FROM campaigns",
    )
    execute(
        folder,
        "INSERT INTO jobs (run_id, recipient_id, phone, lane, state, reason, code, due_at, updated_at)"
        " SELECT 1, id, phone, 'ourvoice/shop', 'failed', 'provider_failed',"
        " CASE line WHEN 2 THEN '131000' ELSE '131026' END, 0, 0 FROM recipients",
    )
    execute(folder, "UPDATE campaigns SET state = 'completed'")
    done = run("campaign", "retry-failed", "spring", "--json").json
    assert (done["retried"], [(g["code"], g["count"], g["again"]) for g in done["groups"]]) == (
        1,
        [("131026", 2, None), ("131000", 1, "now")],
    )
    assert run("report", "delivery", "spring", "--json").json["states"] == {"pending": 1, "failed": 2}
    again = run("campaign", "retry-failed", "spring")
    assert (again.code, "There is nothing to retry." in again.out) == (0, True)
    assert "Not on WhatsApp" in again.out
    assert run("campaign", "retry-failed", "spring", "--given-up").code == 2
    assert run("campaign", "retry-failed", "spring", "--given-up", "--yes").code == 0
    assert "Did you mean spring?" in run("campaign", "retry-failed", "sprin").err


async def test_a_test_of_a_draft_is_sent_and_leaves_it_a_draft(world: World) -> None:
    await world.campaign(spec(), 3, start_at=None)
    await start_test(world.engine, "spring", [phone(500)], 4)
    await world.run()
    assert [(m["to"], m["content"]) for m in await world.ledger()] == [(phone(500)[1:], "Hi Ada 2")]
    async with reading(world.engine) as connection:
        assert await connection.scalar(select(campaigns.c.state)) == "draft"
        assert await connection.scalar(select(runs.c.state)) == "completed"


async def test_a_test_beside_a_running_campaign_does_not_complete_it(sqlite_world: World) -> None:
    world = sqlite_world
    await world.campaign(spec(schedule={"at": "2026-01-01T00:00:00Z"}), 2)
    await launch_due(world.engine, now=lambda: later(1))
    async with writing(world.engine) as connection:
        await connection.execute(update(jobs).values(due_at=later(10**9)))
    await start_test(world.engine, "spring", [phone(500)])
    await world.run()
    async with reading(world.engine) as connection:
        assert await connection.scalar(select(campaigns.c.state)) == "running"
        rows = await connection.execute(select(runs.c.kind, runs.c.state))
        states = {row.kind: row.state for row in rows}
    assert states == {"scheduled": "running", "test": "completed"}


async def test_a_retry_reaches_those_that_were_missed_and_no_person_twice(world: World) -> None:
    await world.campaign(spec(), 6)
    await world.run()
    async with writing(world.engine) as connection:
        missed = {"state": "failed", "reason": "retries_exhausted", "provider_message_id": None}
        await connection.execute(update(jobs).where(jobs.c.phone.in_([phone(1), phone(4)])).values(**missed))
    await retry_failed(world.engine, "spring")
    await world.run()
    received = Counter(message["to"] for message in await world.ledger())
    assert received == {phone(n)[1:]: 2 if n in (1, 4) else 1 for n in range(6)}
    async with reading(world.engine) as connection:
        assert await connection.scalar(select(campaigns.c.state)) == "completed"
        assert set(await connection.scalars(select(runs.c.state))) == {"completed"}


def test_starting_a_started_campaign_hints_what_to_do_instead(run: Run, folder: Path) -> None:
    run("campaign", "load", "spring.toml")
    tries = {
        "completed": "retry-failed spring, to those it did not reach",
        "running": "drumbeat campaign show spring",
        "cancelled": "drumbeat campaign clone spring NEW --now",
    }
    before = run("campaign", "show", "spring", "--json").json["spec"]
    for state, hint in tries.items():
        execute(folder, f"UPDATE campaigns SET state = '{state}'")
        done = run("campaign", "start", "spring", "--at", "2031-01-01T09:00+00:00")
        assert (done.code, hint in done.err, "cannot be scheduled" in done.err) == (5, True, False)
        assert run("campaign", "show", "spring", "--json").json["spec"] == before
