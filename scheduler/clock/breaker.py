"""The circuit breaker: a run of which too many of the newest messages fail is paused before it does more harm."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.spec.rules_spec import BreakerSpec
from campaigns.states import RunState
from campaigns.time.clock import Now
from storage.database.engine import Connection, Engine, reading, writing
from storage.runs.breaker import newest_failures
from storage.runs.runs import RunRow, open_runs, pause_run, run_spec

logger = logging.getLogger(__name__)


class Breakers:
    """The breakers of the runs that are open."""

    def __init__(self, engine: Engine, now: Now) -> None:
        self._engine = engine
        self._now = now
        self._known: dict[int, BreakerSpec] = {}

    async def check(self) -> None:
        """Pause every running run that fails too often."""
        async with reading(self._engine) as connection:
            running = [run for run in await open_runs(connection) if run.state is RunState.RUNNING]
            tripped = await self._tripped(connection, running)
        for run_id, reason in tripped:
            async with writing(self._engine) as connection:
                await pause_run(connection, run_id, reason, self._now())
        self._known = {run.id: self._known[run.id] for run in running}

    async def _tripped(self, connection: Connection, running: Sequence[RunRow]) -> list[tuple[int, str]]:
        tripped = []
        for run in running:
            if run.id not in self._known:
                self._known[run.id] = _breaker_of(run, await run_spec(connection, run.id))
            breaker = self._known[run.id]
            failures = await newest_failures(connection, run.id, breaker.of_last)
            if failures.count * 100 > breaker.percent * breaker.of_last:
                reason = (
                    f"breaker: {failures.count} of the last {breaker.of_last} messages failed, "
                    f"most with {failures.often}"
                )
                tripped.append((run.id, reason))
        return tripped


def _breaker_of(run: RunRow, spec: str) -> BreakerSpec:
    """The run's own settings; the default if its file cannot be read, so that other runs' breakers keep working."""
    try:
        return CampaignSpec.from_json(spec).breaker
    except Exception:
        ids = {"action": "breaker_unreadable", "run": run.id}
        logger.exception("The breaker of %s cannot be read; the usual one holds.", run.name, extra=ids)
        return BreakerSpec()
