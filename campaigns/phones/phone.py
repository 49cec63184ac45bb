"""Parses phone cells as people write them into E.164, with the country and whether a message can reach the number.

`read_phone` uses the library and is authoritative; `quick` handles common cases without it and is tested to agree.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import field
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType, ValidationResult

from campaigns.frozen import frozen
from campaigns.phones.phone_plans import USUAL, international_region, local_elsewhere, local_number
from campaigns.phones.spellings import canonical
from campaigns.phones.user_ids import PLACEHOLDER, country_of
from campaigns.reject_codes import RejectCode

BUCKETS: Final = 10_000

_REHEARSAL: Final = (
    (re.compile(r"\+447700900\d{3}", re.ASCII), "GB"),
    (re.compile(r"\+3363998\d{4}", re.ASCII), "FR"),
    (re.compile(r"\+3532091\d{5}", re.ASCII), "IE"),
)
"""Numbers that the regulators keep free for fiction (Ofcom 07700 900000-900999, Arcep 06 39 98 xx xx, ComReg
020 91x xxxx). No subscriber has them, so the library calls them invalid; rehearsals and samples need them."""

_REACHABLE: Final = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
_LENIENT: Final = frozenset({PhoneNumberType.FIXED_LINE, PhoneNumberType.VOIP})
_KINDS: Final[dict[int, tuple[RejectCode, str]]] = {
    PhoneNumberType.FIXED_LINE: (RejectCode.PHONE_LANDLINE, "This is a landline."),
    PhoneNumberType.VOIP: (RejectCode.PHONE_VOIP, "This is an internet telephone's number."),
    PhoneNumberType.PREMIUM_RATE: (RejectCode.PHONE_PREMIUM_RATE, "This is a premium-rate number."),
    PhoneNumberType.TOLL_FREE: (RejectCode.PHONE_TOLL_FREE, "This is a toll-free number."),
    PhoneNumberType.SHARED_COST: (RejectCode.PHONE_SHARED_COST, "This is a shared-cost number."),
    PhoneNumberType.PERSONAL_NUMBER: (
        RejectCode.PHONE_PERSONAL,
        "This is a call-forwarding personal number.",
    ),
    PhoneNumberType.PAGER: (RejectCode.PHONE_PAGER, "This is a pager's number."),
    PhoneNumberType.UAN: (RejectCode.PHONE_COMPANY, "This is a company's access number."),
    PhoneNumberType.VOICEMAIL: (RejectCode.PHONE_VOICEMAIL, "This is a voicemail box's number."),
}
_LENGTHS: Final[dict[int, tuple[RejectCode, str]]] = {
    ValidationResult.TOO_SHORT: (RejectCode.PHONE_TOO_SHORT, "The number has too few digits for {where}."),
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: (
        RejectCode.PHONE_TOO_SHORT, "The number lacks its area code in {where}.",
    ),
    ValidationResult.TOO_LONG: (RejectCode.PHONE_TOO_LONG, "The number has too many digits for {where}."),
    ValidationResult.INVALID_LENGTH: (
        RejectCode.PHONE_INVALID, "No number of {where} has this many digits.",
    ),
}  # fmt: skip

_TEN_DIGITS: Final = {
    229: " Since 30 November 2024 a number of Benin has ten digits: 01 before the former eight.",
    225: " Since 31 January 2021 a number of Ivory Coast has ten digits: for mobile phones 01, 05 or 07, depending on "
    "the operator, before the former eight.",
}
_HINTS: Final[Mapping[int, Mapping[RejectCode, str]]] = {
    54: {RejectCode.PHONE_LANDLINE: " If it is a mobile phone, write a 9 after +54."},
    **{
        code: dict.fromkeys(
            (RejectCode.PHONE_TOO_SHORT, RejectCode.PHONE_TOO_LONG, RejectCode.PHONE_INVALID), text
        )
        for code, text in _TEN_DIGITS.items()
    },
}
"""What helps with numbers of a calling code."""

_SPACING: Final = str.maketrans("", "", " -()")


@frozen
class Phone:
    """A number that a message can be sent to."""

    number: str
    """E.164 with its plus."""
    region: str | None
    """ISO 3166 country; None for numbers without a country (satellite)."""
    respelt: bool = field(default=False, compare=False)
    """Whether the cell has another or former spelling of the number, which is not dialled today."""


@frozen
class PhoneFault:
    """Why a cell holds no usable number."""

    code: RejectCode
    reason: str


def bucket(phone: str) -> int:
    """0-9999, always the same for a number: spreads recipients over lanes and selects holdouts."""
    return zlib.crc32(phone.encode()) % BUCKETS


def is_country(code: str) -> bool:
    """Whether `code` is an ISO 3166 country (upper case) with numbers of its own."""
    return code in phonenumbers.SUPPORTED_REGIONS


def country_of_calling_code(code: int) -> str | None:
    """The main country of a calling code: GB of 44, US of 1."""
    return next(filter(is_country, phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code, ())), None)


def calling_code(country: str) -> str:
    """The calling code of an ISO 3166 country, with its plus."""
    return f"+{phonenumbers.country_code_for_region(country)}"


def read_phone(text: str, country: str | None = None, *, landlines: bool = False) -> Phone | PhoneFault:
    """E.164 from a cell; `country` applies to numbers without a country code; a `+` takes precedence."""
    return _fictitious(text) or quick(text, country) or read_by_library(text, country, landlines)


def _fictitious(number: str) -> Phone | None:
    """A number of these as it is stored; None: it is another, or is written otherwise."""
    return next((Phone(number, region) for pattern, region in _REHEARSAL if pattern.fullmatch(number)), None)


def read_person(text: str, country: str | None = None, *, landlines: bool = False) -> Phone | PhoneFault:
    """As `read_phone`; a placeholder as it is written is a person too."""
    found = PLACEHOLDER.fullmatch(text.strip())
    if found is None:
        return read_phone(text, country, landlines=landlines)
    return Phone(found[0], country_of(found[1]))


def quick(text: str, country: str | None = None) -> Phone | None:
    """The number if it can be proven valid without the library; None: use the library."""
    found = quick_pair(text, country)
    return None if found is None else Phone(*found)


def quick_pair(text: str, country: str | None) -> tuple[str, str] | None:
    """`quick` as (number, region), for loops over millions."""
    if text[:1] == "+":
        match, region = USUAL[text[:4]]
        if match(text, 1):
            return text, region
    compact = text if text.isdigit() else text.translate(_SPACING)
    return _quick_digits(text, country) if compact == text else quick_pair(compact, country)


def _quick_digits(text: str, country: str | None) -> tuple[str, str] | None:
    explicit = text[:1] == "+"
    digits = text[1:] if explicit else text
    if not explicit and digits[:2] == "00":
        explicit, digits = True, digits[2:]
    if not explicit and country is not None:
        return local_number(digits, country) if digits.isascii() and digits.isdigit() else None
    region = international_region(digits)
    if region is None or (not explicit and local_elsewhere(digits)):
        return None
    return f"+{digits}", region


def read_by_library(text: str, country: str | None = None, landlines: bool = False) -> Phone | PhoneFault:
    """`read_phone` without the fast path."""
    from campaigns.phones.phone_cells import fault_of, written_number  # its patterns take long to compile

    written = written_number(text)
    if fault := fault_of(written):
        return PhoneFault(*fault)
    compact = re.sub(r"[^\d+]", "", written)
    if compact.startswith(("00", "+00")):
        compact = "+" + compact.lstrip("+")[2:]
    if compact.startswith("+"):
        return _judge(compact, None, landlines)
    if country is not None:
        return _read_local(compact, country, landlines)
    return _read_bare(compact, landlines)


def _read_local(digits: str, country: str, landlines: bool) -> Phone | PhoneFault:
    """Digits without a plus, in a known country: only read as a number of that country.

    A plus is never added on a guess: one digit too many makes 07723 456 7890 a valid number of Kazakhstan.
    """
    local = _judge(digits, country, landlines)
    if isinstance(local, Phone) or local.code in _VALID_CODES or digits.startswith("0"):
        return local
    if isinstance(_judge(f"+{digits}", None, landlines), Phone):
        reason = f"This is not a number of {country}. If +{digits} is meant, write it with the plus."
        return PhoneFault(RejectCode.PHONE_PLUS_MISSING, reason)
    return local


def _read_bare(digits: str, landlines: bool) -> Phone | PhoneFault:
    """Digits without a plus and without a country: an international number if it is no local number of any country."""
    if len(digits) < 7:
        return PhoneFault(RejectCode.PHONE_TOO_SHORT, "The number has too few digits.")
    if len(digits) > 15:
        return PhoneFault(RejectCode.PHONE_TOO_LONG, "The number has too many digits.")
    judged = (
        PhoneFault(RejectCode.PHONE_INVALID, "")
        if digits[0] == "0"
        else _judge(f"+{digits}", None, landlines)
    )
    if isinstance(judged, PhoneFault):
        if judged.code in _VALID_CODES:
            return judged
        reason = "The number has no country code; write it with +, or set the country of numbers without it."
        return PhoneFault(RejectCode.PHONE_NO_COUNTRY, reason)
    if elsewhere := local_elsewhere(digits):
        reason = f"This may be {judged.number} or a number of {elsewhere}; write it with the plus."
        return PhoneFault(RejectCode.PHONE_AMBIGUOUS, reason)
    return judged


def _judge(compact: str, country: str | None, landlines: bool) -> Phone | PhoneFault:
    """The library's reading of `+digits`, or of digits as written in `country`, in the canonical spelling."""
    try:
        parsed = phonenumbers.parse(compact, country)
    except NumberParseException as error:
        return _unparsed(error, compact)
    number = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    if fictitious := _fictitious(number):
        return fictitious
    if phonenumbers.is_valid_number(parsed):
        return _reachable(parsed, number, landlines)
    today = canonical(number)
    if today != number and phonenumbers.is_valid_number(current := phonenumbers.parse(today)):
        return _reachable(current, number, landlines)
    return _invalid(parsed)


