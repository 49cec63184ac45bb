"""A rate card from a CSV or from Meta's workbook."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.actions.rates import read_card_file
from campaigns.errors import IntakeError, InvalidInput
from tests.support.workbooks import xlsx


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "card.xlsx"


def test_metas_workbook_is_read_as_its_csv(file: Path) -> None:
    rows = [
        ["WhatsApp Business Platform rates", None, None, None, None],
        [None, None, None, None, None],
        ["Market", "Currency", "Marketing", "Utility", "Authentication-International"],
        ["India", "USD", 0.0118, 0.0014000000000000002, "n/a"],
        ["Rest of Africa", "$US", "$0.0225", 0.004, 0.0280],
    ]
    file.write_bytes(xlsx({"USD": rows, "EUR": [["Market"], ["India"]]}))
    with pytest.raises(IntakeError, match="several sheets with data: 'USD', 'EUR'"):
        read_card_file(file, "USD")
    assert read_card_file(file, "USD", "USD") == {
        ("India", "marketing", "any"): 11_800,
        ("India", "utility", "closed"): 1_400,
        ("Rest of Africa", "marketing", "any"): 22_500,
        ("Rest of Africa", "utility", "closed"): 4_000,
        ("Rest of Africa", "authentication_international", "any"): 28_000,
    }
    rows[4][2] = "0.02251234"
    file.write_bytes(xlsx({"USD": rows}))
    with pytest.raises(InvalidInput, match=r"line 5, column marketing: .* is not an amount"):
        read_card_file(file, "USD")
