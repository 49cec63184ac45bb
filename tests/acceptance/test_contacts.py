"""Opt-outs through the command line on both databases, and what they do to a campaign that is being sent."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from app.actions.contacts import add_preference, import_preferences
from campaigns.intake.model import IntakeOptions
from campaigns.phones.stop_words import StopWord
from campaigns.time.clock import utc_now
from cli import cli
from storage.database.engine import reading, writing
from storage.sending.optouts import LogEntry, NewPreference, append_preferences
from storage.tables.runs import attempts, jobs
from tests.acceptance.conftest import World
from tests.support.campaigns import phone, spec
from tests.support.project import PEOPLE, Done, write_project

Run = Callable[..., Done]
CAPS = '\n[[caps]]\nmax = 2\nper = "7d"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OURVOICE_API_KEY", "test-key")
    return write_project(tmp_path)


@pytest.fixture
def run(folder: Path, database_url: str) -> Run:
    def run(*arguments: str) -> Done:
        result = CliRunner().invoke(cli, ("--database", database_url, *arguments))
        return Done(result.exit_code, result.stdout, result.stderr)

    assert run("db", "upgrade").code == 0
    return run


def test_a_person_is_given_out_and_erased(run: Run) -> None:
    number = "+447700900001"
    assert run("contacts", "optout", number, "--evidence", "ticket 812").code == 0
    given = run("contacts", "export", number).json
    assert (given["phone"], given["opt_outs"][0]["evidence"]) == (number, "ticket 812")
    unsure = run("contacts", "erase", number)
    assert (unsure.code, "--yes" in unsure.err) == (2, True)
    assert run("contacts", "show", number, "--json").json["log"][0]["evidence"] == "ticket 812"
    erased = run("contacts", "erase", number, "--yes")
    assert erased.code == 0
    assert "opt outs" in erased.out
    assert "backups" in erased.out
    shown = run("contacts", "show", number, "--json").json
    assert shown["opted_out"] == ["all"]
    assert [entry["source"] for entry in shown["log"]] == ["erased"]
    assert run("contacts", "export", number).json["opt_outs"] == []
    assert run("contacts", "optin", number).out.startswith(f"{number} is not opted out.")


def test_a_run_keeps_data_for_the_configured_retention(run: Run, folder: Path) -> None:
    settings = folder / "drumbeat.toml"
    settings.write_text(settings.read_text("utf-8") + '\n[retention]\nevidence = "30d"\n', "utf-8")
    (folder / "out.csv").write_text(f"phone,at\n{phone(1)},2024-01-01\n{phone(2)},\n", "utf-8")
    assert run("contacts", "import", "out.csv").code == 0
    assert run("run", "--until-idle").code == 0
    logs = [run("contacts", "show", phone(number), "--json").json["log"] for number in (1, 2)]
    assert [entry["evidence"] for (entry,) in logs] == [None, "out.csv, line 3"]


def test_a_list_is_imported_once_and_its_bad_rows_are_reported(run: Run, folder: Path) -> None:
    (folder / "out.csv").write_text(PEOPLE, encoding="utf-8")
    done = run("contacts", "import", "out.csv", "--default-country", "GB", "--source", "old shop", "--json")
    assert done.code == 3
    counts = {key: done.json[key] for key in ("rows", "changed", "unchanged", "rejected", "reasons")}
    assert counts == {
        "rows": 5, "changed": 3, "unchanged": 1, "rejected": 1, "reasons": {"phone_not_a_number": 1},
    }  # fmt: skip
    assert "nobody" in (folder / "out.rejects.csv").read_text("utf-8")
    again = run("contacts", "import", "out.csv", "--default-country", "GB")
    assert again.code == 3
    assert "unchanged      4" in again.out
    listed = run("contacts", "list", "--json").json
    assert [(one["phone"], one["scope"], one["source"], one["evidence"]) for one in listed] == [
        (f"+44770090001{n}", "marketing", "old shop", f"out.csv, line {n + 2}") for n in range(3)
    ]
    (folder / "out.rejects.csv").unlink()
    (folder / "good.csv").write_text("phone\n+447700900010\n+442079460018\n", encoding="utf-8")
    assert run("contacts", "import", "good.csv", "--in").code == 0
    assert not (folder / "out.rejects.csv").exists()
    assert len(run("contacts", "list", "--json").json) == 2


def test_people_are_opted_out_and_in_by_hand_and_everything_is_kept(run: Run) -> None:
    out = run(
        "contacts", "optout", "07700 900010", "--default-country", "gb", "--evidence", "ticket 12", "--json"
    )
    assert (out.code, out.json["phone"], out.json["opted_out"]) == (0, "+447700900010", ["marketing"])
    both = run("contacts", "optout", "+447700900010", "--scope", "all", "--source", "lawyer")
    assert both.out == "+447700900010 is opted out of marketing and of all.\n"
    half = run("contacts", "optin", "+447700900010", "--scope", "marketing")
    assert half.out == "+447700900010 is opted out of all.\n"
    assert run("contacts", "optin", "+447700900010").out == "+447700900010 is not opted out.\n"
    shown = run("contacts", "show", "+447700900010", "--json").json
    said = [(entry["action"], entry["scope"], entry["evidence"]) for entry in shown["log"]]
    assert said == [
        ("out", "marketing", "ticket 12"),
        ("out", "all", None),
        ("in", "marketing", None),
        ("in", "all", None),
        ("in", "marketing", None),
    ]
    assert shown["log"][1]["source"] == "lawyer"
    assert shown["log"][0]["source"].startswith("hand")
    assert shown["opted_out"] == []


FROM_BEFORE = """\
phone,scope,at,source,evidence
+553197776666,marketing,2026-11-20T10:31:36+00:00,webhook:meta,STOP
+5215587654321,marketing,2026-11-20T10:31:36+00:00,webhook:meta,STOP
+5491187654321,all,2026-11-20T10:31:36+00:00,webhook:meta,STOPALL
"""


def test_a_person_is_found_by_every_spelling_of_the_number(run: Run, folder: Path) -> None:
    """An export that an earlier version wrote in the provider's spelling is imported, too."""
    (folder / "before.csv").write_text(FROM_BEFORE, encoding="utf-8")
    done = run("contacts", "import", "before.csv", "--json")
    assert (done.code, done.json["changed"], done.json["rejected"]) == (0, 3, 0)
    for spelling in ("+5531997776666", "+553197776666", "+55 31 9 9777 6666", "+55 31 9777-6666"):
        shown = run("contacts", "show", spelling, "--json").json
        assert (shown["phone"], shown["opted_out"]) == ("+5531997776666", ["marketing"])
    numbers = [one["phone"] for one in run("contacts", "list", "--json").json]
    assert numbers == ["+5531997776666", "+525587654321", "+5491187654321"]
    (folder / "back.csv").write_bytes(run("contacts", "list", "--csv").out.encode())
    assert run("contacts", "import", "back.csv", "--json").json["unchanged"] == 3
    assert run("contacts", "optin", "+5215587654321").out == "+525587654321 is not opted out.\n"
    assert run("contacts", "export", "+525587654321").json["opt_outs"] != []
    assert run("contacts", "erase", "+5215587654321", "--yes").code == 0
    assert run("contacts", "show", "+525587654321", "--json").json["opted_out"] == ["all"]


