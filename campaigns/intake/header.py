"""Parses the header line: the delimiter, the column names, and the column of phone numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from itertools import count
from typing import Final

from campaigns.errors import IntakeError
from campaigns.frozen import frozen
from campaigns.intake.cells import MAX_CELLS, Cutter
from campaigns.intake.defuse import from_rejects
from campaigns.intake.model import REJECT_COLUMNS, IntakeOptions
from campaigns.intake.names import clean_name, fold, nearest
from campaigns.intake.phone_columns import is_phone_name, phone_columns, phone_like, stand_ins
from campaigns.reject_codes import IntakeCode, RejectCode

DELIMITERS: Final = (",", ";", "\t", "|")
_SPELLED: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_ALIASES: Final = {"tab": "\t", "\\t": "\t"}
_SEP_LINE: Final = re.compile(rb'[ "]*sep *= *([,;\t|])[ ",;\t|]*[\r\n]*\Z', re.IGNORECASE)
"""Excel's line that names the delimiter; an editor may have quoted it, or padded it to the width of the table."""
_MAX_NAME: Final = 200
USER_ID_COLUMNS: Final = ("whatsapp_user_id", "bsuid", "business_scoped_user_id")
"""Names of the column with the provider's user ids, the best first."""
_BUILT_IN: Final = frozenset(
    {"country_code", "timezone", "send_at", "consent_at", *USER_ID_COLUMNS, *REJECT_COLUMNS}
)
_OF_OPT_OUT_LISTS: Final = frozenset({"action", "scope", "at", "source", "evidence"})
_SAMPLE: Final = 20
"""Rows whose cells are looked at to find the phone column."""


@frozen
class Header:
    """The parsed header line."""

    delimiter: str
    columns: tuple[str, ...]
    """Cleaned names in the file's spelling, up to the last named column."""
    names: tuple[str, ...]
    """The variable of each column after --map; empty for a column without a name."""
    phone: int
    spares: tuple[int, ...]
    """The columns whose numbers are taken, one after the other, in rows where the phone column has none."""
    width: int
    """Number of cells in the line, including unnamed ones at the end."""
    first_line: int
    """Physical line of the first row below it."""
    lines: int = 1
    """How many physical lines it has."""
    consent: int | None = None
    """The column that says who agreed, if one is named."""
    where: Mapping[int, frozenset[str]] = field(default_factory=dict)
    """Column -> the cells of which a row must have one."""

    @property
    def user_id(self) -> int | None:
        """The column of the provider's user ids."""
        return user_id_column(self.names)

    @property
    def variables(self) -> dict[str, int]:
        """Variable -> column, without the phone column and the columns that a rejects file adds."""
        return {
            name: index
            for index, name in enumerate(self.names)
            if name
            and index != self.phone
            and name not in REJECT_COLUMNS
            and not (name == "phone" and index in self.spares)
        }

    @property
    def available(self) -> tuple[str, ...]:
        """The variables that templates may use, including `phone`."""
        return ("phone", *(name for name in self.variables if name != "phone"))


def read_header(lines: list[bytes], start: int, options: IntakeOptions) -> Header:
    """The header in `lines[start]`, the first line that is not blank; lines keep their newlines."""
    delimiter = _ALIASES.get(options.delimiter or "", options.delimiter)
    stated = _SEP_LINE.fullmatch(lines[start])
    if stated:
        start = _next_line(lines, start + 1)
        delimiter = delimiter or _if_it_splits(lines[start], stated[1].decode())
    if delimiter is not None and delimiter not in DELIMITERS:
        raise IntakeError(
            IntakeCode.DELIMITER_WRONG,
            f"{delimiter!r} is not a delimiter.",
            hint="Use one of , ; | and tab.",
        )
    chosen = delimiter or _detect_delimiter(lines, start)
    cells, last = _cut(lines, start, chosen)
    if any(fold(cell) in REJECT_COLUMNS for cell in cells):
        cells = [from_rejects(cell) for cell in cells]
    columns = _trim([clean_name(cell) for cell in cells])
    if not any(columns):
        hint = "The first line must name the columns."
        raise IntakeError(IntakeCode.HEADER_MALFORMED, "The header has no names.", line=start + 1, hint=hint)
    with _known(columns):
        names = _distinct(columns, _map_names(columns, options.columns, start + 1), options, start + 1)
        consent = _place_of_consent(columns, options, start + 1)
        where = {
            _index_of(column, columns, "audience.where", start + 1): cells
            for column, cells in options.where.items()
        }
        sample = _sample(lines, last + 1, chosen, len(columns))
        phone, *spares = _find_phones(columns, names, options, start + 1, sample)
    return Header(
        chosen, columns, names, phone, tuple(spares), len(cells), last + 2, last - start + 1, consent, where
    )


