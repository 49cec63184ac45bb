"""Parses the header line: the delimiter, the column names, and the column of phone numbers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from campaigns.errors import IntakeError
from campaigns.intake.cells import MAX_CELLS, Cutter
from campaigns.intake.defuse import from_rejects
from campaigns.intake.model import REJECT_COLUMNS, IntakeOptions
from campaigns.reject_codes import IntakeCode, RejectCode

DELIMITERS: Final = (",", ";", "\t", "|")
_SPELLED: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_ALIASES: Final = {"tab": "\t", "\\t": "\t"}
_QUOTES: Final = "\"'`´‘’‚‛“”„‟«»‹›"
_SEP_LINE: Final = re.compile(rb"sep=([,;\t|])[\r\n]*\Z", re.IGNORECASE)
_MAX_NAME: Final = 200

_PHONE_NAMES: Final = frozenset(
    {
        "phone", "phones", "phone_number", "phonenumber", "phone_no", "phone_e164", "e164", "msisdn",
        "mobile", "mobile_number", "mobilenumber", "mobile_phone", "mobile_no", "cell", "cellphone",
        "cell_phone", "cell_number", "whatsapp", "whatsapp_number", "whatsapp_phone", "tel", "telephone",
        "telephone_number", "contact_number", "gsm", "handphone",
        "telefon", "telefonnummer", "handy", "handynummer", "mobilnummer", "telefono", "celular", "movil",
        "telefone", "telemovel", "numero_de_telephone", "telephone_portable", "portable", "cellulare",
    }
)  # fmt: skip
"""Column names, folded and without accents, that mean phone numbers."""
_WEAK_NAMES: Final = frozenset({"number", "numero", "to", "recipient", "contact"})
"""Column names that mean phone numbers if none of the others is there."""


def clean_name(name: str) -> str:
    """A column's name without invisible characters, quotes and extra spaces."""
    text = unicodedata.normalize("NFKC", name)
    text = "".join("" if unicodedata.category(c) == "Cf" else c for c in text)
    return " ".join(text.split()).strip(_QUOTES + " ")


def fold(name: str) -> str:
    """The variable name of a column: `First Name`, `first-name` and `FIRST_NAME` become `first_name`."""
    return re.sub(r"[\s_-]+", "_", clean_name(name).lower()).strip("_")


@dataclass(frozen=True)
class Header:
    """The parsed header line."""

    delimiter: str
    columns: tuple[str, ...]
    """Cleaned names in the file's spelling, up to the last named column."""
    names: tuple[str, ...]
    """The variable of each column after --map; empty for a column without a name."""
    phone: int
    width: int
    """Number of cells in the line, including unnamed ones at the end."""
    first_line: int
    """Physical line of the first row below it."""
    lines: int = 1
    """How many physical lines it has."""

    @property
    def variables(self) -> dict[str, int]:
        """Variable -> column, without the phone column and the columns that a rejects file adds."""
        return {
            name: index
            for index, name in enumerate(self.names)
            if name and index != self.phone and name not in REJECT_COLUMNS
        }

    @property
    def available(self) -> tuple[str, ...]:
        """The variables that templates may use, including `phone`."""
        return ("phone", *(name for name in self.variables if name != "phone"))


def read_header(lines: list[bytes], start: int, options: IntakeOptions) -> Header:
    """The header in `lines[start]`, the first line that is not blank; lines keep their newlines."""
    told = _SEP_LINE.fullmatch(lines[start])
    if told and start + 1 < len(lines):
        start += 1
    delimiter = _ALIASES.get(options.delimiter or "", options.delimiter) or (
        told[1].decode() if told else None
    )
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
    names = _map_names(columns, options.columns, start + 1)
    _refuse_duplicates(columns, names, start + 1)
    phone = _find_phone(columns, names, options, start + 1)
    return Header(chosen, columns, names, phone, len(cells), last + 2, last - start + 1)


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
    )


def _count(line: bytes, delimiter: str) -> int:
    return len(Cutter(delimiter.encode()).cut([line], 0, lambda: False).cells)


def _has_phone(lines: list[bytes], start: int, delimiter: str) -> bool:
    record = Cutter(delimiter.encode()).cut(lines, start, lambda: False)
    return any(_is_phone_name(fold(cell.decode(errors="replace"))) for cell in record.cells)


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
    if fold(column) in folded:
        return folded.index(fold(column))
    raise IntakeError(
        IntakeCode.COLUMN_UNKNOWN,
        f"{flag} names the column {column!r}, which the file does not have.",
        line=line,
        column=column,
        hint=f"Its columns are: {', '.join(nearest(column, [name for name in columns if name]))}.",
    )


def nearest(wanted: str, names: list[str] | tuple[str, ...]) -> list[str]:
    """The names, most similar first."""
    folded = {fold(name): name for name in names}
    close = [folded[name] for name in get_close_matches(fold(wanted), list(folded), n=3, cutoff=0.5)]
    return close + [name for name in names if name not in close]


def _refuse_duplicates(columns: tuple[str, ...], names: tuple[str, ...], line: int) -> None:
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if name and name in seen:
            raise IntakeError(
                IntakeCode.COLUMN_DUPLICATE,
                f"Columns {seen[name] + 1} and {index + 1} are both called {name!r}.",
                line=line,
                column=columns[index],
                hint="Rename or remove one of them; case, spaces, _ and - make no difference.",
            )
        seen[name] = index


def _find_phone(columns: tuple[str, ...], names: tuple[str, ...], options: IntakeOptions, line: int) -> int:
    if options.phone_column:
        return _index_of(options.phone_column, columns, "--phone-column", line)
    if "phone" in {fold(name) for name in options.columns.values()}:
        return names.index("phone")
    found = [index for index, name in enumerate(names) if _is_phone_name(name)]
    found = found or [index for index, name in enumerate(names) if name in _WEAK_NAMES]
    if len(found) == 1:
        return found[0]
    if found:
        candidates = [columns[index] for index in found]
        raise IntakeError(
            IntakeCode.PHONE_COLUMN_AMBIGUOUS,
            f"The phone numbers may be in {' or '.join(map(repr, candidates))}.",
            line=line,
            column=candidates[0],
            hint=f"Choose one with --phone-column, for example --phone-column {candidates[0]!r}.",
        )
    raise IntakeError(
        IntakeCode.PHONE_COLUMN_MISSING,
        f"No column name means phone numbers; the columns are: {', '.join(filter(None, columns[:20]))}.",
        line=line,
        hint="Name it with --phone-column. The first line must be a header, not a recipient.",
    )


def _is_phone_name(name: str) -> bool:
    plain = unicodedata.normalize("NFD", name).encode("ascii", "ignore").decode()
    return plain in _PHONE_NAMES