def test_a_person_is_shown_and_untrusted_texts_are_made_harmless(run: Run, folder: Path) -> None:
    settings = folder / "drumbeat.toml"
    settings.write_text(settings.read_text("utf-8") + CAPS, encoding="utf-8")
    run("contacts", "optout", "+447700900010", "--evidence", "\x1b[2JSTOP\nnow")
    shown = run("contacts", "show", "+447700900010").out
    assert "opted out of  marketing since 20" in shown
    assert "\x1b" not in shown
    assert "[2JSTOP now" in shown
    assert [line.split() for line in shown.splitlines() if line.startswith("2 per 1w")] == [
        ["2", "per", "1w", "2", "-"]
    ]


def test_the_list_is_safe_to_open_and_to_import_again(run: Run, folder: Path) -> None:
    assert run("contacts", "list").out.splitlines()[1] == "  (none)"
    assert run("contacts", "list", "--json").json == []
    run("contacts", "optout", "+447700900010", "--evidence", "=cmd()")
    run("contacts", "optout", "+447700900011", "--scope", "all")
    text = run("contacts", "list", "--csv").out
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["phone"], row["evidence"]) for row in rows] == [
        ("+447700900010", "'=cmd()"),
        ("+447700900011", ""),
    ]
    only = run("contacts", "list", "--scope", "all").out.splitlines()
    assert [line.split()[:2] for line in only] == [["phone", "scope"], ["+447700900011", "all"]]
    (folder / "back.csv").write_text(text, encoding="utf-8")
    assert run("contacts", "import", "back.csv", "--json").json["changed"] == 0


