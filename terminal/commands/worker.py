"""`drumbeat worker` and `drumbeat workers`: send on several machines, and see who does what."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from app.wiring.context import Context
from terminal.commands.options import json_option, metrics_host, metrics_port, run_async

if TYPE_CHECKING:
    from app.views.process_status import Crew


@click.command()
@click.option(
    "--concurrency",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="How many senders it works at once; waiting for their pace costs next to nothing.",
)
@metrics_port
@metrics_host
@click.pass_obj
def worker(context: Context, concurrency: int, metrics_port: int | None, metrics_host: str) -> None:
    """Send on this machine what a clock gives out.

    A clock is drumbeat run --engine procrastinate. Any number of workers may run, on any machine with the same settings
    and the same PostgreSQL. Ctrl-C finishes what is under way and stops; a second one stops at once. Both are safe.
    """
    from terminal.running import run_loop

    watch_on = None if metrics_port is None else (metrics_host, metrics_port)
    run_loop(_work(context, concurrency, watch_on))


async def _work(context: Context, concurrency: int, watch_on: tuple[str, int] | None) -> None:
    from app.wiring.ownership import warn_of_open_secrets
    from scheduler.engines.worker import work
    from terminal.output import tell
    from terminal.running import doors, stopping

    stop = asyncio.Event()
    settings = context.settings
    warn_of_open_secrets(settings)
    async with context.database() as engine:
        with stopping(stop, lambda: tell("Stopping: what is under way is finished first.")):
            tell(f"Working, at most {concurrency} senders at once.")
            async with doors(engine, settings, None, watch_on, tell) as observe:
                await work(
                    engine,
                    settings.accounts,
                    concurrency=concurrency,
                    stop=stop,
                    house_caps=settings.caps,
                    observe=observe,
                )


@click.command()
@json_option
@click.pass_obj
def workers(context: Context, as_json: bool) -> None:
    """Who works on this database, and on what.

    Clocks, runners, workers, and the lanes that they hold.
    """
    from app.views.process_status import show_crew
    from terminal.output import print_json

    crew = run_async(_crew(context))
    if as_json:
        print_json(crew)
    else:
        show_crew(crew)


async def _crew(context: Context) -> Crew:
    from app.views.process_status import read_crew

    async with context.database() as engine:
        return await read_crew(engine)
