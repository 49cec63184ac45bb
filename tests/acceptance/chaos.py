"""One clock in charge, one in waiting and three workers as processes on PostgreSQL: killed, stopped and cut off at
random while they send, the server restarted under them; what happened is for `tests.acceptance.judging`."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import func, select

from scheduler.engines.procrastinate import install
from storage.database.engine import Engine, open_engine, reading
from storage.database.schema import upgrade
from storage.tables.runs import events
from tests.acceptance.havoc import LIMITS, UNASKED, Havoc
from tests.acceptance.judging import RecipientTimeline
from tests.acceptance.killing import FAULTS
from tests.support.campaigns import EPOCH, job_rows, phone, spec, store_people
from tests.support.databases import Server, fresh_database
from tests.support.emulator import Emulator, running_emulator
from tests.support.processes import CLOCK, WORKER, Process, end_all, end_well

SETTLE = 2.5
"""Longer than a call may hang at the provider: it may be accepted that late."""
ACCOUNT = """\
[providers.{name}]
adapter = "{adapter}"
base_url = "{base_url}"
api_key = "env:OURVOICE_API_KEY"
timeout = "1.5s"
settle_after = "{settle:g}s"
"""
SENDER = """\
[[providers.{account}.senders]]
name = "{name}"
rate = "{rate}/s"
"""
CONTENT = {
    "voicebip": {"template": {"name": "spring_sale", "language": "en", "parameters": ["{{ first_name }}"]}}
}
_SHORTER = {kind: {"seconds": SETTLE - 0.5} for kind in ("hang_before", "hang_after")}
SLOWER = 4.0
"""How many times longer than its limit asks a lane may take for what it has left: eight processes share two cores."""
BESIDES = 60.0
"""Seconds for what is no sending: taking lanes over, looking up what is in doubt, receipts, and a clock's end."""
MORE_ROUNDS = 3
"""As many besides, at most, while no harm has hit a call under way: then the machine allows no such test."""
LEFT = """
SELECT lane, count(*), max(GREATEST(due_at, paused_until) - extract(epoch FROM now()) * 1000) / 1000
FROM jobs JOIN lanes ON name = lane
WHERE state IN ('pending', 'sending') OR state = 'in_doubt' AND lane NOT LIKE %s
GROUP BY lane
"""
"""Of each lane: messages without an end, and seconds until the last of them may be tried."""


def wreak(
    folder: Path, server: Server, *, work: float, seed: int, rounds: int, plant: str | None = None
) -> RecipientTimeline:
    """Run three campaigns under so many rounds of chaos, and three more under another until one of the harms has hit a
    call under way; then let them end in peace. `work`: seconds that a lane alone would take for what it has to send."""
    with fresh_database(server.url) as url, running_emulator(**QUICK) as emulator:
        size = asyncio.run(prepare(folder, url, emulator, work))
        for fault in FAULTS:
            emulator.fault(
                **fault | _SHORTER.get(fault["kind"], {}), seed=seed, method="POST", path="/messages"
            )
        with processes_at_work(folder, plant) as processes:
            havoc = Havoc(processes, server, url, emulator, random.Random(seed), most=int(2.5 * work))
            harms = havoc.wreak(rounds)
            for _ in range(MORE_ROUNDS):
                if asyncio.run(_has_interrupted(url)):
                    break
                size += asyncio.run(add_people(url, work, size))
                harms += havoc.wreak(1)
            emulator.clear_faults()
            ended = end_when_idle(processes, url)
        return asyncio.run(read(url, harms, size, emulator.ledger(), ended=ended))


QUICK: dict[str, Any] = {"sent_after": 0.05, "delivered_after": 0.1, "read_after": 0.2}


async def prepare(folder: Path, url: str, emulator: Emulator, work: float) -> int:
    """Settings, tables and a campaign through each account; how many people there are."""
    (folder / "drumbeat.toml").write_text(_settings(url, emulator), encoding="utf-8")
    engine = open_engine(url)
    await upgrade(engine)
    await install(engine)
    await engine.dispose()
    return await add_people(url, work)


async def add_people(url: str, work: float, before: int = 0) -> int:
    """A campaign through each account, to others than those before; how many."""
    engine, size = open_engine(url), before
    for account, senders in _senders().items():
        wanted = int(work * sum(LIMITS[f"{account}/{sender}"] for sender in senders))
        phones = [phone(number) for number in range(size, size + wanted)]
        content = CONTENT.get(account, {"text": "Hi {{ first_name }}"})
        campaign = spec(f"{account}-{size}", provider=account, senders=senders, content=content)
        await store_people(engine, campaign, phones, rotate=0, start_at=EPOCH)
        size += len(phones)
    await engine.dispose()
    return size - before