def user_id_column(names: Sequence[str]) -> int | None:
    return next((names.index(name) for name in USER_ID_COLUMNS if name in names), None)


@contextmanager
def _known(columns: tuple[str, ...]) -> Iterator[None]:
    """Adds the columns to errors about them, so that others can be chosen."""
    try:
        yield
    except IntakeError as error:
        error.columns = columns
        raise


def _place_of_consent(columns: tuple[str, ...], options: IntakeOptions, line: int) -> int | None:
    return _index_of(options.consent, columns, "audience.consent", line) if options.consent else None


def _next_line(lines: list[bytes], start: int) -> int:
    """The first line from `start` on that is not blank."""
    for index in range(start, len(lines)):
        if lines[index].strip():
            return index
    raise IntakeError(
        IntakeCode.EMPTY, "The file has only a line that names its delimiter.", hint="Export it again."
    )


def _if_it_splits(line: bytes, delimiter: str) -> str | None:
    """The delimiter that the file states, unless the header is split by another one alone: the file was saved again
    with that one."""
    others = any(_count(line, other) > 1 for other in DELIMITERS if other != delimiter)
    return delimiter if _count(line, delimiter) > 1 or not others else None


def _cut(lines: list[bytes], start: int, delimiter: str) -> tuple[list[str], int]:
    record = Cutter(delimiter.encode()).cut(lines, start, lambda: False)
    cells = [cell.decode(errors="replace") for cell in record.cells]
    endless = [cell for cell in cells if len(cell) > _MAX_NAME]
    if record.code is None and not endless and not any("\0" in cell for cell in cells):
        return cells, record.last
    if record.code is RejectCode.TOO_MANY_CELLS:
        raise IntakeError(
            IntakeCode.TOO_MANY_COLUMNS,
            f"The header has more than {MAX_CELLS:,} columns.",
            line=start + 1,
            hint="Keep the columns that the message needs, and the phone numbers.",
        )
    problem = record.reason or (
        "A column's name is too long." if endless else "A name holds a NUL character."
    )
    raise IntakeError(
        IntakeCode.HEADER_MALFORMED,
        f"The header cannot be read: {problem}",
        line=start + 1,
        column=f"column {len(cells) + 1}" if record.code else None,
        hint="The first line must name the columns.",
    )


def _trim(columns: list[str]) -> tuple[str, ...]:
    while columns and not columns[-1]:
        columns.pop()
    return tuple(columns)


def _detect_delimiter(lines: list[bytes], start: int) -> str:
    """The delimiter that splits the header; if several do, the phone column's name and the rows below decide."""
    found = [delimiter for delimiter in DELIMITERS if _count(lines[start], delimiter) > 1]
    if len(found) <= 1:
        return found[0] if found else ","
    named = [delimiter for delimiter in found if _has_phone(lines, start, delimiter)]
    found = named or found
    if len(found) > 1:
        found = [delimiter for delimiter in found if _is_regular(lines, start, delimiter)] or found
    if len(found) == 1:
        return found[0]
    both = " or ".join(_SPELLED[delimiter] for delimiter in found)
    raise IntakeError(
        IntakeCode.DELIMITER_AMBIGUOUS,
        f"The cells may be separated by {both}.",
        line=start + 1,
        hint='Choose one with --delimiter, for example --delimiter ";".',
        choices={delimiter: _SPELLED[delimiter] for delimiter in found},
    )


def _count(line: bytes, delimiter: str) -> int:
    return len(Cutter(delimiter.encode()).cut([line], 0, lambda: False).cells)


def _has_phone(lines: list[bytes], start: int, delimiter: str) -> bool:
    record = Cutter(delimiter.encode()).cut(lines, start, lambda: False)
    return any(is_phone_name(fold(cell.decode(errors="replace"))) for cell in record.cells)


def _is_regular(lines: list[bytes], start: int, delimiter: str) -> bool:
    """Whether the next rows have as many cells as the header."""
    rows = [line for line in lines[start + 1 : start + 21] if line.strip()]
    wanted = _count(lines[start], delimiter)
    return all(_count(line, delimiter) == wanted for line in rows)


def _map_names(columns: tuple[str, ...], mapping: Mapping[str, str], line: int) -> tuple[str, ...]:
    names = [fold(column) for column in columns]
    for column, name in mapping.items():
        names[_index_of(column, columns, "--map", line)] = fold(name)
    return tuple(names)


