"""The messages of an Our Voice account, its money, and the indexes that keep listing cheap."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from emulators.base import Refusal, iso
from emulators.ourvoice.requests import Query
from emulators.outcomes import Plan, reached


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `number` counts them in the order of acceptance, `plan` says what becomes of it."""

    number: int
    id: str
    session: str
    from_number: str
    to_number: str
    type: str
    content: str | None
    media_url: str | None
    price: int
    created_at: float
    left_at: float
    plan: Plan

    def sample(self, now: float) -> dict[str, Any]:
        """The message with the keys of the document's 201 sample, in their order."""
        failed = reached(self.plan.failed_at, now)
        return {
            "id": self.id,
            "whatsapp_session_id": self.session,
            "campaign_id": None,
            "from_number": self.from_number,
            "to_number": self.to_number,
            "type": self.type,
            "content": self.content,
            "media_url": self.media_url,
            "status": self.plan.status(now),
            "direction": "outgoing",
            "cost": 0 if failed else self.price,
            "sent_at": _shown(self.plan.sent_at, now),
            "delivered_at": _shown(self.plan.delivered_at, now),
            "read_at": _shown(self.plan.read_at, now),
            "created_at": iso(self.created_at),
            "updated_at": iso(self.plan.changed_at(now) or self.created_at),
        }

    def view(self, now: float) -> dict[str, Any]:
        """The message with every documented property."""
        sent = reached(self.plan.sent_at, now)
        failed = reached(self.plan.failed_at, now)
        return self.sample(now) | {
            "otp_id": None,
            "provider_message_id": f"3EB0{UUID(self.id).hex[:16].upper()}" if sent else None,
            "reason": self.plan.reason if failed else None,
            "metadata": {},
        }


class Mailbox:
    """Every message, found by id, by recipient, by session or by time without a search."""

    def __init__(self) -> None:
        self._all: list[Message] = []
        self._by_id: dict[str, Message] = {}
        self._by_number: defaultdict[str, list[Message]] = defaultdict(list)
        self._by_session: defaultdict[str, list[Message]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._all)

    def add(self, message: Message) -> None:
        """Keep a message; they must come in the order of `number` and `created_at`."""
        self._all.append(message)
        self._by_id[message.id] = message
        self._by_number[message.to_number].append(message)
        self._by_session[message.session].append(message)

    def get(self, message_id: str) -> Message:
        """By uuid. Raises `Refusal` 404."""
        if message := self._by_id.get(message_id.lower()):
            return message
        raise Refusal(404, "WhatsApp message not found.")

    def page(self, query: Query, now: float) -> list[Message]:
        """One page of the messages that the query asks for, newest first; `query.session` is a uuid here."""
        if query.direction == "incoming":
            return []
        candidates = self._candidates(query)
        begin, end = _between(candidates, query)
        skip = (query.page - 1) * query.limit
        if not _looks_inside(query):
            last = max(end - skip, begin)
            return candidates[max(last - query.limit, begin) : last][::-1]
        return list(islice(_matching(candidates, begin, end, query, now), skip, skip + query.limit))

    def _candidates(self, query: Query) -> list[Message]:
        if query.numbers:
            found = (self._by_number.get(number, []) for number in query.numbers)
            return list(heapq.merge(*found, key=_number))
        return self._all if query.session is None else self._by_session.get(query.session, [])


class Wallet:
    """The account's balance. What a failed message cost comes back when it fails."""

    def __init__(self, balance: int, price: int) -> None:
        self.balance, self.price = balance, price
        self._refunds: list[float] = []

    def pay(self, count: int, now: float) -> int:
        """Pay for so many messages; returns the cost. Raises `Refusal` 422 if the balance is too small."""
        while self._refunds and self._refunds[0] <= now:
            heapq.heappop(self._refunds)
            self.balance += self.price
        cost = count * self.price
        if cost > self.balance:
            raise Refusal(422, f"Insufficient balance: {cost} needed, {self.balance} available.")
        self.balance -= cost
        return cost

    def refund_at(self, at: float | None) -> None:
        """One message fails at that time, if ever."""
        if at is not None:
            heapq.heappush(self._refunds, at)


def _number(message: Message) -> int:
    return message.number


def _created_at(message: Message) -> float:
    return message.created_at


def _shown(at: float | None, now: float) -> str | None:
    return iso(at) if reached(at, now) else None


def _between(messages: Sequence[Message], query: Query) -> tuple[int, int]:
    begin, end = 0, len(messages)
    if query.time_from is not None:
        begin = bisect_left(messages, query.time_from, key=_created_at)
    if query.time_to is not None:
        end = bisect_right(messages, query.time_to, key=_created_at)
    return begin, max(begin, end)


def _looks_inside(query: Query) -> bool:
    by_number_and_session = query.numbers and query.session is not None
    return bool(query.status or query.type or query.from_number or by_number_and_session)


def _matching(
    messages: Sequence[Message], begin: int, end: int, query: Query, now: float
) -> Iterator[Message]:
    for index in range(end - 1, begin - 1, -1):
        message = messages[index]
        if (
            query.type in (None, message.type)
            and query.from_number in (None, message.from_number)
            and query.session in (None, message.session)
            and (query.status is None or query.status == message.plan.status(now))
        ):
            yield message
