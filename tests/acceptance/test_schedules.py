"""Schedules on the command line: loading with times, what comes next, and launching what was missed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select, update

from cli import cli
from scheduler.clock.launch import launch_due
from storage.database.engine import Engine, open_engine, reading, writing
from storage.tables.audience import campaigns
from tests.acceptance.conftest import World
from tests.support.campaigns import spec
from tests.support.project import CAMPAIGN, Done, write_project

Run = Callable[..., Done]
DAILY = '[schedule]\ncron = "30 2 * * *"\ntimezone = "Europe/Paris"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OURVOICE_API_KEY", "test-key")
    return write_project(tmp_path, campaign=CAMPAIGN + DAILY)


@pytest.fixture
def run(folder: Path) -> Run:
    def run(*arguments: str) -> Done:
        result = CliRunner().invoke(cli, arguments)
        return Done(result.exit_code, result.stdout, result.stderr)

    return run


def set_start(folder: Path, start: datetime) -> None:
    with closing(sqlite3.connect(folder / "drumbeat.db")) as database, database:
        database.execute("UPDATE campaigns SET start_at = ?", (round(start.timestamp() * 1000),))


def test_next_shows_each_run_with_its_offset(run: Run, folder: Path) -> None:
    assert run("campaign", "load", "spring.toml").code == 3
    set_start(folder, datetime(2030, 3, 30, 1, 30, tzinfo=UTC))
    assert run("campaign", "next", "spring", "-n", "3").out == (
        "spring (scheduled)\n"
        "in Europe/Paris                for you\n"
        "Sat 2030-03-30 02:30:00+01:00  2030-03-30 01:30:00 UTC\n"
        "Sun 2030-03-31 03:00:00+02:00  2030-03-31 01:00:00 UTC\n"
        "Mon 2030-04-01 02:30:00+02:00  2030-04-01 00:30:00 UTC\n\n"
    )
    told = run("campaign", "next", "spring", "-n", "1", "--json").json
    assert told == {
        "campaign": "spring",
        "state": "scheduled",
        "timezone": "Europe/Paris",
        "recipient_local_time": False,
        "runs": [{"at": "2030-03-30T01:30:00+00:00", "local": "2030-03-30T02:30:00+01:00"}],
        "missed": [],
    }
    assert len(run("campaign", "next", "spring", "--json").json["runs"]) == 10
    assert run("campaign", "next", "sprng").err.endswith("\nDid you mean spring?\n")


def test_next_ends_where_the_campaign_does(run: Run, folder: Path) -> None:
    (folder / "spring.toml").write_text(CAMPAIGN + DAILY + "max_runs = 2\n")
    run("campaign", "load", "spring.toml")
    assert len(run("campaign", "next", "spring", "--json").json["runs"]) == 2
    run("campaign", "cancel", "spring", "--yes")
    assert run("campaign", "next", "spring", "--json").json["runs"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--now"], 2, "--now cannot be combined with a cron schedule."),
        (["--now", "--cron", "0 9 * * *"], 2, "Use either --now or --cron, not both."),
        (["--at", "2030-01-01T09:00", "--cron", "0 9 * * *"], 2, "Use either --at or --cron, not both."),
        (["--every", "1d", "--cron", "0 9 * * *"], 2, "Use either --every or --cron, not both."),
        (["--cron", "0 9 * *"], 5, "--cron: '0 9 * *' does not have the five fields of cron"),
        (["--every", "1s"], 5, "--every: it must be from 1m to 366d"),
    ],
)
def test_times_that_make_no_sense_are_refused(
    run: Run, folder: Path, arguments: list[str], code: int, says: str
) -> None:
    done = run("campaign", "load", "spring.toml", *arguments)
    assert (done.code, says in done.err) == (code, True)
    assert not (folder / "drumbeat.db").exists() or run("campaign", "list", "--json").json == []


def test_flags_take_the_place_of_the_files_times(run: Run) -> None:
    def starts(*arguments: str) -> list[str]:
        assert run("campaign", "load", "spring.toml", *arguments).code == 3
        runs = run("campaign", "next", "spring", "-n", "2", "--json").json["runs"]
        return [each["local"] for each in runs]

    assert starts("--at", "2030-01-01T09:00") == ["2030-01-01T09:00:00+01:00"]
    assert starts("--at", "2030-01-01T09:00", "--every", "1w", "--timezone", "Asia/Tokyo") == [
        "2030-01-01T09:00:00+09:00",
        "2030-01-08T09:00:00+09:00",
    ]
    [first, second] = starts("--cron", "0 9 * * mon")
    assert datetime.fromisoformat(first).strftime("%a %H:%M") == "Mon 09:00"
    assert datetime.fromisoformat(second).date() - datetime.fromisoformat(first).date() == timedelta(days=7)
    [first, second] = starts("--now", "--every", "1d")
    assert datetime.fromisoformat(first) <= datetime.now(UTC)
    assert datetime.fromisoformat(second) > datetime.now(UTC)


def test_a_schedule_that_is_over_is_not_loaded(run: Run, folder: Path) -> None:
    (folder / "spring.toml").write_text(CAMPAIGN + DAILY + "ends_at = 2020-01-01T00:00:00\n")
    done = run("campaign", "load", "spring.toml")
    assert (done.code, "schedule.ends_at leaves no time for a run." in done.err) == (5, True)
    assert run("campaign", "check", "spring.toml").code == 5


def test_now_and_recipients_own_time_do_not_go_together(run: Run, folder: Path) -> None:
    local = '[schedule]\ntimezone = "Europe/Paris"\nrecipient_local_time = true\n'
    (folder / "spring.toml").write_text(CAMPAIGN + local)
    done = run("campaign", "load", "spring.toml", "--now")
    assert (done.code, "the time of day differs by zone" in done.err) == (2, True)
    assert run("campaign", "load", "spring.toml", "--at", "2030-01-01T09:00").code == 3
    assert "in their own time zone" in run("campaign", "next", "spring").out


ONCE = '[schedule]\ntimezone = "UTC"\nat = "{at}"\n'


def wall(moved: timedelta) -> str:
    return f"{datetime.now(UTC) + moved:%Y-%m-%dT%H:%M}"


def test_a_time_that_is_past_is_refused_and_only_now_sends_at_once(run: Run, folder: Path) -> None:
    (folder / "spring.toml").write_text(CAMPAIGN + ONCE.format(at=wall(timedelta(days=-28))))
    line = len((CAMPAIGN + ONCE).splitlines())
    for arguments in (["check", "spring.toml"], ["load", "spring.toml"], ["load", "spring.toml", "--json"]):
        done = run("campaign", *arguments)
        place = f"spring.toml, line {line}: schedule.at: "
        assert (done.code, place in done.err, "was 28 days ago" in done.err) == (5, True, True)
    assert run("campaign", "list", "--json").json == []
    late = run("campaign", "load", "spring.toml", "--at", wall(timedelta(hours=-3)))
    assert (late.code, "Error: --at: " in late.err, "Or use --at" in late.err) == (5, True, False)
    assert run("campaign", "load", "spring.toml", "--at", wall(timedelta(hours=3))).code == 3
    assert run("campaign", "load", "spring.toml", "--now").code == 3


def test_the_minute_that_is_written_is_not_past(run: Run, folder: Path) -> None:
    (folder / "spring.toml").write_text(CAMPAIGN + ONCE.format(at=wall(timedelta())))
    assert run("campaign", "load", "spring.toml").code == 3


def test_a_draft_is_not_started_at_a_time_that_is_past(run: Run, folder: Path) -> None:
    (folder / "spring.toml").write_text(CAMPAIGN)
    run("campaign", "load", "spring.toml")
    done = run("campaign", "start", "spring", "--at", wall(timedelta(days=-3)), "--timezone", "UTC")
    assert (done.code, "was 3 days ago" in done.err) == (5, True)
    assert run("campaign", "show", "spring", "--json").json["state"] == "draft"
    set_start(folder, datetime.now(UTC) - timedelta(days=2))
    assert run("campaign", "start", "spring").code == 0  # its file names no time: now


def test_nothing_starts_after_its_end(run: Run, folder: Path) -> None:
    over = f'[schedule]\ntimezone = "UTC"\nends_at = "{wall(timedelta(hours=-1))}"\n'
    (folder / "spring.toml").write_text(CAMPAIGN + over)
    for arguments in (["check", "spring.toml"], ["load", "spring.toml"], ["load", "spring.toml", "--now"]):
        done = run("campaign", *arguments)
        assert (done.code, "schedule.ends_at leaves no time for a run." in done.err) == (5, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--cron", "* * * * *"], "more often than once an hour (cron * * * * *)"),
        (["--cron", "*/15 9-17 * * *"], "more often than once an hour (cron */15 9-17 * * *)"),
        (["--cron", "0,30 9 * * mon"], "more often than once an hour"),
        (["--now", "--every", "59m"], "more often than once an hour (every 59m)"),
        (["--at", "2062-12-01T09:00"], "start only on 2062-12-01"),
        (["--at", "2062-12-01T09:00", "--every", "1w"], "start only on 2062-12-01"),
    ],
)
def test_what_is_probably_a_slip_wants_a_yes(run: Run, folder: Path, arguments: list[str], says: str) -> None:
    done = run("campaign", "load", "spring.toml", *arguments)
    assert (done.code, says in done.err, "To confirm, use --yes." in done.err) == (2, True, True)
    assert run("campaign", "list", "--json").json == []
    assert run("campaign", "load", "spring.toml", *arguments, "--yes").code == 3


@pytest.mark.parametrize("arguments", [["--cron", "0 * * * *"], ["--now", "--every", "1h"]])
def test_once_an_hour_needs_no_yes(run: Run, arguments: list[str]) -> None:
    assert run("campaign", "load", "spring.toml", *arguments).code == 3


def test_a_clone_of_what_is_sent_every_minute_wants_a_yes_too(run: Run, folder: Path) -> None:
    run("campaign", "load", "spring.toml", "--cron", "* * * * *", "--yes")
    done = run("campaign", "clone", "spring", "again", "--at", wall(timedelta(hours=1)))
    assert done.code == 0  # once
    assert run("campaign", "clone", "spring", "more").code == 0  # a draft
    done = run("campaign", "start", "more")
    assert (done.code, "more often than once an hour" in done.err) == (2, True)
    assert run("campaign", "start", "more", "--yes").code == 0


@pytest.mark.parametrize(
    ("schedule", "proposed"),
    [
        ("", "drumbeat campaign load spring.toml --now"),
        (DAILY, "drumbeat campaign load spring.toml"),
        (ONCE.format(at="2030-01-01T09:00"), "drumbeat campaign load spring.toml"),
        (
            '[schedule]\ntimezone = "UTC"\nrecipient_local_time = true\n',
            "drumbeat campaign load spring.toml --at TIME",
        ),
    ],
)
def test_now_is_proposed_only_where_no_time_is_known(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, schedule: str, proposed: str
) -> None:
    monkeypatch.setattr("terminal.output.on_terminal", lambda: True)
    (folder / "spring.toml").write_text(CAMPAIGN + schedule)
    assert run("campaign", "check", "spring.toml").out.rstrip().endswith(f"Next: {proposed}")
    loaded = run("campaign", "load", "spring.toml").out
    assert ("--now" in loaded) == (not schedule)


def test_a_row_whose_time_is_past_or_too_far_is_a_reject(run: Run, folder: Path) -> None:
    rows = [
        ("+447700900010", wall(timedelta(days=-40))),
        ("+447700900011", wall(timedelta(hours=2))),
        ("+447700900012", wall(timedelta(days=9000))),
        ("+447700900013", wall(timedelta(days=20))),
        ("+447700900014", ""),
    ]
    (folder / "spring.csv").write_text("phone,send_at\n" + "".join(f"{p},{at}\n" for p, at in rows))
    zone = f'[schedule]\ntimezone = "UTC"\nends_at = "{wall(timedelta(days=10))}"\n'
    wide = CAMPAIGN.replace("max_reject_percent = 50", "max_reject_percent = 90")
    (folder / "spring.toml").write_text(wide + zone)
    done = run("campaign", "load", "spring.toml", "--now", "--json")
    assert done.json["reasons"] == {"send_at_too_late": 2, "send_at_past": 1}
    assert (done.json["rows"], done.json["accepted"]) == (5, 2)


def test_missed_runs_are_shown_and_launched(run: Run, folder: Path) -> None:
    run("campaign", "load", "spring.toml")
    begin = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
    set_start(folder, begin)
    assert asyncio.run(_launch(folder, begin + timedelta(days=3, hours=5))) == []
    missed = run("campaign", "next", "spring", "--json").json["missed"]
    assert [(each["nominal_at"][:10], each["reason"]) for each in missed] == [
        (f"2026-03-0{day}", "late") for day in range(1, 5)
    ]
    assert (
        "Sun 2026-03-01 02:30:00+01:00  2026-03-01 01:30:00 UTC  late"
        in run("campaign", "next", "spring").out
    )
    chosen = ["--since", "2026-03-02", "--until", "2026-03-03T02:30"]
    assert run("campaign", "backfill", "spring", *chosen).code == 2  # nobody to ask
    done = run("campaign", "backfill", "spring", *chosen, "--yes", "--json").json
    assert done["runs"] == ["2026-03-02T01:30:00+00:00", "2026-03-03T01:30:00+00:00"]
    assert run("report", "delivery", "spring", "--json").json["states"] == {"pending": 6}
    again = run("campaign", "backfill", "spring", *chosen, "--yes")
    assert again.code == 7
    assert "missed no run from 2026-03-01 23:00:00 UTC to 2026-03-03 01:30:00 UTC." in again.err
    open_ended = run("campaign", "backfill", "spring", "--since", "2030-01-01", "--yes").err
    assert "." not in open_ended.partition("\n")[0].removesuffix(".")
    assert run("campaign", "backfill", "spring", "--since", "soon", "--yes").code == 2
    assert run("campaign", "backfill", "sprng", "--since", "2026-03-02", "--yes").code == 7


async def _launch(folder: Path, now: datetime) -> list[str]:
    engine = open_engine(f"sqlite:///{folder / 'drumbeat.db'}")
    launched = await launch_due(engine, now=lambda: now)
    await engine.dispose()
    return launched


def test_rows_that_say_their_own_wrong_are_rejects(run: Run, folder: Path) -> None:
    (folder / "spring.csv").write_text(
        "phone,first_name,timezone,send_at,consent_at\n"
        "+447700900010,Ada,Europe/London,2030-01-01T09:00,2026-01-01\n"
        "+447700900011,Bob,London,,\n"
        "+447700900012,Cy,,tomorrow,\n"
        "+447700900013,Di,,,yes\n"
        "+447700900014,Ed,,2030-01-01T09:00,\n"
    )
    done = run("campaign", "check", "spring.toml", "--max-reject-percent", "100", "--json")
    assert done.json["reasons"] == {"bad_timezone": 1, "bad_send_at": 1, "bad_consent_at": 1}
    assert done.json["accepted"] == 2


async def test_a_runner_sends_each_run_to_everybody_and_ends_when_idle(world: World) -> None:
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    schedule = {"every": "1d", "starts_at": begin, "max_runs": 2}
    await world.campaign(spec(schedule=schedule), 3, start_at=begin)
    await world.run()
    assert await _campaign(world.engine) == ("scheduled", begin + timedelta(days=1))
    assert Counter(message["to"] for message in await world.ledger()).most_common(1)[0][1] == 1
    async with writing(world.engine) as connection:
        await connection.execute(update(campaigns).values(start_at=begin + timedelta(seconds=30)))
    await world.run()
    assert await _campaign(world.engine) == ("completed", None)
    assert sorted(Counter(message["to"] for message in await world.ledger()).values()) == [2, 2, 2]


async def _campaign(engine: Engine) -> tuple[str, datetime | None]:
    async with reading(engine) as connection:
        row = (await connection.execute(select(campaigns.c.state, campaigns.c.start_at))).one()
    return row.state, row.start_at


AGAIN = 'csv = "spring.csv"\nrefresh = "each_run"'


def test_a_list_that_each_run_reads_again(run: Run, folder: Path) -> None:
    (folder / "spring.toml").write_text(CAMPAIGN.replace('csv = "spring.csv"', AGAIN) + DAILY)
    loaded = run("campaign", "load", "spring.toml")
    assert loaded.code == 3
    assert "list           spring.csv, read again for each run" in loaded.out
    assert "--csv spring.rejects.csv" not in loaded.out
    refused = run("campaign", "load", "spring.toml", "--csv", "spring.rejects.csv")
    assert (refused.code, "Mend the rows in the list itself." in refused.err) == (5, True)
    begin = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
    set_start(folder, begin)
    assert asyncio.run(_launch(folder, begin)) == ["spring"]
    (folder / "spring.csv").rename(folder / "away.csv")
    with closing(sqlite3.connect(folder / "drumbeat.db")) as database, database:
        database.execute("UPDATE jobs SET state = 'read'")
    assert asyncio.run(_launch(folder, begin + timedelta(days=1))) == []
    shown = run("campaign", "show", "spring")
    assert "spring.csv cannot be opened: No such file or directory" in shown.out
    assert "spring.csv, read again for each run" in shown.out
    told = run("campaign", "show", "spring", "--json").json
    assert [(each["rejected"], each["jobs"]) for each in told["runs"]] == [(2, 3)]
    [missed] = run("campaign", "next", "spring", "--json").json["missed"]
    assert (missed["reason"], "cannot be opened" in missed["detail"]) == ("list", True)
    assert "Each run reads" in run("campaign", "next", "spring").out
    since = ["--since", "2026-03-02", "--yes"]
    assert run("campaign", "backfill", "spring", *since).code == 5
    (folder / "away.csv").rename(folder / "spring.csv")
    assert run("campaign", "backfill", "spring", *since).code == 0
    found = run("report", "delivery", "spring", "--json").json
    assert (found["rows"], found["rejected"], found["jobs"]) == (10, 4, 6)
    assert (found["file_rows"], [each["jobs"] for each in found["runs"]]) == (5, [3, 3])
    shown = run("report", "delivery", "spring").out
    assert "rows of the file as last read" in shown
    assert "messages of 2 runs" in shown
