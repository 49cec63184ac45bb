"""The public holidays of countries and their regions, by the library `holidays`, which is imported only where a
campaign asks for them."""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from typing import Final

from campaigns.frozen import frozen

PLACE: Final = re.compile(r"[A-Z]{2}(-\w+)?")


@frozen
class PublicHolidays:
    """The dates that are public holidays in at least one of the places."""

    places: tuple[str, ...]
    """Countries (`FR`) and regions with their country's holidays (`FR-57`)."""

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and any(day in _dates(place, day.year) for place in self.places)

    def __str__(self) -> str:
        return ", ".join(self.places)


def refuse_unknown_place(place: str) -> None:
    """Raises ValueError unless the holidays of the place are known."""
    if not PLACE.fullmatch(place):
        raise ValueError(
            f'{place!r} is not a country; write its two letters, such as "FR", or "FR-57" with a region'
        )
    from holidays import country_holidays

    country, _, region = place.partition("-")
    try:
        known = country_holidays(country).subdivisions
    except NotImplementedError as error:
        raise ValueError(
            f"the public holidays of {country!r} are not known; leave hours.holidays out"
        ) from error
    if region and region not in known:
        regions = f"its regions are {', '.join(known)}" if known else "no regions of it are known"
        raise ValueError(f"{country} has no region {region!r} with holidays of its own; {regions}")


@cache
def _dates(place: str, year: int) -> frozenset[date]:
    from holidays import country_holidays

    country, _, region = place.partition("-")
    return frozenset(country_holidays(country, subdiv=region or None, years=year, expand=False))
