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

    The library's prefixes choose among the zones of the number's country: by themselves they are coarse (Morocco is
    Atlantic/Canary, a Russian mobile may be in Kazakhstan). Where they name none of them, all of the country's count.
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
    return tuple(zone for zone in of_country if zone.key in names) or of_country
