"""Validates well-formed rows: blank cells, countries, phone numbers. The only file that uses pandas."""

from __future__ import annotations

import zlib
from dataclasses import replace
from functools import lru_cache
from io import BytesIO
from itertools import compress
from typing import Final, Protocol, TypeVar

import orjson

from campaigns.intake.defuse import from_rejects
from campaigns.intake.header import Header
from campaigns.intake.model import (
    REJECT_COLUMNS,
    Chunk,
    IntakeOptions,
    RecipientFields,
    Reject,
    RowPreference,
)
from campaigns.intake.preference_columns import PreferenceColumns
from campaigns.intake.recipient_columns import Fault, RecipientColumns
from campaigns.intake.scan import NUL_REASON, Rows
from campaigns.phones.country_names import find_country
from campaigns.phones.phone import BUCKETS, PhoneFault, quick_pair, read_by_library, read_phone
from campaigns.phones.user_ids import PLACEHOLDER, PREFIX, SENDABLE, country_of, name_of
from campaigns.reject_codes import RejectCode

_SPACE: Final = (
    " \t\n\r\v\f\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\u200b\u200c\u200d\u2060\ufeff"
)
"""Stripped from both ends of a cell: all kinds of spaces, including invisible ones."""

_INVISIBLE: Final = tuple(character.encode() for character in "\u200b\u200c\u200d\u2060\ufeff")

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
_Found = list[tuple[str, str | None] | None]
"""Per row: number and region; None where the row is not accepted."""
_Faults = dict[int, tuple[str, RejectCode, str]]
"""Position -> column, code, reason."""


class _Columns(Protocol[T_co]):
    def __bool__(self) -> bool:
        """Whether the file has any of the columns."""

    def read(self, cells: dict[int, list[str]], at: int) -> T_co | Fault:
        """The value of the row at that position, or what is wrong with the row."""


