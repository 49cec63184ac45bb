"""Reads TOML files written by people; errors name the line, the key and the nearest known key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from campaigns.bounded_files import read_whole
from campaigns.errors import Fault, InvalidInput, NotFound, SpecError
from campaigns.frozen import frozen
from campaigns.message.part import Unmet
from campaigns.nearest import nearest

Loc = tuple[int | str, ...]

NAME: Final = r"^[a-z0-9][a-z0-9_-]*$"
"""What a campaign, a variant, a sender and a rate card may be called."""
DEEPEST: Final = 50
"""Tables and lists within each other."""


@frozen
class TomlFile:
    path: Path
    text: str
    data: dict[str, Any]

    def line_of(self, loc: Sequence[int | str]) -> int | None:
        """The line of the key `loc`, else of the nearest table around it."""
        best: tuple[int, int] | None = None
        for line, path in _keys(self.text):
            depth = _shared(path, loc)
            if depth == min(len(path), len(loc)) and depth and (best is None or depth > best[0]):
                best = (depth, line)
        return best[1] if best else None

    def error(self, loc: Sequence[int | str], message: str, *, hint: str = "") -> SpecError:
        """`message` about the key `loc`, with the file and the line."""
        return SpecError(f"{self.place(loc)}: {message}", hint=hint, faults=[Fault(tuple(loc), message)])

    def place(self, loc: Sequence[int | str]) -> str:
        """`spring.toml, line 2`"""
        line = self.line_of(loc)
        return f"{self.path.name}, line {line}" if line else self.path.name


def read_toml(path: Path) -> TomlFile:
    """The file at `path`. Raises NotFound where there is none, SpecError with the line if it is not TOML."""
    try:
        return parse_toml(path, read_whole(path))
    except SpecError:
        raise
    except InvalidInput as error:
        raise SpecError(str(error), hint=error.hint) from error


def parse_toml(path: Path, content: bytes) -> TomlFile:
    """The same for what is, or may become, the content of the file at `path`."""
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise SpecError(f"{path.name} is not UTF-8 text.", hint="Save it as UTF-8.") from error
    try:
        file = _parsed(path, text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(
            f"{path.name} is not valid TOML: {error}.", hint='Text goes in quotes: name = "spring-sale".'
        ) from error
    except RecursionError as error:
        raise _too_deep(path) from error
    except ValueError as error:  # a number of thousands of digits
        raise SpecError(f"{path.name} holds a number that is too long.", hint="Shorten it.") from error
    if _is_deep(file.data):
        raise _too_deep(path)
    return file


def _too_deep(path: Path) -> SpecError:
    return SpecError(f"{path.name} is nested too deeply.", hint="Check that this is the right file.")


def _is_deep(data: Mapping[str, Any]) -> bool:
    """Whether it is nested deeper than what reads and copies it can follow."""
    level: list[Any] = [data]
    for _ in range(DEEPEST):
        within = (outer.values() if isinstance(outer, Mapping) else outer for outer in level)
        level = [inner for each in within for inner in each if isinstance(inner, dict | list)]
        if not level:
            return False
    return True


def _parsed(path: Path, text: str) -> TomlFile:
    """The file; a key such as `Prénom` or `First Name`, which TOML wants in quotes, is read as if it had them."""
    lines = text.split("\n")
    while True:
        joined = "\n".join(lines)
        try:
            return TomlFile(path, joined, tomllib.loads(joined))
        except tomllib.TOMLDecodeError as error:
            at = re.search(_AT_LINE, str(error))
            bare = re.fullmatch(_BARE_KEY, lines[int(at[1]) - 1]) if at else None
            if at is None or bare is None:
                raise
            lines[int(at[1]) - 1] = f'"{bare[1]}"{bare[2]}'


def explain(
    error: ValidationError, file: TomlFile, model: type[BaseModel], within: Loc = (), *, hide: bool = False
) -> SpecError:
    """Every problem that pydantic found, a line each; `within`: where in the file the model's part begins. `hide`: a
    value may be a misplaced secret, so only its type is shown."""
    found = [_fault(detail, model, within, hide) for detail in _without_members(error.errors())]
    lines = [f"{file.place(fault.key)}: {fault.message}" for fault in found]
    return SpecError("\n".join(dict.fromkeys(lines)), faults=tuple(dict.fromkeys(found)))


_MEMBER: Final = r"(list|dict|literal|str-enum)\[.+\]"
"""How pydantic calls a member of a union, as if it were a key."""


def _without_members(details: Sequence[ErrorDetails]) -> Sequence[ErrorDetails]:
    """Without the members of unions: of all that are refused the one that the value is nearest to, and the values of
    several that name theirs together."""
    found: dict[Loc, ErrorDetails] = {}
    for detail in details:
        loc = tuple(part for part in detail["loc"] if not re.fullmatch(_MEMBER, str(part)))
        former = found.get(loc)
        if former and {former["type"], detail["type"]} <= {"enum", "literal_error"}:
            values = re.findall(r"'[^']*'", f"{former['ctx']['expected']} {detail['ctx']['expected']}")
            shown = f"Input should be {', '.join(values[:-1])} or {values[-1]}"
            found[loc] = {**former, "msg": shown}
        elif former is None or loc == detail["loc"]:
            found[loc] = {**detail, "loc": loc}
    members = [detail["loc"][: _member_at(detail["loc"])] for detail in details if _member_at(detail["loc"])]
    return [
        detail
        for loc, detail in found.items()
        if not (loc in members and any(len(other) > len(loc) and other[: len(loc)] == loc for other in found))
    ]


def _member_at(loc: Loc) -> int:
    """0: none."""
    return next((at for at, part in enumerate(loc) if re.fullmatch(_MEMBER, str(part))), 0)


@contextmanager
def placed(path: Path | None, key: str) -> Iterator[None]:
    """Adds the file and line of `key` to errors about its value; without a path, neither."""
    try:
        yield
    except (NotFound, SpecError) as error:
        if path is None:
            raise
        message = f"{read_toml(path).place((key,))}: {key}: {error}"
        raise type(error)(message, hint=error.hint) from error


def dotted(loc: Sequence[int | str]) -> str:
    """`content.images[0].url`"""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".")


def loc_of(key: str) -> Loc:
    """The opposite: the parts of `content.images[0].url`."""
    return tuple(int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", key))


def _fault(detail: ErrorDetails, model: type[BaseModel], within: Loc, hide: bool) -> Fault:
    loc = tuple(part for part in detail["loc"] if part != "[key]")
    message = _problem(detail, loc, model, within, hide)
    return Fault((*within, *loc), message, missing=detail["type"] == "missing")


def _problem(detail: ErrorDetails, loc: Loc, model: type[BaseModel], within: Loc, hide: bool) -> str:
    key = dotted((*within, *loc))
    match detail["type"]:
        case "extra_forbidden":
            return _unknown_key(loc, model, within)
        case "missing":
            return f"{key} is missing."
        case "value_error":
            message = str(detail["ctx"]["error"])
            return f"{key}: {message}." if key else f"{message}."
        case "dict_type" | "model_type" | "model_attributes_type" if hide:
            header = f"[[{dotted((*within, *loc[:-1]))}]]" if isinstance(loc[-1], int) else f"[{key}]"
            return f"{key} is a table, not {_kind(detail['input'])}: write its keys below {header}."
        case "list_type" | "sequence_str" if hide:
            return f"{key} is a list of tables, not {_kind(detail['input'])}: write each below [[{key}]]."
        case "string_pattern_mismatch" if detail["ctx"]["pattern"] == NAME:
            shown = "" if hide else f", not {detail['input']!r}"
            return f"{key}: use lower-case letters, digits, - and _, such as spring-sale{shown}."
        case "int_type" | "int_parsing" | "float_type" | "float_parsing" if (
            isinstance(detail["input"], str) and not hide
        ):
            kind = (
                "a whole number, such as 5" if detail["type"].startswith("int") else "a number, such as 2.5"
            )
            return f"{key}: write {kind}, not {detail['input']!r}."
        case other:
            message = f"{key}: {detail['msg'][:1].lower()}{detail['msg'][1:]}"
            if not hide:
                return f"{message}, not {detail['input']!r}."
            return f"{message}, not {_kind(detail['input'])}." if other.endswith("_type") else f"{message}."


def _kind(value: object) -> str:
    kinds = {
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a table",
    }
    return kinds.get(type(value), "a date or time")


def _unknown_key(loc: Loc, model: type[BaseModel], within: Loc) -> str:
    known = list(_fields_at(model, loc[:-1]))
    guess = nearest(str(loc[-1]).lower(), known)
    parent = (*within, *loc[:-1])
    if guess:
        return f"{dotted((*within, *loc))} is not known. Did you mean {dotted((*parent, guess))}?"
    return f"{dotted((*within, *loc))} is not known. Known here: {', '.join(sorted(known))}."


def _fields_at(model: type[BaseModel], loc: Loc) -> Mapping[str, Any]:
    """The fields of the model that `loc` leads to."""
    for part in loc:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = _inner_model(field.annotation) if field else None
        if inner is None:
            return {}
        model = inner
    return model.model_fields


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, Unmet):
        return annotation.model
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_inner_model(argument) for argument in get_args(annotation))
    return next((model for model in found if model is not None), None)


# Compiled where they are used, as only a wrong file needs them.
_AT_LINE: Final = r"at line (\d+), column \d+\)\Z"
_BARE_KEY: Final = (
    r"""\s*([^\W\d_](?=[^=]*[^\w\s-]|[^=]*[^\x00-\x7f]|[^=]*\S\s+\S)[^="'\[\]{}#\\.]*?)(\s*=\s*["'\d].*)"""
)
"""A key of letters, with spaces or letters and signs beyond ASCII, and its value."""
_HEADER: Final = r"""\s*\[(\[?)\s*([\w.\-"' ]+?)\s*\]\]?\s*(?:#.*)?$"""
_KEY: Final = r"""\s*((?:"[^"]*"|'[^']*'|[\w-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[\w-]+))*)\s*="""


def _keys(text: str) -> Iterator[tuple[int, Loc]]:
    """(line, path) of every table header and key."""
    table: Loc = ()
    counts: dict[Loc, int] = {}
    inside_text = False
    for number, line in enumerate(text.splitlines(), start=1):
        was_inside, inside_text = inside_text, inside_text ^ bool((line.count('"""') + line.count("'''")) % 2)
        if was_inside:
            continue
        if header := re.match(_HEADER, line):
            table = _numbered(_split(header[2]), counts)
            if header[1]:
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            yield number, table
        elif key := re.match(_KEY, line):
            yield number, (*table, *_split(key[1]))


def _numbered(table: Loc, counts: Mapping[Loc, int]) -> Loc:
    """`variants.content` is a table of the newest of [[variants]]."""
    path: Loc = ()
    for part in table:
        path = (*path, counts[path], part) if path in counts else (*path, part)
    return path


def _split(dotted_key: str) -> Loc:
    return tuple(part.strip().strip("\"'") for part in dotted_key.split("."))


def _shared(path: Sequence[int | str], loc: Sequence[int | str]) -> int:
    depth = 0
    for ours, theirs in zip(path, loc, strict=False):
        if ours != theirs:
            break
        depth += 1
    return depth
