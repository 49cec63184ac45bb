"""The one home of apprise, which reaches mail, chats and some hundred other services by an address that names the
service and holds its password.

It is loaded where it is used, since that takes a second. It is not asynchronous, so it runs in a thread of its own; one
that hangs is left behind and does not keep the process from ending.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Final

from providers.notify.outcome import Undelivered
from providers.settings import Secret

TIMEOUT: Final = 30.0
"""Seconds for all that a service needs."""
UNKNOWN: Final = "apprise does not know this kind of address: see https://github.com/caronc/apprise/wiki"
REFUSED: Final = "The service did not take it. Check its address, which is the secret {place}."
LATE: Final = f"The service did not answer within {TIMEOUT:g} s."


async def send_by_service(address: Secret, title: str, text: str) -> Undelivered | None:
    """None: the service took it. Raises UsageError where the secret is missing."""
    url = address.reveal()
    try:
        problem = await _in_thread(lambda: _notify(url, title, text), TIMEOUT)
    except TimeoutError:
        problem = LATE
    return None if problem is None else Undelivered(problem.format(place=address.place))


def is_known_address(address: Secret) -> bool:
    """Whether apprise can read it. Raises UsageError where the secret is missing."""
    return _opened(address.reveal()) is not None


def _notify(url: str, title: str, text: str) -> str | None:
    """The problem, or None. Of an error only its kind is named: its text may repeat the password."""
    try:
        service = _opened(url)
        if service is None:
            return UNKNOWN
        return None if service(title, text) else REFUSED
    except Exception as error:
        return f"{REFUSED} ({type(error).__name__})"


def _opened(url: str) -> Callable[[str, str], bool] | None:
    import apprise

    logger = logging.getLogger("apprise")
    logger.handlers, logger.propagate = [logging.NullHandler()], False  # its warnings name addresses
    services = apprise.Apprise()
    if not services.add(url):
        return None

    def send(title: str, text: str) -> bool:
        kind = apprise.NotifyFormat.TEXT
        return bool(services.notify(title=title, body=text, body_format=kind, interpret_escapes=False))

    return send


async def _in_thread(work: Callable[[], str | None], timeout: float) -> str | None:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str | None] = loop.create_future()

    def finish(result: str | None) -> None:
        if not done.done():
            done.set_result(result)

    def run() -> None:
        result = work()
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(finish, result)

    Thread(target=run, name="notify", daemon=True).start()
    async with asyncio.timeout(timeout):
        return await done
