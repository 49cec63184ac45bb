"""Phone cells: what is repaired, what is refused under which code; the quick way never differs from the
library on any region."""

from __future__ import annotations

import random
from collections.abc import Iterator

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from campaigns.phones.phone import Phone, PhoneFault, bucket, quick, read_by_library, read_phone
from campaigns.phones.spellings import canonical
from tests.support.cases import each
from tests.support.examples import share

GB, FR, US = Phone("+447911123456", "GG"), Phone("+33612345678", "FR"), Phone("+12025550123", "US")

READ = [
    ("+33612345678", None, FR),
    ("+33 6 12 34 56 78", None, FR),
    ("+33 (0)6 12 34 56 78", None, FR),
    ("+33.6.12.34.56.78", None, FR),
    ("0033 612345678", None, FR),
    ("+0033612345678", None, FR),
    ("33612345678", None, FR),
    ("33612345678.0", None, FR),
    ("33612345678,0", None, FR),
    ("'+33612345678", None, FR),
    ('="+33612345678"', None, FR),
    ('="33612345678"', None, FR),
    ("’0612345678", "FR", FR),
    ("'0612345678", "FR", FR),
    ('="0612345678"', "FR", FR),
    ("0612345678", "FR", FR),
    ("06-12-34-56-78", "FR", FR),
    ("06 12 34 56 78", "FR", FR),
    ("612345678", "FR", FR),
    ("33612345678", "FR", FR),
    ("+33612345678", "GB", FR),
    ("\u00a0+33\u00a0612\u202f345\u200b678\ufeff", None, FR),
    ("\u202a+33612345678\u202c", None, FR),
    ("+33 6 12–34–56–78", None, FR),
    ("٠٦١٢٣٤٥٦٧٨", "FR", FR),
    ("+۳۳۶۱۲۳۴۵۶۷۸", None, FR),
    ("+33612345678", None, FR),
    ("tel:+33612345678", None, FR),
    ("whatsapp:+33612345678", None, FR),
    ("+1 (202) 555-0123", None, US),
    ("12025550123", None, US),
    ("(202) 555-0123", "US", US),
    ("1-202-555-0123", "US", US),
    ("011 33 612345678", "US", FR),
    ("07911 123456", "GB", GB),
    ("447911123456", "GB", GB),
    ("01 97 00 00 00", "BJ", Phone("+2290197000000", "BJ")),
    ("0803 123 4567", "NG", Phone("+2348031234567", "NG")),
    ("8 (916) 123-45-67", "RU", Phone("+79161234567", "RU")),
    ("(11) 98765-4321", "BR", Phone("+5511987654321", "BR")),
    ("79161234567", None, Phone("+79161234567", "RU")),
    ("+14165550123", None, Phone("+14165550123", "CA")),
    ("+870773111632", None, Phone("+870773111632", None)),
    ("+44 7700 900123", None, Phone("+447700900123", "GB")),
    ("+447700900123", None, Phone("+447700900123", "GB")),
    ("+44770090012\u0663", None, Phone("+447700900123", "GB")),
    ("+33639981234", "GB", Phone("+33639981234", "FR")),
    ("07700 900999", "GB", Phone("+447700900999", "GB")),
    ("06 39 98 12 34", "FR", Phone("+33639981234", "FR")),
    ("020 910 1234", "IE", Phone("+353209101234", "IE")),
    ("p:+33612345678", None, FR),
    ("tel:+33-6-12-34-56-78", None, FR),
    ("Tel.: 06 12 34 56 78", "FR", FR),
    ("Tél. 06 12 34 56 78", "FR", FR),
    ("Móvil: WhatsApp +33612345678", None, FR),
    ("+33 6 12 34 56 78 (mobile)", None, FR),
    ("0612345678 - WhatsApp", "FR", FR),
    ("https://wa.me/33612345678", "GB", FR),
    ("wa.me/33612345678?text=Order%20447911123456", None, FR),
    ("https://api.whatsapp.com/send?phone=33612345678&text=Hi", None, FR),
    ("https://api.whatsapp.com/send/?text=Hi&phone=%2B33612345678", None, FR),
    ("whatsapp://send?phone=+33612345678", None, FR),
    ("33612345678@c.us", "GB", FR),
    ("33612345678@s.whatsapp.net", None, FR),
    ("33612345678:12@s.whatsapp.net", None, FR),
]

