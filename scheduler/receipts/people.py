"""Whom webhooks are about: a person may be named by the provider's user id alone.

Their number is the one that the account's other webhooks gave together with the id, or the number of our message that
they answered. Where neither is known, what they wrote and any opt-out is stored under the id and counts for the number
once that is known, and a notice says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from campaigns.phones.user_ids import name_of, user_id_in
from scheduler.receipts.webhook_events import ParsedEvents
from storage.database.engine import Connection
from storage.receipts.inbound import InboundMessage
from storage.receipts.inbox import NewNotice
from storage.receipts.number_changes import change_number
from storage.receipts.user_ids import (
    UNKNOWN_PERSON,
    dialled_numbers,
    find_numbers,
    learn_numbers,
    numbers_of_messages,
)
from storage.sending.optouts import PreferenceChange
from storage.sending.windows import Opening

Named = TypeVar("Named", Opening, PreferenceChange, InboundMessage)


async def name_people(
    connection: Connection, account: str, parsed: ParsedEvents, now: datetime
) -> ParsedEvents:
    """The events with numbers in place of user ids, as far as they are known."""
    learnt = {person.user_id: person.phone for person in parsed.people}
    learnt = {**await _who_answered(connection, account, parsed.answers), **learnt}
    if learnt:
        await learn_numbers(connection, account, learnt, now)
    for change in parsed.changes:
        old, new = (change.old_phone, change.old_user_id), (change.phone, change.user_id)
        await change_number(connection, account, old, new, now)
    parsed = await _with_known_ids(connection, account, parsed, now)
    return await _with_dialled_numbers(connection, account, parsed)


async def _with_known_ids(
    connection: Connection, account: str, parsed: ParsedEvents, now: datetime
) -> ParsedEvents:
    """The number in place of each user id whose number is known; a notice about each opt-out of another."""
    wanted = parsed.user_ids
    if not wanted:
        return parsed
    found = await find_numbers(connection, account, wanted, now)
    numbers = {name_of(account, user_id): phone for user_id, phone in found.items()}
    unknown = {name_of(account, user_id): user_id for user_id in wanted if user_id not in found}
    preferences = [
        one
        for one in _with_numbers(parsed.preferences, numbers)
        # An opt-in without a time may be an old one that is sent again, and here nothing newer is known to end it.
        if one.phone not in unknown or one.dated or one.action == "out"
    ]
    notices = [_notice(one, account, unknown[one.phone]) for one in preferences if one.phone in unknown]
    return replace(
        parsed,
        openings=_with_numbers(parsed.openings, numbers),
        preferences=preferences,
        inbound=_with_numbers(parsed.inbound, numbers),
        notices=parsed.notices + notices,
    )


async def _with_dialled_numbers(connection: Connection, account: str, parsed: ParsedEvents) -> ParsedEvents:
    """Events of a number by which only the provider knows the person are about the numbers that we dial, too."""
    phones = {one.phone for one in parsed.preferences} | {one.phone for one in parsed.inbound}
    phones |= {one.phone for one in parsed.openings}
    dialled = await dialled_numbers(connection, account, phones) if phones else {}
    if not dialled:
        return parsed
    first = {phone: numbers[0] for phone, numbers in dialled.items()}
    return replace(
        parsed,
        preferences=_for_each(parsed.preferences, dialled),
        openings=_for_each(parsed.openings, dialled),
        inbound=_with_numbers(parsed.inbound, first),
    )


def _for_each(items: Iterable[Named], dialled: Mapping[str, Sequence[str]]) -> list[Named]:
    found: list[Named] = []
    for one in items:
        found.append(one)
        found += [replace(one, phone=number) for number in dialled.get(one.phone, ())]
    return found


async def _who_answered(connection: Connection, account: str, answers: dict[str, str]) -> dict[str, str]:
    """User id -> the number of the message that the person answered."""
    if not answers:
        return {}
    sent_to = await numbers_of_messages(connection, account, set(answers.values()))
    numbers = {message_id: phone for message_id, phone in sent_to.items() if user_id_in(phone) is None}
    return {user_id: numbers[answered] for user_id, answered in answers.items() if answered in numbers}


def _with_numbers(items: Iterable[Named], numbers: dict[str, str]) -> list[Named]:
    return [replace(one, phone=numbers[one.phone]) if one.phone in numbers else one for one in items]


def _notice(change: PreferenceChange, account: str, user_id: str) -> NewNotice:
    what = (
        f"Opted {change.action} of {change.scope}"
        if change.action == "out"
        else f"Opted in to {change.scope}"
    )
    known = f"if you know it: drumbeat contacts link {user_id} PHONE --account {account}"
    text = (
        f"{what}, by user id only. It applies once the person's number is known; {known}: {change.evidence}"
    )
    return NewNotice(UNKNOWN_PERSON, user_id, text, change.at, None, None)
