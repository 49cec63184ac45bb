"""Every way a file can look: what is accepted, what is rejected on which line, what cannot be loaded."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.errors import IntakeError
from campaigns.intake.model import IntakeOptions, Reject
from campaigns.intake.names import fold
from campaigns.intake.read import open_intake
from campaigns.message.templates import fold as fold_of_templates
from tests.support.cases import each

A, B, C = "+447911123456", "+33612345678", "+12025550123"


@dataclass
class Loaded:
    phones: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    vars: list[dict[str, str]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    @property
    def bad(self) -> list[tuple[int, str]]:
        return [(reject.line, reject.code.value) for reject in self.rejects]


def load(path: Path, content: bytes | str, **options: Any) -> Loaded:
    path = path / "list.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    loaded = Loaded()
    for chunk in open_intake(path, IntakeOptions(**options)).chunks():
        loaded.phones += chunk.phones
        loaded.lines += chunk.lines
        loaded.vars += [json.loads(variables) for variables in chunk.vars]
        loaded.rejects += chunk.rejects
        assert len(chunk.raws) == len(chunk.regions) == len(chunk.buckets) == len(chunk.lines)
    return loaded


TWO = f"phone,name\n{A},Ana\n{B},Zoë\n"

READ_ALIKE = {
    "utf-8": TWO.encode(),
    "utf-8 with a mark": TWO.encode("utf-8-sig"),
    "utf-16 little, marked": b"\xff\xfe" + TWO.encode("utf-16-le"),
    "utf-16 big, marked": b"\xfe\xff" + TWO.encode("utf-16-be"),
    "utf-16 little, unmarked": TWO.encode("utf-16-le"),
    "utf-16 big, unmarked": TWO.encode("utf-16-be"),
    "utf-32, marked": TWO.encode("utf-32"),
    "cp1252": TWO.encode("cp1252"),
    "semicolon": TWO.replace(",", ";").encode(),
    "tab": TWO.replace(",", "\t").encode(),
    "bar": TWO.replace(",", "|").encode(),
    "CR only": TWO.replace("\n", "\r").encode(),
    "CRLF": TWO.replace("\n", "\r\n").encode(),
    "mixed newlines": f"phone,name\r\n{A},Ana\r{B},Zoë\n".encode(),
    "no newline at the end": TWO.rstrip("\n").encode(),
    "blank lines at the end": (TWO + "\n\n\r\n  \n").encode(),
    "rows of only delimiters at the end": (TWO + ",\n,\n").encode(),
    "every cell quoted": f'"phone","name"\n"{A}","Ana"\n"{B}","Zoë"\n'.encode(),
    "header in capitals with spaces": f" PHONE ,Name\n{A},Ana\n{B},Zoë\n".encode(),
    "header with NBSP": f"\u00a0phone\u00a0,na\u200bme\n{A},Ana\n{B},Zoë\n".encode(),
    "header with zero width": f"\u200bpho\u200dne,\ufeffname\n{A},Ana\n{B},Zoë\n".encode(),
    "header with smart quotes": f"“phone”,‘name’\n{A},Ana\n{B},Zoë\n".encode(),
    "header with a tab": f"phone\t,\tname\n{A},Ana\n{B},Zoë\n".encode(),
    "header in full width": f"phone,name\n{A},Ana\n{B},Zoë\n".encode(),
    "unnamed column first": f",phone,name\n0,{A},Ana\n1,{B},Zoë\n".encode(),
    "10,000 empty columns": "\n".join(
        line + "," * 10_000 for line in ("phone,name", f"{A},Ana", f"{B},Zoë")
    ).encode(),
    "empty columns in the header only": f"phone,name,,,\n{A},Ana\n{B},Zoë\n".encode(),
    "empty cells in the rows only": f"phone,name\n{A},Ana,,,\n{B},Zoë,\n".encode(),
    "Excel's sep line": f"sep=;\nphone;name\n{A};Ana\n{B};Zoë\n".encode(),
    "sep line, quoted": f'"sep=;"\r\n"phone";"name"\r\n"{A}";"Ana"\r\n"{B}";"Zoë"\r\n'.encode(),
    "sep line, padded with spaces": f"sep = ; \r\nphone;name\r\n{A};Ana\r\n{B};Zoë\r\n".encode(),
    "sep line, padded with delimiters": f"sep=;;\nphone;name\n{A};Ana\n{B};Zoë\n".encode(),
    "sep line, quoted and padded": f'"sep=,",,\nphone,name\n{A},Ana\n{B},Zoë\n'.encode(),
    "sep line with a tab": f"SEP=\t\nphone\tname\n{A}\tAna\n{B}\tZoë\n".encode(),
    "sep line and a blank line": f"sep=;\r\n\r\n \r\nphone;name\r\n{A};Ana\r\n{B};Zoë\r\n".encode(
        "utf-8-sig"
    ),
    "sep line of before it was saved again": f"sep=;,\nphone,name\n{A},Ana\n{B},Zoë\n".encode(),
    "space around cells": f"phone,name\n {A} ,\u00a0Ana\u200b\n{B},  Zoë\n".encode(),
}


@each("content", READ_ALIKE.values(), ids=READ_ALIKE)
def test_reads_alike(tmp_path: Path, content: bytes) -> None:
    loaded = load(tmp_path, content)
    assert loaded.phones == [A, B]
    assert loaded.vars == [{"name": "Ana"}, {"name": "Zoë"}]
    assert loaded.rejects == []


LINES = {
    "plain": (TWO, [2, 3]),
    "blank lines in the middle": (f"phone,name\n\n\n{A},x\n\n{B},y\n", [4, 6]),
    "blank lines before the header": (f"\n\nphone,name\n{A},x\n", [4]),
    "quoted newline": (f'phone,name\n{A},"one\ntwo\nthree"\n{B},y\n', [2, 5]),
    "quoted blank lines": (f'phone,name\n{A},"one\n\n\ntwo"\n\n{B},y\n', [2, 7]),
    "quoted CRLF": (f'phone,name\r\n{A},"one\r\ntwo"\r\n{B},y\r\n', [2, 4]),
    "quoted CR in a file of LF": (f'phone,name\n{A},"one\rtwo"\n{B},y\n', [2, 4]),
    "header over two lines": (f'phone,"na\nme"\n{A},x\n{B},y\n', [3, 4]),
    "line separators that are no newlines": (f"phone,name\n{A},a\u2028b\u0085c\x0bd\x0ce\n{B},y\n", [2, 3]),
    "quote inside a bare cell": (f'phone,name\n{A},5" pipe\n{B},6"\n', [2, 3]),
    "doubled quotes": (f'phone,name\n{A},"say ""hi"""\n{B},y\n', [2, 3]),
    "Excel's sep line": (f"sep=,\nphone,name\n{A},x\n", [3]),
    "sep line and a blank line": (f"sep=,\n\nphone,name\n{A},x\n", [4]),
}