MEXICO, ARGENTINA = Phone("+525512345678", "MX"), Phone("+5491123456789", "AR")
BRAZIL, BENIN, IVORY_COAST = (
    Phone("+5531988887777", "BR"), Phone("+2290197000000", "BJ"), Phone("+2250747020304", "CI"),
)  # fmt: skip

RESPELT = [
    ("+52 1 55 1234 5678", None, MEXICO),
    ("+52 (1) 55 1234-5678", None, MEXICO),
    ("0052 1 55 1234 5678", None, MEXICO),
    ("5215512345678", None, MEXICO),
    ("5215512345678@c.us", None, MEXICO),
    ("5215512345678", "MX", MEXICO),
    ("044 55 1234 5678", "MX", MEXICO),
    ("045 55 1234 5678", "MX", MEXICO),
    ("01 55 1234 5678", "MX", MEXICO),
    ("1 55 1234 5678", "MX", MEXICO),
    ("+54 9 11 15 2345 6789", None, ARGENTINA),
    ("+55 31 8888 7777", None, BRAZIL),
    ("(31) 8888-7777", "BR", BRAZIL),
    ("553188887777@s.whatsapp.net", None, BRAZIL),
    ("+55 31 7888 7777", None, Phone("+5531978887777", "BR")),
    ("31 7888 7777", "BR", Phone("+5531978887777", "BR")),
    ("+229 97 00 00 00", None, BENIN),
    ("97 00 00 00", "BJ", BENIN),
    ("+225 47 02 03 04", None, IVORY_COAST),
    ("47 02 03 04", "CI", IVORY_COAST),
]

SPELT_TODAY = [
    ("55 1234 5678", "MX", MEXICO),
    ("525512345678", "MX", MEXICO),
    ("+54 11 15 2345-6789", None, ARGENTINA),
    ("011 15 2345-6789", "AR", ARGENTINA),
    ("+55 31 98888 7777", None, BRAZIL),
    ("01 97 00 00 00", "BJ", BENIN),
    ("07 47 02 03 04", "CI", IVORY_COAST),
]

