"""Who works on the database and what each lane has before it, as `drumbeat workers` tells it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from campaigns.time.clock import utc_now
from storage.database.engine import Engine, reading
from storage.sending.workers import MOST, SILENT, LaneView, WorkerRow, list_workers, server_time, view_lanes
from terminal.output import print_table, suggest


@dataclass(frozen=True)
class Crew:
    """`at`: the time by which everything is judged, the server's where there is one."""

    at: datetime
    workers: list[WorkerRow]
    lanes: list[LaneView]


async def read_crew(engine: Engine) -> Crew:
    async with reading(engine) as connection:
        now = utc_now() if engine.dialect.name == "sqlite" else await server_time(connection)
        return Crew(now, await list_workers(connection), await view_lanes(connection, now))


def show_crew(crew: Crew) -> None:
    names = {row.name: f"{row.kind} {row.host}:{row.pid}" for row in crew.workers}
    print_table(
        "Processes",
        ["process", "does", ">lanes", ">at most", "since", "last heard"],
        [
            (
                names[row.name],
                _does(row, crew.at),
                sum(lane.holder == row.name for lane in crew.lanes),
                row.places,
                row.since,
                f"{_ago(row.seen_at, crew.at):.0f} s ago",
            )
            for row in crew.workers
        ],
    )
    print_table(
        "Lanes",
        ["lane", "held by", ">due", ">lag", ">per second", "paused"],
        [
            (
                lane.name,
                names.get(lane.holder, lane.holder) if lane.holder else None,
                f"{lane.backlog:,}{'+' if lane.backlog == MOST else ''}",
                None if lane.lag_seconds is None else f"{lane.lag_seconds:.0f} s",
                f"{lane.per_second:.1f}",
                lane.paused,
            )
            for lane in crew.lanes
        ],
    )
    if not crew.workers:
        suggest("drumbeat run", "drumbeat worker")


def _does(row: WorkerRow, now: datetime) -> str:
    if now - row.seen_at > SILENT:
        return "silent: dead, stopped or cut off"
    if row.kind == "clock":
        return "leads" if row.leads else "stands by"
    return "leads and sends" if row.kind == "runner" else "sends"


def _ago(moment: datetime, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds())
