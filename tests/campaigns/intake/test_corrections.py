"""Corrected rows take their old lines: no other row moves, whatever the list looks like."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.intake.corrections import corrected_text, read_corrections, write_corrected_workbook
from campaigns.intake.model import IntakeOptions
from campaigns.intake.read import Intake, open_intake
from campaigns.intake.rejects import RejectsFile
from tests.support.workbooks import xlsx

_cells = st.text(st.sampled_from('ab"=é ,\n'), max_size=6)
_rows = st.lists(
    st.tuples(st.sampled_from(["+447700900001", "nobody", "", "2.34E+12"]), _cells, _cells)
    | st.sampled_from([("", "", ""), ('"open', "x", "")]),
    min_size=1,
    max_size=12,
)
_COLUMNS = ("phone", "first_name", "note")
OPTIONS = IntakeOptions(phone_columns=("phone",))


def written(rows: list[tuple[str, str, str]], newline: str, quotes: bool) -> bytes:
    def cell(text: str) -> str:
        if text.startswith('"open'):
            return text
        quoted = quotes or any(mark in text for mark in '",\n')
        return '"' + text.replace('"', '""') + '"' if quoted else text

    lines = [",".join(map(cell, row)) for row in [_COLUMNS, *rows]]
    return newline.join(lines).encode() + newline.encode()


def rows_of(intake: Intake) -> tuple[dict[int, str], dict[int, str]]:
    """Line -> variables of the good rows, and line -> code of the bad ones."""
    good: dict[int, str] = {}
    bad: dict[int, str] = {}
    for chunk in intake.chunks():
        good |= dict(zip(chunk.lines, zip(chunk.phones, chunk.vars, strict=True), strict=True))
        bad |= {reject.line: reject.code for reject in chunk.rejects}
    return good, bad


def rejects_of(intake: Intake, place: Path) -> Path | None:
    with RejectsFile(place, intake.detected) as file:
        for chunk in intake.chunks():
            file.write(chunk.rejects)
        return file.keep()


@settings(max_examples=50)
@given(_rows, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.data())
def test_no_other_row_moves(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str, str]],
    newline: str,
    quotes: bool,
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("list")
    (folder / "list.csv").write_bytes(written([*rows, ("+447700900002", "last", "")], newline, quotes))
    intake = open_intake(folder / "list.csv", OPTIONS)
    good, bad = rows_of(intake)
    mended = data.draw(st.sets(st.sampled_from(sorted(bad)), max_size=4)) if bad else set()
    corrections = {line: ["+447700900003", f"mended {line}", ""] for line in mended}
    (folder / "new.csv").write_bytes(b"".join(corrected_text(intake, corrections)))
    now_good, now_bad = rows_of(open_intake(folder / "new.csv", OPTIONS))
    assert now_bad == {line: code for line, code in bad.items() if line not in mended}
    assert {line: row for line, row in now_good.items() if line not in mended} == good
    assert {line: phone for line, (phone, _) in now_good.items() if line in mended} == dict.fromkeys(
        mended, "+447700900003"
    )


@settings(max_examples=50)
@given(_rows, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_a_rejects_file_that_nobody_has_changed_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], newline: str, quotes: bool
) -> None:
    folder = tmp_path_factory.mktemp("list")
    (folder / "list.csv").write_bytes(written([*rows, ("+447700900002", "last", "")], newline, quotes))
    intake = open_intake(folder / "list.csv", OPTIONS)
    good, bad = rows_of(intake)
    rejects = rejects_of(intake, folder / "rejects.csv")
    if rejects is None:
        return
    found = read_corrections(rejects, intake, bad.keys())
    assert len(found.rows) + len(found.unused) == len(bad)
    (folder / "new.csv").write_bytes(b"".join(corrected_text(intake, found.rows)))
    now_good, now_bad = rows_of(open_intake(folder / "new.csv", OPTIONS))
    assert now_good.keys() | now_bad.keys() == good.keys() | bad.keys(), found
    assert {line: row for line, row in now_good.items() if line in good} == good


def test_a_workbook_keeps_every_cell_as_it_was_read(tmp_path: Path) -> None:
    table = [
        [],
        ["phone", "first_name", "note"],
        ["+447700900001", "Ada\nL.", "=1+1"],
        [447700900002.0, "https://x.example", "12.50"],
        ["nobody", "Mallory", " padded "],
    ]
    (tmp_path / "list.xlsx").write_bytes(xlsx({"People [1]"[:6]: table}))
    intake = open_intake(tmp_path / "list.xlsx", OPTIONS)
    write_corrected_workbook(intake, {5: ["+447700900009", "Mallory", "mended"]}, tmp_path / "new.xlsx")
    good, bad = rows_of(intake)
    now_good, now_bad = rows_of(open_intake(tmp_path / "new.xlsx", OPTIONS))
    assert (list(bad), now_bad) == ([5], {})
    assert {line: row for line, row in now_good.items() if line != 5} == good
    assert now_good[5][0] == "+447700900009"