REFUSED = [
    ("", None, "phone_missing"),
    (" \u200b\u00a0", None, "phone_missing"),
    ("'", None, "phone_missing"),
    ("abc", None, "phone_not_a_number"),
    ("n/a", "GB", "phone_not_a_number"),
    ("ana@example.com", "GB", "phone_not_a_number"),
    ("-", "GB", "phone_not_a_number"),
    ("0800 FLOWERS", "GB", "phone_not_a_number"),
    ("+33612345678 / +33612345679", None, "phone_not_a_number"),
    ("0612345678/0612345679", "FR", "phone_not_a_number"),
    ("0612345678, 0612345679", "FR", "phone_not_a_number"),
    ("2.34E+12", None, "phone_scientific"),
    ("3.36123E+10", "FR", "phone_scientific"),
    ("4,47911E+11", "GB", "phone_scientific"),
    ("2E12", None, "phone_scientific"),
    ("07911 123456 ext 12", "GB", "phone_extension"),
    ("+447911123456x7", None, "phone_extension"),
    ("07911123456", None, "phone_no_country"),
    ("07723 456 7890", None, "phone_no_country"),
    ("7911123456", None, "phone_no_country"),
    ("13475550123", None, "phone_ambiguous"),
    ("5016123456", None, "phone_ambiguous"),
    ("33612345678", "GB", "phone_plus_missing"),
    ("07723 456 7890", "GB", "phone_too_long"),
    ("77234567890", "GB", "phone_too_long"),
    ("+999123456789", None, "phone_unknown_country"),
    ("+07911123456", "GB", "phone_unknown_country"),
    ("+44791112", None, "phone_too_short"),
    ("12", None, "phone_too_short"),
    ("12", "GB", "phone_too_short"),
    ("+", None, "phone_not_a_number"),
    ("+4479111234567", None, "phone_too_long"),
    ("+" + "4" * 40, None, "phone_too_long"),
    ("4" * 300, None, "phone_too_long"),
    ("+12021550123", None, "phone_invalid"),
    ("+446612345678", None, "phone_invalid"),
    ("020 7946 0123", "GB", "phone_landline"),
    ("+33199001234", None, "phone_landline"),
    ("+44 9012345678", None, "phone_premium_rate"),
    ("0800 123 4567", "GB", "phone_toll_free"),
    ("+33810123456", None, "phone_shared_cost"),
    ("+445612345678", None, "phone_voip"),
    ("+447012345678", None, "phone_personal"),
    ("+447640123456", None, "phone_pager"),
    ("+445512345678", None, "phone_company"),
    ("Mobile", "GB", "phone_not_a_number"),
    ("p:", "GB", "phone_missing"),
    ("WhatsApp 0612345678 / 0612345679", "FR", "phone_not_a_number"),
    ("https://wa.me/message/ABC123", None, "phone_not_a_number"),
    ("https://example.com/33612345678", None, "phone_not_a_number"),
    ("123456789012345@lid", None, "phone_not_a_number"),
    ("33612345678-1612345678@g.us", None, "phone_not_a_number"),
    ("+54 11 2345 6789", None, "phone_landline"),
    ("+55 31 3888 7777", None, "phone_landline"),
    ("+22901970000", None, "phone_too_short"),
    ("+225 22 41 00 00", None, "phone_too_short"),
    ("tel " * 8_000 + "1" + " " * 30_000 + "?", None, "phone_not_a_number"),
    ("api.whatsapp.com/send?" + "phone=1&" * 4_000 + "\n", None, "phone_not_a_number"),
]


@each(("text", "country", "phone"), READ)
def test_reads(text: str, country: str | None, phone: Phone) -> None:
    assert read_phone(text, country) == phone


@each(("text", "country", "phone"), RESPELT + SPELT_TODAY)
def test_every_spelling_of_a_number_is_read_as_the_same(text: str, country: str | None, phone: Phone) -> None:
    found = read_phone(text, country)
    assert found == phone
    assert isinstance(found, Phone)
    assert found.respelt is ((text, country, phone) in RESPELT)


def test_an_argentine_number_without_its_nine_is_the_same_person_where_landlines_are_accepted() -> None:
    assert read_phone("+54 11 2345 6789", landlines=True) == ARGENTINA


@pytest.mark.parametrize(
    ("text", "help_"),
    [
        ("+22901970000", "01 before the former eight"),
        ("+225 22 41 00 00", "01, 05 or 07"),
        ("+54 11 2345 6789", "write a 9 after +54"),
    ],
)
def test_the_reason_explains_how_numbers_have_changed(text: str, help_: str) -> None:
    fault = read_phone(text)
    assert isinstance(fault, PhoneFault)
    assert help_ in fault.reason


@each(("text", "country", "code"), REFUSED)
def test_refuses(text: str, country: str | None, code: str) -> None:
    fault = read_phone(text, country)
    assert isinstance(fault, PhoneFault)
    assert fault.code == code
    assert fault.reason.endswith(".")


def test_landlines_and_internet_telephones_are_let_through_on_request() -> None:
    assert read_phone("020 7946 0123", "GB", landlines=True) == Phone("+442079460123", "GB")
    assert isinstance(read_phone("+445612345678", landlines=True), Phone)
    assert isinstance(read_phone("0800 123 4567", "GB", landlines=True), PhoneFault)


def test_the_hint_for_a_lost_plus_shows_what_to_write() -> None:
    fault = read_phone("33612345678", "GB")
    assert isinstance(fault, PhoneFault)
    assert "+33612345678" in fault.reason


