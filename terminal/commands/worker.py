"""`drumbeat worker` and `drumbeat workers`: send on several machines, and see which process does what."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

import click

from app.wiring.context import Context
from terminal.commands.options import (
    in_database,
    json_option,
    metrics_host,
    metrics_port,
    timezone_option,
)

if TYPE_CHECKING:
    from app.views.operators.process_status import ProcessStatus


@click.command()
@click.option(
    "--concurrency",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="How many senders it serves at the same time; a sender that waits costs next to nothing.",
)
@metrics_port
@metrics_host
@click.pass_obj
def worker(context: Context, concurrency: int, metrics_port: int | None, metrics_host: str) -> None:
    """Send messages on this machine; a clock assigns the senders.

    The clock is drumbeat run --engine procrastinate. Any number of workers may run, on any machine with the same
    settings and the same PostgreSQL. Ctrl-C finishes the messages under way and stops; a second Ctrl-C stops at once.
    Both are safe.
    """
    from terminal.running import run_loop

    watch_on = None if metrics_port is None else (metrics_host, metrics_port)
    run_loop(_work(context, concurrency, watch_on))


async def _work(context: Context, concurrency: int, watch_on: tuple[str, int] | None) -> None:
    from app.actions.running import require_queue, work_for_clocks
    from app.wiring.needed_secrets import require_secrets
    from terminal.output import print_note
    from terminal.running import servers, stopping

    stop = asyncio.Event()
    settings = context.settings
    require_secrets(settings)
    async with context.database() as engine:
        await require_queue(engine)
        with stopping(stop, lambda: print_note("Stopping: finishing the messages under way first.")):
            print_note(f"Working for up to {concurrency} senders at the same time.")
            async with servers(engine, settings, None, watch_on, print_note) as observe:
                await work_for_clocks(engine, settings, concurrency=concurrency, stop=stop, observe=observe)


@click.command()
@timezone_option
@json_option
@click.pass_obj
def workers(context: Context, as_json: bool) -> None:
    """Show the processes that work on this database, and their lanes.

    Lists clocks, runners and workers, and the lanes that they hold.
    """
    from app.views.operators.process_status import process_status
    from terminal.output import print_json

    status = in_database(context, process_status)
    if as_json:
        print_json(status)
    else:
        _print_status(status)


def _print_status(status: ProcessStatus) -> None:
    from app.views.operators.process_status import activity, counts_all
    from terminal.output import print_table, suggest

    names = {row.name: f"{row.kind} {row.host}:{row.pid}" for row in status.workers}
    print_table(
        "Processes",
        ["process", "activity", ">lanes", ">at most", "since", "last seen"],
        [
            (
                names[row.name],
                activity(row, status.at),
                sum(lane.holder == row.name for lane in status.lanes),
                row.places,
                row.since,
                f"{_ago(row.seen_at, status.at):.0f} s ago",
            )
            for row in status.workers
        ],
    )
    print_table(
        "Lanes",
        ["lane", "held by", ">due", ">oldest due", ">per second", "paused"],
        [
            (
                lane.name,
                names.get(lane.holder, lane.holder) if lane.holder else None,
                f"{lane.backlog:,}{'' if counts_all(lane) else '+'}",
                None if lane.lag_seconds is None else f"{lane.lag_seconds:.0f} s",
                f"{lane.per_second:.1f}",
                lane.paused,
            )
            for lane in status.lanes
        ],
    )
    if not status.workers:
        suggest("drumbeat run", "drumbeat worker")


def _ago(moment: datetime, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds())