def _senders() -> dict[str, list[str]]:
    senders: dict[str, list[str]] = {}
    for name in LIMITS:
        account, _, sender = name.partition("/")
        senders.setdefault(account, []).extend([sender] if sender else [])
    return senders


def _settings(url: str, emulator: Emulator) -> str:
    lines = [f'[database]\nurl = "{url}"\n']
    for account, senders in _senders().items():
        adapter = "voicebip" if account == "voicebip" else "ourvoice"
        base_url = f"{emulator.base_url}/{adapter}"
        lines.append(ACCOUNT.format(name=account, adapter=adapter, base_url=base_url, settle=SETTLE))
        lines.append('currency = "XOF"\n' if adapter == "ourvoice" else "")
        lines.append(f'rate = "{LIMITS[account]}/s"\n' if account in LIMITS else "")
        for sender in senders:
            lines.append(SENDER.format(account=account, name=sender, rate=LIMITS[f"{account}/{sender}"]))
            lines.append(
                f'session_id = "{emulator.session_id}"\n'
                if adapter == "ourvoice"
                else 'agent_id = "agt_PAEZ_njcfm2kycpjs"\nnumber = "+447700900100"\n'
            )
    return "".join(lines)


@contextmanager
def processes_at_work(folder: Path, plant: str | None = None) -> Iterator[list[Process]]:
    """Two clocks, then three workers."""
    processes = [Process(f"clock {n}", CLOCK, folder, plant) for n in range(2)]
    processes += [Process(f"worker {n}", WORKER, folder, plant) for n in range(3)]
    try:
        yield processes
    finally:
        end_all(processes)


def end_when_idle(processes: list[Process], url: str) -> bool:
    """Replace the clocks by one that ends when nothing is left to do, and let the workers end; whether all messages
    came to an end, and clock and workers too, within the time that this may take."""
    for process in processes:
        process.keep_alive()
        process.go_on(at_once=True)
    workers = processes[2:5]
    last = processes[0].another("last clock", (*CLOCK, "--until-idle", "--wait-receipts", "1s"))
    processes.append(last)  # it waits until the others are gone
    end_well(processes[:2], 130)
    begun, longest = time.monotonic(), longest_end(left_to_do(url))
    while left_to_do(url) and time.monotonic() < begun + longest:
        time.sleep(0.2)
        for process in (last, *workers):
            process.keep_alive()  # a clock ends while a retry is more than a minute off
    left = left_to_do(url)
    print(f"in peace {time.monotonic() - begun:.0f} s of at most {longest:.0f}, left {left}")
    if not left:
        last.end_within(BESIDES)
    end_well(workers, 0)
    return not left and last.code in (0, 3)


def left_to_do(url: str) -> dict[str, tuple[int, float]]:
    """Of each lane that is not done: how many messages, and for how many seconds the last of them has to wait."""
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute(LEFT, (f"{UNASKED}/%",)).fetchall()
    return {lane: (count, float(wait)) for lane, count, wait in rows}


def longest_end(left: Mapping[str, tuple[int, float]]) -> float:
    """Seconds within which every lane that is not starved has done what it had left, at its own pace."""
    lanes = ((count / pace_of(lane) * SLOWER + max(wait, 0.0)) for lane, (count, wait) in left.items())
    return BESIDES + max(lanes, default=0.0)


def pace_of(lane: str) -> float:
    """Messages per second: its own, or its part of its account's."""
    account, others = lane.partition("/")[0], len(_senders()[lane.partition("/")[0]])
    return min(LIMITS[lane], LIMITS.get(account, LIMITS[lane] * others) / others)


async def read(
    url: str, harms: Counter[str], size: int, ledger: list[dict[str, Any]], *, ended: bool
) -> RecipientTimeline:
    """The end of the story, from the database."""
    engine = open_engine(url)
    rows = await job_rows(engine)
    interrupted = await _interrupted(engine)
    await engine.dispose()
    return RecipientTimeline(harms, size, rows, ledger, interrupted, ended)


async def _has_interrupted(url: str) -> bool:
    engine = open_engine(url)
    found = await _interrupted(engine)
    await engine.dispose()
    return found > 0


async def _interrupted(engine: Engine) -> int:
    found = select(func.count()).where(events.c.source == "rescue")
    async with reading(engine) as connection:
        return int(await connection.scalar(found) or 0)