@each(("content", "lines"), LINES.values(), ids=LINES)
def test_lines_are_physical(tmp_path: Path, content: str, lines: list[int]) -> None:
    loaded = load(tmp_path, content)
    assert (loaded.lines, loaded.rejects) == (lines, [])


def test_quoted_text_is_kept_whole(tmp_path: Path) -> None:
    loaded = load(tmp_path, f'phone,name,x\n{A},"a ""b"", c\nd",\\"\n')
    assert loaded.vars == [{"name": 'a "b", c\nd', "x": '\\"'}]


def test_words_that_pandas_takes_for_missing_are_text(tmp_path: Path) -> None:
    loaded = load(tmp_path, f"phone,name\n{A},NA\n{B},null\n{C},None\n")
    assert [row["name"] for row in loaded.vars] == ["NA", "null", "None"]


REJECTS = {
    "too few cells": (f"phone,name\n{A}\n{B},y\n", [(2, "too_few_cells")], [3]),
    "too many cells": (f"phone,name\n{A},x,z\n{B},y\n", [(2, "too_many_cells")], [3]),
    "too many, among quotes": (f'phone,name\n{A},"x",z\n{B},"y"\n', [(2, "too_many_cells")], [3]),
    "unclosed quote at the end": (f'phone,name\n{A},x\n{B},"y\n', [(3, "unclosed_quote")], [2]),
    "unclosed quote, then bare rows": (
        f'phone,name\n{A},"x\n{B},y\n{C},z\n', [(2, "unclosed_quote")], [3, 4],
    ),
    "unclosed quote, then a quoted cell": (
        f'phone,name\n{A},"x\n{B},y\n{C},"z"\n', [(2, "unclosed_quote")], [3, 4],
    ),
    "two unclosed quotes around a row": (
        f'phone,name\n{A},"x\n{B},y\n{C},z"\n', [(2, "unclosed_quote")], [3, 4],
    ),
    "text after a closing quote": (f'phone,name\n{A},"x"y\n{B},y\n', [(2, "misplaced_quote")], [3]),
    "quotes not doubled": (f'phone,name\n{A},"a "b" c"\n{B},y\n', [(2, "misplaced_quote")], [3]),
    "NUL": (f"phone,name\n{A},a\0b\n{B},y\n", [(2, "nul")], [3]),
    "NUL in a quoted cell": (f'phone,name\n{A},"a\0\nb"\n{B},y\n', [(2, "nul")], [4]),
    "a 1 MB cell": (f"phone,name\n{A},{'x' * 1_000_000}\n{B},y\n", [(2, "cell_too_long")], [3]),
    "a 1 MB cell over many lines": (
        f'phone,name\n{A},"{("x" * 99 + chr(10)) * 10_000}"\n{B},y\n', [(2, "cell_too_long")], [10_003],
    ),
    "endless row": (f"phone,name\n{A},x{',' * (1 << 20)}\n{B},y\n", [(2, "too_many_cells")], [3]),
    "endless row with quotes": (
        f'phone,name\n{A},"x"{"," * (1 << 20)}\n{B},y\n', [(2, "too_many_cells")], [3],
    ),
    "blank phone": (f"phone,name\n,x\n{B},y\n", [(2, "phone_missing")], [3]),
    "bad number": (f"phone,name\nabc,x\n{B},y\n", [(2, "phone_not_a_number")], [3]),
    "bad after a quoted newline": (
        f'phone,name\n{A},"x\nx"\n12,y\n', [(4, "phone_too_short")], [2],
    ),
}  # fmt: skip


