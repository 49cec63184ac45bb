"""One clock in charge, one in waiting and three workers as processes on PostgreSQL: killed, stopped and cut off at
random while they send, the server restarted under them; what happened is for `tests.acceptance.judging`."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from math import inf
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import func, select

from scheduler.engines.procrastinate import install
from storage.engine import Engine, open_engine, reading
from storage.schema import upgrade
from storage.tables import events
from tests.acceptance.judging import Story
from tests.acceptance.killing import FAULTS
from tests.support.campaigns import EPOCH, job_rows, phone, spec, store_people
from tests.support.crew import CLOCK, WORKER, Process, end_all
from tests.support.databases import Server, fresh_database
from tests.support.emulator import Emulator, running_emulator
from tests.support.hasty import LEASE

LIMITS = {
    "gateway": 8,
    **{f"gateway/{sender}": 5 for sender in ("shop", "help")},
    "lines/fast": 20,
    "lines/slow": 8,
    "voicebip/agent": 3,
}
"""Messages per second: the limit of an account that two lanes share, those of lanes without one, and that of a lane
whose provider cannot be asked about a message. Low, so that it is they that bind and not the machine."""
UNASKED = "voicebip"
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
NAPS = (inf, 0.5, inf, LEASE + 1)
"""Seconds that a worker is stopped for; without end: until its lanes are others', and what it had under way has been
asked about."""
_SHORTER = {kind: {"seconds": SETTLE - 0.5} for kind in ("hang_before", "hang_after")}
HARMS = (
    "kill worker",
    "kill worker",
    "stop worker",
    "stop worker",
    "kill clock",
    "stop clock",
    "cut",
    "restart",
)
TRIES = 30
"""How often the worst moment to stop a worker is looked for."""
PATIENCE = 8.0
"""Seconds after which the next harm is done although next to nothing was sent since the last."""
END = 120.0
"""Seconds that what is left may take once nobody is harmed any more."""


def wreak(
    folder: Path, server: Server, *, work: float, seed: int, rounds: int, plant: str | None = None
) -> Story:
    """Run three campaigns under so many rounds of chaos, then let them end in peace; `work`: seconds that a lane alone
    would take for what it has to send."""
    with fresh_database(server.url) as url, running_emulator(**QUICK) as emulator:
        size = asyncio.run(prepare(folder, url, emulator, work))
        for fault in FAULTS:
            emulator.fault(
                **fault | _SHORTER.get(fault["kind"], {}), seed=seed, method="POST", path="/messages"
            )
        with crew_at_work(folder, plant) as crew:
            harms = _harm(crew, server, url, emulator, random.Random(seed), rounds)
            ended = end_when_idle(crew)
        return asyncio.run(read(url, harms, size, emulator.ledger(), ended=ended))


QUICK: dict[str, Any] = {"sent_after": 0.05, "delivered_after": 0.1, "read_after": 0.2}


async def prepare(folder: Path, url: str, emulator: Emulator, work: float) -> int:
    """Settings, tables and a campaign through each account; how many people there are."""
    (folder / "drumbeat.toml").write_text(_settings(url, emulator), encoding="utf-8")
    engine = open_engine(url)
    await upgrade(engine)
    await install(engine)
    size = 0
    for account, senders in _senders().items():
        wanted = int(work * sum(LIMITS[f"{account}/{sender}"] for sender in senders))
        phones = [phone(number) for number in range(size, size + wanted)]
        content = CONTENT.get(account, {"text": "Hi {{ first_name }}"})
        campaign = spec(account, provider=account, senders=senders, content=content)
        await store_people(engine, campaign, phones, rotate=0, start_at=EPOCH)
        size += len(phones)
    await engine.dispose()
    return size


def _senders() -> dict[str, list[str]]:
    senders: dict[str, list[str]] = {}
    for name in LIMITS:
        account, _, sender = name.partition("/")
        senders.setdefault(account, []).extend([sender] if sender else [])
    return senders


def _settings(url: str, emulator: Emulator) -> str:
    told = [f'[database]\nurl = "{url}"\n']
    for account, senders in _senders().items():
        adapter = "voicebip" if account == "voicebip" else "ourvoice"
        base_url = f"{emulator.base_url}/{adapter}"
        told.append(ACCOUNT.format(name=account, adapter=adapter, base_url=base_url, settle=SETTLE))
        told.append('currency = "XOF"\n' if adapter == "ourvoice" else "")
        told.append(f'rate = "{LIMITS[account]}/s"\n' if account in LIMITS else "")
        for sender in senders:
            told.append(SENDER.format(account=account, name=sender, rate=LIMITS[f"{account}/{sender}"]))
            told.append(
                f'session_id = "{emulator.session_id}"\n'
                if adapter == "ourvoice"
                else 'agent_id = "agt_PAEZ_njcfm2kycpjs"\nnumber = "+447700900100"\n'
            )
    return "".join(told)


@contextmanager
def crew_at_work(folder: Path, plant: str | None = None) -> Iterator[list[Process]]:
    """Two clocks, then three workers."""
    crew = [Process(f"clock {n}", CLOCK, folder, plant) for n in range(2)]
    crew += [Process(f"worker {n}", WORKER, folder, plant) for n in range(3)]
    try:
        yield crew
    finally:
        end_all(crew)


def _harm(
    crew: Sequence[Process], server: Server, url: str, emulator: Emulator, dice: random.Random, rounds: int
) -> Counter[str]:
    """Do harm at random moments; what was done. Every round has each kind of it, workers above all."""
    naps = cycle(NAPS)
    harms = [kind for _ in range(rounds) for kind in dice.sample(HARMS, k=len(HARMS))]
    for kind in harms:
        _let_work(crew, url, emulator, dice)
        victim = _busy_worker(crew, url, dice) if kind.endswith("worker") else dice.choice(crew[:2])
        _do(kind, victim, server, url, emulator, dice, naps)
    return Counter(harms)


def _let_work(crew: Sequence[Process], url: str, emulator: Emulator, dice: random.Random) -> None:
    """For some seconds and some messages: what has just begun again has nothing to lose yet."""
    enough = _sent(emulator) + dice.randint(5, 30)
    moment = time.monotonic()
    while time.monotonic() < moment + dice.uniform(0.3, 1.5) or _sent(emulator) < enough:
        if time.monotonic() > moment + PATIENCE:
            return
        time.sleep(0.2)
        for process in crew:
            process.keep_alive()
            process.go_on()
            if (
                process.stopped_until == inf
                and process.pid not in _holders(url).values()
                and _all_settled(url)
            ):
                process.go_on(at_once=True)


def _sent(emulator: Emulator) -> int:
    return int(emulator.summary()["total"])


def _busy_worker(crew: Sequence[Process], url: str, dice: random.Random) -> Process:
    """One that is awake and holds a lane, the likelier the more it sends; where there is none, any."""
    awake = {worker.pid: worker for worker in crew[2:] if worker.stopped_until is None}
    at_work = {lane: awake[pid] for lane, pid in _holders(url).items() if pid in awake}
    if not at_work:
        return dice.choice(crew[2:])
    [found] = dice.choices(list(at_work.values()), [LIMITS[lane] for lane in at_work])
    return found


def _holders(url: str) -> dict[str, int]:
    """The process that the database takes for the owner, by lane."""
    with psycopg.connect(url, autocommit=True) as connection:
        held = connection.execute("SELECT name, holder FROM lanes WHERE holder IS NOT NULL").fetchall()
    return {name: int(holder.split(":")[-2]) for name, holder in held}


def _all_settled(url: str) -> bool:
    """Whether all that dead or sleeping workers left has been asked about."""
    query = (
        "SELECT 1 FROM jobs WHERE state = 'in_doubt' AND reason = 'interrupted' AND lane NOT LIKE %s LIMIT 1"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query, (f"{UNASKED}/%",)).fetchone() is None


def _do(
    kind: str,
    victim: Process,
    server: Server,
    url: str,
    emulator: Emulator,
    dice: random.Random,
    naps: Iterator[float],
) -> None:
    match kind.split():
        case ["kill", _]:
            victim.kill()
        case ["stop", "worker"]:
            _stop_before_a_call(victim, url, emulator, next(naps))
        case ["stop", _]:
            victim.stop_for(LEASE + 1)
        case ["cut"]:
            _cut_connections(url, dice)
        case _:
            server.restart(dice.choice(["fast", "immediate"]), dice.uniform(0, 2))


def _stop_before_a_call(victim: Process, url: str, emulator: Emulator, seconds: float) -> None:
    """Stop it at the worst of moments: an intent is committed and its call has not come to the provider."""
    for _ in range(TRIES):
        victim.stop_for(seconds)
        time.sleep(0.05)  # what had left arrives
        if any(not emulator.ledger(to) for to in _meant(victim, url)):
            return
        victim.go_on(at_once=True)
        time.sleep(0.03)
    victim.stop_for(seconds)


def _meant(worker: Process, url: str) -> list[str]:
    """Whom the worker is about to send to or has just sent to, as far as it can be asked about."""
    query = "SELECT phone FROM jobs JOIN lanes ON lanes.name = jobs.lane WHERE state = 'sending' AND holder LIKE %s"
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(f"{query} AND lane NOT LIKE %s", (f"%:{worker.pid}:%", f"{UNASKED}/%"))
        return [phone[1:] for (phone,) in found.fetchall()]


def _cut_connections(url: str, dice: random.Random) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        own = connection.info.backend_pid
        query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"
        for (pid,) in connection.execute(query, (own,)).fetchall():
            if dice.random() < 0.5:
                connection.execute("SELECT pg_terminate_backend(%s)", (pid,))


def end_when_idle(crew: list[Process]) -> bool:
    """Replace the clocks by one that ends when nothing is left to do, and let the workers end; whether it came to
    that."""
    for process in crew:
        process.keep_alive()
        process.go_on(at_once=True)
    last = crew[0].another("last clock", (*CLOCK, "--until-idle", "--wait-receipts", "2s"))
    crew.append(last)  # it waits until the others are gone
    for clock in crew[:2]:
        clock.end_well(130)
    give_up_at = time.monotonic() + END
    while last.code is None and time.monotonic() < give_up_at:
        time.sleep(0.1)
        for worker in crew[2:5]:
            worker.keep_alive()
    for worker in crew[2:5]:
        worker.end_well(0)
    return last.code in (0, 3)


async def read(
    url: str, harms: Counter[str], size: int, ledger: list[dict[str, Any]], *, ended: bool
) -> Story:
    """The end of the story, from the database."""
    engine = open_engine(url)
    rows = await job_rows(engine)
    interrupted = await _interrupted(engine)
    await engine.dispose()
    return Story(harms, size, rows, ledger, interrupted, ended)


async def _interrupted(engine: Engine) -> int:
    found = select(func.count()).where(events.c.source == "rescue")
    async with reading(engine) as connection:
        return int(await connection.scalar(found) or 0)
