"""Receipts asked for one by one, where a provider has no list that can be narrowed to some messages."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Final

from campaigns.errors import AccountError, NotFound
from providers.events import Report

logger = logging.getLogger(__name__)

PORTION: Final = 20
"""How many messages are asked about before what is known is handed on."""
MOST_FAILURES: Final = 3
"""Messages in a row that could not be asked about, after which the provider is not well: the rest waits."""


async def one_by_one(
    ids: Iterable[str], ask: Callable[[str], Awaitable[Report | None]]
) -> AsyncIterator[list[Report]]:
    """The reports in portions. A message that the provider does not know is left out, and so is one whose answer cannot
    be read: it takes no other's report with it. Raises what `ask` raises where that is not about one message alone."""
    reports: list[Report] = []
    failed: list[Exception] = []
    """Of the messages asked about since the last one that could be."""
    answered = False
    for number, message_id in enumerate(ids, 1):
        if number % PORTION == 0:  # whoever asked may wish to stop, though nothing is known of any
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
            logger.warning("A receipt could not be read: %s", error, extra={"action": "receipt_unread"})
            continue
        answered, failed = True, []
        if report is not None:
            reports.append(report)
    if reports:
        yield reports
    if failed and (not answered or len(failed) == MOST_FAILURES or isinstance(failed[-1], AccountError)):
        raise failed[-1]
