"""`drumbeat serve`: the pages and the providers' webhooks, beside workers."""

from __future__ import annotations

import asyncio

import click

from app.wiring.context import Context
from terminal.commands.options import PORT


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=PORT, metavar="PORT", default=8080, show_default=True, help="0 takes a free port."
)
@click.pass_obj
def serve(context: Context, host: str, port: int) -> None:
    """Serve the pages and receive the providers' webhooks, until stopped.

    An account's webhooks arrive at /webhooks/ACCOUNT; each is answered once it is verified and stored. By default
    only this machine can connect: put a proxy with TLS in front of /webhooks/, and its address into [server]
    public_url. Monitoring uses /metrics, /health/live and /health/ready. Ctrl-C stops it once
    requests under way are answered.
    """
    from terminal.running import run_loop

    run_loop(_serve(context, host, port))


async def _serve(context: Context, host: str, port: int) -> None:
    from app.wiring.needed_secrets import require_secrets
    from terminal.output import print_note
    from terminal.running import pages_note, stopping
    from web.server import pages_problem, serving

    require_secrets(context.settings, webhooks=True)
    stop = asyncio.Event()
    async with context.database(create=True) as engine:
        with stopping(stop, lambda: print_note("Stopping: answering the requests under way first.")):
            problem = pages_problem(context.settings, host)
            async with serving(engine, context.settings, host, port, pages=problem is None) as address:
                print_note(f"Serving on {address}. Webhooks arrive at {address}/webhooks/ACCOUNT.")
                pages = context.settings.public_url or address
                print_note(await pages_note(engine, pages) if problem is None else f"No pages: {problem}")
                await stop.wait()
