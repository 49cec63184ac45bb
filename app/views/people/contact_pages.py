"""People across campaigns, for the pages: search, the newest preferences, and one person with all that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from app.views.people.contacts import Person, person_overview
from app.views.people.people import name_of
from campaigns.frozen import frozen
from campaigns.phones.phone import PhoneFault, read_person
from campaigns.phones.spellings import spellings
from campaigns.rules.caps import Cap
from storage.database.engine import Connection
from storage.receipts.user_ids import numbers_of_placeholders
from storage.sending.erased import ERASED
from storage.sending.optouts import LogEntry
from storage.views.contact_search import (
    LOOKED_AT,
    UnnamedPreference,
    newest_preferences,
    search_rows,
    unnamed_preferences,
    user_ids_of,
)

PAGE: Final = 50
LEAST: Final = 2
"""Characters that a search needs."""


@dataclass
class FoundPerson:
    """One person that a search found."""

    phone: str
    name: str
    campaigns: list[str] = field(default_factory=list)
    """Whose lists they are in, the newest first."""


@frozen
class ContactsPage:
    """What a search found, or the newest preferences."""

    number: str
    """The whole number that was asked for, in E.164; empty: none was."""
    found: Sequence[FoundPerson]
    older: int | None
    looked_at: int
    preferences: Sequence[LogEntry]
    unnamed: Sequence[UnnamedPreference]


@frozen
class PersonPage:
    """One person."""

    person: Person
    spellings: Sequence[str]
    """Other ways in which providers write the number."""
    user_ids: Sequence[tuple[str, str]]
    """Account, and its provider's id of the person."""


async def contacts_page(connection: Connection, search: str, before: int | None = None) -> ContactsPage:
    """`before`: the `older` of the page before. A whole number is answered as `number`, and not looked for."""
    search = search.strip()
    read = read_person(search, landlines=True)
    if not isinstance(read, PhoneFault):
        return ContactsPage(read.number, (), None, 0, (), ())
    if len(search) >= LEAST:
        rows = await search_rows(connection, search, PAGE, before)
        people: dict[str, FoundPerson] = {}
        numbers = await numbers_of_placeholders(connection, [row.phone for row in rows.rows])
        for row in rows.rows:
            if not row.phone.startswith(ERASED):
                phone = numbers.get(row.phone, row.phone)
                person = people.setdefault(phone, FoundPerson(phone, name_of(row.vars)))
                person.campaigns.append(row.campaign)
        return ContactsPage("", list(people.values()), rows.older, LOOKED_AT, (), ())
    newest = await newest_preferences(connection, PAGE)
    return ContactsPage("", (), None, 0, newest, await unnamed_preferences(connection, PAGE))


async def person_page(connection: Connection, phone: str, caps: Sequence[Cap], now: datetime) -> PersonPage:
    """`caps`: those of drumbeat.toml."""
    return PersonPage(
        await person_overview(connection, phone, caps, now),
        spellings(phone)[1:],
        await user_ids_of(connection, phone),
    )
