"""Where the clock stands for the person behind a number: as near as the number tells."""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_number

from campaigns.phones.phone import Phone, read_phone
from campaigns.time.zones import find_zone, zones_of_region


@lru_cache(maxsize=65_536)
def zones_of(phone: str) -> tuple[ZoneInfo, ...]:
    """The zones that the owner of the E.164 number may live in; empty where none is known.

    The library's prefixes choose among the zones of the number's country, where all that they name are zones of it.
    Often they name one of another country or of old that has a similar clock (Morocco is Atlantic/Canary, Kaliningrad
    Europe/Bucharest, Nuuk America/Godthab): which zone that stands for is not known, so all of the country's count.
    """
    read = read_phone(phone, landlines=True)
    if not isinstance(read, Phone) or read.region is None:
        return ()
    of_country = zones_of_region(read.region)
    if len(of_country) == 1:
        return of_country
    names = set(time_zones_for_number(phonenumbers.parse(phone))) - {UNKNOWN_TIMEZONE}
    if not of_country:
        return tuple(map(find_zone, sorted(names)))
    chosen = tuple(zone for zone in of_country if zone.key in names)
    return chosen if len(chosen) == len(names) else of_country