@each(("content", "bad", "good"), REJECTS.values(), ids=REJECTS)
def test_rejects(tmp_path: Path, content: str, bad: list[tuple[int, str]], good: list[int]) -> None:
    loaded = load(tmp_path, content)
    assert loaded.bad == bad
    assert loaded.lines == good
    text = content.encode().splitlines(keepends=True)
    for reject in loaded.rejects:
        assert text[reject.line - 1].decode().startswith(reject.raw.splitlines()[0])
        assert reject.reason.endswith(".")


def test_a_cell_as_long_as_a_spreadsheet_allows_is_accepted(tmp_path: Path) -> None:
    longest = "é" * 32_767
    assert load(tmp_path, f"phone,name\n{A},{longest}\n").vars == [{"name": longest}]


def test_a_reject_names_the_column_as_the_file_spells_it(tmp_path: Path) -> None:
    loaded = load(tmp_path, "Mobile Number,name\n123,x\n")
    assert loaded.rejects[0].column == "Mobile Number"


WHOLE = {
    "empty": (b"", {}, "empty", None),
    "only blank lines": (b"\n \n\n", {}, "empty", None),
    "only a mark": (b"\xef\xbb\xbf", {}, "empty", None),
    "header only": (b"phone,name\n", {}, "header_only", 1),
    "header without newline": (b"phone,name", {}, "header_only", 1),
    "workbook": (b"PK\x03\x04" + bytes(100), {}, "binary", None),
    "PDF": (b"%PDF-1.7 ...", {}, "binary", None),
    "noise": (bytes(range(256)) * 40, {}, "binary", 1),
    "all NUL": (bytes(5000), {}, "binary", 1),
    "Cyrillic in cp1251": (f"phone,name\n{A},Привет\n".encode("cp1251"), {}, "encoding_ambiguous", 2),
    "half UTF-8": (TWO.encode() + f"{C},Zoë\n".encode("cp1252"), {}, "encoding_ambiguous", 4),
    "byte of no encoding": (TWO.encode() + b"\x81\n", {}, "encoding_ambiguous", 4),
    "wrong encoding given": (TWO.encode("cp1252"), {"encoding": "utf-8"}, "encoding_wrong", 3),
    "UTF-16 cut in half": (b"\xff\xfe" + TWO.encode("utf-16-le")[:-1], {}, "encoding_wrong", 3),
    "unknown encoding given": (TWO.encode(), {"encoding": "klingon"}, "encoding_wrong", None),
    "codec that is no text": (TWO.encode(), {"encoding": "base64"}, "encoding_wrong", None),
    "two delimiters": (f"phone,name;tel\n{A},x;{B}\n".encode(), {}, "delimiter_ambiguous", 1),
    "wrong delimiter given": (TWO.encode(), {"delimiter": "#"}, "delimiter_wrong", None),
    "unclosed quote in the header": (b'phone,"name\n+44,x\n', {}, "header_malformed", 1),
    "NUL in the header": (b"phone,na\0me\n+44,x\n", {}, "header_malformed", 1),
    "nameless header": (b",,\n1,2,3\n", {}, "header_malformed", 1),
    "duplicate column that the message needs": (
        b"phone,Name,name\n1,2,3\n", {"required": frozenset({"name"})}, "column_duplicate", 1,
    ),
    "duplicate column with a default": (
        b"phone,first name,First-Name\n1,2,3\n", {"optional": frozenset({"first_name"})}, "column_duplicate", 1,
    ),
    "duplicate column with a meaning": (b"phone,send_at,Send At\n1,2,3\n", {}, "column_duplicate", 1),
    "two columns of one phone name": (b"Phone,phone\n1,2\n", {}, "column_duplicate", 1),
    "a phone column given, and there twice": (
        b"tel,Tel\n1,2\n", {"phone_columns": ("tel",)}, "column_duplicate", 1,
    ),
    "a column mapped, and there twice": (
        b"phone,x,X\n1,2,3\n", {"columns": {"x": "name"}}, "column_duplicate", 1,
    ),
    "two columns mapped to one name": (
        b"phone,x,name\n1,2,3\n", {"columns": {"x": "name"}}, "column_duplicate", 1,
    ),
    "a filter's column, and there twice": (
        b"phone,x,X\n1,2,3\n", {"where": {"x": frozenset({"2"})}}, "column_duplicate", 1,
    ),
    "a filter's column that is not there": (
        b"phone,x\n1,2\n", {"where": {"y": frozenset({"2"})}}, "column_unknown", 1,
    ),
    "a column of consent that is not there": (b"phone,x\n1,2\n", {"consent": "y"}, "column_unknown", 1),
    "two phone columns": (b"mobile,telephone\n1,2\n", {}, "phone_column_ambiguous", 1),
    "no phone column": (b"name,city\n1,2\n", {}, "phone_column_missing", 1),
    "no header at all": (f"{A},Ana\n{B},Zoe\n".encode(), {}, "phone_column_missing", 1),
    "unknown phone column given": (TWO.encode(), {"phone_columns": ("fone",)}, "column_unknown", 1),
    "unknown column mapped": (TWO.encode(), {"columns": {"nome": "first_name"}}, "column_unknown", 1),
    "missing variable": (TWO.encode(), {"required": frozenset({"first_name"})}, "variable_missing", 1),
    "unknown country": (TWO.encode(), {"default_country": "XX"}, "country_unknown", None),
    "endless header": (b"phone,name" + b"," * (1 << 20) + b"\n", {}, "too_many_columns", 1),
    "nothing but a sep line": (b"sep=;\n\n", {}, "empty", None),
    "very many columns": (
        ",".join(["phone", *(f"c{number}" for number in range(16_384))]).encode(), {}, "too_many_columns", 1,
    ),
    "endless line": (b"phone,name\n" + b"x" * (18 << 20), {}, "line_too_long", None),
}  # fmt: skip


