"""The time zones in which the owner of a number may live, as far as the number shows."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers.phonenumberutil import is_number_type_geographical
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_number
from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX

from campaigns.phones.phone import Phone, quick_pair, read_phone
from campaigns.phones.phone_plans import plan_of
from campaigns.phones.user_ids import country_of, user_id_in
from campaigns.time.zones import find_zone, zones_of_region


def zones_of(phone: str) -> tuple[ZoneInfo, ...]:
    """The zones that the owner of the E.164 number may live in; empty where none is known. Of a person who is known by
    a user id alone, those of the country.

    The library's prefixes narrow down the zones of the number's country, if all that they name belong to it. Often they
    name a zone of another country or an old one with a similar clock (Morocco is Atlantic/Canary, Kaliningrad
    Europe/Bucharest, Nuuk America/Godthab): which zone is meant is then unknown, so all zones of the country count.
    """
    user_id = user_id_in(phone)
    if user_id is not None:
        return zones_of_region(country_of(user_id) or "")
    found = quick_pair(phone, None)
    if found is None:
        return by_library(phone)
    region = found[1]
    of_country = zones_of_region(region)
    if len(of_country) == 1:
        return of_country
    kind = _kind(region)
    if kind.bound_to_places:
        return _within(region, _longest_known(phone[1:]))
    if kind.fixed.fullmatch(phone, 1 + len(kind.code)) is None:
        return _within(region, _longest_known(kind.code))
    return by_library(phone)


@lru_cache(maxsize=65_536)
def by_library(phone: str) -> tuple[ZoneInfo, ...]:
    """The same of any number: the library parses it, which takes ten times as long."""
    read = read_phone(phone, landlines=True)
    if not isinstance(read, Phone) or read.region is None:
        return ()
    return _chosen(read.region, time_zones_for_number(phonenumbers.parse(phone)))


class _Kind:
    """What a country's mobile numbers show: their owner's place, or the country only."""

    def __init__(self, region: str) -> None:
        metadata, code = plan_of(region).metadata, phonenumbers.country_code_for_region(region)
        fixed = metadata.fixed_line
        self.code = str(code)
        self.bound_to_places = metadata.same_mobile_and_fixed_line_pattern or is_number_type_geographical(
            phonenumbers.PhoneNumberType.MOBILE, code
        )
        pattern = fixed.national_number_pattern if fixed is not None else None
        self.fixed: Final = re.compile(pattern or r"(?!)")
        """Numbers that may also be landlines."""


_kind: Final = cache(_Kind)


def _longest_known(digits: str) -> str:
    """The longest beginning of the number that the library has zones for."""
    for length in range(TIMEZONE_LONGEST_PREFIX, 0, -1):
        if digits[:length] in TIMEZONE_DATA:
            return digits[:length]
    return ""


@cache
def _within(region: str, prefix: str) -> tuple[ZoneInfo, ...]:
    return _chosen(region, TIMEZONE_DATA.get(prefix, ()))


def _chosen(region: str, named: tuple[str, ...]) -> tuple[ZoneInfo, ...]:
    """The country's zones that are named, or all where others are named too."""
    of_country, names = zones_of_region(region), set(named) - {UNKNOWN_TIMEZONE}
    if len(of_country) == 1:
        return of_country
    if not of_country:
        return tuple(map(find_zone, sorted(names)))
    chosen = tuple(zone for zone in of_country if zone.key in names)
    return chosen if len(chosen) == len(names) else of_country
