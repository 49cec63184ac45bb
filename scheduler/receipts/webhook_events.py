"""The events of an account's webhooks, sorted by what they change."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from campaigns.money.costs import Money
from campaigns.money.prices import SERVICE, Prices
from campaigns.phones.spellings import canonical
from campaigns.phones.stop_words import find_preference
from campaigns.phones.user_ids import name_of, number_like
from campaigns.untrusted import moment_or_none
from providers.events import (
    Billed,
    Event,
    FreeEntry,
    Inbound,
    InboundKind,
    Notice,
    NotUnderstood,
    NumberChange,
    Preference,
    Report,
    Unread,
    UserId,
    WindowUntil,
)
from scheduler.sending.lanes import Account
from storage.receipts.inbound import InboundMessage
from storage.receipts.inbox import NewNotice
from storage.receipts.user_ids import USER_ID
from storage.sending.optouts import CLOCKS_DIFFER, PreferenceChange
from storage.sending.windows import INBOUND, PROVIDER, Opening

OPENS: Final = frozenset({InboundKind.MESSAGE, InboundKind.CALL})
"""What a person does that opens their window."""
NOT_STORED: Final = frozenset({InboundKind.CALL, InboundKind.GROUP})
"""What is no message to us."""
WINDOW: Final = timedelta(hours=24)
"""How long a person's message or call keeps the window open."""
FREE_ENTRY: Final = timedelta(days=7)
"""The longest that a free entry point lasts, as several resellers report; it was 72 hours."""
_PHONE: Final = re.compile(r"\+[1-9][0-9]{5,14}")


@dataclass(slots=True)
class ParsedEvents:
    """The events of one or several webhooks of an account, in their order."""

    reports: list[Report] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)
    preferences: list[PreferenceChange] = field(default_factory=list)
    notices: list[NewNotice] = field(default_factory=list)
    inbound: list[InboundMessage] = field(default_factory=list)
    people: list[UserId] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    """User id of a person without a number -> the provider's id of our message that they answered."""
    user_ids: set[str] = field(default_factory=set)
    """The user ids by which events name persons without a number: the events have `name_of` in its place."""
    changes: list[NumberChange] = field(default_factory=list)
    not_understood: dict[str, int] = field(default_factory=dict)
    """How many parts of them were not understood, by kind."""
    without_effect: int = 0
    """Events that were understood and change nothing."""
    prices: Prices | None = None
    """The card for reports that name what is charged but not whose number it is."""
    unread: list[str] = field(default_factory=list)
    """Why parts of them could not be read."""

    def __bool__(self) -> bool:
        return bool(
            self.reports
            or self.openings
            or self.preferences
            or self.notices
            or self.inbound
            or self.people
            or self.changes
            or self.not_understood
            or self.without_effect
        )

    def add(self, other: ParsedEvents) -> None:
        self.reports += other.reports
        self.openings += other.openings
        self.preferences += other.preferences
        self.notices += other.notices
        self.inbound += other.inbound
        self.people += other.people
        self.answers |= other.answers
        self.user_ids |= other.user_ids
        self.changes += other.changes
        for kind, number in other.not_understood.items():
            self.not_understood[kind] = self.not_understood.get(kind, 0) + number
        self.without_effect += other.without_effect
        self.prices = self.prices or other.prices
        self.unread += other.unread

    def one_by_one(self) -> list[ParsedEvents]:
        """Each event by itself. A message and the window that it opens are two."""
        ids = self.user_ids
        return [
            *(ParsedEvents(people=[one]) for one in self.people),
            *(ParsedEvents(changes=[one]) for one in self.changes),
            *(ParsedEvents(not_understood={kind: n}) for kind, n in self.not_understood.items()),
            *(ParsedEvents(answers={user_id: answered}) for user_id, answered in self.answers.items()),
            *(ParsedEvents(preferences=[one], user_ids=ids) for one in self.preferences),
            *(ParsedEvents(reports=[one], prices=self.prices) for one in self.reports),
            *(ParsedEvents(openings=[one], user_ids=ids) for one in self.openings),
            *(ParsedEvents(notices=[one]) for one in self.notices),
            *(ParsedEvents(inbound=[one], user_ids=ids) for one in self.inbound),
        ]

    @property
    def is_known_again(self) -> bool:
        """Whether applying it twice changes nothing more: a message without an id would be stored twice, and a part
        that is not understood counted twice."""
        return not self.not_understood and all(one.message_id is not None for one in self.inbound)


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
        parsed = ParsedEvents(prices=self._prices)
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
                if person := self._person(parsed, phone, None):
                    parsed.openings += self._openings(person, event.number, moment_or_none(until), PROVIDER)
            case FreeEntry():
                self._sort_free_entry(parsed, event, received_at)
            case Preference():
                self._sort_preference(parsed, event, received_at)
            case UserId(user_id=user_id, phone=phone):
                if USER_ID.fullmatch(user_id) and _PHONE.fullmatch(phone):
                    parsed.people.append(UserId(user_id, canonical(phone)))
            case NumberChange():
                self._sort_change(parsed, event)
            case Notice():
                parsed.notices.append(_notice(event, received_at))
            case NotUnderstood(kind=kind):
                parsed.not_understood[kind] = parsed.not_understood.get(kind, 0) + 1
            case Unread(reason=reason):
                parsed.unread.append(reason)
            case _:
                assert_never(event)

    def _priced(self, report: Report, received_at: datetime) -> Report:
        """With the card's price of the category that it is charged as, where the provider names no amount."""
        billed = report.billed
        if report.cost is not None or billed is None or billed.phone is None:
            return report
        cost = billed_price(self._prices, billed, billed.phone, report.at or received_at)
        return report if cost is None else replace(report, cost=cost)

    def _sort_inbound(self, parsed: ParsedEvents, event: Inbound, received_at: datetime) -> None:
        """A person wrote or called: their window is open, and the text or button may be an opt-out or opt-in."""
        person = self._person(parsed, event.phone, event.user_id)
        if person is None:
            return
        if event.phone is None and event.user_id is not None and event.answers is not None:
            parsed.answers[event.user_id] = event.answers
        # A clock ahead of ours must not hold the window open for longer than a day from now.
        at = _whole(min(event.at or received_at, received_at))
        parsed.without_effect += 1
        if event.kind in OPENS:
            parsed.openings += self._openings(person, event.number, at + WINDOW, INBOUND)
        if event.kind not in NOT_STORED:
            parsed.inbound.append(self._message(event, person, at))
        found = find_preference(event.text, event.payload)
        if found is not None and (found.action == "out" or event.kind is not InboundKind.GROUP):
            given_at, dated = _given(event.at, received_at)
            parsed.preferences += [
                PreferenceChange(person, found.action, scope, given_at, _evidence(event), dated)
                for scope in found.scopes
            ]

    def _sort_free_entry(self, parsed: ParsedEvents, event: FreeEntry, received_at: datetime) -> None:
        person, until = self._person(parsed, event.phone, event.user_id), moment_or_none(event.until)
        if person is not None and until is not None:
            openings = self._openings(person, event.number, min(until, received_at + FREE_ENTRY), PROVIDER)
            parsed.openings += [replace(opening, free=True) for opening in openings]

    def _message(self, event: Inbound, person: str, at: datetime) -> InboundMessage:
        lane = self._named.get(_plain_number(event.number)) if event.number else None
        is_edit = event.kind in (InboundKind.EDIT, InboundKind.DELETION) and event.message_id is not None
        return InboundMessage(
            lane, person, at, event.message_id, event.text, event.payload, event.answers, is_edit
        )

    def _sort_preference(self, parsed: ParsedEvents, event: Preference, received_at: datetime) -> None:
        person = self._person(parsed, event.phone, event.user_id)
        if person is not None:
            at, dated = _given(event.at, received_at)
            change = PreferenceChange(person, event.action, event.scope, at, event.evidence, dated)
            parsed.preferences.append(change)

    def _sort_change(self, parsed: ParsedEvents, event: NumberChange) -> None:
        """Numbers in the one spelling in which they are stored; what is neither number nor user id is left out."""
        old_phone, phone = _known_phone(event.old_phone), _known_phone(event.phone)
        old_user_id, user_id = _known_id(event.old_user_id), _known_id(event.user_id)
        if (old_phone or old_user_id) and (phone or user_id):
            parsed.changes.append(NumberChange(old_phone, old_user_id, phone, user_id))

    def _person(self, parsed: ParsedEvents, phone: str | None, user_id: str | None) -> str | None:
        """The number in the one spelling in which it is stored, else what stands in its place."""
        if known := _known_phone(phone):
            return known
        if user_id is None or not _known_id(user_id):
            return None
        parsed.user_ids.add(user_id)
        return name_of(self.account.name, user_id)

    def _openings(
        self, phone: str, number: str | None, until: datetime | None, known_by: str
    ) -> list[Opening]:
        if until is None:
            return []
        lane = self._named.get(_plain_number(number)) if number else None
        return [Opening(phone, name, until, known_by) for name in ([lane] if lane else self._every)]