def test_what_is_exported_is_imported_elsewhere_with_nothing_lost(run: Run, folder: Path) -> None:
    told = (
        "=cmd()",
        "'=cmd()",
        "-5",
        "'-5",
        'she said "STOP, now";\ntwice',
        "Réf. 12 \N{WAVING HAND SIGN}",
    )
    for number, evidence in enumerate(told):
        scope, source = ("all", "marketing")[number % 2], f"@desk {number}"
        who = ("contacts", "optout", f"+44770090001{number}", "--scope", scope)
        assert run(*who, "--source", source, "--evidence", evidence).code == 0
    (folder / "back.csv").write_bytes(run("contacts", "list", "--csv").out.encode())
    elsewhere = ("--database", f"sqlite:///{folder / 'other.db'}")
    for changed in (len(told), 0):
        done = run(*elsewhere, "contacts", "import", "back.csv", "--json")
        assert (done.code, done.json["changed"]) == (0, changed)
    assert run(*elsewhere, "contacts", "list", "--json").json == run("contacts", "list", "--json").json


OF_ANOTHER_TOOL = """\
Téléphone;Scope;Unsubscribed On;Reason
07700 900010;ALL;2026-03-01;complained
07700 900011;;2026-03-02T10:00:00+01:00;
07700 900012;sms;2026-03-01;x
07700 900013;;01/03/2026;x
07700 900014;;2199-01-01;x
07700 900010;marketing;;
"""


def test_a_list_of_another_tool_is_read_with_its_columns(run: Run, folder: Path) -> None:
    (folder / "out.csv").write_text(OF_ANOTHER_TOOL, encoding="utf-8-sig")
    how = (
        "--default-country",
        "GB",
        "--map",
        "unsubscribed_on=at",
        "--map",
        "reason=evidence",
        "--source",
        "crm",
    )
    done = run("contacts", "import", "out.csv", *how)
    assert done.code == 3
    assert "per row        Scope, Unsubscribed On, Reason" in done.out
    assert [line.split(maxsplit=3) for line in done.out.splitlines() if "900" not in line][-4:-1] == [
        ["4", "Scope", "'sms'", "is neither marketing nor all."],
        ["5", "Unsubscribed", "On", "'01/03/2026' is not a time; write it like 2026-06-05 or 2026-06-05T14:30+01:00."],
        ["6", "Unsubscribed", "On", "'2199-01-01' is in the future."],
    ]  # fmt: skip
    rejects = (folder / "out.rejects.csv").read_text("utf-8")
    assert '"07700 900012";"sms";"2026-03-01";"x";"4";"Scope";"bad_scope";' in rejects
    listed = run("contacts", "list", "--json").json
    assert [
        (one["phone"], one["scope"], one["at"][:16], one["source"], one["evidence"]) for one in listed[:2]
    ] == [
        ("+447700900010", "all", "2026-03-01T23:59", "crm", "complained"),
        ("+447700900011", "marketing", "2026-03-02T09:00", "crm", "out.csv, line 3"),
    ]
    assert [(one["phone"], one["scope"], one["evidence"]) for one in listed[2:]] == [
        ("+447700900010", "marketing", "out.csv, line 7")
    ]
    assert listed[2]["at"][:4] != "2026-03"


def test_an_older_entry_of_a_list_does_not_override_a_newer_opt_out(run: Run, folder: Path) -> None:
    assert run("contacts", "optout", "+447700900010").code == 0
    (folder / "in.csv").write_text(
        "phone,action,at\n+447700900010,,2026-03-01\n+447700900011,out,\n", "utf-8"
    )
    done = run("contacts", "import", "in.csv", "--in", "--json").json
    counts = {key: done[key] for key in ("opted_in", "opted_out", "unchanged", "outdated", "rejected")}
    assert counts == {"opted_in": 0, "opted_out": 1, "unchanged": 0, "outdated": 1, "rejected": 0}
    assert [one["phone"] for one in run("contacts", "list", "--json").json] == [
        "+447700900010",
        "+447700900011",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["optout", "nobody"], 5, "Write it like +2290197000000."),
        (["optout", "07700 900010"], 5, "--default-country"),
        (["optin", "07700 900010", "--default-country", "Atlantis"], 5, "two letters"),
        (["show", "12"], 5, "'12' cannot be used: The number has too few digits"),
        (["optout", "+447700900010", "--scope", "some"], 2, "'marketing', 'all'"),
        (["import", "nowhere.csv"], 5, "nowhere.csv"),
        (["import", "spring.csv", "--map", "when=at"], 5, "--map names the column 'when'"),
        (["import", "spring.csv", "--map", "when"], 2, "COLUMN=NAME"),
        (["import", "spring.csv", "--phone-column", "tel"], 5, "spring.csv, line 1, column tel"),
        (["import", "spring.csv", "--rejects", "spring.csv"], 2, "not overwritten"),
        (["list", "--json", "--csv"], 2, "either"),
    ],
)
def test_a_refusal_has_a_hint_and_changes_nothing(
    run: Run, arguments: list[str], code: int, says: str
) -> None:
    done = run("contacts", *arguments)
    assert (done.code, done.out) == (code, "")
    assert says in done.err
    assert run("contacts", "list", "--json").json == []


