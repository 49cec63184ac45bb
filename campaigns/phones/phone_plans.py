"""Validates common mobile numbers without parsing by the library, from the library's own metadata.

A plan answers only if the library is certain to find a valid number of type MOBILE or FIXED_LINE_OR_MOBILE; in
every other case it returns None and the library parses the number. The tests compare both on every region.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Final

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, SUPPORTED_REGIONS
from phonenumbers.phonemetadata import PhoneMetadata, PhoneNumberDesc

_NON_GEOGRAPHIC: Final = "001"
_EARLIER: Final = (
    "premium_rate", "toll_free", "shared_cost", "voip", "personal_number", "pager", "uan", "voicemail",
)  # fmt: skip
"""The types that the library checks before fixed line and mobile."""

_NEVER: Final = r"(?!)"
_LENGTHS: Final = range(2, 18)
"""Possible numbers of digits, without the calling code."""
_TODAY: Final = {"BR": 11}
"""Digits of a mobile number in the one plan that still has a former spelling, a digit shorter: the library reads it."""


class Plan:
    """The numbers of one region, one compiled pattern per length, compiled when first needed."""

    def __init__(self, region: str) -> None:
        metadata = PhoneMetadata.metadata_for_region(region, None)
        if metadata is None:
            raise LookupError(region)
        self.region = region
        self.metadata = metadata
        self.leading = re.compile(metadata.leading_digits) if metadata.leading_digits else None
        self._mobiles: dict[int, re.Pattern[str]] = {}
        self._knowns: dict[int, re.Pattern[str]] = {}

    def is_mobile(self, number: str) -> bool:
        return self.mobile_pattern(len(number)).match(number) is not None

    def is_known(self, number: str) -> bool:
        length = len(number)
        if length not in self._knowns:
            self._knowns[length] = self._known(length)
        return self._knowns[length].match(number) is not None

    def mobile_pattern(self, length: int) -> re.Pattern[str]:
        """Matches mobile numbers of this length in full."""
        if length not in self._mobiles:
            self._mobiles[length] = re.compile(self.mobile_text(length), re.ASCII)
        return self._mobiles[length]

    def mobile_text(self, length: int) -> str:
        """The same as text, to be compiled as part of another; `_NEVER` where there are none."""
        metadata = self.metadata
        kind = metadata.fixed_line if metadata.same_mobile_and_fixed_line_pattern else metadata.mobile
        earlier = _union([getattr(metadata, name) for name in _EARLIER], length)
        general, wanted = _union([metadata.general_desc], length), _union([kind], length)
        if _NEVER in (general, wanted):
            return _NEVER
        refused = "" if earlier == _NEVER else rf"(?!{earlier}\Z)"
        return rf"(?={general}\Z){refused}{wanted}\Z"

    def _known(self, length: int) -> re.Pattern[str]:
        metadata = self.metadata
        kinds = [*(getattr(metadata, name) for name in _EARLIER), metadata.fixed_line, metadata.mobile]
        return re.compile(
            rf"(?={_union([metadata.general_desc], length)}\Z){_union(kinds, length)}\Z", re.ASCII
        )


def _union(descs: list[PhoneNumberDesc | None], length: int) -> str:
    """One pattern for all types with this length; a pattern that never matches if there are none."""
    patterns = [
        desc.national_number_pattern
        for desc in descs
        if desc is not None
        and desc.national_number_pattern
        and (not desc.possible_length or length in desc.possible_length)
    ]
    return f"(?:{'|'.join(f'(?:{pattern})' for pattern in patterns)})" if patterns else _NEVER


plan_of: Final = lru_cache(maxsize=None)(Plan)


class CallingCode:
    """All regions that share a calling code, in the library's order."""

    def __init__(self, code: str) -> None:
        regions = [region for region in COUNTRY_CODE_TO_REGION_CODE[int(code)] if region != _NON_GEOGRAPHIC]
        plans = [plan_of(region) for region in regions]
        prefix = plans[0].metadata.national_prefix_for_parsing if plans else None
        # The library strips a national prefix even after the calling code; such numbers are left to the library.
        self._start = re.compile(f"{code}(?!{prefix})" if prefix else code)
        self._length = len(code)
        self._plans = plans if len(plans) > 1 else []
        self.first = self._first(plans[0]) if plans and plans[0].leading is None else None

    def _first(self, plan: Plan) -> tuple[Callable[..., object], str]:
        """Matches mobile numbers of the first region, which most numbers belong to."""
        texts = (plan.mobile_text(length) for length in _LENGTHS)
        bodies = "|".join(text for text in texts if text != _NEVER)
        today = rf"(?=\d{{{_TODAY[plan.region]}}}\Z)" if plan.region in _TODAY else ""
        whole = re.compile(f"{self._start.pattern}{today}(?:{bodies or _NEVER})", re.ASCII)
        return whole.match, plan.region

    def region(self, digits: str) -> str | None:
        """The region of a complete mobile number; None: use the library."""
        if self.first is not None and self.first[0](digits):
            return self.first[1]
        if not self._plans or not self._start.match(digits):
            return None
        return self._shared(digits[self._length :])

    def _shared(self, number: str) -> str | None:
        for plan in self._plans:
            if plan.leading is not None:
                if plan.leading.match(number):
                    return plan.region if plan.is_mobile(number) else None
            elif plan.is_mobile(number):
                return plan.region
            elif plan.is_known(number):
                return None
        return None