def _index_of(column: str, columns: tuple[str, ...], flag: str, line: int) -> int:
    folded = [fold(name) for name in columns]
    found = [index for index, name in enumerate(folded) if name == fold(column)]
    if len(found) > 1:
        raise _twice(columns, found[0], found[1], line)
    if found:
        return found[0]
    raise IntakeError(
        IntakeCode.COLUMN_UNKNOWN,
        f"{flag} names the column {column!r}, which the file does not have.",
        line=line,
        column=column,
        hint=f"Its columns are: {', '.join(nearest(column, [name for name in columns if name]))}.",
    )


def _distinct(
    columns: tuple[str, ...], names: tuple[str, ...], options: IntakeOptions, line: int
) -> tuple[str, ...]:
    """The names, with a number behind those that occur again. Raises IntakeError if such a name is used."""
    used = options.required | options.optional | _BUILT_IN | set(map(fold, options.columns.values()))
    if options.preference_defaults is not None:
        used |= _OF_OPT_OUT_LISTS
    found: list[str] = []
    for index, name in enumerate(names):
        if name and name in found:
            if name in used or (not options.phone_columns and is_phone_name(name)):
                raise _twice(columns, found.index(name), index, line)
            numbered = (f"{name}_{number}" for number in count(2))
            name = next(other for other in numbered if other not in found and other not in names)
        found.append(name)
    return tuple(found)


def _twice(columns: tuple[str, ...], first: int, second: int, line: int) -> IntakeError:
    return IntakeError(
        IntakeCode.COLUMN_DUPLICATE,
        f"Columns {first + 1} and {second + 1} are both called {columns[second]!r}.",
        line=line,
        column=columns[second],
        hint="Rename or remove one of them; case, spaces, _ and - make no difference.",
    )


def _find_phones(
    columns: tuple[str, ...],
    names: tuple[str, ...],
    options: IntakeOptions,
    line: int,
    sample: list[list[str]],
) -> tuple[int, ...]:
    """The phone column and its fallback columns."""
    if options.phone_columns:
        given = [_index_of(name, columns, "--phone-column", line) for name in options.phone_columns]
        return tuple(dict.fromkeys(given))
    if "phone" in {fold(name) for name in options.columns.values()}:
        return (names.index("phone"),)
    user_id = user_id_column(names)
    names = tuple("" if name in USER_ID_COLUMNS else name for name in names)
    found = phone_columns(names, sample, options.default_country)
    if len(found) == 1:
        return (found[0],)
    if not found and user_id is not None:
        return (user_id,)
    if found:
        raise _ambiguous(columns, names, found, line)
    likely = phone_like(names, sample, options.default_country)
    listed = [columns[index] for index in (*likely, *(i for i in range(len(columns)) if i not in likely))]
    example = f" {listed[0]!r}" if likely else ""
    raise IntakeError(
        IntakeCode.PHONE_COLUMN_MISSING,
        f"No column name means phone numbers; the columns are: {', '.join(list(filter(None, listed))[:20])}.",
        line=line,
        hint=f"Name it with --phone-column{example}. The first line must be a header, not a recipient.",
    )


def _ambiguous(columns: tuple[str, ...], names: tuple[str, ...], found: list[int], line: int) -> IntakeError:
    candidates = [columns[index] for index in found]
    several = [columns[index] for index in stand_ins(names, found)]
    flags = " ".join(f"--phone-column {name!r}" for name in several)
    return IntakeError(
        IntakeCode.PHONE_COLUMN_AMBIGUOUS,
        f"The phone numbers may be in {' or '.join(map(repr, candidates))}.",
        line=line,
        column=candidates[0],
        hint=f"Choose one with --phone-column {candidates[0]!r}. Or several, each used where the one before has no "
        f"number: {flags}; in a campaign file: phone_column = {json.dumps(several, ensure_ascii=False)}.",
    )


def _sample(lines: list[bytes], start: int, delimiter: str, columns: int) -> list[list[str]]:
    """Per column its cells in the first rows that are well-formed, without blank ones."""
    cutter = Cutter(delimiter.encode())
    cells: list[list[str]] = [[] for _ in range(columns)]
    for _ in range(_SAMPLE):
        if start >= len(lines):
            break
        record = cutter.cut(lines, start, lambda: False)
        start = record.last + 1
        if record.code is None:
            for column, cell in zip(cells, record.cells, strict=False):
                if text := cell.decode(errors="replace").strip():
                    column.append(text)
    return cells
