"""The rejects file: safe to open, and what was written comes back."""

from __future__ import annotations

import csv
from dataclasses import replace
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.views.reports.exports import write_csv
from campaigns.errors import UsageError
from campaigns.intake.defuse import defuse, for_rejects, from_rejects, undo
from campaigns.intake.model import Detected, IntakeOptions, Reject
from campaigns.intake.read import open_intake
from campaigns.intake.rejects import RejectsFile
from campaigns.reject_codes import RejectCode
from tests.support.cases import each
from tests.support.hostile import controls_in, formulas_in, hostile_text

DETECTED = Detected("utf-8", ",", "lf", "phone", ("phone", "name"))


def reject(raw: str, line: int = 2) -> Reject:
    return Reject(line, "phone", RejectCode.PHONE_INVALID, "No.", raw)


@each("cell", ["=1+1", "+44", "-5", "@SUM(A1)", "\tx", "\ra", "'=1", "''+2", "＝1+1", "＠a", " =1", '"=1'])
def test_formulas_are_defused(cell: str) -> None:
    assert defuse(cell) == f"'{cell}"


@pytest.mark.parametrize(
    ("cell", "defused"),
    [("x;=1+1", "x;'=1+1"), ("x\t=1,+2", "x\t'=1,'+2"), ('x; "-1', "x;' \"-1"), ("x\n@a|＋1", "x\n'@a|'＋1")],
)
def test_so_are_those_that_another_delimiter_would_make_of_a_cell(cell: str, defused: str) -> None:
    assert defuse(cell) == defused


@pytest.mark.parametrize("cell", ["", "Ana", "O'Neill", "'quoted'", "1-2", "a=b", "+447700900123", "a; b=c"])
def test_other_cells_are_left_alone(cell: str) -> None:
    assert defuse(cell) == cell


def as_in_a_file(text: str) -> str:
    """The text without lone surrogates, which no file in UTF-8 has."""
    return text.encode(errors="ignore").decode()


@given(hostile_text.map(as_in_a_file))
def test_what_was_defused_comes_back(cell: str) -> None:
    assert undo(defuse(cell)) == cell
    assert from_rejects(for_rejects(cell)) == cell


@given(st.lists(hostile_text, min_size=1, max_size=4))
def test_no_delimiter_makes_a_formula_of_an_export(cells: list[str]) -> None:
    file = StringIO()
    write_csv(file, [cells, cells])
    assert not formulas_in(file.getvalue())
    assert not controls_in(file.getvalue())


@given(st.lists(hostile_text.map(as_in_a_file), min_size=2, max_size=2))
@example(["", "\xc2\xa0"])
def test_a_row_comes_back_as_it_was_however_hostile(cells: list[str]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "r.csv"
        header = ("phone", "=name;=1\x1b]0;x\x07")
        raw = StringIO()
        csv.writer(raw, quoting=csv.QUOTE_ALL, lineterminator="").writerow(cells)
        with RejectsFile(path, replace(DETECTED, header=header)) as file:
            file.write([reject(raw.getvalue())])
            file.keep()
        text = path.read_bytes().decode("utf-8-sig")
        assert not formulas_in(text)
        assert not controls_in(text.replace("\r\n", "\n"))  # a line break of Windows is one
        (row,) = csv.reader(StringIO(text.partition("\n")[2], newline=""))
        assert [from_rejects(cell) for cell in row[:2]] == cells
        assert open_intake(path, IntakeOptions()).detected.header[:2] == header


RAWS = {
    "plain": ("+44,Ana", '"\'+44","Ana"'),
    "a number": ("+447700900123,Ana", '"+447700900123","Ana"'),
    "quoted": ('1,"a ""b"", c"', '"1","a ""b"", c"'),
    "several lines": ('1,"a\nb"', '"1","a\nb"'),
    "too few": ("1", '"1",""'),
    "too many": ("1,a,b", '"1","a,b"'),
    "too many, blank": ("1,a,,", '"1","a"'),
    "unclosed": ('1,"a', '"1","a"'),
    "wrongly quoted": ('"1"2,a', '"12","a"'),
    "formula": ("1,=cmd()", '"1","\'=cmd()"'),
    "formula of another delimiter": ("1,a;=cmd()", '"1","a;\'=cmd()"'),
    "full-width formula": ("1,＝1+1", '"1","\'＝1+1"'),
    "steering": ("1,a\x1b]0;x\x07\\x1b\0", '"1","a\\x1b]0;x\\x07\\x5cx1b\\x00"'),
    "empty": ("", '"",""'),
}


@pytest.mark.parametrize(("raw", "written"), RAWS.values(), ids=RAWS)
def test_rows_are_written_to_fit_the_header(tmp_path: Path, raw: str, written: str) -> None:
    with RejectsFile(tmp_path / "r.csv", DETECTED) as file:
        file.write([reject(raw)])
        assert not (tmp_path / "r.csv").exists()
        assert file.keep() == tmp_path / "r.csv"
    header = '"phone","name","drumbeat_line","drumbeat_column","drumbeat_code","drumbeat_reason"\n'
    assert (tmp_path / "r.csv").read_text(
        "utf-8-sig"
    ) == f'{header}{written},"2","phone","phone_invalid","No."\n'


def test_nothing_is_left_of_a_file_that_is_not_kept(tmp_path: Path) -> None:
    with RejectsFile(tmp_path / "r.csv", DETECTED) as file:
        file.write([reject("1,a")])
    with RejectsFile(tmp_path / "r.csv", DETECTED) as file:
        assert file.keep() is None
    assert list(tmp_path.iterdir()) == []


def test_an_older_rejects_file_is_kept_and_the_same_one_is_not_written_twice(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("old")
    for raw, name in (("1,a", "r-2.csv"), ("1,b", "r-3.csv"), ("1,a", "r-2.csv")):
        with RejectsFile(tmp_path / "r.csv", DETECTED) as file:
            file.write([reject(raw)])
            assert file.keep() == tmp_path / name
    assert (tmp_path / "r.csv").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r-2.csv", "r-3.csv", "r.csv"]
    assert (tmp_path / "r-2.csv").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        RejectsFile(tmp_path / "no" / "r.csv", DETECTED)