class Checker:
    """Turns the rows of one file into chunks."""

    def __init__(self, header: Header, options: IntakeOptions) -> None:
        self._header = header
        self._default = options.default_country
        self._landlines = options.landlines == "accept"
        self._variables = header.variables
        self._required = [self._variables[name] for name in sorted(options.required & self._variables.keys())]
        self._with_phone = "phone" in options.required - self._variables.keys()
        self._country = self._variables.get("country_code")
        defaults = options.preference_defaults
        self._recipient_columns = RecipientColumns(header, options) if defaults is None else None
        self._preference_columns = PreferenceColumns(header, defaults) if defaults is not None else None
        self._user_id = header.user_id if defaults is None else None
        self._user_ids = options.user_ids if defaults is None else None
        self._origin = header.names.index("drumbeat_line") if "drumbeat_line" in header.names else None
        self._is_escaped = any(name in REJECT_COLUMNS for name in header.names)
        """Whether Drumbeat wrote the file: its cells are made safe to open, and are restored."""
        self._phones = (header.phone, *header.spares)
        wanted = {*self._phones, *self._variables.values(), *header.where, *_given(header.consent)} | (
            {*_given(self._origin), *_given(self._user_id)}
        )
        self._used = sorted(wanted)

    def check(self, rows: Rows) -> Chunk:
        """Read and validate one batch of rows."""
        cells = self._read(rows)
        rows, cells, left_out = self._filter(rows, cells)
        origins = self._origins(cells, len(rows.records))
        respelt: dict[int, str] = {}
        found, faults = self._judge(cells, respelt)
        self._refuse_nul(cells, found, faults)
        self._require(cells, found, faults)
        recipient_fields = self._extra_columns(self._recipient_columns, cells, found, faults)
        preferences = self._extra_columns(self._preference_columns, cells, found, faults)
        rejects = self._rejects(rows, cells, faults, origins)
        chunk = self._pack(rows, cells, found, origins, rejects, recipient_fields, preferences, left_out)
        chunk.user_ids.update(self._pairs(cells, found))
        chunk.respelt.extend((cell, pair[0]) for at, cell in respelt.items() if (pair := found[at]))
        return chunk

    def _read(self, rows: Rows) -> dict[int, list[str]]:
        """Column -> its cells as text, without space around them."""
        if not rows.records:
            return {index: [] for index in self._used}
        text = rows.text()
        columns = self._parsed(text) if b'"' in text else self._split(rows.records)
        # str.strip() without arguments strips all visible spaces, and is faster.
        space = _SPACE if any(mark in text for mark in _INVISIBLE) else None
        cells = {index: [cell.strip(space) for cell in column] for index, column in columns.items()}
        if self._is_escaped:
            return {index: [from_rejects(cell) for cell in column] for index, column in cells.items()}
        return cells

    def _split(self, records: list[bytes]) -> dict[int, list[str]]:
        """Column -> its cells, of rows without a quote: every delimiter ends a cell, as `_parsed` would find."""
        delimiter = self._header.delimiter
        cells = delimiter.encode().join(records).decode().split(delimiter)
        return {index: cells[index :: self._header.width] for index in self._used}

    def _parsed(self, text: bytes) -> dict[int, list[str]]:
        """Column -> its cells, some of which are quoted."""
        import pandas as pd  # takes longer than all else that most commands load

        frame = pd.read_csv(
            BytesIO(text),
            sep=self._header.delimiter,
            header=None,
            names=range(self._header.width),
            usecols=self._used,
            index_col=False,
            dtype=object,
            keep_default_na=False,
            na_filter=False,
            skip_blank_lines=False,
            low_memory=False,
        )
        return {index: frame[index].tolist() for index in self._used}

    def _filter(self, rows: Rows, cells: dict[int, list[str]]) -> tuple[Rows, dict[int, list[str]], int]:
        """The rows that `where` chooses, their cells, and how many others there are that are not blank."""
        if not self._header.where:
            return rows, cells, 0
        kept = [
            all(cells[column][at] in wanted for column, wanted in self._header.where.items())
            for at in range(len(rows.records))
        ]
        left_out = sum(
            not self._is_blank(rows.records[at], [cells[column][at] for column in self._used])
            for at, keeps in enumerate(kept)
            if not keeps
        )
        return rows.only(kept), {column: list(compress(cells[column], kept)) for column in cells}, left_out

    def _origins(self, cells: dict[int, list[str]], count: int) -> list[int | None]:
        if self._origin is None:
            return [None] * count
        return [int(cell) if cell.isascii() and cell.isdigit() else None for cell in cells[self._origin]]

    def _judge(self, cells: dict[int, list[str]], respelt: dict[int, str]) -> tuple[_Found, _Faults]:
        """Each row's number: by the fast path where its answer is certain, else by the library."""
        phones = cells[self._header.phone]
        faults: _Faults = {}
        countries = self._countries(cells, faults)
        if countries is None:
            default = self._default
            found: _Found = [quick_pair(phone, default) for phone in phones]
        else:
            found = [quick_pair(phone, country) for phone, country in zip(phones, countries, strict=True)]
        for at, pair in enumerate(found):
            if pair is None and at not in faults:
                country = countries[at] if countries else self._default
                found[at] = self._ask(cells, country, at, faults, respelt)
        for at in faults:
            found[at] = None
        return found, faults

    def _ask(
        self,
        cells: dict[int, list[str]],
        country: str | None,
        at: int,
        faults: _Faults,
        respelt: dict[int, str],
    ) -> tuple[str, str | None] | None:
        """The first usable number of the phone columns; if there is none, what is wrong with the first that is not
        blank."""
        first: tuple[int, PhoneFault] | None = None
        for column in self._phones:
            if PLACEHOLDER.fullmatch(cells[column][at]):
                return self._of_user_id(column, cells[column][at], at, faults)
            # The fast path has tried the first column.
            read = _asked if column == self._header.phone else read_phone
            answer = read(cells[column][at], country, landlines=self._landlines)
            if not isinstance(answer, PhoneFault):
                if answer.respelt:
                    respelt[at] = cells[column][at]
                return answer.number, answer.region
            blank = answer.code is RejectCode.PHONE_MISSING
            if first is None or (first[1].code is RejectCode.PHONE_MISSING and not blank):
                first = column, answer
        if self._user_id is not None and (user_id := cells[self._user_id][at]):
            if not SENDABLE.fullmatch(user_id):
                reason = f"{user_id[:40]!r} is not a user id such as US.13491208655302741918."
                faults[at] = (self._header.columns[self._user_id], RejectCode.USER_ID_INVALID, reason)
                return None
            account = self._user_ids.account if self._user_ids else ""
            return self._of_user_id(self._user_id, name_of(account, user_id), at, faults)
        if first is not None:
            faults[at] = (self._header.columns[first[0]], first[1].code, first[1].reason)
        return None

    def _of_user_id(self, column: int, name: str, at: int, faults: _Faults) -> tuple[str, str | None] | None:
        """A person who is known by a user id alone."""
        account, _, user_id = name.removeprefix(PREFIX).partition("/")
        code, reason = RejectCode.USER_ID_UNSENDABLE, None
        if self._user_ids is not None and self._user_ids.account not in ("", account):
            reason = f"The user id is of the account {account}, not of {self._user_ids.account}."
        elif self._user_ids is not None:
            reason = self._user_ids.unsendable
        if reason is None and self._with_phone:
            code, reason = (
                RejectCode.BLANK_VARIABLE,
                "The message needs 'phone', and the number is not known.",
            )
        if reason is None:
            return name, country_of(user_id)
        faults[at] = (self._header.columns[column], code, reason)
        return None

    def _pairs(self, cells: dict[int, list[str]], found: _Found) -> dict[str, str]:
        """User id -> number, of the accepted rows that have both."""
        if self._user_id is None or self._user_id == self._header.phone:
            return {}
        rows = zip(cells[self._user_id], found, strict=True)
        return {
            user_id: pair[0]
            for user_id, pair in rows
            if pair and pair[0].startswith("+") and SENDABLE.fullmatch(user_id)
        }

    def _countries(self, cells: dict[int, list[str]], faults: _Faults) -> list[str | None] | None:
        """The country of each row's local numbers; None without a country_code column."""
        if self._country is None:
            return None
        countries: list[str | None] = []
        for at, cell in enumerate(cells[self._country]):
            country = find_country(cell) if cell else None
            if cell and country is None:
                reason = f"{cell[:20]!r} is not a country such as GB, France or +44."
                faults[at] = (self._header.columns[self._country], RejectCode.COUNTRY_INVALID, reason)
            countries.append(country or self._default)
        return countries

    def _refuse_nul(self, cells: dict[int, list[str]], found: _Found, faults: _Faults) -> None:
        """Reject NUL characters: a rejects file shows them as escapes, and unescaping restores them."""
        if not self._is_escaped:
            return
        for column in self._variables.values():
            for at, cell in enumerate(cells[column]):
                if "\0" in cell and at not in faults:
                    faults[at] = (self._header.columns[column], RejectCode.NUL, NUL_REASON)
                    found[at] = None

    def _require(self, cells: dict[int, list[str]], found: _Found, faults: _Faults) -> None:
        for column in self._required:
            for at, cell in enumerate(cells[column]):
                if not cell and at not in faults:
                    name = self._header.columns[column]
                    faults[at] = (
                        name,
                        RejectCode.BLANK_VARIABLE,
                        f"The message needs {name!r}, but the cell is blank.",
                    )
                    found[at] = None

    def _extra_columns(
        self, columns: _Columns[T] | None, cells: dict[int, list[str]], found: _Found, faults: _Faults
    ) -> list[T] | None:
        """The parsed columns of each accepted row, None without such columns; rejects rows with an invalid cell."""
        if not columns:
            return None
        values: list[T] = []
        for at, pair in enumerate(found):
            if pair is None:
                continue
            read = columns.read(cells, at)
            if not isinstance(read, Fault):
                values.append(read)
                continue
            faults[at] = (self._header.columns[read.column], read.code, read.reason)
            found[at] = None
        return values

    def _rejects(
        self, rows: Rows, cells: dict[int, list[str]], faults: _Faults, origins: list[int | None]
    ) -> list[Reject]:
        rejects = [self._with_origin(reject) for reject in rows.rejects]
        for at, (column, code, reason) in faults.items():
            record = rows.records[at]
            if code is RejectCode.PHONE_MISSING and self._is_blank(
                record, [cells[c][at] for c in self._used]
            ):
                continue
            rejects.append(Reject(rows.lines[at], column, code, reason, record.decode(), origins[at]))
        return sorted(rejects, key=lambda reject: reject.line)

    def _with_origin(self, reject: Reject) -> Reject:
        """Add `drumbeat_line`, counted from the row's end: a malformed row mostly has a surplus delimiter before
        that."""
        if self._origin is None:
            return reject
        back = self._header.width - self._origin
        cells = reject.raw.rsplit(self._header.delimiter, back)
        cell = cells[-back].strip(_SPACE + '"') if len(cells) >= back else ""
        return replace(reject, origin=int(cell)) if cell.isascii() and cell.isdigit() else reject

    def _is_blank(self, record: bytes, cells: list[str]) -> bool:
        """A row of delimiters only, as spreadsheets write below their last row."""
        bare = record.replace(self._header.delimiter.encode(), b"").replace(b'"', b"")
        return not any(cells) and not bare.decode().strip(_SPACE)

    def _pack(
        self,
        rows: Rows,
        cells: dict[int, list[str]],
        found: _Found,
        origins: list[int | None],
        rejects: list[Reject],
        recipient_fields: list[RecipientFields] | None,
        preferences: list[RowPreference] | None,
        left_out: int,
    ) -> Chunk:
        keep = [pair is not None for pair in found]
        pairs = [pair for pair in found if pair is not None]
        phones = [number for number, _ in pairs]
        return Chunk(
            lines=list(compress(rows.lines, keep)),
            phones=phones,
            regions=[region for _, region in pairs],
            buckets=[zlib.crc32(number.encode()) % BUCKETS for number in phones],
            vars=self._vars(cells, keep, phones),
            raws=list(compress(rows.records, keep)),
            origins=list(compress(origins, keep)),
            rejects=rejects,
            recipient_fields=recipient_fields,
            preferences=preferences,
            left_out=left_out,
        )

    def _vars(self, cells: dict[int, list[str]], keep: list[bool], phones: list[str]) -> list[str]:
        """Each accepted row's variables as JSON; the number itself only if the content uses it."""
        columns = {name: list(compress(cells[index], keep)) for name, index in self._variables.items()}
        if self._with_phone:
            columns["phone"] = phones
        if not columns:
            return ["{}"] * len(phones)
        members = (f"{_json(name)}:".replace("%", "%%") + '"%s"' for name in columns)
        row = f"{{{','.join(members)}}}"
        return [row % values for values in zip(*map(_inside_quotes, columns.values()), strict=True)]


_asked = lru_cache(maxsize=256)(read_by_library)
"""What is in place of a number mostly repeats: nothing, `n/a`, `-`."""


def _given(column: int | None) -> list[int]:
    return [] if column is None else [column]


def _inside_quotes(cells: list[str]) -> list[str]:
    """The cells as JSON strings without the surrounding quotes; most need no escaping."""
    if b"\\" not in orjson.dumps(cells):
        return cells
    return [_json(cell)[1:-1] for cell in cells]


def _json(text: str) -> str:
    return orjson.dumps(text).decode()
