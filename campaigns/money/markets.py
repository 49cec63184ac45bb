"""The market that decides a number's rate, by its calling code: from Meta's pricing page, not from phone metadata.

Source: "Pricing on the WhatsApp Business Platform", updated 2025-12-10, section "Country calling codes", in force since
2025-10-01 (when Zimbabwe moved from Other to Rest of Africa). Meta splits countries off into separate markets over
time, so a number has several market names, the narrowest first, and the rows of the rate card in force decide which of
them applies. Where the page does not settle a shared calling code, the dearer market counts: Kazakhstan (+7) is charged
as Russia, the islands of +1 that the page does not list as Other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Final

from campaigns.nearest import nearest

OWN: Final = """
Argentina 54, Brazil 55, Chile 56, Colombia 57, Egypt 20, France 33, Germany 49, India 91, Indonesia 62, Israel 972,
Italy 39, Malaysia 60, Mexico 52, Netherlands 31, Nigeria 234, Pakistan 92, Peru 51, Russia 7, Saudi Arabia 966,
South Africa 27, Spain 34, Turkey 90, United Arab Emirates 971, United Kingdom 44
"""
"""Countries that are separate markets."""

REGIONS: Final[Mapping[str, str]] = {
    "North America": "United States 1, Canada 1",
    "Rest of Africa": """
        Algeria 213, Angola 244, Benin 229, Botswana 267, Burkina Faso 226, Burundi 257, Cameroon 237, Chad 235,
        Republic of the Congo (Brazzaville) 242, Eritrea 291, Ethiopia 251, Gabon 241, Gambia 220, Ghana 233,
        Guinea-Bissau 245, Ivory Coast 225, Kenya 254, Lesotho 266, Liberia 231, Libya 218, Madagascar 261, Malawi 265,
        Mali 223, Mauritania 222, Morocco 212, Mozambique 258, Namibia 264, Niger 227, Rwanda 250, Senegal 221,
        Sierra Leone 232, Somalia 252, South Sudan 211, Sudan 249, Swaziland 268, Tanzania 255, Togo 228, Tunisia 216,
        Uganda 256, Zambia 260, Zimbabwe 263
        """,
    "Rest of Asia Pacific": """
        Afghanistan 93, Australia 61, Bangladesh 880, Cambodia 855, China 86, Hong Kong 852, Japan 81, Laos 856,
        Mongolia 976, Nepal 977, New Zealand 64, Papua New Guinea 675, Philippines 63, Singapore 65, Sri Lanka 94,
        Taiwan 886, Tajikistan 992, Thailand 66, Turkmenistan 993, Uzbekistan 998, Vietnam 84
        """,
    "Rest of Central & Eastern Europe": """
        Albania 355, Armenia 374, Azerbaijan 994, Belarus 375, Bulgaria 359, Croatia 385, Czech Republic 420,
        Georgia 995, Greece 30, Hungary 36, Latvia 371, Lithuania 370, Moldova 373, North Macedonia 389, Poland 48,
        Romania 40, Serbia 381, Slovakia 421, Slovenia 386, Ukraine 380
        """,
    "Rest of Western Europe": """
        Austria 43, Belgium 32, Denmark 45, Finland 358, Ireland 353, Norway 47, Portugal 351, Sweden 46,
        Switzerland 41
        """,
    "Rest of Latin America": """
        Bolivia 591, Costa Rica 506, Dominican Republic 1809, Dominican Republic 1829, Dominican Republic 1849,
        Ecuador 593, El Salvador 503, Guatemala 502, Haiti 509, Honduras 504, Jamaica 1658, Jamaica 1876, Nicaragua 505,
        Panama 507, Paraguay 595, Puerto Rico 1787, Puerto Rico 1939, Uruguay 598, Venezuela 58
        """,
    "Rest of Middle East": """
        Bahrain 973, Iraq 964, Jordan 962, Kuwait 965, Lebanon 961, Oman 968, Qatar 974, Yemen 967
        """,
    "Russia": "Kazakhstan 76, Kazakhstan 77",
    "Other": """
        American Samoa 1684, Andorra 376, Anguilla 1264, Antigua and Barbuda 1268, Aruba 297, Ascension 247,
        Bahamas 1242, Barbados 1246, Belize 501, Bermuda 1441, Bhutan 975, Bosnia and Herzegovina 387,
        British Indian Ocean Territory 246, British Virgin Islands 1284, Brunei 673,
        Cape Verde 238, Caribbean Netherlands 599, Cayman Islands 1345, Central African Republic 236, Comoros 269,
        Cook Islands 682, Cuba 53, Cyprus 357, Democratic Republic of the Congo 243, Djibouti 253,
        Dominica 1767, Equatorial Guinea 240, Estonia 372, Falkland Islands 500, Faroe Islands 298, Fiji 679,
        French Guiana 594, French Polynesia 689, Gibraltar 350, Greenland 299, Grenada 1473, Guadeloupe 590, Guam 1671,
        Guinea 224, Guyana 592, Iceland 354, Iran 98, Kiribati 686, Kosovo 383, Kyrgyzstan 996, Liechtenstein 423,
        Luxembourg 352, Macau 853, Maldives 960, Malta 356, Marshall Islands 692, Martinique 596, Mauritius 230,
        Micronesia 691, Monaco 377, Montenegro 382, Montserrat 1664, Myanmar 95, Nauru 674, New Caledonia 687, Niue 683,
        Norfolk Island 672, North Korea 850, Northern Mariana Islands 1670, Palau 680, Palestine 970, Reunion 262,
        Saint Helena 290, Saint Kitts and Nevis 1869, Saint Lucia 1758, Saint Pierre and Miquelon 508,
        Saint Vincent and the Grenadines 1784, Samoa 685, San Marino 378, Sao Tome and Principe 239, Seychelles 248,
        Sint Maarten 1721, Solomon Islands 677, South Korea 82, Suriname 597, Syria 963, Timor-Leste 670, Tokelau 690,
        Tonga 676, Trinidad and Tobago 1868, Turks and Caicos Islands 1649, Tuvalu 688, US Virgin Islands 1340,
        Vanuatu 678, Wallis and Futuna 681
        """,
}
"""Region -> the countries charged its rate, with calling code (and network prefix)."""

LONGEST_PREFIX: Final = 4
"""The most digits needed to determine the market."""


def markets_of(phone: str) -> tuple[str, ...]:
    """The names under which a card may list an E.164 number's market, the narrowest first; empty: no known country."""
    return _by_prefix(phone[1 : 1 + LONGEST_PREFIX])