@each(("content", "options", "code", "line"), WHOLE.values(), ids=WHOLE)
def test_files_that_cannot_be_loaded(
    tmp_path: Path, content: bytes, options: dict[str, Any], code: str, line: int | None
) -> None:
    with pytest.raises(IntakeError) as caught:
        load(tmp_path, content, **options)
    assert (caught.value.code, caught.value.line) == (code, line)
    assert caught.value.hint
    assert caught.value.exit_code == 5


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(IntakeError, match=r"nobody\.csv") as caught:
        open_intake(tmp_path / "nobody.csv", IntakeOptions())
    assert caught.value.code == "file_not_found"


SETTLED = {
    "encoding": (f"phone,name\n{A},Привет\n".encode("cp1251"), {"encoding": "cp1251"}, {"name": "Привет"}),
    "delimiter": (f"phone,name;tel\n{A},x;{B}\n".encode(), {"delimiter": ";"}, {"phone,name": f"{A},x"}),
    "delimiter by name": (
        f"phone|x\ttel\n{A}|y\t{B}\n".encode(),
        {"delimiter": "tab"},
        {"phone|x": f"{A}|y"},
    ),
    "country in small letters": (
        b"phone,name\n07911123456,x\n",
        {"default_country": "gb"},
        {"name": "x"},
    ),
    "weak name beside a strong one": (f"number,phone\n7,{A}\n".encode(), {}, {"number": "7"}),
    "phone column": (
        f"mobile,telephone\n{A},2\n".encode(),
        {"phone_columns": ("MOBILE",)},
        {"telephone": "2"},
    ),
    "map to phone": (f"mobile,fone\nx,{A}\n".encode(), {"columns": {"fone": "phone"}}, {"mobile": "x"}),
    "map a variable": (
        f"phone,prenom\n{A},Ana\n".encode(),
        {"columns": {"prenom": "first_name"}, "required": frozenset({"first_name"})},
        {"first_name": "Ana"},
    ),
    "accented name": (f"Téléphone,Prénom\n{A},Ana\n".encode(), {}, {"prénom": "Ana"}),
}


