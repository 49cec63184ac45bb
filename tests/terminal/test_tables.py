"""Tables on a terminal: nothing that a person has to type is cut, however narrow it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from terminal.output import cell, in_readers_zone, print_facts, print_table, show_times_in
from terminal.tables import layout_within

ID = "a3f1b2c4-1234-4abc-9def-000011112222"
NAME = "spring-sale-for-the-customers-of-porto-novo"
WHY = "The provider accepted the message and later reported that it failed; the code is its reason."


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terminal.output.on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_names_ids_and_times_are_whole_at_every_width(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    at = datetime(2026, 12, 1, 9, tzinfo=UTC)
    rows = [(NAME, ID, at, 1_000_000, WHY), ("b", "x", None, 1, "short")]
    print_table("Title", ("name", "id", "at", ">count", "reason"), rows)
    out = shown(capsys)
    for whole in (NAME, ID, "2026-12-01 09:00:00 UTC", "1,000,000", *WHY.split()):
        assert whole in out


def test_only_sentences_are_wrapped_and_lines_fit(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(None, ("outcome", "code", "what it means", ">count"), [("failed", "131026", WHY, 5)])
    lines = shown(capsys).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) > 3
    assert WHY.split()[-1] in lines[-2]


def test_optional_columns_are_left_out_first() -> None:
    rows = [[NAME, "running", "marketing", "1,000"]]
    headings = ("name", "state", "?category", "?>recipients")
    wide = layout_within(headings, rows, 120)
    narrow = layout_within(headings, rows, 56)
    none = layout_within(headings, rows, 40)
    assert wide is not None
    assert list(wide.places) == [0, 1, 2, 3]
    assert narrow is not None
    assert list(narrow.places) == [0, 1]
    assert none is None


def test_the_gap_is_narrowed_before_anything_is_left_out() -> None:
    rows = [[NAME, "running", "marketing"]]
    headings = ("name", "state", "?category")
    width = len(NAME) + len("running") + len("marketing") + 8
    wide, narrow = layout_within(headings, rows, width), layout_within(headings, rows, width - 3)
    assert wide is not None
    assert narrow is not None
    assert ((list(wide.places), wide.gap), (list(narrow.places), narrow.gap)) == (
        ([0, 1, 2], 3),
        ([0, 1, 2], 2),
    )


def test_without_room_each_row_is_names_and_values(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    print_table(None, ("id", "name"), [(ID, NAME), ("b", "c")])
    assert shown(capsys).splitlines()[:5] == [
        f"  id    {ID}",
        f"  name  {NAME}",
        "",
        "  id    b",
        "  name  c",
    ]


def test_a_long_value_goes_on_under_its_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts("spring", [("state", WHY), ("id", ID)])
    lines = shown(capsys).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[2].startswith("         ")
    assert " ".join(" ".join(lines[1:3]).split()) == f"state {WHY}"


def test_times_are_in_the_readers_zone_with_its_name() -> None:
    show_times_in(ZoneInfo("Africa/Porto-Novo"))
    try:
        assert cell(datetime(2026, 12, 1, 9, tzinfo=UTC)) == "2026-12-01 10:00:00 WAT"
        text = "open until 2026-12-31 23:30:00 UTC, then 2026-12-01 09:00 UTC; 2026-12-01 is a day"
        assert in_readers_zone(text) == (
            "open until 2027-01-01 00:30:00 WAT, then 2026-12-01 10:00 WAT; 2026-12-01 is a day"
        )
    finally:
        show_times_in(None)


def test_colour_marks_states_and_no_color_takes_it_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    print_table(None, ("name", "state"), [("spring", "paused")])
    assert "\x1b[33mpaused" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    print_table(None, ("name", "state"), [("spring", "paused")])
    assert "[33m" not in capsys.readouterr().out
