"""Answers to calls whose lane was taken before they could be stored, because the process or its database was away: by
then their messages are in doubt, and the answers end that. The lane is not needed for it: a message that anybody else
has settled or sent again meanwhile stays as it is."""

from __future__ import annotations

from campaigns.outcomes import Accepted, FailureKind
from providers.events import Report
from scheduler.sending.finished_calls import FinishedCalls
from scheduler.sending.lanes import Lane
from storage.database.engine import Engine, writing
from storage.receipts.adopting import adopt
from storage.receipts.receipts import DoubtRow, send_again
from storage.receipts.statuses import apply_reports
from storage.sending.intents import Intent


async def store_late(engine: Engine, lane: Lane, finished: FinishedCalls) -> int:
    """How many messages are not in doubt any more."""
    unsent = list(finished.withdrawn)
    settled = 0
    for outcome in finished.outcomes:
        if isinstance(outcome.result, Accepted):
            settled += await _adopt(engine, lane, outcome.intent, outcome.result)
        elif outcome.result.kind is not FailureKind.UNKNOWN:
            unsent.append(outcome.intent)
    for intent in unsent:
        async with writing(engine) as connection:
            settled += await send_again(connection, _doubt(intent), lane.now())
    return settled


async def _adopt(engine: Engine, lane: Lane, intent: Intent, accepted: Accepted) -> bool:
    now, polls = lane.now(), lane.adapter.capabilities.polls
    async with writing(engine) as connection:
        doubt, account = _doubt(intent), lane.account.name
        if not await adopt(connection, account, doubt, accepted.message_id, now, polls=polls):
            return False
        known = Report(accepted.message_id, accepted.state.value, accepted.state, now, cost=accepted.cost)
        await apply_reports(connection, lane.name, [known], "shift", now)
        return True


def _doubt(intent: Intent) -> DoubtRow:
    at = intent.recorded_at
    return DoubtRow(intent.job.id, intent.job.phone, intent.job.attempts + 1, 0, at, at, intent.content)
