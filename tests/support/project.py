"""A project in a folder, as a user has it: settings, a campaign, a CSV; and the command run in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from cli import cli
from tests.support.forks import Fork, run_main

KEY = "test-key"
CAMPAIGN = """\
name = "spring"
provider = "ourvoice"
senders = ["shop"]
[audience]
csv = "spring.csv"
default_country = "GB"
max_reject_percent = 50
[content]
text = "Hi {{ first_name }}"
[content.defaults]
first_name = "there"
[pace]
delay_between = 1
"""
SETTINGS = """\
[database]
url = "sqlite:///drumbeat.db"
[providers.ourvoice]
adapter = "ourvoice"
base_url = "http://127.0.0.1:{port}/ourvoice"
api_key = "env:OURVOICE_API_KEY"
currency = "XOF"
[[providers.ourvoice.senders]]
name = "shop"
session_id = "a3f1b2c4-1234-4abc-9def-000011112222"
"""
PEOPLE = """\
phone,first_name
+447700900010,Ada
07700 900011,Grace
+447700900012,
nobody,Mallory
+447700900010,Ada again
"""
"""Three good rows, one that is no number, one duplicate."""


@dataclass(frozen=True)
class Done:
    """The result of a finished command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def write_project(folder: Path, *, port: int = 9, people: str = PEOPLE, campaign: str = CAMPAIGN) -> Path:
    """The three files; nothing listens on port 9."""
    (folder / "drumbeat.toml").write_text(SETTINGS.format(port=port), encoding="utf-8")
    (folder / "spring.toml").write_text(campaign, encoding="utf-8")
    (folder / "spring.csv").write_text(people, encoding="utf-8")
    return folder


def environment(**more: str) -> dict[str, str]:
    """Ours, with the emulator's key, and without what would change the output."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DRUMBEAT_")}
    return {**kept, "OURVOICE_API_KEY": KEY, **more}


def start(folder: Path, *arguments: str, **more: str) -> Fork:
    """The command in a process of its own."""
    return Fork(run_main, "cli", *arguments, folder=folder, environment=environment(**more))


def start_anew(folder: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """The same where the interpreter's own start and end are part of what is tested."""
    return subprocess.Popen(
        [sys.executable, "-m", "cli", *arguments],
        cwd=folder,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def drumbeat(folder: Path, *arguments: str, **more: str) -> Done:
    """Run the command to its end in a process of its own."""
    with start(folder, *arguments, **more) as process:
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode is not None
        return Done(process.returncode, out, err)


def invoke(folder: Path, *arguments: str, **more: str) -> Done:
    """The same in this process, where a process of its own would show nothing more: no start, no imports."""
    with chdir(folder):
        result = CliRunner().invoke(cli, arguments, env={"OURVOICE_API_KEY": KEY, **more})
    return Done(result.exit_code, result.stdout, result.stderr)


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[Fork]:
    """The command while a test looks on; it is over afterwards, whatever happened."""
    with start(folder, *arguments) as process:
        try:
            yield process
        finally:
            process.kill()