@pytest.mark.parametrize(("content", "options", "variables"), SETTLED.values(), ids=SETTLED)
def test_ambiguity_is_settled_by_its_flag(
    tmp_path: Path, content: bytes, options: dict[str, Any], variables: dict[str, str]
) -> None:
    assert load(tmp_path, content, **options).vars == [variables]


def test_a_missing_variable_names_the_columns_nearest_first(tmp_path: Path) -> None:
    with pytest.raises(IntakeError, match="'first_name'") as caught:
        load(tmp_path, f"phone,city,firstname\n{A},x,y\n", required=frozenset({"first_name"}))
    assert caught.value.hint.startswith("The columns are: firstname, phone, city.")


def test_a_blank_required_value_is_a_reject_and_others_may_be_blank(tmp_path: Path) -> None:
    content = f"phone,name,code\n{A}, ,1\n{B},y,\n{C},\u200b,2\n"
    loaded = load(tmp_path, content, required=frozenset({"name"}))
    assert loaded.bad == [(2, "blank_variable"), (4, "blank_variable")]
    assert loaded.rejects[0].column == "name"
    assert loaded.vars == [{"name": "y", "code": ""}]


def test_the_number_is_a_variable_where_the_content_asks_for_it(tmp_path: Path) -> None:
    content = f"Mobile,name\n{A[1:]},x\n"
    assert load(tmp_path, content, required=frozenset({"name"})).vars == [{"name": "x"}]
    assert load(tmp_path, content, required=frozenset({"phone"})).vars == [{"name": "x", "phone": A}]


def test_two_unused_columns_of_one_name_are_both_kept(tmp_path: Path) -> None:
    loaded = load(tmp_path, f"phone,Notes,notes,notes_2,NOTES\n{A},a,b,c,d\n")
    assert loaded.vars == [{"notes": "a", "notes_3": "b", "notes_2": "c", "notes_4": "d"}]


def test_only_the_rows_of_a_filter_are_read(tmp_path: Path) -> None:
    content = (
        "phone,Opt-in,City\n"
        f"{A},Oui,Paris\n"
        f"{B},Non,Paris\n"
        "nobody,Non,Lyon\n"
        ",,\n"
        f"{B}, Oui ,Lyon\n"
        f"{C},oui,Lyon\n"
        "nobody,Oui,Lyon\n"
        f"{C},Oui\n"
    )
    where = {"opt_in": frozenset({"Oui"}), "City": frozenset({"Paris", "Lyon"})}
    (tmp_path / "list.csv").write_text(content)
    [chunk] = open_intake(tmp_path / "list.csv", IntakeOptions(where=where)).chunks()
    assert (chunk.phones, chunk.lines, chunk.left_out) == ([A, B], [2, 6], 3)
    assert [(reject.line, reject.code) for reject in chunk.rejects] == [
        (8, "phone_not_a_number"), (9, "too_few_cells"),
    ]  # fmt: skip
    assert chunk.rows == 4