def _reachable(parsed: PhoneNumber, number: str, landlines: bool) -> Phone | PhoneFault:
    kind = phonenumbers.number_type(parsed)
    if kind in _REACHABLE or (landlines and kind in _LENIENT):
        region = phonenumbers.region_code_for_number(parsed)
        today = canonical(number)
        return Phone(today, None if region == "001" else region, respelt=today != number)
    code, reason = _KINDS[kind]
    return PhoneFault(code, reason + _HINTS.get(parsed.country_code or 0, {}).get(code, ""))


def _invalid(parsed: PhoneNumber) -> PhoneFault:
    where = f"+{parsed.country_code}"
    verdict = phonenumbers.is_possible_number_with_reason(parsed)
    if verdict in _LENGTHS:
        code, reason = _LENGTHS[verdict]
        return PhoneFault(
            code, reason.format(where=where) + _HINTS.get(parsed.country_code or 0, {}).get(code, "")
        )
    return PhoneFault(RejectCode.PHONE_INVALID, f"No number of {where} begins with these digits.")


def _unparsed(error: NumberParseException, compact: str) -> PhoneFault:
    match error.error_type:
        case NumberParseException.INVALID_COUNTRY_CODE:
            return PhoneFault(RejectCode.PHONE_UNKNOWN_COUNTRY, "No country has this calling code.")
        case NumberParseException.TOO_LONG:
            return PhoneFault(RejectCode.PHONE_TOO_LONG, "The number has too many digits.")
        case NumberParseException.NOT_A_NUMBER if len(compact.lstrip("+")) > 3:
            return PhoneFault(RejectCode.PHONE_NOT_A_NUMBER, "This is not a phone number.")
        case _:
            return PhoneFault(RejectCode.PHONE_TOO_SHORT, "The number has too few digits.")


_VALID_CODES: Final = frozenset(code for code, _ in _KINDS.values())
"""Faults of existing numbers: no other reading is tried."""
