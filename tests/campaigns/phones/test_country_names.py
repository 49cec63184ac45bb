"""Countries as lists write them: codes, calling codes, and names in several languages."""

from __future__ import annotations

import phonenumbers

from campaigns.phones.country_names import find_country
from tests.support.cases import each

WRITTEN = {
    "GB": ["GB", "gb", " Gb ", "GBR", "UK", "U.K.", "United Kingdom", "england", "+44", "44", "0044", "44.0", "(+44)",
           "United Kingdom (+44)", "+44 United Kingdom", "Royaume-Uni", "Reino Unido", "Regno Unito",
           "Vereinigtes Königreich", "المملكة المتحدة"],
    "FR": ["France", "Francia", "França", "Frankreich", "FRA", "+33", "فرنسا"],
    "US": ["US", "USA", "U.S.A.", "United States", "États-Unis", "Etats-Unis", "EE.UU.", "Estados Unidos", "1", "+1"],
    "JM": ["Jamaica"],
    "CI": ["Côte d’Ivoire", "Cote d'Ivoire", "Ivory Coast", "Elfenbeinküste", "Costa do Marfim", "+225"],
    "BJ": ["Bénin", "Benin", "BEN", "229"],
    "DE": ["Germany", "Allemagne", "Alemania", "Alemanha", "Deutschland", "Germania", "49"],
    "NL": ["the Netherlands", "Holland", "Pays-Bas"],
    "TR": ["Turkey", "Türkiye", "Turquie"],
    "TT": ["Trinidad & Tobago", "Trinidad and Tobago"],
    "EG": ["مصر", "Egypt"],
}  # fmt: skip


@each(("country", "text"), [(c, text) for c, texts in WRITTEN.items() for text in texts])
def test_a_country_however_it_is_written(country: str, text: str) -> None:
    assert find_country(text) == country


def test_an_area_code_beside_north_americas_calling_code_is_read_with_it() -> None:
    assert find_country("+1-876") == "US"  # the numbers of Jamaica are read in the same plan


@each("text", ["", "XX", "QQ", "Mars", "Europe", "999", "826", "00", "+", "é", "44 7700 900123"])
def test_what_is_no_country(text: str) -> None:
    assert find_country(text) is None


@each("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_every_code_is_its_own_country(region: str) -> None:
    assert find_country(region) == find_country(region.lower()) == region
