"""Forms of a draft whose fields are keys of the campaign file: what a page shows at a key, and what a form changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from datetime import datetime
from typing import Any, Final

from app.actions.drafts.drafts import fault_at
from campaigns.errors import InvalidInput, SpecError
from campaigns.spec.toml_files import Loc, loc_of
from web.pages.site import sentences_of

Form = Mapping[str, str]
Changes = dict[str | Loc, Any]
NONE: Final[Mapping[str, str]] = {}
MOST_ROWS: Final = 30
"""Rows of a table that a form may have."""


class Fields:
    """What a page shows: the values of the campaign file, with what was just entered, and the problems at their
    keys."""

    def __init__(
        self, data: Mapping[str, Any], entered: Changes | None = None, problem: InvalidInput | None = None
    ) -> None:
        self.data = with_changes(data, entered or {})
        found = [fault_at(fault) for fault in problem.faults] if isinstance(problem, SpecError) else []
        self.problems = dict(found)
        self.general = "" if found or problem is None else sentences_of(problem)
        """A problem of no field in particular."""

    def raw(self, key: str | Loc) -> Any:
        """The value at the key; None: there is none."""
        value: Any = self.data
        for part in loc_of(key) if isinstance(key, str) else key:
            try:
                value = value[part]
            except (LookupError, TypeError):
                return None
        return value

    def text(self, key: str | Loc, default: str = "") -> str:
        """As an input shows it."""
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, list):
            return ", ".join(map(str, value))
        if isinstance(value, datetime):
            return value.isoformat(timespec="seconds" if value.second else "minutes")
        return str(value).lower() if isinstance(value, bool) else str(value)

    def on(self, key: str, default: bool = False) -> bool:
        value = self.raw(key)
        return value if isinstance(value, bool) else default

    def rows(self, key: str, least: int, spare: int = 1, most: int = MOST_ROWS) -> range:
        """The rows to show of a list: those that there are, and some to fill in."""
        value = self.raw(key)
        there = len(value) if isinstance(value, list) else 0
        return range(max(there, min(most, max(least, there + spare))))

    def pairs(self, key: str, spare: int = 2) -> list[tuple[str, str]]:
        """The names and texts of a table, and some to fill in."""
        value = self.raw(key)
        there = [(str(name), str(text)) for name, text in value.items()] if isinstance(value, dict) else []
        return [*there, *[("", "")] * spare][:MOST_ROWS]

    def problem(self, key: str) -> str:
        return self.problems.get(key, "")

    def problem_within(self, key: str) -> str:
        """A problem at the key or anywhere below it."""
        below = (f"{key}.", f"{key}[")
        return next((text for at, text in self.problems.items() if at == key or at.startswith(below)), "")


def with_changes(data: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """The data as they would be."""
    changed = deepcopy(dict(data))
    for key, value in changes.items():
        _put(changed, loc_of(key) if isinstance(key, str) else key, value)
    return changed


def _put(table: dict[str, Any], loc: Loc, value: Any) -> None:
    *around, last = map(str, loc)
    for name in around:
        inner = table.get(name)
        if not isinstance(inner, dict):
            if value is None:
                return
            inner = table[name] = {}
        table = inner
    if value is None:
        table.pop(last, None)
    else:
        table[last] = value


def text_of(value: str) -> str | None:
    """A line; None: it is blank."""
    return value.strip() or None


def long_text_of(value: str) -> str | None:
    """A text whose spaces and lines count."""
    return value.replace("\r\n", "\n") if value.strip() else None


def number_of(value: str) -> float | int | str | None:
    """A number, or what was written in its place, for the campaign file's own check to explain."""
    text = value.strip()
    if re.fullmatch(r"[-+]?\d{1,15}", text):
        return int(text)
    if re.fullmatch(r"[-+]?\d{1,15}\.\d{1,10}", text):
        return float(text)
    return text or None


def list_of(value: str) -> list[str] | None:
    """Texts between commas."""
    return [part.strip() for part in value.split(",") if part.strip()] or None


def numbers_of(value: str) -> list[Any] | None:
    return [number_of(part) for part in list_of(value) or ()] or None


def scalars(
    form: Form, keys: Mapping[str, Callable[[str], Any]], old: Fields, defaults: Mapping[str, str] = NONE
) -> Changes:
    """The keys that the form changes, as the campaign file holds them; blank: none. `defaults`: what the form shows
    where the file has nothing."""
    return {
        key: read(form[key])
        for key, read in keys.items()
        if key in form and not is_same(form[key], old.text(key, defaults.get(key, "")))
    }


def boxes(form: Form, defaults: Mapping[str, bool], old: Fields) -> Changes:
    """The same of boxes to tick."""
    return {
        key: None if (key in form) == default else key in form
        for key, default in defaults.items()
        if f"has-{key}" in form and old.on(key, default) != (key in form)
    }


def table_rows(
    form: Form,
    key: str,
    fields: Mapping[str, Callable[[str], Any]],
    old: Fields,
    silent: Sequence[str] = (),
    needs: Sequence[str] = (),
    defaults: Mapping[str, str] = NONE,
) -> list[dict[str, Any]]:
    """The rows of a list of tables, without those that are blank; a row keeps what no field of the form shows.
    `silent`: fields that have a value even in a blank row, such as a choice; `needs`: those that stay where blank."""
    rows = []
    for place in range(MOST_ROWS):
        at = f"{key}[{place}]"
        given = {name: form[f"{at}.{name}"] for name in fields if f"{at}.{name}" in form}
        if not any(value.strip() for name, value in given.items() if name not in silent):
            continue
        read = {
            name: fields[name](value) or ("" if name in needs else None)
            for name, value in given.items()
            if not is_same(value, old.text(f"{at}.{name}", defaults.get(name, "")))
        }
        kept = old.raw(at)
        rows.append(merged(kept if isinstance(kept, dict) else {}, read))
    return rows


def table_changes(form: Form, key: str, readers: Mapping[str, Callable[[str], Any]], old: Fields) -> Changes:
    """A table of the file, as a whole; it keeps what the form does not show."""
    names = [name for name in readers if f"{key}.{name}" in form]
    if not names:
        return {}
    kept = old.raw(key)
    given = {
        name: readers[name](form[f"{key}.{name}"])
        for name in names
        if form[f"{key}.{name}"] != old.text(f"{key}.{name}") or old.raw(f"{key}.{name}") is None
    }
    return {key: merged(kept if isinstance(kept, dict) else {}, given)}


def pairs_of(form: Form, key: str, kept: Any) -> dict[str, Any] | None:
    """A table of names and texts, each a row of the form; None: the form has none. One whose text is as shown keeps its
    value."""
    if f"{key}[0].name" not in form:
        return None
    old = kept if isinstance(kept, dict) else {}
    pairs = {}
    for place in range(MOST_ROWS):
        name, text = form.get(f"{key}[{place}].name", "").strip(), form.get(f"{key}[{place}].text", "")
        if name:
            pairs[name] = old[name] if name in old and is_same(text, str(old[name])) else text
    return pairs


def is_same(given: str, shown: str) -> bool:
    return given.replace("\r\n", "\n").strip("\n") == shown.replace("\r\n", "\n").strip("\n")


def with_one_place(table: dict[str, Any]) -> dict[str, Any]:
    """A media file that an address was given for has no file of the draft any more."""
    own = ("file", "digest") if table.get("url") else ()
    return {name: value for name, value in table.items() if name not in own}


def merged(kept: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """`kept` with the values given; None takes one away."""
    both = {**kept, **given}
    return {name: value for name, value in both.items() if value is not None}
