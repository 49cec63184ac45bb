"""Spellings of one person's number: each becomes the form that is valid today, and that form stays as it is."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.phones.spellings import canonical, spellings
from tests.support.cases import each

SPELLINGS = {
    "+525512345678": ("+5215512345678", "+520155 12345678", "+520445512345678", "+520455512345678"),
    "+523312345678": ("+5213312345678",),
    "+5491123456789": ("+541123456789", "+54111523456789", "+549111523456789", "+5401123456789"),
    "+5493512345678": ("+543512345678", "+54351152345678", "+540351152345678", "+5490 3512345678"),
    "+5492966123456": ("+54296615123456", "+542966123456"),
    "+5531988887777": ("+553188887777",),
    "+5531978887777": ("+553178887777",),
    "+5511967654321": ("+551167654321",),
    "+2290197000000": ("+22997000000",),
    "+2290121300000": ("+22921300000",),
    "+2250101020304": ("+22501020304",),
    "+2250145020304": (),
    "+2250545020304": ("+22545020304",),
    "+2250747020304": ("+22547020304",),
    "+2250709020304": ("+22509020304",),
}


@each("today", SPELLINGS)
def test_every_spelling_becomes_the_number_of_today(today: str) -> None:
    for spelt in (today, *SPELLINGS[today]):
        assert canonical(spelt.replace(" ", "")) == today


@pytest.mark.parametrize(
    "number",
    [
        "+553138887777",  # a Brazilian landline keeps its eight digits
        "+558001234567",
        "+22901970000",  # two digits are missing
        "+22520304050",  # which operator a landline belonged to is not certain
        "+447700900123",
        "+5212",
        "+",
        "",
        "525512345678",
    ],
)
def test_other_numbers_stay_as_they_are(number: str) -> None:
    assert canonical(number) == number


@given(st.from_regex(r"\+(52|54|55|229|225)[0-9]{0,13}", fullmatch=True))
def test_todays_form_is_final(number: str) -> None:
    assert canonical(canonical(number)) == canonical(number)


@each("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_valid_mobiles_of_no_country_change(region: str) -> None:
    mobile = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    if mobile is not None:
        number = phonenumbers.format_number(mobile, phonenumbers.PhoneNumberFormat.E164)
        assert canonical(number) == number


@pytest.mark.parametrize(
    ("number", "every"),
    [
        ("+525512345678", ("+525512345678", "+5215512345678")),
        ("+5215512345678", ("+525512345678", "+5215512345678")),
        ("+5491123456789", ("+5491123456789", "+541123456789")),
        ("+5531988887777", ("+5531988887777", "+553188887777")),
        ("+553132223333", ("+553132223333",)),
        ("+2290197000000", ("+2290197000000", "+22997000000")),
        ("+2250707070707", ("+2250707070707", "+22507070707")),
        ("+447700900123", ("+447700900123",)),
    ],
)
def test_every_spelling_by_which_a_provider_may_know_a_number(number: str, every: tuple[str, ...]) -> None:
    assert spellings(number) == every
    assert {canonical(one) for one in every} == {every[0]}
