"""The rejects file: safe to open, and what was written comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.errors import UsageError
from campaigns.intake.defuse import defuse, undo
from campaigns.intake.model import Detected, Reject
from campaigns.intake.rejects import RejectsFile
from campaigns.reject_codes import RejectCode

DETECTED = Detected("utf-8", ",", "lf", "phone", ("phone", "name"))


def reject(raw: str, line: int = 2) -> Reject:
    return Reject(line, "phone", RejectCode.PHONE_INVALID, "No.", raw)


@pytest.mark.parametrize("cell", ["=1+1", "+44", "-5", "@SUM(A1)", "\tx", "\r=1", "'=1", "''+2"])
def test_formulas_are_defused(cell: str) -> None:
    assert defuse(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "Ana", "O'Neill", "'quoted'", "1-2", "a=b"])
def test_other_cells_are_left_alone(cell: str) -> None:
    assert defuse(cell) == cell


@given(st.text())
def test_what_was_defused_comes_back(cell: str) -> None:
    assert undo(defuse(cell)) == cell


RAWS = {
    "plain": ("+44,Ana", "'+44,Ana"),
    "quoted": ('1,"a ""b"", c"', '1,"a ""b"", c"'),
    "several lines": ('1,"a\nb"', '1,"a\nb"'),
    "too few": ("1", "1,"),
    "too many": ("1,a,b", '1,"a,b"'),
    "too many, blank": ("1,a,,", "1,a"),
    "unclosed": ('1,"a', "1,a"),
    "wrongly quoted": ('"1"2,a', "12,a"),
    "formula": ("1,=cmd()", "1,'=cmd()"),
    "empty": ("", ","),
}


@pytest.mark.parametrize(("raw", "written"), RAWS.values(), ids=RAWS)
def test_rows_are_written_to_fit_the_header(tmp_path: Path, raw: str, written: str) -> None:
    with RejectsFile(tmp_path / "r.csv", DETECTED) as file:
        file.write([reject(raw)])
        assert not (tmp_path / "r.csv").exists()
        assert file.keep() == tmp_path / "r.csv"
    header = "phone,name,drumbeat_line,drumbeat_column,drumbeat_code,drumbeat_reason\n"
    assert (tmp_path / "r.csv").read_text("utf-8-sig") == f"{header}{written},2,phone,phone_invalid,No.\n"


def test_nothing_is_left_of_a_file_that_is_not_kept(tmp_path: Path) -> None:
    with RejectsFile(tmp_path / "r.csv", DETECTED) as file:
        file.write([reject("1,a")])
    with RejectsFile(tmp_path / "r.csv", DETECTED) as file:
        assert file.keep() is None
    assert list(tmp_path.iterdir()) == []


def test_an_older_rejects_file_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("old\n" * 100)
    with RejectsFile(tmp_path / "r.csv", DETECTED) as file:
        file.write([reject("1,a")])
        file.keep()
    assert "old" not in (tmp_path / "r.csv").read_text("utf-8-sig")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        RejectsFile(tmp_path / "no" / "r.csv", DETECTED)
