"""The circuit breaker: a run of which too many messages in a row fail is paused before it does more harm.

It looks at failures once they are stored, wherever they are stored: with a slice, or with what a provider reports
later. The messages around them decide, not the newest: so what trips depends on how messages end, and neither on when
that is known nor on how fast the run has gone on meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Final

import orjson

from campaigns.spec.breaker_spec import BreakerSpec
from storage.database.engine import Connection, Engine, reading, writing
from storage.runs.breaker import FailingRun, failing_runs, most_frequent, worst_stretch
from storage.runs.pausing import pause_run

ADVICE: Final = "; see why in the failures of its report, then resume or cancel the campaign"
logger = logging.getLogger(__name__)


async def look_at_failures(engine: Engine, job_ids: Collection[int], now: datetime) -> None:
    """Pause the running runs in which too many of the messages around these have failed.

    To be called after the transaction that stored the failures: of two transactions with failures of one run, at least
    the later then sees those of both.
    """
    if not job_ids:
        return
    async with reading(engine) as connection:
        failing = await failing_runs(connection, job_ids)
        tripped = {run.id: await _reason(connection, run) for run in failing}
    for run_id, reason in tripped.items():
        if reason is not None:
            async with writing(engine) as connection:
                await pause_run(connection, run_id, reason, now)


async def _reason(connection: Connection, run: FailingRun) -> str | None:
    """Why the run is to be paused; None: it may go on."""
    breaker = _breaker_of(run)
    for first, last in _stretches(run.failed, 2 * breaker.of_last):
        worst = await worst_stretch(connection, run.id, first, last, breaker.of_last)
        if worst is not None and worst.failed * 100 > breaker.percent * breaker.of_last:
            often = await most_frequent(connection, run.id, worst, breaker.of_last)
            most = f", most with {often}" if often else ""
            return f"breaker: {worst.failed} of {breaker.of_last} messages in a row failed{most}{ADVICE}"
    return None


def _stretches(places: Sequence[int], gap: int) -> Iterator[tuple[int, int]]:
    """The first and the last of the places that are no further apart than that: what lies between is read once."""
    first = last = places[0]
    for place in places[1:]:
        if place - last > gap:
            yield first, last
            first = place
        last = place
    yield first, last


def _breaker_of(run: FailingRun) -> BreakerSpec:
    """The run's own settings; the default if its file cannot be read, so that other runs' breakers keep working."""
    try:
        return BreakerSpec.model_validate(orjson.loads(run.spec).get("breaker", {}))
    except Exception:
        ids = {"action": "breaker_unreadable", "run": run.id}
        logger.exception("The breaker of run %s cannot be read; the usual one holds.", run.id, extra=ids)
        return BreakerSpec()
