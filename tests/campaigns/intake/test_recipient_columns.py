"""Columns with a meaning of their own: timezone, send_at, consent_at, and the one that says who agreed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaigns.intake.model import IntakeOptions, RecipientFields, Reject
from campaigns.intake.read import open_intake
from tests.support.cases import each

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


def test_a_file_without_these_columns_gives_no_values(tmp_path: Path) -> None:
    assert load(tmp_path, f"phone,name\n{A},Ana\n") == (None, [])


def test_each_row_has_its_own_values(tmp_path: Path) -> None:
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


NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SENDABLE = (NOW, NOW + timedelta(days=400))
JAN_2 = datetime(2026, 1, 2, tzinfo=UTC)

AGREED = {
    "yes": NOW, "Oui": NOW, "SÍ": NOW, "Sim": NOW, "Ja": NOW, "sì": NOW, "نعم": NOW, "TRUE": NOW, "1": NOW, "x": NOW,
    "Opted-in": NOW, "no": None, "Non": None, "Não": None, "nein": None, "0": None, "لا": None, "opted_out": None,
    "-": None, "": None, "2026-01-02": JAN_2, "2026-01-02T03:00+03:00": JAN_2,
}  # fmt: skip


@each("cell", AGREED)
def test_a_yes_no_column_shows_who_agreed(tmp_path: Path, cell: str) -> None:
    own = read(tmp_path, "Opt-in", cell, consent="opt in", sendable=SENDABLE)
    assert own == RecipientFields(None, None, AGREED[cell])


def test_the_date_of_a_yes_is_that_of_consent_at(tmp_path: Path) -> None:
    text = f"phone,Opt-in,consent_at\n{A},yes,2026-01-02\n{B},no,2026-01-02\n+447911123457,,2026-01-02\n"
    own, _ = load(tmp_path, text, consent="Opt-in", sendable=SENDABLE)
    assert own is not None
    assert [fields.consent_at for fields in own] == [JAN_2, None, None]


def test_the_column_of_consent_may_be_consent_at_itself(tmp_path: Path) -> None:
    own = read(tmp_path, "consent_at", "yes", consent="consent_at", sendable=SENDABLE)
    assert own == RecipientFields(None, None, NOW)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("maybe", "'maybe' is neither yes nor no, and 'maybe' is not a time; write it like 2026-12-01"),
        ("02/01/2026", "is neither yes nor no, and"),
        ("2027-12-01", "is in the future"),
    ],
)
def test_neither_yes_nor_no_is_a_reject(tmp_path: Path, cell: str, reason: str) -> None:
    column, code, text = read(tmp_path, "Opt-in", cell, consent="Opt-in", sendable=SENDABLE)
    assert (column, code) == ("Opt-in", "bad_consent_at")
    assert reason in text


@pytest.mark.parametrize(
    ("column", "cell", "date_format", "instant"),
    [
        ("consent_at", "02/01/2026", "%d/%m/%Y", "2026-01-02T00:00"),
        ("consent_at", "01/02/2026", "%m/%d/%Y", "2026-01-02T00:00"),
        ("consent_at", "2/1/26", "%d/%m/%y", "2026-01-02T00:00"),
        ("consent_at", "02.01.2026 10:30", "%d.%m.%Y", "2026-01-02T10:30"),
        ("consent_at", "02.01.2026 10:30:05", "%d.%m.%Y", "2026-01-02T10:30:05"),
        ("consent_at", "2 January 2026", "%d %B %Y", "2026-01-02T00:00"),
        ("consent_at", "2026-01-02", "%d/%m/%Y", "2026-01-02T00:00"),
        ("send_at", "02/12/2026 09:30", "%d/%m/%Y", "2026-12-02T09:30"),
        ("send_at", "02/12/2026 9.30", "%d/%m/%Y %H.%M", "2026-12-02T09:30"),
    ],
)
def test_dates_are_read_in_the_lists_own_format(
    tmp_path: Path, column: str, cell: str, date_format: str, instant: str
) -> None:
    own = read(tmp_path, column, cell, "Etc/UTC", date_format=date_format)
    assert isinstance(own, RecipientFields)
    assert (own.consent_at or own.send_at) == datetime.fromisoformat(instant).replace(tzinfo=UTC)


def test_a_day_alone_is_no_send_at_in_any_format(tmp_path: Path) -> None:
    own = read(tmp_path, "send_at", "02 December 2026", "Etc/UTC", date_format="%d %B %Y")
    assert own[1:] == (
        "bad_send_at",
        "'02 December 2026' has no time of day; write it like 2026-12-01T09:00.",
    )


def test_the_wrong_format_is_a_reject_that_names_it(tmp_path: Path) -> None:
    own = read(tmp_path, "consent_at", "31/12/2025", date_format="%m/%d/%Y")
    assert own[1] == "bad_consent_at"
    assert str(own[2]).endswith("or as %m/%d/%Y.")
