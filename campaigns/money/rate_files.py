"""Reads a rate card from a table: one market per row, one category per column. Meta's files can be read unchanged.

A column is a category, with the suffix `_open` or `_closed` if it applies only inside or outside the 24-hour window.
`utility` alone is the rate outside; inside, a dated rule of `campaigns.money.prices` applies.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

from campaigns.bounded_files import read_whole
from campaigns.errors import InvalidInput
from campaigns.frozen import frozen
from campaigns.money.costs import to_micros
from campaigns.money.markets import known_market, nearest_market
from campaigns.money.prices import ANY, AUTHENTICATION, CLOSED, INTERNATIONAL, OPEN, SERVICE
from campaigns.nearest import nearest

Rates = Mapping[tuple[str, str, str], int]
"""(market, category, window) -> micro-units."""

MARKET: Final = "market"
CURRENCY: Final = "currency"
CATEGORIES: Final = ("marketing", "utility", AUTHENTICATION, INTERNATIONAL, SERVICE)
NOT_MESSAGES: Final = frozenset({"meta_business_agent"})
"""Columns of Meta's file that are not prices of messages."""
COLUMNS: Final[Mapping[str, tuple[str, str]]] = {
    **{category: (category, CLOSED if category == "utility" else ANY) for category in CATEGORIES},
    **{
        f"{category}_{window}": (category, window)
        for category in CATEGORIES
        for window in (OPEN, CLOSED)
        if (category, window) != ("utility", CLOSED)
    },
}
NO_RATE: Final = frozenset({"", "-", "–", "n/a", "na"})
_AMOUNT: Final = re.compile(r"[$€£]?\s*(\d{1,12}(?:\.\d{1,30})?)")
_MICRO: Final = Decimal("0.000001")
_NOISE: Final = Decimal("0.000000001")
"""How far a spreadsheet's number may be from the amount that was typed."""
_HEADER_WITHIN: Final = 20
"""Rows in which the header is searched: Meta's files have remarks above it."""


@frozen
class _Row:
    line: int
    cells: Sequence[str]


def read_rates(path: Path, currency: str) -> Rates:
    """The card in a CSV. Raises NotFound, and InvalidInput naming line and column."""
    return rates_in(path, read_whole(path), currency)


def rates_in(path: Path, table: bytes, currency: str) -> Rates:
    """The card in the text of a CSV, or of a workbook's sheet as a CSV; `path` is for error messages."""
    rows = _rows(path, table)
    header = next((row for row in rows[:_HEADER_WITHIN] if MARKET in map(_plain, row.cells)), None)
    if header is None:
        raise InvalidInput(
            f"{path.name} has no column market.",
            hint="The first row names the columns: market, marketing, utility, …",
        )
    columns = _columns(path, header)
    rates: dict[tuple[str, str, str], int] = {}
    lines: dict[str, int] = {}
    for row in rows[rows.index(header) + 1 :]:
        market = _market(path, row, columns, lines)
        rates |= _rates_of(path, row, columns, market, currency)
        lines[market] = row.line
    if not rates:
        raise InvalidInput(f"{path.name} has no market below its header.")
    return rates


def _rows(path: Path, table: bytes) -> list[_Row]:
    """The rows, without blank ones."""
    try:
        text = table.decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        return [
            _Row(reader.line_num, [cell.strip() for cell in cells])
            for cells in reader
            if any(cell.strip() for cell in cells)
        ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(
            f"{path.name} is not a CSV in UTF-8: {error}.", hint="Save it as CSV UTF-8."
        ) from error


def _columns(path: Path, header: _Row) -> list[str]:
    columns = [_plain(cell) for cell in header.cells]
    known = {MARKET, CURRENCY, *COLUMNS, *NOT_MESSAGES}
    for written, column in zip(header.cells, columns, strict=True):
        if column not in known:
            near = nearest(column, known)
            hint = (
                f"Did you mean {near}?"
                if near
                else f"The known columns are {MARKET}, {', '.join(CATEGORIES)}."
            )
            raise _fault(path, header.line, written or "(no name)", "there is no such column.", hint)
        if columns.count(column) > 1:
            raise _fault(path, header.line, written, "it is there twice.")
    return columns


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]+", "_", name.casefold()).strip("_")


def _market(path: Path, row: _Row, columns: Sequence[str], lines: Mapping[str, int]) -> str:
    if len(row.cells) != len(columns):
        raise InvalidInput(
            f"{path.name}, line {row.line}: the row has {len(row.cells)} cells, but the header has {len(columns)}."
        )
    written = row.cells[columns.index(MARKET)]
    market = known_market(written)
    if market is None:
        near = nearest_market(written)
        hint = f"Did you mean {near!r}?" if near else "Write it as Meta's rate card does."
        raise _fault(path, row.line, MARKET, f"no market is named {written!r}.", hint)
    if market in lines:
        raise _fault(path, row.line, MARKET, f"{market} is already on line {lines[market]}.")
    return market


def _rates_of(path: Path, row: _Row, columns: Sequence[str], market: str, currency: str) -> Rates:
    rates = dict(_amounts(path, row, columns, market, currency))
    if not rates:
        raise InvalidInput(f"{path.name}, line {row.line}: {market} has no rate.", hint="Remove the row.")
    return rates


def _amounts(
    path: Path, row: _Row, columns: Sequence[str], market: str, currency: str
) -> Iterator[tuple[tuple[str, str, str], int]]:
    for column, cell in zip(columns, row.cells, strict=True):
        if column == CURRENCY and re.fullmatch(r"[A-Z]{3}", cell) and cell != currency:
            raise _fault(path, row.line, CURRENCY, f"the cell says {cell}, but the card is in {currency}.")
        if column not in COLUMNS or cell.casefold() in NO_RATE:
            continue
        amount = _amount(cell)
        if amount is None:
            hint = "Write it like 0.0225, with at most six decimal places, or leave the cell empty if there is no rate."
            raise _fault(path, row.line, column, f"{cell!r} is not an amount.", hint)
        category, window = COLUMNS[column]
        yield (market, category, window), to_micros(amount)


def _amount(cell: str) -> Decimal | None:
    """With at most six decimal places; a spreadsheet's `0.013800000000000002` is 0.0138."""
    match = _AMOUNT.fullmatch(cell)
    if match is None:
        return None
    amount = Decimal(match[1])
    rounded = amount.quantize(_MICRO)
    return rounded if abs(amount - rounded) <= _NOISE else None


def _fault(path: Path, line: int, column: str, what: str, hint: str = "") -> InvalidInput:
    return InvalidInput(f"{path.name}, line {line}, column {column}: {what}", hint=hint)
