"""The program that reads one sheet of a workbook, run as a process of its own.

A workbook of a few kilobytes can unpack to gigabytes, or have cells so far apart that the table between them fills the
memory. Here such a file ends this process and not the one that sends messages. It imports nothing of ours.

    python workbook_child.py WORKBOOK-DESCRIPTOR CSV-DESCRIPTOR SHEET
"""

from __future__ import annotations

import csv
import datetime
import json
import os
import resource
import sys
from decimal import Decimal
from typing import Any

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

MAX_MEMORY = 2 << 30
"""Bytes of address space."""
MAX_OUTPUT = 4 << 30
"""Bytes of the CSV: one long text may stand in millions of cells."""
MAX_SECONDS = 300
"""Seconds of processor time."""
MAX_CELLS = 20_000_000
"""Cells of a sheet, blank ones between the first and the last included."""


def main(workbook: int, table: int, wanted: str) -> dict[str, Any]:
    """Write the sheet as CSV; returns its name, or what is wrong."""
    for limit, value in (
        (resource.RLIMIT_AS, MAX_MEMORY),
        (resource.RLIMIT_CPU, MAX_SECONDS),
        (resource.RLIMIT_FSIZE, MAX_OUTPUT),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    with os.fdopen(workbook, "rb", closefd=False) as file:
        file.seek(0)
        try:
            opened = CalamineWorkbook.from_filelike(file)
            return _write(opened, wanted, table)
        except PasswordError:
            return {"problem": "protected"}
        except (MemoryError, OSError):
            return {"problem": "too_large"}
        except CalamineError as error:
            return {"problem": "protected" if "assword" in str(error) else "broken"}


def _write(opened: CalamineWorkbook, wanted: str, table: int) -> dict[str, Any]:
    sheets = {
        each.name: each.visible is SheetVisibleEnum.Visible
        for each in opened.sheets_metadata
        if each.typ is SheetTypeEnum.WorkSheet
    }
    found = _chosen(opened, sheets, wanted)
    if isinstance(found, dict):
        return found
    height, width = found.height, found.width
    if height * width > MAX_CELLS:
        return {"problem": "too_large", "rows": height, "columns": width}
    with os.fdopen(table, "w", encoding="utf-8", errors="replace", newline="", closefd=False) as file:
        writer = csv.writer(file, lineterminator="\n")
        for row in found.iter_rows():  # blank rows above the first filled one included
            cells = [shown(cell) for cell in row]
            writer.writerow(cells if any(cells) else [])
    return {"sheet": found.name}


def _chosen(opened: CalamineWorkbook, sheets: dict[str, bool], wanted: str) -> CalamineSheet | dict[str, Any]:
    if wanted:
        names = [name for name in sheets if name == wanted] or [
            name for name in sheets if name.strip().lower() == wanted.strip().lower()
        ]
        if len(names) != 1:
            return {"problem": "sheet_unknown", "sheets": list(sheets)}
        return opened.get_sheet_by_name(names[0])
    filled = []
    for name, is_visible in sheets.items():
        sheet = opened.get_sheet_by_name(name)
        if sheet.height and sheet.width:
            filled.append((is_visible, sheet))
    shown_ones = [sheet for is_visible, sheet in filled if is_visible] or [sheet for _, sheet in filled]
    if not shown_ones:
        return {"problem": "empty"}
    if len(shown_ones) > 1:
        return {"problem": "sheet_ambiguous", "sheets": [sheet.name for sheet in shown_ones]}
    return shown_ones[0]


def shown(value: Any) -> str:
    """A cell as text: whole numbers without a decimal point or exponent, dates as 2026-12-01, times as 09:30."""
    match value:
        case str():
            return value.replace("\r\n", "\n").replace("\r", "\n")
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
        case datetime.datetime():
            return f"{value.date().isoformat()} {shown(value.time())}"
        case datetime.date():
            return value.isoformat()
        case datetime.time():
            return value.isoformat("seconds" if value.second else "minutes")
        case datetime.timedelta():
            minutes, seconds = divmod(round(value.total_seconds()), 60)
            return f"{minutes // 60}:{minutes % 60:02d}" + (f":{seconds:02d}" if seconds else "")
    return str(value)


if __name__ == "__main__":
    json.dump(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]), sys.stdout)
