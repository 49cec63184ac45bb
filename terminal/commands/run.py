"""`drumbeat run` and `drumbeat reconcile`: send what is due, and fetch delivery statuses."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from app.wiring.context import Context
from terminal.commands.options import (
    PORT,
    DurationType,
    complete_account,
    complete_campaign,
    json_option,
    metrics_host,
    metrics_port,
    run_async,
    timezone_option,
)

if TYPE_CHECKING:
    from scheduler.clock.progress import RunSummary


@click.command()
@click.option("--until-idle", is_flag=True, help="Stop when nothing is left to do now.")
@click.option(
    "--wait-receipts",
    type=DurationType(),
    default="10s",
    show_default=True,
    help="With --until-idle, how long to wait for receipts.",
)
@click.option(
    "--campaign",
    "asked",
    metavar="NAME",
    multiple=True,
    shell_complete=complete_campaign,
    help="The summary and the exit code are about this campaign only; what is due of others is sent too.",
)
@click.option(
    "--engine",
    type=click.Choice(["embedded", "procrastinate"]),
    default="embedded",
    show_default=True,
    help="embedded: send here. procrastinate: only keep the clock; drumbeat worker sends, on any machine.",
)
@click.option("--serve", is_flag=True, help="Receive webhooks too, in this process.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="With --serve, the address to listen on."
)
@click.option(
    "--port",
    type=PORT,
    metavar="PORT",
    default=8080,
    show_default=True,
    help="With --serve, the port; 0 takes a free port.",
)
@metrics_port
@metrics_host
@timezone_option
@json_option
@click.pass_obj
def run(
    context: Context,
    until_idle: bool,
    wait_receipts: timedelta,
    asked: tuple[str, ...],
    engine: str,
    serve: bool,
    host: str,
    port: int,
    metrics_port: int | None,
    metrics_host: str,
    as_json: bool,
) -> int:
    """Send what is due, until stopped.

    It names each campaign that is done, what waits and why, and what comes next and when.
    Ctrl-C finishes the messages under way and stops; a second Ctrl-C stops at once. Both are safe.
    Exit code 3: some messages failed or are in doubt; 6: a limit, a person or the provider stopped the work.
    """
    from terminal.output import print_json, suggest
    from terminal.running import exit_code, run_loop, summarise

    serve_on = (host, port) if serve else None
    watch_on = None if metrics_port is None else (metrics_host, metrics_port)
    summary = run_loop(
        _run(context, until_idle, wait_receipts, asked, serve_on, watch_on, engine == "procrastinate")
    )
    if as_json:
        print_json(summary)
    else:
        summarise(summary)
        again = ["drumbeat run --until-idle"] if summary.interrupted else []
        sent = [one.campaign for one in summary.campaigns if one.states]
        reports = [f"drumbeat report {kind} {sent[0]}" for kind in ("delivery", "failures")] if sent else []
        suggest(*again, *reports, "drumbeat status")
    return exit_code(summary)


async def _run(
    context: Context,
    until_idle: bool,
    wait_receipts: timedelta,
    asked: tuple[str, ...],
    serve_on: tuple[str, int] | None,
    watch_on: tuple[str, int] | None,
    distributed: bool,
) -> RunSummary:
    from app.actions.running import require_queue
    from app.wiring.needed_secrets import require_secrets
    from terminal.running import drive

    require_secrets(context.settings, webhooks=serve_on is not None)
    async with context.database(create=True) as engine:
        if distributed:
            await require_queue(engine)
        return await drive(
            engine,
            context.settings,
            until_idle=until_idle,
            wait_receipts=wait_receipts,
            serve_on=serve_on,
            watch_on=watch_on,
            distributed=distributed,
            asked=asked,
        )


@click.command()
@click.option("--provider", metavar="ACCOUNT", shell_complete=complete_account, help="Only this account.")
@json_option
@click.pass_obj
def reconcile(context: Context, provider: str | None, as_json: bool) -> None:
    """Fetch the delivery status of messages from the providers, once."""
    from campaigns.figures import counted
    from terminal.output import print_json, print_text, suggest

    moved = run_async(_reconcile(context, provider))
    if as_json:
        print_json({"provider": provider, "updated": moved})
        return
    print_text(f"{counted(moved, 'message')} updated.")
    suggest("drumbeat report delivery NAME")


async def _reconcile(context: Context, provider: str | None) -> int:
    from app.actions.reconciling import reconcile_now
    from app.wiring.probes import chosen_accounts

    accounts = chosen_accounts(context.settings, provider)
    async with context.database() as engine:
        return await reconcile_now(engine, context.settings, accounts)
