"""The zones of numbers and countries, and the clocks that repeat an hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import phonenumbers
import pytest

from campaigns.phones.phone_zones import zones_of
from campaigns.time.zones import after_repeat, zones_of_region
from tests.support.local_hours import shown


@pytest.mark.parametrize(
    ("phone", "names"),
    [
        ("+2290197000000", ["Africa/Porto-Novo"]),
        ("+2348012345678", ["Africa/Lagos"]),
        ("+12125550123", ["America/New_York"]),
        ("+18085550123", ["Pacific/Honolulu"]),
        ("+14165550123", ["America/Toronto"]),
        ("+34612345678", ["Europe/Madrid", "Atlantic/Canary"]),
        ("+77012345678", ["Asia/Almaty", "Asia/Aqtobe"]),
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
