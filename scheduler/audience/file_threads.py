"""Reads files in separate threads: a disk that does not answer delays neither the clock nor the end of the process."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from campaigns.errors import IntakeError
from campaigns.reject_codes import IntakeCode

T = TypeVar("T")
PART: Final = 60.0
"""Seconds that some ten thousand rows may take."""
WHOLE: Final = 1800.0
"""Seconds that a pass over the whole file may take."""


class Stopping(Exception):
    """A stop was asked for while a file was read."""


async def in_thread(work: Callable[[], T], seconds: float, stop: asyncio.Event | None = None) -> T:
    """The result of the work. Raises IntakeError if it takes longer, and Stopping at a stop; the thread is then
    abandoned."""
    tempfile.gettempdir()  # writes a file to test the folder, so not in a thread that may be abandoned midway
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()
    threading.Thread(target=_work, args=(work, loop, answer), name="reader", daemon=True).start()
    stopped = asyncio.ensure_future((stop or asyncio.Event()).wait())
    either: set[asyncio.Future[Any]] = {answer, stopped}
    try:
        await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        if not answer.done():
            answer.cancel()
    if not answer.cancelled():
        return answer.result()
    if stop is not None and stop.is_set():
        raise Stopping
    raise IntakeError(
        IntakeCode.NO_ANSWER,
        f"The list could not be read within {seconds:g} seconds.",
        hint="See whether the disk, or the network folder, that it is on answers.",
    )


def _work(work: Callable[[], Any], loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Any]) -> None:
    result: Any = None
    failure: BaseException | None = None
    try:
        result = work()
    except BaseException as error:
        failure = error

    def notify() -> None:
        if answer.done():
            return
        if failure is not None:
            answer.set_exception(failure)
        else:
            answer.set_result(result)

    with suppress(RuntimeError):  # the event loop has ended
        loop.call_soon_threadsafe(notify)
