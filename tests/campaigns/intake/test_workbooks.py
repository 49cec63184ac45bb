"""Spreadsheets as lists: the same outcome as the CSV of the same table, within limits, and a sentence for the rest."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from campaigns.errors import IntakeError
from campaigns.intake import workbook
from campaigns.intake.model import IntakeOptions
from campaigns.intake.read import open_intake
from campaigns.intake.workbook_child import shown
from tests.campaigns.intake.test_intake import A, B, Loaded
from tests.support.cases import each
from tests.support.workbooks import Cell, Table, compound, ods, xls, xlsx, zipped

WRITERS: dict[str, Callable[[dict[str, Table]], bytes]] = {"xlsx": xlsx, "xls": xls, "ods": ods}
PEOPLE: Table = [
    ["phone", "name", "code"],
    [447911123456, "Zoë", 7],
    [B, "Léa\nPaul", "0042"],
    ["12", "x", ""],
]


def load(path: Path, content: bytes, name: str = "list.xlsx", **options: Any) -> Loaded:
    path = path / name
    path.write_bytes(content)
    intake = open_intake(path, IntakeOptions(**options))
    loaded = Loaded()
    for chunk in intake.chunks():
        loaded.phones += chunk.phones
        loaded.lines += chunk.lines
        loaded.vars += [json.loads(variables) for variables in chunk.vars]
        loaded.rejects += intake.placed(chunk.rejects)
    return loaded


@pytest.mark.parametrize("kind", WRITERS)
def test_each_kind_is_read(tmp_path: Path, kind: str) -> None:
    content = WRITERS[kind]({"Kunden": PEOPLE})
    (tmp_path / "list").write_bytes(content)
    intake = open_intake(tmp_path / "list", IntakeOptions())
    assert (intake.detected.encoding, intake.detected.sheet, intake.name) == (kind, "Kunden", "list [Kunden]")
    loaded = load(tmp_path, content)
    assert loaded.phones == [A, B]
    assert loaded.vars == [{"name": "Zoë", "code": "7"}, {"name": "Léa\nPaul", "code": "0042"}]
    assert (loaded.lines, loaded.bad) == ([2, 3], [(4, "phone_too_short")])
    assert loaded.rejects[0].reason.endswith("(Row 4 of sheet 'Kunden'.)")


CELLS = st.one_of(
    st.none(), st.integers(-(10**12), 10**12), st.text(st.sampled_from("ab;,\"\n 'é€7="), max_size=6),
    st.integers(-1000, 1000).map(lambda quarters: quarters / 4),
)  # fmt: skip
PHONES: st.SearchStrategy[Cell] = st.sampled_from([A, B, 447911123456, 33612345678, "", "12", 12, "x", None])


@settings(max_examples=8, deadline=None)
@given(
    rows=st.lists(st.tuples(PHONES, CELLS, CELLS), min_size=1, max_size=8),
    kind=st.sampled_from(list(WRITERS)),
)
def test_a_sheet_ends_as_the_csv_of_its_table(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Cell, ...]], kind: str
) -> None:
    assume(any(cell not in ("", None) for cell in rows[-1]))  # a sheet has no blank rows at its end
    table = [("phone", "one", "two"), *rows]
    text = io.StringIO()
    csv.writer(text).writerows([["" if cell is None else shown(cell) for cell in row] for row in table])
    folder = tmp_path_factory.mktemp("any")
    outcomes = []
    for name, content in (("list.csv", text.getvalue().encode()), ("list", WRITERS[kind]({"S": table}))):
        try:
            loaded = load(folder, content, name)
        except IntakeError as error:
            outcomes.append(error.code)
        else:
            bad = [(reject.code, reject.raw) for reject in loaded.rejects]
            outcomes.append((loaded.phones, loaded.vars, [code for code, _ in bad]))
    assert outcomes[0] == outcomes[1]


@each(
    ("cell", "text"),
    [(447700900010.0, "447700900010"), (1e16, "10000000000000000"), (0.1, "0.1"), (1e-7, "0.0000001"), (-2.50, "-2.5"),
     (True, "TRUE"), (date(2026, 12, 1), "2026-12-01"), (datetime(2026, 12, 1, 9, 30, tzinfo=UTC), "2026-12-01 09:30"),
     (datetime(2026, 12, 1, 9, 30, 5, tzinfo=UTC), "2026-12-01 09:30:05"), ("a\r\nb\rc", "a\nb\nc")],
)  # fmt: skip
def test_cells_are_shown_plainly(cell: Any, text: str) -> None:
    assert shown(cell) == text


def test_dates_of_a_workbook(tmp_path: Path) -> None:
    table: Table = [["phone", "day", "at"], [A, date(2026, 12, 1), datetime(2026, 12, 1, 9, 30, tzinfo=UTC)]]
    assert load(tmp_path, xlsx({"S": table})).vars == [{"day": "2026-12-01", "at": "2026-12-01 09:30"}]


def test_the_sheet_is_the_named_one_or_the_only_one_with_data(tmp_path: Path) -> None:
    one: Table = [["phone"], [A]]
    two: Table = [["phone"], [B]]
    assert load(tmp_path, xlsx({"Empty": [], "List": one})).phones == [A]
    assert load(tmp_path, xlsx({"List": one, "Codes": two}, hidden=["Codes"])).phones == [A]
    both = xlsx({"List": one, "Old list": two})
    with pytest.raises(IntakeError, match="'List', 'Old list'") as caught:
        load(tmp_path, both)
    assert caught.value.code == "sheet_ambiguous"
    assert load(tmp_path, both, sheet="old list ").phones == [B]
    with pytest.raises(IntakeError, match="no sheet 'New'") as caught:
        load(tmp_path, both, sheet="New")
    assert (caught.value.code, caught.value.hint) == ("sheet_unknown", "Its sheets are: 'List', 'Old list'.")


def test_two_sheets_of_a_workbook_are_two_lists(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(xlsx({"a": [["phone"], [A]], "b": [["phone"], [B]]}))
    digests = {open_intake(tmp_path / "x", IntakeOptions(sheet=sheet)).digest for sheet in "ab"}
    assert len(digests) == 2
    opened = open_intake(tmp_path / "x", IntakeOptions(sheet="a"))
    assert not opened.changed()
    with (tmp_path / "x").open("ab") as file:
        file.write(b"more")
    assert opened.changed()


def test_blank_rows_count_as_rows(tmp_path: Path) -> None:
    table: Table = [[], ["", "phone", "name"], [], ["", A, "a\nb\nc"], ["", "12", "y"]]
    loaded = load(tmp_path, xlsx({"S": table}))
    assert (loaded.lines, loaded.bad) == ([4], [(5, "phone_too_short")])


def test_content_decides_and_not_the_name(tmp_path: Path) -> None:
    assert load(tmp_path, xlsx({"S": PEOPLE}), "people.csv").phones == [A, B]
    assert load(tmp_path, f"phone\n{A}\n".encode(), "people.xlsx").phones == [A]


PROTECTED = zipped(
    {"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "x",
     "META-INF/manifest.xml": "<manifest:manifest><manifest:encryption-data/></manifest:manifest>"}
)  # fmt: skip
REFUSED = {
    "an encrypted xlsx": (
        compound("EncryptedPackage", b"secret"),
        "password_protected",
        "without a password",
    ),
    "an encrypted xls": (xls({"S": PEOPLE}, protected=True), "password_protected", "without a password"),
    "an encrypted ods": (PROTECTED, "password_protected", "without a password"),
    "a Word file": (compound("WordDocument", b"text"), "binary", "save it as .xlsx"),
    "a ZIP archive": (zipped({"people.csv": "phone\n"}), "binary", "Unpack it"),
    "half a workbook": (xlsx({"S": PEOPLE})[:700], "binary", "save it as .xlsx"),
    "HTML": (b"\xef\xbb\xbf\n<html><table><tr><td>phone</td></tr></table>", "binary", "save it as .xlsx"),
    "XML": (b'<?xml version="1.0"?><Workbook/>', "binary", "save it as .xlsx"),
    "no data": (xlsx({"S": [], "T": []}), "empty", "Export it again"),
}


@pytest.mark.parametrize(("content", "code", "hint"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_with_a_sentence(tmp_path: Path, content: bytes, code: str, hint: str) -> None:
    with pytest.raises(IntakeError) as caught:
        load(tmp_path, content)
    assert caught.value.code == code
    assert hint in caught.value.hint


def test_a_csv_has_no_sheet(tmp_path: Path) -> None:
    with pytest.raises(IntakeError, match="not a workbook") as caught:
        load(tmp_path, f"phone\n{A}\n".encode(), sheet="S")
    assert caught.value.code == "sheet_unknown"


def test_a_zip_bomb_is_refused_by_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MAX_UNPACKED", 1 << 20)
    monkeypatch.setattr(workbook, "_read_in_child", lambda *_: pytest.fail("opened"))
    with pytest.raises(IntakeError, match="unpacks to more than") as caught:
        load(tmp_path, xlsx({"S": [["phone", "x"], [A, "y" * (1 << 20)]]}))
    assert caught.value.code == "too_large"


@pytest.mark.parametrize(
    ("write", "limit", "lower", "apart"),
    [
        (xlsx, "20_000_000", "1_000", 6_000),
        (xls, "2 << 30", "200 << 20", 60_000),
        (ods, "4 << 30", "1 << 12", 6_000),
    ],
    ids=["xlsx by its cells", "xls by its memory", "ods by its text"],
)
def test_cells_far_apart_fill_neither_memory_nor_disk(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[dict[str, Table]], bytes],
    limit: str,
    lower: str,
    apart: int,
) -> None:
    text = workbook._CHILD.read_text()
    assert limit in text
    text = text.replace(limit, lower)
    (tmp_path / "child.py").write_text(text)
    monkeypatch.setattr(workbook, "_CHILD", tmp_path / "child.py")
    far = [[] for _ in range(apart)]
    with pytest.raises(IntakeError, match="too much memory") as caught:
        load(tmp_path, write({"S": [["phone", *[None] * 200, "x"], *far, ["x", *[None] * 200, "y"]]}))
    assert caught.value.code == "too_large"
    assert "CSV" in caught.value.hint


def test_the_row_of_a_csv_is_shown_where_it_is_not_its_line(tmp_path: Path) -> None:
    content = f'phone,"na\nme"\n{A},"a\nb\nc"\n12,y\n13,"d\ne"\n14,z\n'
    loaded = load(tmp_path, content.encode(), "list.csv")
    assert [(reject.line, reject.reason.partition(" (")[2]) for reject in loaded.rejects] == [
        (6, "Row 3.)"), (7, "Row 4.)"), (9, "Row 5.)"),
    ]  # fmt: skip
    plain = load(tmp_path, b"phone\n12\n", "list.csv")
    assert "Row" not in plain.rejects[0].reason