def billed_price(prices: Prices, billed: Billed, phone: str, at: datetime) -> Money | None:
    """The card's price of what a message to `phone` is charged as; None: it is not on the card."""
    service = billed.category == SERVICE
    number = number_like(phone)
    price = prices.price(number, billed.category, template=not service, window_open=service, at=at)
    return price.money if price else None


def _known_phone(phone: str | None) -> str | None:
    return canonical(phone) if phone is not None and _PHONE.fullmatch(phone) else None


def _known_id(user_id: str | None) -> str | None:
    return user_id if user_id is not None and USER_ID.fullmatch(user_id) else None


def _plain_number(name: str) -> str:
    """A number without spaces, in its one spelling; another name as it is."""
    digits = re.sub(r"[\s()+-]", "", name)
    return canonical(f"+{digits}") if digits.isdigit() else name


def _evidence(event: Inbound) -> str:
    """What they wrote or pressed."""
    if not event.payload or event.payload == event.text:
        return event.text or ""
    return f"{event.text or ''} (button: {event.payload})".strip()


def _notice(event: Notice, received_at: datetime) -> NewNotice:
    at = _whole(event.at or received_at)
    return NewNotice(
        event.kind,
        event.subject,
        event.text,
        at,
        effect=event.effect,
        language=event.language,
        value=event.value,
        undoes=event.undoes,
    )


def _given(at: datetime | None, received_at: datetime) -> tuple[datetime, bool]:
    """When a preference was given, and whether that is known. The provider's clock may be ahead of ours: so that of its
    events the newest holds, however often they are sent, its time is kept, unless it is too far ahead for a clock."""
    dated = at is not None and at <= received_at + CLOCKS_DIFFER
    return _whole(at if at is not None and dated else received_at), dated


def _whole(at: datetime) -> datetime:
    """As the database keeps it, so that a repetition is known again."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
