"""Run a campaign with the real command, kill it with SIGKILL at random moments, again and again, and judge by the
emulator's ledger alone: nobody twice, nobody lost."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

from sqlalchemy import select

from campaigns.states import FINAL, LEFT, JobState
from storage.database.engine import open_engine, reading
from storage.database.schema import upgrade
from storage.tables.runs import attempts
from tests.support.campaigns import job_rows, spec, store_campaign
from tests.support.emulator import Emulator, running_emulator
from tests.support.forks import Fork
from tests.support.project import start

SETTINGS = """\
[database]
url = "{url}"
[providers.ourvoice]
adapter = "ourvoice"
base_url = "{base_url}"
api_key = "env:OURVOICE_API_KEY"
currency = "XOF"
timeout = "2s"
settle_after = "4s"
[[providers.ourvoice.senders]]
name = "shop"
session_id = "{session_id}"
"""
AT_START = 0.25
"""How many of the kills may come before anything is sent."""
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "429", "probability": 0.002, "retry_after": 1},
    {"kind": "500", "probability": 0.01},
    {"kind": "500_after", "probability": 0.01},
    {"kind": "503", "probability": 0.005},
    {"kind": "reset_before", "probability": 0.01},
    {"kind": "reset_after", "probability": 0.01},
    {"kind": "close_after", "probability": 0.01},
    {"kind": "half_answer", "probability": 0.01},
    {"kind": "garbage", "probability": 0.005},
    {"kind": "hang_after", "probability": 0.002, "seconds": 3},
    {"kind": "hang_before", "probability": 0.002, "seconds": 3},
)


@dataclass(frozen=True)
class Verdict:
    kills: int
    states: Counter[str]
    received: Counter[str]
    """How many messages each number was sent, by the ledger."""
    rows: list[Any]
    unknown: int
    """Attempts that ended without a trusted answer."""


def kill_again_and_again(
    folder: Path, database_url: str, *, size: int, seed: int, faults: bool, content: str, kills: int
) -> Verdict:
    """The whole story, with the verdict's material."""
    dice = random.Random(seed)
    settings = {"sent_after": 0.05, "delivered_after": 0.1, "read_after": 0.2}
    with running_emulator(**settings) as emulator:
        asyncio.run(_prepare(folder, database_url, emulator, size, content))
        for fault in FAULTS if faults else ():
            emulator.fault(**fault, seed=seed, method="POST", path="/messages")
        done = 0
        while done < kills:
            process = start(folder, "run", "--until-idle", "--wait-receipts", "2s")
            if dice.random() > AT_START:
                _wait_for_send(process, emulator)
                done += _killed(process, dice.uniform(0, 0.2))
            else:
                done += _killed(process, dice.uniform(0, 0.3))
            if process.returncode != -9:
                break
        _finish(folder)
        received = Counter(message["to"] for message in emulator.ledger())
    rows, unknown = asyncio.run(_read(database_url))
    return Verdict(done, Counter(row.state for row in rows), received, rows, unknown)


async def _prepare(folder: Path, url: str, emulator: Emulator, size: int, content: str) -> None:
    settings = SETTINGS.format(url=url, base_url=emulator.ourvoice, session_id=emulator.session_id)
    (folder / "drumbeat.toml").write_text(settings, encoding="utf-8")
    engine = open_engine(url)
    await upgrade(engine)
    await store_campaign(engine, spec(content={"text": content}), size)
    await engine.dispose()


def _wait_for_send(process: Fork, emulator: Emulator) -> None:
    """Until the process sends, or has ended."""
    before = emulator.summary()["total"]
    while process.poll() is None and emulator.summary()["total"] == before:
        time.sleep(0.01)


def _killed(process: Fork, after: float) -> bool:
    """Let it run that long, then kill it; False where it had ended before."""
    try:
        process.communicate(timeout=after)
    except TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    return False


def _finish(folder: Path) -> None:
    """Run to the end; a run that only met a long back-off is run once more."""
    for _ in range(3):
        process = start(folder, "run", "--until-idle", "--wait-receipts", "6s", "--json")
        out, err = process.communicate(timeout=180)
        assert process.returncode in (0, 3), f"exit {process.returncode}\n{err[-3000:]}"
        if not {"pending", "sending"} & set(json.loads(out)["states"]):
            return


async def _read(url: str) -> tuple[list[Any], int]:
    engine = open_engine(url)
    rows = await job_rows(engine)
    async with reading(engine) as connection:
        unknown = len(
            list(await connection.scalars(select(attempts.c.id).where(attempts.c.outcome == "unknown")))
        )
    await engine.dispose()
    return rows, unknown


def judge(verdict: Verdict, size: int) -> None:
    """Nobody twice; nobody lost; every job's state agrees with what the ledger says of its recipient."""
    assert not wrongs(verdict.rows, verdict.received, size)


def wrongs(rows: Sequence[Any], received: Counter[str], size: int) -> list[str]:
    """What the ledger has against the jobs, each with what it is: twice, lost or untrue."""
    found = [f"twice: {number} received {count}" for number, count in received.items() if count > 1]
    if len(rows) != size:
        found.append(f"lost: {len(rows)} jobs of {size}")
    for row in rows:
        state, got = JobState(row.state), received[row.phone[1:]]
        if state not in FINAL | LEFT - {JobState.SENDING}:
            found.append(f"lost: {row.phone} is {state}")
        if state in LEFT - {JobState.IN_DOUBT} and not got:
            found.append(f"lost: {row.phone} is {state} and received nothing")
        if state is JobState.FAILED and row.reason in ("refused", "message_refused") and got:
            found.append(f"untrue: {row.phone} was refused and received {got}")
    return found
