"""Reading a rate card: which columns are understood, and the errors for mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaigns.errors import InvalidInput, NotFound
from campaigns.money.rate_files import read_rates
from tests.support.cases import each
from tests.support.paths import ROOT

CARD = ROOT / "sample_data" / "rates" / "meta-usd-2026-01-01.csv"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "card.csv"


def read(file: Path, text: str) -> dict[tuple[str, str, str], int]:
    file.write_text(text, encoding="utf-8")
    return dict(read_rates(file, "USD"))


def test_the_sample_card_is_read_whole() -> None:
    rates = read_rates(CARD, "USD")
    assert len({market for market, _, _ in rates}) == 32
    assert rates["Rest of Africa", "marketing", "any"] == 22_500
    assert rates["Nigeria", "utility", "closed"] == 6_700
    assert rates["Nigeria", "authentication_international", "any"] == 75_000
    assert ("Brazil", "authentication_international", "any") not in rates


def test_a_device_is_no_card(file: Path) -> None:
    with pytest.raises(InvalidInput, match="is a device, not a file"):
        read_rates(Path("/dev/zero"), "USD")
    with pytest.raises(InvalidInput, match="is a folder, not a file"):
        read_rates(file.parent, "USD")


def test_metas_own_columns_are_read(file: Path) -> None:
    text = (
        "WhatsApp Business Platform rates,,,,,,,\n\n"
        "Market,Currency,Marketing,Utility,Authentication,Authentication-International,Service,Meta Business Agent\n"
        "India,USD,0.0118,0.0014,0.0014,0.0280,n/a,$2 USD / 1M tokens\n"
        "Rest of Africa,$US,$0.0225,0.004,0.004,n/a,0.004,n/a\n"
    )
    assert read(file, text) == {
        ("India", "marketing", "any"): 11_800,
        ("India", "utility", "closed"): 1_400,
        ("India", "authentication", "any"): 1_400,
        ("India", "authentication_international", "any"): 28_000,
        ("Rest of Africa", "marketing", "any"): 22_500,
        ("Rest of Africa", "utility", "closed"): 4_000,
        ("Rest of Africa", "authentication", "any"): 4_000,
        ("Rest of Africa", "service", "any"): 4_000,
    }


def test_a_column_may_be_of_the_open_window_alone(file: Path) -> None:
    rates = read(file, "\ufeffmarket,utility,utility_open,service_open\nIndia,0.0014,0.001,0\n")
    assert rates == {
        ("India", "utility", "closed"): 1_400,
        ("India", "utility", "open"): 1_000,
        ("India", "service", "open"): 0,
    }


@each(
    ("text", "said"),
    [
        ("", "no column market"),
        ("country,marketing\nIndia,1\n", "no column market"),
        ("market,marketing\n", "no market below its header"),
        ("market,marketng\nIndia,1\n", "line 1, column marketng: there is no such column"),
        ("market,utility,Utility\nIndia,1,1\n", "line 1, column utility: it is there twice"),
        ("market,marketing\nIndia,1\nIndja,1\n", "line 3, column market: no market is named 'Indja'"),
        (
            "market,marketing\nIndia,1\nBenin,1\nINDIA,2\n",
            "line 4, column market: India is already on line 2",
        ),
        ("market,marketing\nUnited States,1\nCanada,2\n", "North America is already on line 2"),
        ("market,marketing\nIndia,1,2\n", "line 2: the row has 3 cells, but the header has 2"),
        ("market,marketing\nIndia\n", "line 2: the row has 1 cells, but the header has 2"),
        ('market,marketing\nIndia,"0,01"\n', "line 2, column marketing: '0,01' is not an amount"),
        ("market,marketing\nIndia,-1\n", "line 2, column marketing: '-1' is not an amount"),
        ("market,marketing\nIndia,nan\n", "'nan' is not an amount"),
        ("market,marketing\nIndia,0.00000001\n", "'0.00000001' is not an amount"),
        ("market,marketing,utility\nIndia,n/a,\n", "line 2: India has no rate"),
        ("market,currency,marketing\nIndia,EUR,1\n", "line 2, column currency: the cell says EUR"),
        ('market,marketing\n"India,1\n', "is not a CSV"),
    ],
)
def test_mistakes_are_named_by_line_and_column(file: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        read(file, text)
    assert f"{file.name}" in str(raised.value)
    assert said in str(raised.value)


def test_the_nearest_market_and_column_are_named(file: Path) -> None:
    with pytest.raises(InvalidInput) as market:
        read(file, "market,marketing\nRest of Afrika,1\n")
    with pytest.raises(InvalidInput) as column:
        read(file, "market,marketng\nIndia,1\n")
    assert (market.value.hint, column.value.hint) == (
        "Did you mean 'Rest of Africa'?",
        "Did you mean marketing?",
    )


def test_a_file_that_is_not_there_or_no_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_rates(tmp_path / "nothing.csv", "USD")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x9d")
    with pytest.raises(InvalidInput):
        read_rates(tmp_path / "binary.csv", "USD")
