"""One run of the runner on a terminal: signals, progress, a summary and an exit code."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from app.actions.running import run_campaigns
from app.wiring.settings import Settings
from campaigns.errors import Stopped
from campaigns.states import JobState
from terminal.output import in_readers_zone, print_sentence, shown_time
from terminal.progress import counts_of, progress_display, waits_for

if TYPE_CHECKING:
    from scheduler.clock.progress import RunSummary
    from scheduler.sending.instrumentation import Observe
    from storage.database.engine import Engine

T = TypeVar("T")
INTERRUPTED: Final = 130
PARTIAL: Final = 3
MOST_COMING: Final = 3
"""Runs to come that the summary names."""
RARELY: Final = (20_000, 20, 100)
"""Thresholds of Python's garbage collector. A sent message leaves few reference cycles, so collecting after every few
messages finds nothing."""
TURN: Final = 0.02
"""Python's thread switch interval in seconds. Database threads run whenever the event loop ends a step; interrupting a
step slows both down."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, on uvloop if it is installed: it sends twice as fast."""
    gc.freeze()  # modules loaded by now stay; the garbage collector need not scan them again
    gc.set_threshold(*RARELY)
    sys.setswitchinterval(TURN)
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop_runner:
        return loop_runner.run(work)


async def drive(
    engine: Engine,
    settings: Settings,
    *,
    until_idle: bool,
    wait_receipts: timedelta,
    serve_on: tuple[str, int] | None = None,
    watch_on: tuple[str, int] | None = None,
    distributed: bool = False,
    asked: Sequence[str] = (),
    pages: bool = False,
) -> RunSummary:
    """Run, show progress, and stop gracefully at the first signal. Raises Locked, UsageError.

    `serve_on`, `watch_on` and `pages`: see `servers`. `distributed`: only keep the clock. `asked`: the
    summary is about these campaigns only.
    """
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        progress = stack.enter_context(progress_display())

        def leave() -> None:
            progress.note(
                "Stopping: finishing the messages under way first. Press Ctrl-C again to stop at once."
            )

        stack.enter_context(stopping(stop, leave, progress.close))
        observe = await stack.enter_async_context(
            servers(engine, settings, serve_on, watch_on, progress.note, pages=pages)
        )
        return await run_campaigns(
            engine,
            settings,
            distributed=distributed,
            until_idle=until_idle,
            wait_receipts=wait_receipts,
            stop=stop,
            progress=progress.show,
            observe=observe,
            asked=asked,
        )


@asynccontextmanager
async def servers(
    engine: Engine,
    settings: Settings,
    serve_on: tuple[str, int] | None,
    watch_on: tuple[str, int] | None,
    note: Callable[[str], None],
    *,
    pages: bool = False,
) -> AsyncIterator[Observe]:
    """Serve webhooks on one host and port, and monitoring on another, if given; with `pages` those of the browser
    beside the webhooks. Yields the observer of provider calls.

    Raises UsageError if a port cannot be used.
    """
    if serve_on is None and watch_on is None:
        yield lambda _: None
        return
    from web.server import open_metrics, serving, watched

    metrics = open_metrics(engine, settings)
    async with AsyncExitStack() as stack:
        if serve_on is not None:
            address = await stack.enter_async_context(
                serving(engine, settings, *serve_on, metrics, pages=pages)
            )
            if pages:
                note(await pages_note(engine, settings.public_url or address))
            note(f"Webhooks arrive at {address}/webhooks/ACCOUNT.")
        if watch_on is not None:
            address = await stack.enter_async_context(watched(engine, metrics, *watch_on))
            note(f"Metrics are at {address}/metrics.")
        yield metrics.call_ended


async def pages_note(engine: Engine, address: str) -> str:
    """Where the pages are; while there is no user, the link that makes the first admin."""
    from app.actions.users import first_invitation

    address = address.rstrip("/")
    token = await first_invitation(engine)
    if token is None:
        return f"The pages are at {address}"
    return f"Open {address}/join/{token} to make the first admin. It works once, for 48 hours."


@contextmanager
def stopping(
    stop: asyncio.Event, on_first: Callable[[], None], on_second: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """The first signal asks for a stop; the second ends the process, and the next start looks up calls in flight."""
    loop = asyncio.get_running_loop()

    def handle() -> None:
        if stop.is_set():
            on_second()
            os._exit(INTERRUPTED)
        stop.set()
        on_first()

    for number in _SIGNALS:
        loop.add_signal_handler(number, handle)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def summarise(summary: RunSummary) -> None:
    """Print what was done, campaign by campaign, what is left, and why; and what comes next."""
    ended = "Stopped" if summary.interrupted else "Not finished" if summary.left else "Done"
    print_sentence(f"{ended}: {counts_of(summary.states) or 'nothing to send'}.")
    for reason in dict.fromkeys(summary.stopped_by):
        print_sentence(f"Waiting: {in_readers_zone(reason)}")
    seen = [one for one in summary.campaigns if one.states]
    for one in seen if len(seen) > 1 else ():
        print_sentence(f"  {one.campaign} is {one.state.value}: {counts_of(one.states)}.")
    for left in summary.left:
        print_sentence(f"Waiting: {waits_for(left)}")
    coming = sorted((one.next_run, one.campaign) for one in summary.campaigns if one.next_run)
    for at, name in coming[:MOST_COMING]:
        print_sentence(f"Next run: {name}, at {shown_time(at)}.")


def exit_code(summary: RunSummary) -> int:
    """The exit code for scripts."""
    if summary.interrupted:
        return INTERRUPTED
    if summary.stopped_by or not all(left.needs_no_action for left in summary.left):
        return Stopped.exit_code
    troubled = summary.states.get(JobState.FAILED, 0) + summary.states.get(JobState.IN_DOUBT, 0)
    return PARTIAL if troubled else 0
