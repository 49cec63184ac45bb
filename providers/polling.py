"""Polls receipts one by one, for providers whose lists cannot be filtered to some messages."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Final

from campaigns.errors import AccountError, NotFound
from providers.events import Report

logger = logging.getLogger(__name__)

PORTION: Final = 20
"""How many messages are polled before their reports are passed on."""
MOST_FAILURES: Final = 3
"""After this many failed calls in a row, the provider is considered down and the rest waits."""


async def one_by_one(
    ids: Iterable[str], ask: Callable[[str], Awaitable[Report | None]]
) -> AsyncIterator[list[Report]]:
    """The reports in portions. Omits messages that the provider does not know and those whose answer cannot be read, so
    that they do not affect others. Raises the errors of `ask` that do not concern one message only."""
    reports: list[Report] = []
    failed: list[Exception] = []
    """The errors since the last successful call."""
    answered = False
    for number, message_id in enumerate(ids, 1):
        if number % PORTION == 0:  # also without reports, so that the caller can stop
            yield reports
            reports = []
        try:
            report = await ask(message_id)
        except NotFound:
            report = None
        except Exception as error:
            failed.append(error)
            if isinstance(error, AccountError) or len(failed) == MOST_FAILURES:
                break
            logger.warning("A receipt could not be read: %s", error, extra={"action": "receipt_unreadable"})
            continue
        answered, failed = True, []
        if report is not None:
            reports.append(report)
    if reports:
        yield reports
    if failed and (not answered or len(failed) == MOST_FAILURES or isinstance(failed[-1], AccountError)):
        raise failed[-1]
