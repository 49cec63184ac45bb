"""What providers write is read or left out, whoever wrote it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from providers.values import first_text, first_text_or_number, moment, phone
from tests.support.cases import each

ANN = "+12025550123"


@each(
    ("value", "expected"),
    [
        ("1730092888", datetime(2024, 10, 28, 5, 21, 28, tzinfo=UTC)),
        (1730092888, datetime(2024, 10, 28, 5, 21, 28, tzinfo=UTC)),
        ("1730092888000", datetime(2024, 10, 28, 5, 21, 28, tzinfo=UTC)),
        ("2026-11-20T10:00:00Z", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T11:00:00.5+01:00", datetime(2026, 11, 20, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-20T10:00:00", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        *[
            (value, None)
            for value in (
                "",
                "soon",
                "0",
                "1999-12-31T23:59:59Z",
                "9999-12-31T23:59:59Z",
                "0001-01-01T00:00:00+14:00",
                -1,
                "9" * 30,
                1e300,
                float("nan"),
                True,
                None,
                [],
                {},
                "²",
            )
        ],
    ],
)
def test_a_time_is_read_or_left_out(value: Any, expected: datetime | None):
    assert moment(value) == expected


def test_the_first_that_makes_sense_is_taken():
    assert moment(None, "soon", 1730092888, "2026-11-20T10:00:00Z") == datetime.fromtimestamp(1730092888, UTC)
    assert phone("anonymous", ANN[1:], "+33639980001") == ANN
    assert first_text(None, "", 7, "a", "b") == "a"
    assert first_text_or_number(None, "", True, 1.5, 7, "a") == "7"
    assert first_text() is phone() is moment() is first_text_or_number() is None


@each(
    ("value", "expected"),
    [
        (ANN, ANN),
        ("12025550123", ANN),
        ("+1 202-555-0123", ANN),
        *[
            (value, None)
            for value in ("", "123", "0202555012", "US.13491208655302741918", "1" * 16, 12025550123, None)
        ],
    ],
)
def test_a_number_is_read_or_left_out(value: Any, expected: str | None):
    assert phone(value) == expected
