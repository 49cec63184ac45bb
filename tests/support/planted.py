"""Faults planted into the product's processes, each the loss of one thing that keeps a promise: a judge that lets such
a run pass proves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from types import ModuleType
from typing import Any
from uuid import uuid4

from sqlalchemy import true, update

from storage.database.engine import Connection
from storage.tables.lanes import lanes


def _replace(home: ModuleType | type, name: str, other: Any) -> Any:
    """Put `other` in place of what has to be there; what was there."""
    replaced = getattr(home, name)
    setattr(home, name, other)
    return replaced


def fence_skipped() -> None:
    """A worker that slept through its lease continues with its planned calls, as if it still owned the lane."""
    import scheduler.sending.storing
    from scheduler.sending.lease import Lease

    async def hold_lane(connection: Connection, name: str, epoch: int, lease_until: datetime) -> None:
        held = update(lanes).where(lanes.c.name == name)
        await connection.execute(held.values(lease_until=lease_until))

    _replace(Lease, "may_send", lambda _lease: True)
    _replace(scheduler.sending.storing, "hold_lane", hold_lane)


def lock_dropped() -> None:
    """A lane is anybody's at any time: no lease, no new epoch, and no lock on its task in the queue."""
    import scheduler.engines.procrastinate as queue
    import scheduler.sending.lease
    import storage.sending.lanes

    async def take_lane(
        connection: Connection,
        name: str,
        holder: str,
        now: datetime,
        lease_until: datetime,
        *,
        no_other_runner: bool,
    ) -> int:
        taken = update(lanes).where(lanes.c.name == name).values(holder=holder, lease_until=lease_until)
        return int((await connection.execute(taken.returning(lanes.c.epoch))).scalar_one())

    async def defer(shifts: Any, lane: str, priority: int) -> None:
        doing = await shifts._jobs.list_jobs_async(status="doing")
        if sum(str(job.lock).startswith(f"{lane} ") for job in doing) > 1:
            return  # two owners are enough: more would only be in each other's way
        task = shifts._app.configure_task(
            queue.TASK,
            queue=queue.queue_of(lane),
            lock=f"{lane} {uuid4()}",
            queueing_lock=lane,
            priority=priority,
        )
        with suppress(queue.AlreadyEnqueued):
            await task.defer_async(lane=lane)

    class Held(set[str]):
        def __contains__(self, lock: object) -> bool:
            return super().__contains__(str(lock).partition(" ")[0])

    async def held_lanes(connection: Connection, now: datetime) -> set[str]:
        return Held(await asked(connection, now))

    _replace(storage.sending.lanes, "_free", lambda *_, **__: true())
    _replace(scheduler.sending.lease, "take_lane", take_lane)
    _replace(queue.Queue, "_defer", defer)
    asked = _replace(queue, "held_lanes", held_lanes)


def intents_after_the_call() -> None:
    """An intent is committed together with its outcome, and what is under way is known to its process alone."""
    import scheduler.sending.claiming
    import scheduler.sending.deciding
    import scheduler.sending.storing

    kept: dict[int, tuple[str, int, Any, datetime]] = {}

    async def commit_intents(
        connection: Connection, lane: str, epoch: int, intents: Sequence[Any], now: datetime
    ) -> None:
        kept.update({intent.job.id: (lane, epoch, intent, now) for intent in intents})

    async def claim_due(
        connection: Connection, run_id: int, lane: str, now: datetime, limit: int
    ) -> list[Any]:
        claimed = await claim(connection, run_id, lane, now, limit + len(kept))
        return [job for job in claimed if job.id not in kept][:limit]

    async def store_outcomes(
        connection: Connection, outcomes: Sequence[Any], now: datetime, **known: Any
    ) -> None:
        for outcome in outcomes:
            lane, epoch, intent, meant_at = kept[outcome.intent.job.id]
            await commit(connection, lane, epoch, [intent], meant_at)
        await store(connection, outcomes, now, **known)
        forget(outcome.intent for outcome in outcomes)

    async def withdraw_intents(connection: Connection, intents: Sequence[Any], now: datetime) -> None:
        forget(intents)

    def forget(intents: Iterable[Any]) -> None:
        for intent in intents:
            kept.pop(intent.job.id, None)

    claim = _replace(scheduler.sending.claiming, "claim_due", claim_due)
    commit = _replace(scheduler.sending.deciding, "commit_intents", commit_intents)
    store = _replace(scheduler.sending.storing, "store_outcomes", store_outcomes)
    _replace(scheduler.sending.storing, "withdraw_intents", withdraw_intents)


def lane_starved() -> None:
    """One lane is never given a shift."""
    import scheduler.engines.procrastinate as queue

    async def wake(shifts: Any, due: Sequence[Any]) -> None:
        await woken(shifts, [lane for lane in due if lane.name != "lines/slow"])

    woken = _replace(queue.Queue, "wake", wake)


PLANTS: dict[str, Callable[[], None]] = {
    plant.__name__: plant for plant in (fence_skipped, lock_dropped, intents_after_the_call, lane_starved)
}
