"""The command line as scripts and people use it, up to the point where messages would be sent."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import click
import pytest
from click.testing import CliRunner

from campaigns.message.content import MessageType
from cli import COMMANDS, cli
from providers import registry
from providers.capabilities import Capabilities
from providers.settings import AccountSettings
from tests.support.cases import each
from tests.support.databases import fresh_database
from tests.support.project import CAMPAIGN, Done, write_project

Run = Callable[..., Done]


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


def all_commands(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [path]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            found += all_commands(inner, (*path, name))
    return found


@each("path", all_commands(cli), ids=" ".join)
def test_every_command_has_help(run: Run, path: tuple[str, ...]) -> None:
    done = run(*path, "--help")
    assert done.code == 0
    assert f"Usage: cli {' '.join(path)}".rstrip() in done.out
    assert len(done.out.splitlines()) > 4


def test_the_root_help_repeats_each_commands_first_line() -> None:
    for name, (_, line) in COMMANDS.items():
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert (command.help or "").splitlines()[0] == line


# name of the case, arguments, exit code, part of the message
REFUSALS = [
    ("unknown command", ["campain"], 2, "Did you mean 'campaign'?"),
    ("unknown option", ["run", "--until-idel"], 2, "No such option"),
    ("bad duration", ["run", "--wait-receipts", "soon"], 2, "a duration is written as"),
    ("no such file", ["campaign", "check", "nowhere.toml"], 7, "There is no file nowhere.toml."),
    ("no such csv", ["campaign", "check", "nowhere.csv"], 5, "nowhere.csv"),
    ("no such campaign, no database", ["campaign", "show", "spring"], 7, "There is no database"),
    ("no such config", ["--config", "nowhere.toml", "campaign", "list"], 7, "nowhere.toml"),
    (
        "bad database",
        ["--database", "mysql://x", "campaign", "list"],
        5,
        "--database: a database is written as",
    ),
    ("now and at", ["campaign", "load", "spring.toml", "--now", "--at", "2026-12-01T09:00"], 2, "either"),
    ("time without zone", ["campaign", "load", "spring.toml", "--at", "2026-12-01T09:00"], 5, "no time zone"),
    ("bad map", ["campaign", "check", "spring.toml", "--map", "x"], 2, "write it as COLUMN=NAME"),
    ("unknown country", ["campaign", "check", "spring.toml", "--default-country", "XX"], 5, "XX"),
    ("bad country", ["campaign", "check", "spring.csv", "--default-country", "Atlantis"], 5, "two letters"),
    (
        "bad delimiter",
        ["campaign", "check", "spring.csv", "--delimiter", "#"],
        5,
        "--delimiter: input should",
    ),
    (
        "csv named",
        ["campaign", "check", "spring.csv", "--phone-column", "tel"],
        5,
        "spring.csv, line 1, column",
    ),
    ("unknown column", ["campaign", "check", "spring.toml", "--phone-column", "tel"], 5, "tel"),
    ("unknown account", ["provider", "check", "ourvoise"], 7, "Did you mean ourvoice?"),
    ("unknown account to poll", ["reconcile", "--provider", "bird"], 7, "[providers.bird]"),
    ("delete without yes", ["session", "delete", "x"], 2, "To confirm, use --yes"),
    ("nobody answers", ["session", "list"], 1, "cannot be reached"),
    ("bad time", ["campaign", "load", "spring.toml", "--at", "soon"], 5, "--at: 'soon' is not a time"),
    ("bad port", ["serve", "--port", "99999"], 2, "99999 is not in the range"),
    ("zone in small letters", ["status", "--timezone", "europe/london"], 2, "did you mean Europe/London?"),
    ("bad day", ["rates", "import", "x", "--from", "x"], 2, "'x' is not a day; write it like 2026-01-01"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "says"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS]
)
def test_a_refusal_has_its_exit_code_and_a_hint(run: Run, arguments: list[str], code: int, says: str) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (code, "")
    assert says in done.err
    assert "Traceback" not in done.err


def test_check_writes_nothing_but_the_rejects(run: Run, folder: Path) -> None:
    done = run("campaign", "check", "spring.toml", "--json")
    assert done.code == 3
    assert {key: done.json[key] for key in ("campaign", "rows", "accepted", "rejected", "duplicates")} == {
        "campaign": "spring",
        "rows": 5,
        "accepted": 3,
        "rejected": 2,
        "duplicates": 1,
    }
    assert done.json["detected"] == {
        "encoding": "utf-8",
        "delimiter": ",",
        "phone_column": "phone",
        "phone_columns": ["phone"],
    }
    assert done.json["reasons"] == {"duplicate": 1, "phone_not_a_number": 1}
    assert Path(done.json["rejects_file"]) == folder / "spring.rejects.csv"
    assert '"nobody","Mallory","5"' in (folder / "spring.rejects.csv").read_text("utf-8-sig")
    assert sorted(path.name for path in folder.iterdir()) == [
        "drumbeat.toml",
        "spring.csv",
        "spring.rejects.csv",
        "spring.toml",
    ]


def test_check_takes_a_csv_alone(run: Run) -> None:
    done = run(
        "campaign", "check", "spring.csv", "--default-country", "GB", "--max-reject-percent", "50", "--json"
    )
    assert (done.code, done.json["campaign"], done.json["accepted"]) == (3, None, 3)


def test_load_then_everything_adds_up(run: Run) -> None:
    loaded = run("campaign", "load", "spring.toml", "--json")
    assert (loaded.code, loaded.json["accepted"], loaded.json["state"]) == (3, 3, "draft")
    report = run("report", "delivery", "spring", "--json").json
    assert report.pop("formulas").keys() <= report.keys()
    assert report == {
        "campaign": "spring",
        "run": None,
        "since": None,
        "until": None,
        "runs": [],
        "file_rows": 5,
        "rows": 5,
        "rejected": 2,
        "jobs": 3,
        "states": {"pending": 3},
        "awaiting_receipt": 0,
        "skipped": {},
        "failed": {},
        "delivery_rate": None,
        "read_rate": None,
        "purged_at": None,
    }
    shown = run("campaign", "show", "spring", "--json").json
    assert (shown["state"], shown["rows"], shown["imports"][0]["source"]) == ("draft", 5, "spring.csv")
    listed = run("campaign", "list", "--json").json
    assert [(line["name"], line["recipients"], line["rejected"]) for line in listed] == [("spring", 3, 2)]


def test_loading_again_adds_nothing_and_can_set_the_time(run: Run) -> None:
    first = run("campaign", "load", "spring.toml", "--json")
    again = run(
        "campaign", "load", "spring.toml", "--at", "2030-01-01T09:00", "--timezone", "Asia/Tokyo", "--json"
    )
    assert (first.json["state"], again.json["state"]) == ("draft", "scheduled")
    assert again.json["start_at"] == "2030-01-01T00:00:00+00:00"
    assert again.json["already_loaded"] is True
    assert run("report", "delivery", "spring", "--json").json["rows"] == 5


def test_an_edited_list_explains_what_happened_and_what_to_do(run: Run, folder: Path) -> None:
    run("campaign", "load", "spring.toml")
    people = folder / "spring.csv"
    people.write_text(
        people.read_text("utf-8").replace("Ada", "Adah") + "+447700900020,New\n", encoding="utf-8"
    )
    added = run("campaign", "load", "spring.toml", "--max-reject-percent", "50")
    assert added.code == 3
    assert "loaded before  4 rows, from spring.csv, loaded 20" in added.out
    assert "to replace them with this list's, use --duplicates last" in added.out
    assert "Hi Ada\n" in run("campaign", "preview", "spring").out
    people.write_text(people.read_text("utf-8") + "\n", encoding="utf-8")
    loaded = run(
        "campaign", "load", "spring.toml", "--duplicates", "last", "--max-reject-percent", "40", "--json"
    )
    assert (loaded.json["accepted"], loaded.json["already_in"]) == (4, [])
    assert "Hi Adah" in run("campaign", "preview", "spring").out


def test_fixed_rejects_are_loaded_from_their_file(run: Run, folder: Path) -> None:
    run("campaign", "load", "spring.toml")
    rejects = folder / "spring.rejects.csv"
    rejects.write_text(rejects.read_text("utf-8-sig").replace("nobody", "+447700900013"), encoding="utf-8")
    done = run("campaign", "load", "spring.toml", "--csv", "spring.rejects.csv", "--json")
    assert done.json["accepted"] == 1
    report = run("report", "delivery", "spring", "--json").json
    assert (report["rows"], report["rejected"], report["jobs"]) == (5, 1, 4)
    assert (folder / "spring.rejects-2.csv").is_file()


def test_a_load_with_too_many_bad_rows_shows_them_and_leaves_no_campaign(run: Run) -> None:
    done = run("campaign", "load", "spring.toml", "--max-reject-percent", "1", "--json")
    assert (done.code, done.json["rejected"]) == (5, 2)
    assert done.json["reasons"] == {"duplicate": 1, "phone_not_a_number": 1}
    assert "Nothing was loaded" in done.err
    assert run("campaign", "list", "--json").json == []


def test_the_preview_shows_the_messages(run: Run) -> None:
    run("campaign", "load", "spring.toml")
    messages = run("campaign", "preview", "spring", "--json").json["messages"]
    assert [(each["line"], each["phone"], each["text"]) for each in messages] == [
        (2, "+447700900010", "Hi Ada"),
        (3, "+447700900011", "Hi Grace"),
        (4, "+447700900012", "Hi there"),
    ]


def test_the_preview_is_readable(run: Run, folder: Path) -> None:
    picture = 'images = [{ url = "https://x/{{ first_name }}.png" }]\n[content.defaults]'
    (folder / "spring.toml").write_text(CAMPAIGN.replace("[content.defaults]", picture), encoding="utf-8")
    run("campaign", "load", "spring.toml")
    assert run("campaign", "preview", "spring", "-n", "1").out == (
        "line 2  +447700900010  (image)\n  https://x/Ada.png\n  Hi Ada\n\n"
    )


def test_a_campaign_is_steered(run: Run) -> None:
    run("campaign", "load", "spring.toml", "--now")
    assert run("campaign", "pause", "spring", "--reason", "stock is low").code == 0
    shown = run("campaign", "show", "spring", "--json").json
    assert (shown["state"], shown["reason"]) == ("paused", "stock is low")
    assert run("campaign", "resume", "spring").code == 0
    assert run("campaign", "cancel", "spring").code == 2
    assert run("campaign", "cancel", "spring", "--yes", "--json").json["done"] == "cancelled"
    assert run("campaign", "resume", "spring").code == 5
    assert run("report", "delivery", "spring", "--json").json["states"] == {"cancelled": 3}
    refused = run("campaign", "load", "spring.toml")
    assert (refused.code, "Give the campaign file another name;" in refused.err) == (5, True)


def test_why_reads_a_number_as_the_campaign_does(run: Run) -> None:
    run("campaign", "load", "spring.toml", "--at", "2030-01-01T09:00Z")
    story = run("why", "spring", "07700 900011", "--json").json
    assert (story["phone"], story["state"], story["held_by"]) == (
        "+447700900011",
        "pending",
        "campaign_scheduled",
    )
    assert story["estimated_send_at"] == "2030-01-01T09:00:00+00:00"
    assert [moment["event"] for moment in story["timeline"]] == ["loaded"]
    assert run("why", "spring", "+447700900099").code == 7
    assert run("why", "spring", "hello").code == 5
    assert run("why", "sprng", "+447700900011").err.endswith("\nDid you mean spring?\n")


def test_exports_are_files_and_safe_to_open(run: Run, folder: Path) -> None:
    (folder / "spring.csv").write_text("phone,first_name\n+447700900010,Ada\n=HYPERLINK(1),x\n", "utf-8")
    run("campaign", "load", "spring.toml")
    done = run("report", "recipients", "spring", "--output", "out.csv")
    assert (done.code, done.out) == (0, "")
    with (folder / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["line"], row["phone"], row["state"], row["cost"]) for row in rows] == [
        ("2", "+447700900010", "pending", "")
    ]
    assert run("report", "recipients", "spring", "--json").json[0]["phone"] == "+447700900010"
    assert run("report", "failures", "spring", "--output", "f.json").code == 0
    assert json.loads((folder / "f.json").read_text("utf-8"))["rejected"][0]["count"] == 1


@pytest.mark.parametrize("report", ["delivery", "cost", "failures", "recipients"])
@pytest.mark.parametrize("format_", ["table", "json", "csv"])
def test_every_report_has_every_format_and_no_escape_codes(run: Run, report: str, format_: str) -> None:
    run("campaign", "load", "spring.toml")
    done = run("report", report, "spring", "--format", format_)
    assert done.code == 0
    assert done.out.strip()
    assert "\x1b" not in done.out


def test_an_unknown_sender_and_account_are_not_found(run: Run, folder: Path) -> None:
    (folder / "spring.toml").write_text(CAMPAIGN.replace('["shop"]', '["shp"]'))
    done = run("campaign", "load", "spring.toml")
    assert (done.code, "Did you mean shop?" in done.err) == (7, True)
    assert "spring.toml, line 3: senders: ourvoice has no sender 'shp'." in done.err
    (folder / "spring.toml").write_text(CAMPAIGN.replace('["shop"]', '["warehouse"]'))
    assert "Its senders: shop." in run("campaign", "load", "spring.toml").err
    (folder / "spring.toml").write_text(CAMPAIGN.replace('"ourvoice"', '"ourvoise"'))
    done = run("campaign", "check", "spring.toml")
    assert "spring.toml, line 2: provider: There is no [providers.ourvoise]" in done.err
    assert (done.code, "Did you mean ourvoice?" in done.err) == (7, True)


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ('header = "a"\nbuttons = [{ type = "reply", text = "Yes" }]', "content.header"),
        ('footer = "a"\nbuttons = [{ type = "reply", text = "Yes" }]', "content.footer"),
        ('images = [{ id = "1" }]', "content.images[0].id"),
    ],
)
def test_what_the_provider_has_not_names_those_that_have_it(
    run: Run, folder: Path, content: str, key: str
) -> None:
    (folder / "spring.toml").write_text(
        CAMPAIGN.replace("[content.defaults]", f"{content}\n[content.defaults]")
    )
    done = run("campaign", "load", "spring.toml")
    assert done.code == 5
    assert f"spring.toml, line 8: content: ourvoice cannot send {key}." in done.err
    assert re.search(r"Providers that can: .*\bmeta\b", done.err)


class TextOnly:
    """An adapter that can send nothing but text."""

    name: ClassVar = "textonly"
    capabilities: ClassVar = Capabilities(types=frozenset({MessageType.TEXT}))
    account_settings: ClassVar[type[AccountSettings]] = AccountSettings


def test_a_type_that_the_provider_cannot_send_names_those_that_can(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.ADAPTERS, "textonly", f"{__name__}:TextOnly")  # type: ignore[attr-defined]
    monkeypatch.setitem(registry.ACCOUNTS, "textonly", f"{__name__}:AccountSettings")  # type: ignore[attr-defined]
    settings = (folder / "drumbeat.toml").read_text()
    (folder / "drumbeat.toml").write_text(
        settings.replace('adapter = "ourvoice"', 'adapter = "textonly"')
        .replace("session_id", "# session_id")
        .replace('currency = "XOF"', "")
    )
    (folder / "spring.toml").write_text(
        CAMPAIGN.replace("[content.defaults]", 'images = [{ url = "https://x/a.png" }]\n[content.defaults]')
    )
    done = run("campaign", "load", "spring.toml")
    assert done.code == 5
    assert "textonly cannot send image." in done.err
    assert re.search(r"Providers that can: .*\bourvoice\b", done.err)


def test_init_writes_a_project_that_checks_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    assert runner.invoke(cli, ["init"]).exit_code == 0
    checked = runner.invoke(cli, ["campaign", "check", "hello.toml", "--json"])
    assert checked.exit_code == 0
    assert json.loads(checked.stdout)["accepted"] == 3
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert runner.invoke(cli, ["init"]).exit_code == 2
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_doctor_shows_what_is_wrong_and_what_to_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OURVOICE_API_KEY")
    done = run("doctor", "--json")
    found: dict[str, Any] = {finding["what"]: finding for finding in done.json}
    assert done.code == 4
    assert {what for what, finding in found.items() if not finding["ok"]} == {
        "secret of ourvoice",
        "provider ourvoice",
    }
    assert "does not exist yet" in found["database"]["said"]
    assert run("db", "upgrade").code == 0
    well = {finding["what"]: finding["ok"] for finding in run("doctor", "--json").json}
    assert (well["database"], well["counts"]) == (True, True)


def test_wrong_numbers_of_messages_are_found_and_corrected(run: Run, folder: Path) -> None:
    run("campaign", "load", "spring.toml")
    with closing(sqlite3.connect(folder / "drumbeat.db")) as database, database:
        database.execute(
            "INSERT INTO job_counts (run_id, lane, state, held_by, reason, code, jobs) "
            "VALUES (7, 'ourvoice/shop', 'read', '', '', '', 3)"
        )
        database.execute(
            "INSERT INTO cost_sums (run_id, region, category, form, card_id, failed, settled, currency, priced, "
            "price_currency, jobs, cost_micros, price_micros) "
            "VALUES (7, 'NG', '', 'text', 0, 0, 1, 'EUR', 0, '', 2, 40000, 0)"
        )
        database.execute("INSERT INTO time_counts (run_id, at, sent, delivered) VALUES (7, 1000, 4, 3)")
        database.execute("UPDATE campaigns SET recipients = 77")
        database.execute(
            "INSERT INTO events (id, job_id, at, stored_at, source, event) VALUES (8, 99, 0, 0, 'user', 'sent')"
        )
    kept = ("counts", "costs", "time line", "lists")
    findings = {each["what"]: each for each in run("doctor", "--json").json}
    found, costs, times, lists = (findings[what] for what in kept)
    assert findings["references"]["said"] == (
        "rows were deleted by hand: 1 event without its message, such as events.id 8"
    )
    assert findings["references"]["fix"].endswith(
        ": DELETE FROM events WHERE NOT (EXISTS (SELECT jobs.id FROM jobs WHERE jobs.id = events.job_id))"
    )
    assert times["said"] == (
        "1 number of messages by time is wrong: from 1970-01-01 00:00:01 UTC on run 7 shows 4 sent and 3 delivered, "
        "and has 0 and 0"
    )
    assert (times["ok"], times["fix"]) == (False, "drumbeat db recount")
    assert lists["said"] == "1 number of people of a campaign is wrong: spring shows 77 and has 3"
    assert (lists["ok"], lists["fix"]) == (False, "drumbeat db recount")
    assert costs["said"] == (
        "1 sum of what messages cost is wrong: run 7 shows 2 messages, 0.04 charged and 0.00 expected in NG, "
        "and has 0 messages, 0.00 charged and 0.00 expected"
    )
    assert (costs["ok"], costs["fix"]) == (False, "drumbeat db recount")
    assert found["said"] == (
        "1 number of messages by state is wrong: run 7 shows 3 read on ourvoice/shop and has 0"
    )
    assert (found["ok"], found["fix"]) == (False, "drumbeat db recount")
    done = run("db", "recount", "--json").json
    [corrected], [cost], [time], [size] = (done[key] for key in ("corrected", "costs", "times", "lists"))
    assert (size["campaign"], size["kept"], size["counted"]) == ("spring", 77, 3)
    assert (time["at"], time["kept_sent"], time["sent"]) == ("1970-01-01T00:00:01+00:00", 4, 0)
    assert (cost["kept"]["charged"], cost["counted"]["messages"]) == ("0.04", 0)
    assert (corrected["run_id"], corrected["kept"], corrected["counted"]) == (7, 3, 0)
    assert run("db", "recount").out == "Every number of messages was right, and so was what they cost.\n"
    assert all(each["ok"] for each in run("doctor", "--json").json if each["what"] in kept)


MORE_ACCOUNTS = """
[providers.bird]
adapter = "bird"
api_key = "env:BIRD_KEY"
webhook_secret = "env:BIRD_HOOKS"
workspace_id = "a3f1b2c4-1234-4abc-9def-000011112222"
[providers.meta]
adapter = "meta"
api_key = "file:meta.key"
"""


@pytest.mark.parametrize(
    "command", [("run", "--until-idle"), ("serve", "--port", "0"), ("worker",)], ids=" ".join
)
def test_every_missing_secret_is_named_before_anything_begins(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.delenv("OURVOICE_API_KEY")
    settings = folder / "drumbeat.toml"
    settings.write_text(settings.read_text() + MORE_ACCOUNTS)
    done = run(*command)
    assert done.code == 2
    assert "3 secrets are missing" in done.err
    for place in ("ourvoice.api_key: ", "bird.api_key: ", "meta.api_key: "):
        assert f"providers.{place}" in done.err
    assert "export OURVOICE_API_KEY=" in done.err
    assert "export BIRD_KEY=" in done.err
    assert "meta.key" in done.err
    assert not (folder / "drumbeat.db").exists()


@pytest.mark.parametrize(
    "command", [("run", "--until-idle"), ("serve", "--port", "0"), ("up",), ("worker",)], ids=" ".join
)
def test_a_folder_without_a_project_is_an_error(run: Run, folder: Path, command: tuple[str, ...]) -> None:
    (folder / "drumbeat.toml").unlink()
    done = run(*command)
    assert (done.code, done.out) == (2, "")
    assert f"There is no drumbeat.toml in {folder} or in a folder above it" in done.err
    assert "drumbeat init" in done.err
    assert not (folder / "drumbeat.db").exists()


def test_a_worker_on_sqlite_says_only_what_is_wrong(run: Run, folder: Path) -> None:
    assert run("db", "upgrade").code == 0
    done = run("worker", "--metrics-port", "0")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Error: Several machines need PostgreSQL")


def test_the_doctor_names_webhook_secrets(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = folder / "drumbeat.toml"
    settings.write_text(settings.read_text() + MORE_ACCOUNTS)
    found = {finding["said"]: finding for finding in run("doctor", "--json").json}
    missing = found["webhook_secret: The secret env:BIRD_HOOKS is empty or missing."]
    assert (missing["ok"], missing["fix"]) == (False, "Set the variable: export BIRD_HOOKS=…")
    assert found["app_secret is not in the settings; drumbeat serve needs it"]["ok"]


def test_a_file_that_is_no_database_is_reported(run: Run, folder: Path) -> None:
    (folder / "drumbeat.db").write_bytes(b"this is no database" * 100)
    done = run("campaign", "list")
    assert (done.code, "cannot be read" in done.err) == (1, True)


def test_the_same_on_postgresql(run: Run, postgres: str) -> None:
    with fresh_database(postgres) as url:
        unready = run("--database", url, "campaign", "load", "spring.toml")
        assert (unready.code, "Try: drumbeat db upgrade" in unready.err) == (2, True)
        assert run("--database", url, "db", "upgrade").code == 0
        assert run("--database", url, "campaign", "load", "spring.toml").code == 3
        report = run("--database", url, "report", "delivery", "spring", "--json").json
        assert (report["rows"], report["states"]) == (5, {"pending": 3})
        recipients = run("--database", url, "report", "recipients", "spring", "--json").json
        assert [row["line"] for row in recipients] == [2, 3, 4]


def test_a_variable_that_is_wrong_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRUMBEAT_PROVIDERS__OURVOICE__RATE", "fast")
    done = run("campaign", "list")
    assert done.code == 5
    assert done.err.startswith("Error: DRUMBEAT_PROVIDERS__OURVOICE__RATE: a rate is written as")


def test_a_database_that_cannot_be_written_is_reported(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.database.engine.BUSY_TIMEOUT_MS", 50)
    run("campaign", "load", "spring.toml", "--now")
    with closing(sqlite3.connect(folder / "drumbeat.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = run("campaign", "pause", "spring")
    assert (done.code, "database is locked" in done.err, "Something unexpected" in done.err) == (
        1,
        True,
        False,
    )


def test_a_server_that_does_not_answer_is_reported(run: Run) -> None:
    done = run("--database", "postgresql://nobody@127.0.0.1:9/nothing", "campaign", "list")
    assert (done.code, "cannot be read" in done.err) == (1, True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed(run: Run, shell: str) -> None:
    assert "_DRUMBEAT_COMPLETE" in run("completion", shell).out


def content_of(file: Path) -> bytes | list[str]:
    """A file's bytes, or a database's rows: all but the audit, which has a row of what was refused."""
    if file.suffix != ".db":
        return file.read_bytes()
    with closing(sqlite3.connect(file)) as connection:
        return [line for line in connection.iterdump() if not line.startswith('INSERT INTO "audit')]


def test_a_backup_is_made_and_adopted_before_it_sends(run: Run, folder: Path) -> None:
    run("campaign", "load", "spring.toml", "--now")
    made = run("db", "backup", "backup.db", "--json").json
    assert Path(made["file"]) == folder / "backup.db"
    again = run("db", "backup", "backup.db")
    assert (again.code, "--force" in again.err) == (2, True)
    assert run("db", "backup", "backup.db", "--force").code == 0
    for needed in ("drumbeat.db", "spring.csv", "spring.toml"):
        before = content_of(folder / needed)
        assert run("db", "backup", needed, "--force").code == 2, needed
        assert content_of(folder / needed) == before
    on_copy = ("--database", "sqlite:///backup.db")
    refused = run(*on_copy, "run", "--until-idle")
    assert (refused.code, "drumbeat db adopt" in refused.err) == (6, True)
    assert "is a backup of" in refused.err
    [finding] = [one for one in run(*on_copy, "doctor", "--json").json if one["what"] == "database"]
    assert (finding["ok"], finding["fix"]) == (False, "drumbeat db adopt")
    unasked = run(*on_copy, "db", "adopt")
    assert (unasked.code, "--yes" in unasked.err) == (2, True)
    assert "spring" in unasked.out
    adopted = run(*on_copy, "db", "adopt", "--yes", "--json").json
    assert [campaign["name"] for campaign in adopted["campaigns"]] == ["spring"]
    assert run(*on_copy, "db", "adopt").out == "This database is not a copy: it may send.\n"
