"""Columns with a meaning of their own: timezone, send_at, consent_at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaigns.intake.model import IntakeOptions, RecipientFields, Reject
from campaigns.intake.read import open_intake

A, B = "+447911123456", "+33612345678"


def load(folder: Path, text: str, **options: Any) -> tuple[list[RecipientFields] | None, list[Reject]]:
    path = folder / "list.csv"
    path.write_text(text, encoding="utf-8")
    [chunk] = open_intake(path, IntakeOptions(**options)).chunks()
    assert chunk.recipient_fields is None or len(chunk.recipient_fields) == len(chunk.phones)
    return chunk.recipient_fields, chunk.rejects


def read(
    folder: Path, column: str, cell: str, zone: str = "", **options: Any
) -> RecipientFields | tuple[str | None, str, str]:
    """What one cell becomes: the row's own words, or the column, code and reason of its reject."""
    own, rejects = load(folder, f'phone,{column},timezone\n{A},"{cell}",{zone}\n', **options)
    if rejects:
        return rejects[0].column, rejects[0].code.value, rejects[0].reason
    assert own is not None
    return own[0]


def test_a_file_without_them_says_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, f"phone,name\n{A},Ana\n") == (None, [])


def test_each_row_says_its_own(tmp_path: Path) -> None:
    own, rejects = load(
        tmp_path,
        f"phone,Zone,Send At,consent-at\n{A},Asia/Tokyo,2026-12-01T09:00,2026-01-31\n{B},,,\nnobody,Mars,,\n",
        columns={"Zone": "timezone"},
    )
    assert own == [
        RecipientFields(
            "Asia/Tokyo", datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 1, 30, 15, tzinfo=UTC)
        ),
        RecipientFields(None, None, None),
    ]
    assert [reject.code.value for reject in rejects] == ["phone_not_a_number"]


@pytest.mark.parametrize(
    ("cell", "zone", "campaign_zone", "instant"),
    [
        ("2026-12-01T09:00", "Asia/Tokyo", "Europe/Paris", "2026-12-01T00:00"),
        ("2026-12-01T09:00", "", "Europe/Paris", "2026-12-01T08:00"),
        ("2026-12-01 09:00:30", "", "Europe/Paris", "2026-12-01T08:00:30"),
        ("2026-12-01T09:00+05:30", "Asia/Tokyo", "Europe/Paris", "2026-12-01T03:30"),
        ("2026-12-01T09:00Z", "", None, "2026-12-01T09:00"),
        ("2026-03-29T02:30", "Europe/Paris", None, "2026-03-29T01:00"),
        (" 2026-10-25T02:30 ", "Europe/Paris", None, "2026-10-25T00:30"),
    ],
)
def test_send_at_is_one_instant(
    tmp_path: Path, cell: str, zone: str, campaign_zone: str | None, instant: str
) -> None:
    own = read(tmp_path, "send_at", cell, zone, timezone=campaign_zone)
    assert isinstance(own, RecipientFields)
    assert own.send_at == datetime.fromisoformat(instant).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("column", "cell", "code", "says"),
    [
        ("send_at", "2026-12-01T09:00", "bad_send_at", "has no time zone; add an offset such as +01:00"),
        ("send_at", "2026-12-01", "bad_send_at", "has no time of day"),
        ("send_at", "01/12/2026 09:00", "bad_send_at", "'01/12/2026 09:00' is not a time; write it like"),
        ("send_at", "0001-01-01T00:00+14:00", "bad_send_at", "is outside the range of valid times"),
        ("send_at", "9999-12-31T23:59-12:00", "bad_send_at", "is outside the range of valid times"),
        ("consent_at", "yes", "bad_consent_at", "'yes' is not a time; write it like 2026-12-01 or"),
        ("consent_at", "2026-02-30", "bad_consent_at", "is not a time"),
    ],
)
def test_a_cell_that_is_none_is_a_reject_of_its_own_code(
    tmp_path: Path, column: str, cell: str, code: str, says: str
) -> None:
    found = read(tmp_path, column, cell)
    assert isinstance(found, tuple)
    assert found[:2] == (column, code)
    assert says in found[2]


@pytest.mark.parametrize("zone", ["Mars", "GMT+1", "../../etc/passwd", "Europe", "x" * 300])
def test_a_zone_that_is_none_is_a_reject(tmp_path: Path, zone: str) -> None:
    found = read(tmp_path, "note", "", zone)
    assert isinstance(found, tuple)
    assert found[:2] == ("timezone", "bad_timezone")
    assert "is not a time zone" in found[2] or zone[:50] in found[2]


def test_a_day_of_consent_is_its_beginning_and_in_no_zone_utc(tmp_path: Path) -> None:
    own = read(tmp_path, "consent_at", "2026-01-31")
    assert isinstance(own, RecipientFields)
    assert own.consent_at == datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("column", "cell", "code", "says"),
    [
        ("send_at", "2026-12-01T08:59", None, ""),
        ("send_at", "2026-12-01T08:58", "send_at_past", "2026-12-01 08:58 UTC is in the past."),
        ("send_at", "2025-12-02T09:00", "send_at_past", "2025-12-02 09:00 UTC is in the past."),
        ("send_at", "2026-12-01T20:59", None, ""),
        ("send_at", "2026-12-01T21:00", "send_at_too_late", "it must be before 2026-12-01 21:00 UTC."),
        ("consent_at", "2026-12-02", None, ""),
        (
            "consent_at",
            "2027-11-01",
            "bad_consent_at",
            "is in the future; consent must have been given already.",
        ),
    ],
)
def test_times_that_cannot_be_meant_are_rejects(
    tmp_path: Path, column: str, cell: str, code: str | None, says: str
) -> None:
    now = datetime(2026, 12, 1, 9, tzinfo=UTC)
    span = (now, now + timedelta(hours=12))
    found = read(tmp_path, column, cell, timezone="UTC", sendable=span)
    if code is None:
        assert isinstance(found, RecipientFields)
    else:
        assert found[:2] == (column, code)
        assert str(found[2]).endswith(says)


def test_the_cells_stay_variables(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"phone,send_at\n{A},2026-12-01T09:00Z\n")
    [chunk] = open_intake(path, IntakeOptions()).chunks()
    assert chunk.vars == ['{"send_at":"2026-12-01T09:00Z"}']
