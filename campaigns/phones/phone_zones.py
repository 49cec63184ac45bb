"""The time zones in which the owner of a number may live, as far as the number shows."""

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

    The library's prefixes narrow down the zones of the number's country, if all that they name belong to it. Often they
    name a zone of another country or an old one with a similar clock (Morocco is Atlantic/Canary, Kaliningrad
    Europe/Bucharest, Nuuk America/Godthab): which zone is meant is then unknown, so all zones of the country count.
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
