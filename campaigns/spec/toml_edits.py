"""Changes some keys of a TOML file and keeps the rest of its text: its comments, its order and all other keys."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

from campaigns.errors import SpecError
from campaigns.spec.toml_files import Loc, TomlFile

Changes = Mapping[Loc, Any]
"""Key -> its new value; None: the key is removed. Values are texts, numbers, lists and tables as `tomllib` has them."""
_QUOTES: Final = '"""'


def edited(file: TomlFile, changes: Changes) -> str:
    """The text with these keys changed. Raises SpecError if it is written in a way that cannot be changed safely."""
    try:
        wanted, document = copy.deepcopy(file.data), tomlkit.parse(file.text)
        for key, value in changes.items():
            _put(wanted, key, value, _replace)
            _put(document, key, value, _change)
        text = _without_headers(tomlkit.dumps(document), changes, wanted)
        if tomllib.loads(text) == wanted:
            return text
    except (
        TOMLKitError,
        tomllib.TOMLDecodeError,
        LookupError,
        TypeError,
        AttributeError,
        ValueError,
    ) as error:
        raise _unsafe(file) from error
    raise _unsafe(file)


def written(data: Mapping[str, Any]) -> str:
    """The text of a new file with these keys."""
    return tomlkit.dumps({key: _item(value) for key, value in data.items()})


def _unsafe(file: TomlFile) -> SpecError:
    return SpecError(
        f"{file.path.name} is written in a way that this form cannot change without losing something.",
        hint="Change it as text.",
    )


def _put(table: Any, key: Loc, value: Any, assign: Callable[[Any, int | str, Any], None]) -> None:
    """Set or remove the key; tables around it that have nothing left are removed too."""
    first, *rest = key
    if not rest:
        if value is not None:
            assign(table, first, value)
        elif first in table:
            del table[first]
        return
    if isinstance(table, dict) and first not in table:
        if value is None:
            return
        table[first] = {}
    _put(table[first], tuple(rest), value, assign)
    if value is None and table[first] == {} and not _has_comments(table[first]):
        del table[first]


def _replace(table: Any, key: int | str, value: Any) -> None:
    table[key] = copy.deepcopy(value)


def _change(table: Any, key: int | str, value: Any) -> None:
    """Replace as little as possible."""
    old = table[key] if not isinstance(table, dict) or key in table else None
    if old is not None and old == value and isinstance(value, bool) == isinstance(old, bool):
        return
    if isinstance(old, dict) and isinstance(value, dict):
        for gone in [name for name in old if name not in value]:
            del old[gone]
        for name, inner in value.items():
            _change(old, name, inner)
    else:
        table[key] = _item(value)


def _item(value: Any) -> Any:
    """A text of several lines is written as such, its first line below the quotes."""
    if not isinstance(value, str) or "\n" not in value:
        return value
    written = tomlkit.string(value, multiline=True).as_string()
    return tomlkit.value(written if value.startswith("\n") else written.replace(_QUOTES, f"{_QUOTES}\n", 1))


def _has_comments(table: Any) -> bool:
    return "#" in table.as_string() or bool(table.trivia.comment) if hasattr(table, "trivia") else False


def _without_headers(text: str, changes: Changes, wanted: Mapping[str, Any]) -> str:
    """A table that has only comments left becomes a comment as a whole, because an empty table may mean something."""
    lines, left = text.split("\n"), tomllib.loads(text)
    for key in changes:
        for depth in range(1, len(key)):
            header = "[" + ".".join(map(str, key[:depth])) + "]"
            if _has(left, key[:depth]) and not _has(wanted, key[:depth]):
                lines = [f"# {line}" if line.strip().startswith(header) else line for line in lines]
    return "\n".join(lines)


def _has(data: Any, key: Loc) -> bool:
    for part in key:
        if not isinstance(data, dict) or part not in data:
            return False
        data = data[part]
    return True
