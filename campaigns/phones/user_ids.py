"""A person without a known number: named by the provider's user id, such as `US.13491208655302741918`.

Where a number would stand, `user:ACCOUNT/USER_ID` does: an id belongs to one business at the provider. Meta's ids begin
with the country of the person's number, a dot, and up to 128 letters and digits; those of linked businesses have `ENT.`
between.
"""

from __future__ import annotations

import re
from typing import Final

PREFIX: Final = "user:"
SENDABLE: Final = re.compile(r"([A-Z]{2})\.(?:ENT\.)?[A-Za-z0-9]{1,128}")
"""What an id looks like that a message can be sent to."""
PLACEHOLDER: Final = re.compile(r"user:[a-z0-9][a-z0-9_-]*/([\w.-]{1,200})", re.ASCII)


def name_of(account: str, user_id: str) -> str:
    """The placeholder for a number that is not known."""
    return f"{PREFIX}{account}/{user_id}"


def user_id_in(phone: str) -> str | None:
    """The user id of a placeholder; None of a number."""
    return phone.partition("/")[2] if phone.startswith(PREFIX) else None


def country_of(user_id: str) -> str | None:
    """The ISO 3166 country of the person's number; None: the id names none."""
    from campaigns.phones.phone import is_country  # loads the library of phone numbers

    found = SENDABLE.fullmatch(user_id)
    return found[1] if found and is_country(found[1]) else None


def number_like(phone: str) -> str:
    """A number, or of a placeholder the calling code of the person's country: what decides the price. Empty: no country
    is known."""
    user_id = user_id_in(phone)
    if user_id is None:
        return phone
    from campaigns.phones.phone import calling_code

    country = country_of(user_id)
    return calling_code(country) if country else ""