@lru_cache(maxsize=4096)
def _beginning(start: str) -> CallingCode | None:
    """The calling code of a number with these first three digits."""
    for code in (
        (start[:1], start[:2], start[:3]) if len(start) == 3 and start.isascii() and start.isdigit() else ()
    ):
        if int(code) in COUNTRY_CODE_TO_REGION_CODE and code[0] != "0":
            return _calling_code(code)
    return None


_calling_code: Final = lru_cache(maxsize=None)(CallingCode)


class _Local:
    """How numbers are written inside one country."""

    def __init__(self, region: str) -> None:
        metadata = plan_of(region).metadata
        prefix = metadata.national_prefix_for_parsing
        self.code = str(metadata.country_code)
        self.abroad = re.compile(metadata.international_prefix) if metadata.international_prefix else None
        self.prefix = re.compile(prefix) if prefix else None
        self.prefix_is_plain = not metadata.national_prefix_transform_rule and (
            self.prefix is None or self.prefix.groups == 0
        )
        general = metadata.general_desc
        self.general = re.compile((general and general.national_number_pattern) or _NEVER)
        self.lengths = frozenset(general.possible_length if general else ())

    def national(self, digits: str) -> str | None:
        """The number without national prefix or its own calling code, if the library is certain to read it this way."""
        if self.abroad is not None and self.abroad.match(digits):
            return None
        if digits.startswith(self.code):
            rest = digits[len(self.code) :]
            return None if self.general.fullmatch(digits) or self._prefix_end(rest) else self._possible(rest)
        end = self._prefix_end(digits)
        if end and not self.prefix_is_plain:
            return None
        return self._possible(digits[end or 0 :])

    def _prefix_end(self, digits: str) -> int | None:
        found = self.prefix.match(digits) if self.prefix is not None else None
        return found.end() if found else None

    def _possible(self, number: str) -> str | None:
        return number if len(number) in self.lengths and self.general.fullmatch(number) else None


_local: Final = lru_cache(maxsize=None)(_Local)


class _Usual(dict[str, tuple[Callable[..., object], str]]):
    """A `+` and three digits -> what matches, behind the `+`, a calling code and a mobile number of its first region,
    and that region."""

    def __missing__(self, start: str) -> tuple[Callable[..., object], str]:
        code = _beginning(start[1:])
        found = code.first if code is not None and code.first is not None else _NOTHING
        if len(self) < _BEGINNINGS:  # cells begin in any way
            self[start] = found
        return found


_NOTHING: Final = (re.compile(_NEVER).match, "")
_BEGINNINGS: Final = 4096
USUAL: Final = _Usual()


def international_region(digits: str) -> str | None:
    """The region of a mobile number written with its calling code (no plus); None: use the library."""
    code = _beginning(digits[:3])
    return None if code is None else code.region(digits)


def local_number(digits: str, country: str) -> tuple[str, str] | None:
    """E.164 and region of a mobile number as written inside `country`; None: use the library."""
    local = _local(country)
    number = local.national(digits)
    if number is None:
        return None
    region = _calling_code(local.code).region(local.code + number)
    return None if region is None else (f"+{local.code}{number}", region)


def local_elsewhere(digits: str) -> str | None:
    """A country in which these digits, without any prefix, are a mobile number; None: there is none."""
    if not _somewhere(len(digits)).match(digits):
        return None
    return next((plan.region for plan in _plans() if plan.is_mobile(digits)), None)


@cache
def _plans() -> tuple[Plan, ...]:
    return tuple(plan_of(region) for region in sorted(SUPPORTED_REGIONS))


@cache
def _somewhere(length: int) -> re.Pattern[str]:
    return re.compile("|".join(_patterns_of(length)) or _NEVER, re.ASCII)


def _patterns_of(length: int) -> Iterator[str]:
    for plan in _plans():
        text = plan.mobile_text(length)
        if text != _NEVER:
            yield f"(?:{text})"