def test_another_filter_makes_it_another_list(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(f"phone,x\n{A},1\n")
    options = [
        IntakeOptions(),
        IntakeOptions(where={"x": frozenset({"1"})}),
        IntakeOptions(where={"x": frozenset({"1", "2"})}),
        IntakeOptions(consent="x"),
    ]
    assert len({open_intake(tmp_path / "list.csv", each).digest for each in options}) == 4


def test_a_file_of_numbers_alone(tmp_path: Path) -> None:
    loaded = load(tmp_path, f"phone\n{A}\n\nbad\n{B}\n")
    assert (loaded.phones, loaded.vars, loaded.bad) == ([A, B], [{}, {}], [(4, "phone_not_a_number")])


def test_the_country_of_a_row_may_be_a_name_or_a_calling_code(tmp_path: Path) -> None:
    content = (
        "Phone Number,Country\n7911123456,United Kingdom\n0612345678,+33\n2025550123,USA\n0612345678,Mars\n"
    )
    loaded = load(tmp_path, content, columns={"Country": "country_code"})
    assert loaded.phones == [A, B, C]
    assert loaded.bad == [(5, "country_invalid")]
    assert "'Mars' is not a country such as GB, France or +44" in loaded.rejects[0].reason


@pytest.mark.parametrize("country", ["UK", "gb", "United Kingdom", "+44", "44"])
def test_the_default_country_is_written_in_any_of_these_ways(tmp_path: Path, country: str) -> None:
    assert load(tmp_path, "phone\n07911123456\n", default_country=country).phones == [A]


def test_the_country_code_column_is_the_default_of_its_row(tmp_path: Path) -> None:
    content = "phone,country_code\n07911 123456,gb\n0612345678,FR\n0612345678,\n06 12,QQ\n"
    loaded = load(tmp_path, content)
    assert loaded.phones == [A, B]
    assert loaded.bad == [(4, "phone_no_country"), (5, "country_invalid")]


def test_formula_cells_are_only_data(tmp_path: Path) -> None:
    loaded = load(tmp_path, f'phone,name\n{A},"=HYPERLINK(""x"")"\n{B},@SUM(1)\n')
    assert [row["name"] for row in loaded.vars] == ['=HYPERLINK("x")', "@SUM(1)"]


def test_a_hundred_thousand_rows_and_one(tmp_path: Path) -> None:
    rows = "".join(f"+4479{number:08},name {number}\n" for number in range(11_000_000, 11_100_001))
    loaded = load(tmp_path, "phone,name\n" + rows)
    assert len(loaded.phones) + len(loaded.rejects) == 100_001
    assert sorted([*loaded.lines, *(reject.line for reject in loaded.rejects)]) == list(range(2, 100_003))
    assert loaded.vars[-1]["name"] == f"name {loaded.lines[-1] + 11_000_000 - 2}"


def test_a_quoted_cell_across_the_border_of_two_blocks(tmp_path: Path) -> None:
    rows = "".join(f'+4479{number:08},"a\nb, {number}"\n' for number in range(11_000_000, 11_050_000))
    loaded = load(tmp_path, "phone,name\n" + rows)
    assert loaded.rejects == []
    assert loaded.lines == list(range(2, 100_002, 2))
    assert loaded.vars[40_000]["name"] == "a\nb, 11040000"


STRAY = {
    "first in its row": lambda number: f'"+4479{number:08},n,x\n',
    "in the midst": lambda number: f'+4479{number:08},"n,x\n',
    "after text": lambda number: f'+4479{number:08},"n"n,x\n',
}


@pytest.mark.parametrize("stray", STRAY.values(), ids=STRAY)
def test_stray_quotes_do_not_hold_the_whole_file_together(
    tmp_path: Path, stray: Callable[[int], str]
) -> None:
    rows = "".join(map(stray, range(11_000_000, 11_070_000)))
    path = tmp_path / "list.csv"
    path.write_text("phone,name,city\n" + rows)
    chunks = list(open_intake(path, IntakeOptions()).chunks())
    lines = [reject.line for chunk in chunks for reject in chunk.rejects]
    assert lines == list(range(2, 70_002))
    assert max(len(chunk.rejects) for chunk in chunks) < 60_000  # a block and a bit


def test_as_many_columns_as_a_spreadsheet_has(tmp_path: Path) -> None:
    header = ",".join(["phone", *(f"c{number}" for number in range(16_383))])
    path = tmp_path / "list.csv"
    path.write_text(f"{header}\n{A}{',x' * 16_383}\n")
    assert len(open_intake(path, IntakeOptions()).columns) == 16_384


@each(
    "name",
    [
        "First Name",
        "first-name",
        " FIRST__name ",
        "città",
        "a b-c_d",
        "_x_",
        "N° client",
        "Nº",
        "Pre\u0301nom",
        "“x”",
    ],
)
def test_names_are_folded_as_templates_fold_them(name: str) -> None:
    assert fold(name) == fold_of_templates(name)


CELLS = st.text(st.sampled_from("ab,;\"\n\r '=é\u200b7"), max_size=8)
PHONES = st.sampled_from([A, B, C, "", "12", "x", "07911 123456", "447911123456", '5"'])


@given(
    rows=st.lists(st.tuples(PHONES, CELLS, CELLS), min_size=1, max_size=12), style=st.sampled_from([0, 1, 2])
)
def test_every_written_row_is_accepted_or_rejected_on_its_line(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], style: int
) -> None:
    text = io.StringIO(newline="")
    newline = ("\n", "\r\n", "\r")[style]
    # Python's writer leaves a CR bare where the newline is an LF.
    bare = style != 2 and not any("\r" in cell for row in rows for cell in row)
    quoting = csv.QUOTE_MINIMAL if bare else csv.QUOTE_ALL
    writer = csv.writer(text, lineterminator=newline, quoting=quoting)
    writer.writerow(["phone", "one", "two"])
    starts: list[int] = []
    for row in rows:
        starts.append(len(text.getvalue().encode().splitlines()) + 1)
        writer.writerow(row)
    blank = " \n\r\u200b"
    expected = [
        line for line, row in zip(starts, rows, strict=True) if any(cell.strip(blank) for cell in row)
    ]
    loaded = load(tmp_path_factory.mktemp("any"), text.getvalue(), encoding="utf-8")
    found = sorted([*loaded.lines, *(reject.line for reject in loaded.rejects)])
    assert found == expected
    by_line = dict(zip(starts, rows, strict=True))
    for line, variables in zip(loaded.lines, loaded.vars, strict=True):
        _, one, two = by_line[line]
        assert variables == {"one": one.strip(blank), "two": two.strip(blank)}


