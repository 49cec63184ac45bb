"""The first few messages of a run that are made alike: until the provider has taken one, no more than a few are under
way or refused. If all of those are refused, the campaign is at fault and the run is paused: no message fails because of
it, and all recipients are reached once it is fixed."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Final

from campaigns.outcomes import Accepted, Result
from scheduler.sending.lanes import Lane
from storage.database.engine import Connection
from storage.runs.breaker import FirstResults, accepted_lately, first_results, newest_refusal
from storage.runs.pausing import pause_run
from storage.runs.runs import RunRow
from storage.sending.intents import Intent

FEW: Final = 5


class FirstMessages:
    """What one slice may send of a run. Messages of one form and variant are made alike."""

    def __init__(self, connection: Connection, lane: Lane, run: RunRow, now: datetime) -> None:
        self._connection = connection
        self._lane = lane
        self._run = run
        self._now = now
        self._firsts: FirstResults | None = None
        self._admitted: Counter[tuple[str, str | None]] = Counter()
        self._stopped = False

    async def admits(self, form: str, variant: str | None) -> bool:
        """Whether one more message of that form and variant may go now; one that may not stays as it is."""
        kind = (form, variant)
        if kind in self._lane.proven.get(self._run.id, ()):
            return True
        if self._firsts is None:
            if lately := await accepted_lately(self._connection, self._run.id):
                self._lane.proven.setdefault(self._run.id, set()).update(lately)
            if kind in lately:
                return True
            self._firsts = await first_results(self._connection, self._run.id, self._now)
        first, most = self._firsts.of(kind), min(FEW, self._firsts.jobs)
        if first.accepted or self._run.is_test:
            self._lane.proven.setdefault(self._run.id, set()).add(kind)
            return True
        if first.refused + first.under_way + self._admitted[kind] < most:
            self._admitted[kind] += 1
            return True
        self._lane.on_trial.add(self._run.id)
        if not first.under_way and not self._admitted[kind]:
            await self._stop(first.refused)
        return False

    async def _stop(self, refused: int) -> None:
        if not self._stopped:
            self._stopped = True
            refusal = await newest_refusal(self._connection, self._run.id)
            reason = (
                f"{refusal} (all of the first {refused} messages were refused: fix the template, the content or the "
                "list, then resume the campaign)"
            )
            await pause_run(self._connection, self._run.id, reason, self._now)


def note_result(lane: Lane, run_id: int, intent: Intent, result: Result) -> bool:
    """Whether by now the provider is known to take messages of the run that are made like this one."""
    kind = (intent.form, intent.variant)
    if isinstance(result, Accepted):
        lane.proven.setdefault(run_id, set()).add(kind)
    return kind in lane.proven.get(run_id, ())
