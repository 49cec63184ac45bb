"""Prices of reports that name what a message is charged as, but not whose number it is: a status of a message to a user
id has none. It is the number that the message was sent to."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from providers.events import Report
from scheduler.receipts.webhook_events import ParsedEvents, billed_price
from storage.database.engine import Connection
from storage.receipts.user_ids import numbers_of_messages


async def price_by_job(
    connection: Connection, account: str, parsed: ParsedEvents, now: datetime
) -> ParsedEvents:
    """The events with these prices. A report of a message that is not known yet has none: what was estimated stays."""
    prices = parsed.prices
    unpriced = {one.message_id for one in parsed.reports if _lacks_number(one)}
    if prices is None or not unpriced:
        return parsed
    numbers = await numbers_of_messages(connection, account, unpriced)

    def priced(report: Report) -> Report:
        number = numbers.get(report.message_id)
        if number is None or report.billed is None or not _lacks_number(report):
            return report
        return replace(report, cost=billed_price(prices, report.billed, number, report.at or now))

    return replace(parsed, reports=[priced(one) for one in parsed.reports])


def _lacks_number(report: Report) -> bool:
    return report.cost is None and report.billed is not None and report.billed.phone is None
