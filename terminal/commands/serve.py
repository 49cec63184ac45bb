"""`drumbeat serve`: take the providers' webhooks."""

from __future__ import annotations

import asyncio

import click

from app.wiring.context import Context


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8080, show_default=True, help="0 takes a free one.")
@click.pass_obj
def serve(context: Context, host: str, port: int) -> None:
    """Take the providers' webhooks, until it is stopped.

    An account's webhooks arrive at /webhooks/ACCOUNT; each is answered once it is verified and stored. Only this
    machine is listened to unless --host says otherwise: put a proxy with TLS before /webhooks/, and its address into
    [server] public_url. A monitor finds /metrics, /health/live and /health/ready. Ctrl-C answers what is under way
    and stops.
    """
    from terminal.running import run_loop

    run_loop(_serve(context, host, port))


async def _serve(context: Context, host: str, port: int) -> None:
    from app.wiring.ownership import warn_of_open_secrets
    from terminal.output import tell
    from terminal.running import stopping
    from web.server import serving

    warn_of_open_secrets(context.settings)
    stop = asyncio.Event()
    async with context.database(create=True) as engine:
        with stopping(stop, lambda: tell("Stopping: what is under way is answered first.")):
            async with serving(engine, context.settings, host, port) as address:
                tell(f"Serving on {address}. Webhooks arrive at {address}/webhooks/ACCOUNT.")
                await stop.wait()
