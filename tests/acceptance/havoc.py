"""The harm that chaos does, and the lanes that it does it to."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from math import inf

import psycopg

from tests.support.databases import Server
from tests.support.emulator import Emulator
from tests.support.processes import Process
from tests.support.short_leases import LEASE

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
NAPS = (inf, 0.5, inf, LEASE + 1)
"""Seconds that a worker is stopped for; without end: until its lanes are others', and what it had under way has been
asked about."""
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
PATIENCE = 4.0
"""Seconds after which the next harm is done although next to nothing was sent since the last."""


@dataclass
class Havoc:
    """Harms two clocks and the workers after them, at random moments."""

    processes: Sequence[Process]
    server: Server
    url: str
    emulator: Emulator
    dice: random.Random
    most: int
    """Messages that may be sent between two harms."""
    naps: Iterator[float] = field(default_factory=lambda: cycle(NAPS))

    def wreak(self, rounds: int) -> Counter[str]:
        """What was done. Every round has each kind of harm, workers above all."""
        harms = [kind for _ in range(rounds) for kind in self.dice.sample(HARMS, k=len(HARMS))]
        for kind in harms:
            self._let_work()
            self._harm(kind)
        return Counter(harms)

    def _let_work(self) -> None:
        """For some seconds and some messages: what has just begun again has nothing to lose yet."""
        enough = self._sent() + self.dice.randint(self.most // 4, self.most)
        begun = time.monotonic()
        pause = self.dice.uniform(0.2, 1.0)
        while time.monotonic() < begun + pause or self._sent() < enough:
            if time.monotonic() > begun + PATIENCE:
                return
            time.sleep(0.1)
            for process in self.processes:
                process.keep_alive()
                process.go_on(at_once=self._is_missed_by_nobody(process))

    def _sent(self) -> int:
        return int(self.emulator.summary()["total"])

    def _is_missed_by_nobody(self, process: Process) -> bool:
        """Whether one that sleeps without end has been replaced in everything."""
        return (
            process.stopped_until == inf
            and process.pid not in self._holders().values()
            and self._all_is_settled()
        )

    def _holders(self) -> dict[str, int]:
        """The process that the database takes for the owner, by lane."""
        found = self._ask("SELECT name, holder FROM lanes WHERE holder IS NOT NULL")
        return {name: int(holder.split(":")[-2]) for name, holder in found}

    def _all_is_settled(self) -> bool:
        """Whether all that dead or sleeping workers left has been asked about."""
        query = "SELECT 1 FROM jobs WHERE state = 'in_doubt' AND reason = 'interrupted' AND lane NOT LIKE %s"
        return not self._ask(f"{query} LIMIT 1", f"{UNASKED}/%")

    def _harm(self, kind: str) -> None:
        match kind.split():
            case ["kill", who]:
                self._victim(who).kill()
            case ["stop", "worker"]:
                self._stop_before_a_call(self._victim("worker"), next(self.naps))
            case ["stop", who]:
                self._victim(who).stop_for(LEASE + 1)
            case ["cut"]:
                self._cut_connections()
            case _:
                self.server.restart(self.dice.choice(["fast", "immediate"]), self.dice.uniform(0, 2))

    def _victim(self, who: str) -> Process:
        """Of workers one that is awake and holds a lane, the likelier the more it sends."""
        clocks, workers = self.processes[:2], self.processes[2:]
        awake = {worker.pid: worker for worker in workers if worker.stopped_until is None}
        at_work = {lane: awake[pid] for lane, pid in self._holders().items() if pid in awake}
        if who == "clock" or not at_work:
            return self.dice.choice(clocks if who == "clock" else workers)
        [found] = self.dice.choices(list(at_work.values()), [LIMITS[lane] for lane in at_work])
        return found

    def _stop_before_a_call(self, victim: Process, seconds: float) -> None:
        """Stop it at the worst of moments: an intent is committed and its call has not come to the provider."""
        for _ in range(TRIES):
            victim.stop_for(seconds)
            time.sleep(0.05)  # what had left arrives
            if any(not self.emulator.ledger(to) for to in self._meant_by(victim)):
                return
            victim.go_on(at_once=True)
            time.sleep(0.03)
        victim.stop_for(seconds)

    def _meant_by(self, worker: Process) -> list[str]:
        """Whom it is about to send to or has just sent to, where the provider can be asked."""
        query = "SELECT phone FROM jobs JOIN lanes ON name = lane WHERE state = 'sending'"
        wanted = f"{query} AND holder LIKE %s AND lane NOT LIKE %s"
        return [phone[1:] for (phone,) in self._ask(wanted, f"%:{worker.pid}:%", f"{UNASKED}/%")]

    def _cut_connections(self) -> None:
        own = "datname = current_database() AND pid <> pg_backend_pid()"
        for (pid,) in self._ask(f"SELECT pid FROM pg_stat_activity WHERE {own}"):
            if self.dice.random() < 0.5:
                self._ask("SELECT pg_terminate_backend(%s)", pid)

    def _ask(self, query: str, *values: object) -> list[tuple[str, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query, values).fetchall()  # type: ignore[arg-type]
