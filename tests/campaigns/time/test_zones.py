"""The zones of numbers and countries, and the clocks that repeat an hour."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
import pytest
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_number
from phonenumbers.tzdata import TIMEZONE_DATA

from campaigns.phones.phone import Phone, read_phone
from campaigns.phones.phone_zones import zones_of
from campaigns.time.zones import after_repeat, zones_of_region
from tests.support.cases import each
from tests.support.local_hours import shown


@each(
    ("phone", "names"),
    [
        ("+2290197000000", ["Africa/Porto-Novo"]),
        ("+2348012345678", ["Africa/Lagos"]),
        ("+12125550123", ["America/New_York"]),
        ("+18085550123", ["Pacific/Honolulu"]),
        ("+14165550123", ["America/Toronto"]),
        ("+34612345678", ["Europe/Madrid", "Atlantic/Canary"]),
        ("+62812345678", ["Asia/Jakarta"]),
        # the library's own prefixes say Atlantic/Canary, Africa/Nairobi, Europe/Bucharest
        ("+212612345678", ["Africa/Casablanca"]),
        ("+211912345678", ["Africa/Juba"]),
        ("+37120123456", ["Europe/Riga"]),
        ("+38343201234", ["Europe/Belgrade"]),  # Kosovo is no country of the tz database
        ("+447700900123", ["Europe/London"]),  # fiction, invalid for the library
        ("+33639981234", ["Europe/Paris"]),
        ("+88213123456", []),
        ("+999123456789", []),
        ("not a number", []),
    ],
)
def test_zones_of(phone: str, names: list[str]) -> None:
    assert [zone.key for zone in zones_of(phone)] == names


def test_a_mobile_of_a_wide_country_may_be_anywhere_in_it() -> None:
    names = {zone.key for zone in zones_of("+79123456789")}
    assert {"Europe/Moscow", "Asia/Vladivostok", "Asia/Kamchatka"} <= names
    assert names <= {zone.key for zone in zones_of_region("RU")}, "and in no other country of +7"
    assert len(zones_of("+61412345678")) > 3


@pytest.mark.parametrize(
    ("phone", "region", "dropped"),
    [
        ("+79161234567", "RU", "Europe/Kaliningrad"),  # the library: Europe/Bucharest
        ("+74012123456", "RU", "Europe/Kaliningrad"),
        ("+68672001234", "KI", "Pacific/Kanton"),  # Pacific/Enderbury
        ("+299221234", "GL", "America/Nuuk"),  # America/Godthab
        ("+6913201234", "FM", "Pacific/Pohnpei"),  # Pacific/Ponape
        ("+97688123456", "MN", "Asia/Ulaanbaatar"),
        ("+77012345678", "KZ", "Asia/Oral"),
        ("+61412345678", "AU", "Australia/Hobart"),  # Indian/Christmas
    ],
)
def test_a_zone_that_the_library_calls_otherwise_is_not_left_out(
    phone: str, region: str, dropped: str
) -> None:
    assert zones_of(phone) == zones_of_region(region)
    assert dropped in {zone.key for zone in zones_of(phone)}


@cache
def numbers() -> list[tuple[str, str]]:
    """Numbers of every region, and of every prefix that the library has zones for, with their regions."""
    return list(_numbers())


def _numbers() -> Iterator[tuple[str, str]]:
    for region in phonenumbers.SUPPORTED_REGIONS:
        for kind in phonenumbers.PhoneNumberType.values():
            if example := phonenumbers.example_number_for_type(region, kind):
                text = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
                yield text, phonenumbers.region_code_for_number(example) or region
    for prefix in TIMEZONE_DATA:
        for length in range(7, 15):
            number = phonenumbers.parse(f"+{prefix}{'234567890123'[: length - len(prefix)]}")
            if region := phonenumbers.region_code_for_number(number):
                yield phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), region
                break


def test_every_name_of_the_library_in_every_region_is_a_zone_of_the_country_or_all_of_them_count() -> None:
    known, regions = available_timezones(), set()
    for phone, region in numbers():
        names = set(time_zones_for_number(phonenumbers.parse(phone))) - {UNKNOWN_TIMEZONE}
        of_country, chosen = zones_of_region(region), zones_of(phone)
        assert names <= known, phone
        if len(of_country) > 1 and chosen:
            regions.add(region)
            keys = {zone.key for zone in of_country}
            assert {zone.key for zone in chosen} == (names if names <= keys else keys), phone
    several = {region for region in phonenumbers.SUPPORTED_REGIONS if len(zones_of_region(region)) > 1}
    assert regions == several


def test_a_number_of_anywhere_in_a_country_is_in_hours_from_its_first_zone_to_its_last() -> None:
    """Whatever several zones the library names for a whole country: none of the others is east or west of them."""
    for phone, region in numbers():
        number = phonenumbers.parse(phone)
        names = time_zones_for_number(number)
        if len(names) > 1 and tuple(names) == tuple(TIMEZONE_DATA.get(str(number.country_code), ())):
            for month in (1, 7):
                moment = datetime(2027, month, 1, 12, tzinfo=UTC)
                everywhere = [_seconds(moment.astimezone(zone)) for zone in zones_of_region(region)]
                found = [_seconds(moment.astimezone(zone)) for zone in zones_of(phone)]
                if found:
                    ends = (min(everywhere), max(everywhere))
                    assert (min(found), max(found)) == ends, (phone, month)


def _seconds(moment: datetime) -> float:
    offset = moment.utcoffset()
    return offset.total_seconds() if offset is not None else 0.0


def test_where_a_country_has_one_zone_a_number_shows_no_other() -> None:
    """So it need not be read again where its country is stored."""
    some = {(region, len(phone)): phone for phone, region in numbers()}
    for (region, _), phone in some.items():
        of_country, read = zones_of_region(region), read_phone(phone, landlines=True)
        if len(of_country) == 1 and isinstance(read, Phone):
            assert (read.region, zones_of(phone)) == (region, of_country), phone


def test_where_the_library_names_no_zone_of_the_country_all_of_them_count() -> None:
    """It says America/Buenos_Aires, a name of old."""
    assert zones_of("+5491123456789") == zones_of_region("AR")


def test_every_country_with_numbers_has_a_zone() -> None:
    without = {region for region in phonenumbers.SUPPORTED_REGIONS if not zones_of_region(region)}
    assert without == {"AC", "TA", "XK"}
    assert zones_of_region("ZZ") == ()


@pytest.mark.parametrize(
    ("name", "first", "ends"),
    [
        ("Europe/Paris", "2026-10-25T01:00", "2026-10-25T02:00"),
        ("America/Havana", "2026-11-01T05:00", "2026-11-01T06:00"),
        ("Australia/Lord_Howe", "2026-04-04T15:00", "2026-04-04T15:30"),
    ],
)
def test_after_repeat(name: str, first: str, ends: str) -> None:
    """`first`: from when on the clock shows again what it has shown."""
    zone = ZoneInfo(name)
    begins, over = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (first, ends))
    tick = timedelta(microseconds=1)
    assert shown(begins - tick, zone) > shown(begins, zone)
    for inside in (begins, begins + tick, begins + (over - begins) / 3, over - tick):
        assert after_repeat(inside, zone) == over
    for outside in (begins - tick, over, begins - timedelta(days=30)):
        assert after_repeat(outside, zone) == outside