@lru_cache(maxsize=20_000)
def _by_prefix(digits: str) -> tuple[str, ...]:
    found = (_known().get(digits[:length]) for length in range(len(digits), 0, -1))
    return next((names for names in found if names), ())


def _prefixes() -> Iterator[tuple[str, tuple[str, ...]]]:
    for country, prefix in _listed(OWN):
        yield prefix, (country,)
    for region, countries in REGIONS.items():
        for country, prefix in _listed(countries):
            yield prefix, (country, region)


def _listed(text: str) -> Iterator[tuple[str, str]]:
    """(country, prefix) of `Name 123, Name 456, …`."""
    for entry in text.split(","):
        country, _, prefix = entry.strip().rpartition(" ")
        yield country, prefix


@cache
def _known() -> Mapping[str, tuple[str, ...]]:
    """Prefix -> market names, made when the first price is looked up. Both countries of North America have the calling
    code 1, so no rate card can distinguish them."""
    return {**dict(_prefixes()), "1": ("North America",)}


def known_market(written: str) -> str | None:
    """A market's or country's name in our spelling; None: unknown."""
    return _spellings().get(_plain(written))


def nearest_market(written: str) -> str | None:
    """The known name most similar to an unknown one."""
    near = nearest(_plain(written), _spellings())
    return None if near is None else _spellings()[near]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]+", " ", name.casefold().replace("&", " and ")).strip()


@cache
def _spellings() -> Mapping[str, str]:
    return {
        "united states": "North America",
        "canada": "North America",
        **{_plain(name): name for names in _known().values() for name in names},
    }