def test_buckets_are_stable_and_spread() -> None:
    assert bucket("+447911123456") == 4446
    counts = [0] * 10
    for number in range(10_000):
        counts[bucket(f"+4479111{number:05}") // 1000] += 1
    assert max(counts) < 1200
    assert min(counts) > 800


MOBILE = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
KINDS = [kind for kind in PhoneNumberType.values() if kind != PhoneNumberType.UNKNOWN]


def by_library_alone(text: str, country: str | None) -> Phone | None:
    """A mobile number that the library finds valid; nothing of ours is asked."""
    try:
        parsed = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed) or phonenumbers.number_type(parsed) not in MOBILE:
        return None
    region = phonenumbers.region_code_for_number(parsed)
    return Phone(phonenumbers.format_number(parsed, PhoneNumberFormat.E164), region)


def examples(region: str) -> Iterator[phonenumbers.PhoneNumber]:
    for kind in KINDS:
        if (number := phonenumbers.example_number_for_type(region, kind)) is not None:
            yield number


def mutations(digits: str, chance: random.Random) -> Iterator[str]:
    """The digits, one more, one fewer, and each place changed."""
    yield from (digits, digits[:-1], digits + "5", digits[:2] + "7" + digits[2:])
    for place in range(len(digits)):
        yield digits[:place] + str(chance.randrange(10)) + digits[place + 1 :]


def agree(text: str, country: str | None) -> bool:
    """Whether the quick way answers; where it does, it must say what the library says."""
    answer = quick(text, country)
    if answer is None:
        return False
    written = text if text.startswith("+") or country is not None else f"+{text}"
    if text.startswith("00"):
        written = f"+{text[2:]}"
    assert answer == by_library_alone(written, country), (text, country)
    assert answer == read_by_library(text, country), (text, country)
    return True


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.large), 4])
def test_the_quick_way_agrees_with_the_library(every: int) -> None:
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)[::every]:
        agree_in(region)


def agree_in(region: str) -> None:
    chance = random.Random(region)
    answered = 0
    for number in examples(region):
        international = phonenumbers.format_number(number, PhoneNumberFormat.E164)
        local = "".join(filter(str.isdigit, phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)))
        for digits in mutations(international[1:], chance):
            answered += agree(f"+{digits}", None)
            agree(digits, None)
            agree(digits, region)
        for digits in mutations(local, chance):
            agree(digits, region)
            agree(digits, "US")
    if region not in UNSURE and any(
        phonenumbers.number_type(number) in MOBILE for number in examples(region)
    ):
        assert answered, f"the quick way never answers in {region}"


UNSURE = frozenset({"AR"})
"""Argentina's rule for national prefixes matches every number, so the library is always asked."""


REGIONS = st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS))
CODES = st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE))


@share(3)
@given(code=CODES, rest=st.text("0123456789", min_size=3, max_size=13), region=st.none() | REGIONS)
def test_the_quick_way_agrees_on_random_numbers(code: int, rest: str, region: str | None) -> None:
    agree(f"+{code}{rest}", region)
    agree(f"{code}{rest}", region)
    agree(rest, region or "GB")
    agree(f"0{rest}", region or "FR")


@given(region=REGIONS, tail=st.text("0123456789", min_size=4, max_size=4))
def test_the_quick_way_agrees_near_real_mobiles(region: str, tail: str) -> None:
    example = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
    if example is not None:
        number = phonenumbers.format_number(example, PhoneNumberFormat.E164)
        agree(number[:-4] + tail, None)
        agree(number[1:-4] + tail, region)


@given(code=st.sampled_from([52, 54, 55, 225, 229]), rest=st.text("0123456789", min_size=6, max_size=13))
def test_what_is_read_is_always_the_canonical_spelling(code: int, rest: str) -> None:
    found = read_phone(f"+{code}{rest}", landlines=True)
    assert isinstance(found, PhoneFault) or canonical(found.number) == found.number


@given(text=st.text(max_size=30), region=st.none() | REGIONS)
def test_any_text_is_a_phone_or_a_fault(text: str, region: str | None) -> None:
    assert isinstance(read_phone(text, region), (Phone, PhoneFault))