@pytest.mark.parametrize(("gap", "size"), [(40, 40), (5, 200)])
async def test_nothing_is_sent_after_an_opt_out_is_stored(world: World, gap: int, size: int) -> None:
    """But what a slice begun by then decided: at most 175 ms' worth, the second lane opens its slices ahead."""
    await world.campaign(spec(pace={"delay_between": gap}), size)
    calls: list[Any] = []
    stored_at: list[datetime] = []

    async def opt_out_at_the_tenth(_request: httpx.Request) -> None:
        calls.append(1)
        if len(calls) == 10:
            said = [
                LogEntry(phone(number), "out", "marketing", utc_now(), "hand:ada", "STOP")
                for number in range(size)
            ]
            words = [NewPreference(entry, dated=False, line=2) for entry in said]
            async with writing(world.engine) as connection:
                await append_preferences(connection, words)
            stored_at.append(utc_now())

    world.transport.before_send = opt_out_at_the_tenth
    await world.send()
    received = {f"+{message['to']}" for message in await world.ledger()}
    async with reading(world.engine) as connection:
        begun = select(jobs.c.phone).join(attempts, attempts.c.job_id == jobs.c.id)
        decided = set(await connection.scalars(begun.where(attempts.c.intent_at <= stored_at[0])))
    assert received == decided
    assert 10 <= len(received) <= 10 + 175 / gap
    rows = await world.jobs()
    assert {(row.state, row.reason) for row in rows if row.phone not in received} == {
        ("skipped", "opted_out")
    }


async def test_a_list_that_is_imported_while_a_campaign_is_sent_holds_from_then_on(
    world: World, tmp_path: Path
) -> None:
    await world.campaign(spec(pace={"delay_between": 40}), 30)
    calls: list[Any] = []
    sent_by_then: list[int] = []

    async def import_out(numbers: range) -> None:
        path = tmp_path / f"{numbers.stop}.csv"
        path.write_text("\n".join(["phone", *map(phone, numbers)]), encoding="utf-8")
        rejects = tmp_path / "bad.csv"
        await import_preferences(
            world.engine, path, IntakeOptions(), "out", "all", "import:ada", rejects=rejects
        )

    async def import_at_the_fifth(_request: httpx.Request) -> None:
        calls.append(1)
        if len(calls) == 5:
            await import_out(range(30))
            sent_by_then.append(len(await world.ledger()))

    await import_out(range(1000, 1001))  # the first import of a process loads its libraries
    world.transport.before_send = import_at_the_fifth
    await world.send()
    assert len(await world.ledger()) - sent_by_then[0] <= 4  # the fifth itself, and the slice that was open
    assert {row.reason for row in await world.jobs()} == {None, "opted_out"}


async def test_who_comes_back_is_written_to_again_and_other_kinds_go_on(world: World) -> None:
    async with writing(world.engine) as connection:
        for number, scope in ((0, "marketing"), (1, "all"), (2, "marketing")):
            word = StopWord("out", "all" if scope == "all" else "marketing")
            await add_preference(connection, phone(number), word, "hand:ada", None, utc_now())
        await add_preference(connection, phone(2), StopWord("in", "all"), "hand:ada", None, utc_now())
    await world.campaign(spec("sale", category="marketing"), 4)
    await world.campaign(spec("parcel", category="utility"), 4)
    await world.send()
    skipped = [(row.run_id, row.phone) for row in await world.jobs() if row.reason == "opted_out"]
    assert sorted(number for _, number in skipped) == [phone(0), phone(1), phone(1)]
