"""The events of an account's webhooks, sorted by what they change."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from campaigns.money.prices import SERVICE, Prices
from campaigns.phones.stop_words import find_stop_word
from campaigns.untrusted import moment_or_none
from providers.events import Event, Inbound, Notice, Preference, Report, Unread, WindowUntil
from scheduler.sending.lanes import Account
from storage.receipts.inbound import InboundMessage
from storage.receipts.inbox import NewNotice
from storage.sending.optouts import PreferenceChange
from storage.sending.windows import INBOUND, PROVIDER, Opening

WINDOW: Final = timedelta(hours=24)
"""How long a person's message or call keeps the window open."""
_PHONE: Final = re.compile(r"\+[1-9][0-9]{5,14}")


@dataclass(slots=True)
class ParsedEvents:
    """The events of one or several webhooks of an account, in their order."""

    reports: list[Report] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)
    preferences: list[PreferenceChange] = field(default_factory=list)
    notices: list[NewNotice] = field(default_factory=list)
    inbound: list[InboundMessage] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """Why parts of them could not be read."""

    def __bool__(self) -> bool:
        return bool(self.reports or self.openings or self.preferences or self.notices or self.inbound)

    def add(self, other: ParsedEvents) -> None:
        self.reports += other.reports
        self.openings += other.openings
        self.preferences += other.preferences
        self.notices += other.notices
        self.inbound += other.inbound
        self.unread += other.unread

    def one_by_one(self) -> list[ParsedEvents]:
        """Each event by itself. A message and the window that it opens are two."""
        return [
            *(ParsedEvents(reports=[one]) for one in self.reports),
            *(ParsedEvents(openings=[one]) for one in self.openings),
            *(ParsedEvents(preferences=[one]) for one in self.preferences),
            *(ParsedEvents(notices=[one]) for one in self.notices),
            *(ParsedEvents(inbound=[one]) for one in self.inbound),
        ]


class EventSorter:
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

    def sort(self, events: Iterable[Event], received_at: datetime) -> ParsedEvents:
        """The events by kind. One about something that is no phone number is left out; the raw webhook is stored."""
        parsed = ParsedEvents()
        for event in events:
            self._add(parsed, event, received_at)
        return parsed

    def _add(self, parsed: ParsedEvents, event: Event, received_at: datetime) -> None:
        match event:
            case Report():
                parsed.reports.append(self._priced(event, received_at))
            case Inbound():
                self._sort_inbound(parsed, event, received_at)
            case WindowUntil(phone=phone, until=until):
                parsed.openings += self._openings(phone, event.number, moment_or_none(until), PROVIDER)
            case Preference():
                parsed.preferences += _preferences(event, received_at)
            case Notice():
                parsed.notices.append(_notice(event, received_at))
            case Unread(reason=reason):
                parsed.unread.append(reason)
            case _:
                assert_never(event)

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

    def _sort_inbound(self, parsed: ParsedEvents, event: Inbound, received_at: datetime) -> None:
        """A person wrote: their window is open, and the text may be an opt-out or opt-in."""
        if not _PHONE.fullmatch(event.phone):
            return
        # A clock ahead of ours must not hold the window open for longer than a day from now.
        at = _whole(min(event.at or received_at, received_at))
        parsed.openings += self._openings(event.phone, event.number, at + WINDOW, INBOUND)
        lane = self._named.get(_plain_number(event.number)) if event.number else None
        parsed.inbound.append(InboundMessage(lane, event.phone, at, event.message_id, event.text))
        found = find_stop_word(event.text) if event.text else None
        if found is not None and event.text is not None:
            dated = event.at is not None
            parsed.preferences += [
                PreferenceChange(event.phone, found.action, scope, at, event.text, dated)
                for scope in found.scopes
            ]

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


def _preferences(event: Preference, received_at: datetime) -> list[PreferenceChange]:
    if not _PHONE.fullmatch(event.phone):
        return []
    at = _whole(event.at or received_at)
    return [
        PreferenceChange(event.phone, event.action, event.scope, at, event.evidence, event.at is not None)
    ]


def _notice(event: Notice, received_at: datetime) -> NewNotice:
    at = _whole(event.at or received_at)
    return NewNotice(event.kind, event.subject, event.text, at, event.effect, event.language)


def _whole(at: datetime) -> datetime:
    """As the database keeps it, so that a repetition is known again."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
