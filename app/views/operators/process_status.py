"""The processes that work on the database, and the backlog of each lane."""

from __future__ import annotations

from datetime import datetime

from campaigns.frozen import frozen
from campaigns.time.clock import utc_now
from storage.database.engine import Engine, reading
from storage.sending.workers import MOST, SILENT, LaneView, WorkerRow, list_workers, server_time, view_lanes


@frozen
class ProcessStatus:
    """`at`: the time that ages are measured against, the database server's if there is one."""

    at: datetime
    """The time that ages are measured against."""
    workers: list[WorkerRow]
    """The processes."""
    lanes: list[LaneView]
    """The senders, and what waits for them."""


async def process_status(engine: Engine) -> ProcessStatus:
    async with reading(engine) as connection:
        now = utc_now() if engine.dialect.name == "sqlite" else await server_time(connection)
        return ProcessStatus(now, await list_workers(connection), await view_lanes(connection, now))


def activity(row: WorkerRow, now: datetime) -> str:
    """What a process does now, as short text."""
    if now - row.seen_at > SILENT:
        return "silent: dead, stopped or disconnected"
    if row.kind == "clock":
        return "leads" if row.leads else "on standby"
    return "leads and sends" if row.kind == "runner" else "sends"


def counts_all(lane: LaneView) -> bool:
    """Whether the lane's backlog was counted to its end."""
    return lane.backlog < MOST
