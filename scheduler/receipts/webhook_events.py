"""What an account's webhooks tell, sorted by what it changes and made fit to be stored: the texts may hold anything."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from campaigns.money.prices import SERVICE, Prices
from campaigns.phones.stop_words import word_of
from providers.events import Event, Inbound, Notice, Preference, Report, WindowUntil
from scheduler.sending.lanes import Account
from storage.receipts.inbound import InboundMessage
from storage.receipts.inbox import News
from storage.sending.optouts import Word
from storage.sending.windows import INBOUND, PROVIDER, Opening

WINDOW: Final = timedelta(hours=24)
"""How long a person's message or call keeps the window open."""
LONGEST_NAME: Final = 500
LONGEST_TEXT: Final = 2_000
_PHONE: Final = re.compile(r"\+[1-9][0-9]{5,14}")
_YEARS: Final = range(2000, 2200)
_LARGEST_MICROS: Final = 2**53


@dataclass(slots=True)
class Told:
    """What one or several webhooks of an account tell, in their order."""

    reports: list[Report] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    news: list[News] = field(default_factory=list)
    inbound: list[InboundMessage] = field(default_factory=list)

    def add(self, other: Told) -> None:
        self.reports += other.reports
        self.openings += other.openings
        self.words += other.words
        self.news += other.news
        self.inbound += other.inbound


class Listener:
    """Knows an account's lanes by their numbers, so that a message to one of them opens the right window."""

    def __init__(self, account: Account, prices: Prices) -> None:
        self.account = account
        self._prices = prices
        self._every: list[str] = []
        self._named: dict[str, str] = {}
        for sender in account.settings.senders:
            lane = f"{account.name}/{sender.name}"
            self._every.append(lane)
            names = (value for value in sender.model_dump().values() if isinstance(value, str))
            self._named.update({_plain_number(name): lane for name in names})

    def told(self, events: Iterable[Event], received_at: datetime) -> Told:
        """The events by kind. One about something that is no phone number is left out; the raw webhook is kept."""
        told = Told()
        for event in events:
            match event:
                case Report():
                    told.reports.append(self._priced(_clean_report(event), received_at))
                case Inbound():
                    self._hear(told, event, received_at)
                case WindowUntil(phone=phone, until=until):
                    told.openings += self._openings(phone, event.number, _moment(until), PROVIDER)
                case Preference():
                    told.words += _words(event, received_at)
                case Notice():
                    told.news.append(_news(event, received_at))
                case _:
                    assert_never(event)
        return told

    def _priced(self, report: Report, received_at: datetime) -> Report:
        """With the card's price of the category that it is charged as, where the provider names no amount."""
        billed = report.billed
        if report.cost is not None or billed is None:
            return report
        service = billed.category == SERVICE
        at = report.at or received_at
        price = self._prices.price(
            billed.phone, billed.category, template=not service, window_open=service, at=at
        )
        return replace(report, cost=price.money) if price else report

    def _hear(self, told: Told, event: Inbound, received_at: datetime) -> None:
        """A person wrote: their window is open, and the whole of it may be a word about being written to."""
        if not _PHONE.fullmatch(event.phone):
            return
        # A clock ahead of ours must not hold the window open for longer than a day from now.
        at = _whole(min(_moment(event.at) or received_at, received_at))
        told.openings += self._openings(event.phone, event.number, at + WINDOW, INBOUND)
        text = None if event.text is None else clean(event.text, LONGEST_TEXT)
        message_id = None if event.message_id is None else clean(event.message_id, LONGEST_NAME)
        lane = self._named.get(_plain_number(event.number)) if event.number else None
        told.inbound.append(InboundMessage(lane, event.phone, at, message_id, text))
        said = word_of(text) if text else None
        if said is not None and text is not None:
            told.words += [Word(event.phone, said.action, scope, at, text) for scope in said.scopes]

    def _openings(
        self, phone: str, number: str | None, until: datetime | None, known_by: str
    ) -> list[Opening]:
        if until is None or not _PHONE.fullmatch(phone):
            return []
        lane = self._named.get(_plain_number(number)) if number else None
        return [Opening(phone, name, until, known_by) for name in ([lane] if lane else self._every)]


def _plain_number(name: str) -> str:
    """A number without its plus and its spaces; another name as it is."""
    digits = re.sub(r"[\s()+-]", "", name)
    return digits if digits.isdigit() else name


def _words(event: Preference, received_at: datetime) -> list[Word]:
    if not _PHONE.fullmatch(event.phone):
        return []
    at = _whole(_moment(event.at) or received_at)
    return [Word(event.phone, event.action, event.scope, at, clean(event.evidence, LONGEST_TEXT))]


def _news(event: Notice, received_at: datetime) -> News:
    at = _whole(_moment(event.at) or received_at)
    return News(
        clean(event.kind, LONGEST_NAME),
        clean(event.subject, LONGEST_NAME),
        clean(event.text, LONGEST_TEXT),
        at,
        event.effect,
        event.language and clean(event.language, LONGEST_NAME),
    )


def _clean_report(report: Report) -> Report:
    """The report as it is, which is nearly always, or without what no database takes."""
    texts = (report.message_id, report.status, report.reason, report.code, report.reference)
    # Nearly always all of them together are shorter than one may be.
    together = "".join(filter(None, texts))
    well = len(together) <= LONGEST_NAME and together.isprintable()
    priced = report.cost is None or abs(report.cost.micros) < _LARGEST_MICROS
    timed = _moment(report.at) is report.at and all(_moment(at) for _, at in report.times)
    if well and priced and timed:
        return report
    return replace(
        report,
        message_id=clean(report.message_id, LONGEST_NAME),
        status=clean(report.status, LONGEST_NAME),
        reason=None if report.reason is None else clean(report.reason, LONGEST_TEXT),
        code=None if report.code is None else clean(report.code, LONGEST_NAME),
        reference=None if report.reference is None else clean(report.reference, LONGEST_NAME),
        at=_moment(report.at),
        times=tuple((state, at) for state, at in report.times if _moment(at)),
        cost=report.cost if priced else None,
    )


def clean(text: str, longest: int) -> str:
    """The text without NULs and lone surrogates, and not longer than `longest`."""
    return text[:longest].replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _moment(at: datetime | None) -> datetime | None:
    """The moment, or None where it is none that a clock can have shown."""
    return at if at is not None and at.tzinfo is not None and at.year in _YEARS else None


def _whole(at: datetime) -> datetime:
    """As the database keeps it, so that a repetition is known again."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