PLAIN = st.text(
    st.characters(exclude_characters='",', exclude_categories=["Cs", "Cc"]) | st.just("\t"), max_size=8
)


@given(rows=st.lists(st.tuples(PHONES.filter(lambda phone: '"' not in phone), PLAIN, PLAIN), min_size=1))
def test_rows_without_a_quote_are_read_as_with_every_cell_quoted(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    folder, outcomes = tmp_path_factory.mktemp("plain"), []
    for mark in ("", '"'):
        lines = [",".join(f"{mark}{cell}{mark}" for cell in row) for row in [("phone", "one", "two"), *rows]]
        loaded = load(folder, "\n".join(lines), encoding="utf-8", delimiter=",", required=frozenset({"one"}))
        bad = [(reject.line, reject.column, reject.code, reject.reason) for reject in loaded.rejects]
        outcomes.append((loaded.phones, loaded.lines, loaded.vars, bad))
    assert outcomes[0] == outcomes[1]


@given(body=st.binary(max_size=200))
def test_any_bytes_end_in_rows_rejects_or_an_error_with_a_code(
    tmp_path_factory: pytest.TempPathFactory, body: bytes
) -> None:
    content = b"phone,name\n" + body
    try:
        loaded = load(tmp_path_factory.mktemp("any"), content)
    except IntakeError as error:
        loaded = Loaded()
        told = error.code and error.hint
    else:
        told = "rows"
    assert told
    found = [*loaded.lines, *(reject.line for reject in loaded.rejects)]
    assert len(found) == len(set(found))
    assert all(1 < line <= len(content.splitlines()) for line in found)
