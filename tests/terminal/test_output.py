"""What is printed: cells, JSON values, safe exports, progress in words."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest

from app.views.json_text import to_json
from app.views.reports.exports import safe, write_csv
from campaigns.figures import counted, percent
from campaigns.states import JobState
from scheduler.clock.progress import Snapshot
from terminal.output import cell, print_facts, print_table
from terminal.progress import describe
from tests.support.cases import each
from tests.support.hostile import EVERYTHING, controls_in

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)


@each(
    ("value", "text"),
    [
        ("=1+1", "'=1+1"),
        ("@cmd", "'@cmd"),
        ("-x", "'-x"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("\tx", "'\tx"),
        ("＝1+1", "'＝1+1"),
        (" =1", "' =1"),
        ("x;=1+1", "x;'=1+1"),
        ('x,"+1', "x,'\"+1"),
        ("x\t@y", "x\t'@y"),
        ("x\n-1", "x\n'-1"),
        ("-131026", "'-131026"),
        ("a\x1b]52;c;eA==\x07b\u202ec", "a\\x1b]52;c;eA==\\x07b\\u202ec"),
        ("1-2; a=b, c@d", "1-2; a=b, c@d"),
        ("+447700900010", "+447700900010"),
        ("+44 7700 900010", "'+44 7700 900010"),
        (-5, "-5"),
        (Decimal("-0.5"), "-0.50"),
        ("plain", "plain"),
        (None, ""),
        (NOW, "2026-12-01T09:00:00+00:00"),
        (JobState.READ, "read"),
    ],
)
def test_a_spreadsheet_runs_nothing(value: Any, text: str) -> None:
    assert safe(value) == text


def test_a_csv_quotes_every_cell_for_any_assumed_delimiter() -> None:
    file = StringIO()
    write_csv(file, [("a", "=b"), ("x,y", '=HYPERLINK("u")'), (None, "é\nü"), (5, "x;=1")])
    assert file.getvalue() == ('"a","\'=b"\n"x,y","\'=HYPERLINK(""u"")"\n"","é\nü"\n"5","x;\'=1"\n')


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (True, "yes"), (1234, "1,234"), (Decimal("0.1"), "0.10"), (NOW, "2026-12-01 09:00:00 UTC")],
)
def test_a_cell_is_written_for_people(value: Any, text: str) -> None:
    assert cell(value) == text


def test_json_has_decimal_strings_and_iso_times() -> None:
    value = {"amount": Decimal("10"), "at": NOW, "state": JobState.SENT}
    assert to_json(value) == '{"amount": "10.00", "at": "2026-12-01T09:00:00+00:00", "state": "sent"}'
    with pytest.raises(TypeError):
        to_json(object())


def test_a_piped_table_is_aligned_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Title", ("name", ">count"), [("a", 5), ("longer", 1234)])
    assert capsys.readouterr().out == "Title\nname    count\na           5\nlonger  1,234\n\n"


def test_an_empty_table_shows_that_it_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(None, ("name", ">count"), [])
    assert capsys.readouterr().out == "name  count\n  (none)\n\n"


def test_one_is_one() -> None:
    assert [counted(number, "message") for number in (0, 1, 2000)] == [
        "0 messages",
        "1 message",
        "2,000 messages",
    ]


@pytest.mark.parametrize(("share", "text"), [(None, "-"), (0.5, "50.0%"), (1.0, "100.0%")])
def test_a_share_is_a_percentage(share: float | None, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("eta", "left"), [(None, ""), (11.4, "  00:11 left"), (3700, "  1:01:40 left"), (59.9, "  01:00 left")]
)
def test_progress_is_shown_in_a_line(eta: float | None, left: str) -> None:
    snapshot = Snapshot(NOW, 1000, {"pending": 880, "sent": 100, "delivered": 20, "failed": 0}, 80.0, eta)
    assert describe(snapshot) == f"120/1,000 (12%)  80.0/s{left}  880 pending, 100 sent, 20 delivered"


def test_a_title_is_one_line_however_narrow_the_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("terminal.output.on_terminal", lambda: True)
    print_table("How long each limit [of the run] would make it", ["limit"], [["tier"]])
    assert capsys.readouterr().out.startswith("How long each limit [of the run] would make it\n")


def test_on_a_terminal_nothing_steers_and_right_to_left_text_keeps_to_its_cell(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("terminal.output.on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "500")
    print_table(f"t{EVERYTHING}", [f"h{EVERYTHING}", "name"], [[EVERYTHING, "סבתא"]])
    print_facts(f"t{EVERYTHING}", [(f"n{EVERYTHING}", EVERYTHING), ("name", "جدة")])
    out = capsys.readouterr().out
    assert set(controls_in(out)) == {"\u2068", "\u2069"}
    assert "\u2068סבתא\u2069" in out
    assert "\u2068جدة\u2069" in out
    assert "Try: rm" not in [line[:7] for line in out.splitlines()]
