"""`drumbeat up`: everything on one machine in one process: pages, sending, webhooks."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from app.wiring.context import Context
from terminal.commands.options import PORT

if TYPE_CHECKING:
    from scheduler.clock.progress import RunSummary


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=PORT, metavar="PORT", default=8080, show_default=True, help="0 takes a free port."
)
@click.pass_obj
def up(context: Context, host: str, port: int) -> int:
    """Serve the pages, send what is due and receive webhooks, until stopped.

    The first start prints a link by which the first admin chooses a name and a password. By default only this
    machine can open the pages: for others, put a proxy with TLS in front, or set certificate and key in [server].
    Ctrl-C finishes the messages under way and stops.
    """
    from terminal.running import exit_code, run_loop, summarise

    summary = run_loop(_up(context, host, port))
    summarise(summary)
    return exit_code(summary)


async def _up(context: Context, host: str, port: int) -> RunSummary:
    from app.wiring.needed_secrets import require_secrets
    from terminal.running import drive

    require_secrets(context.settings, webhooks=True)
    async with context.database(create=True) as engine:
        return await drive(
            engine,
            context.settings,
            until_idle=False,
            wait_receipts=timedelta(0),
            serve_on=(host, port),
            pages=True,
        )
