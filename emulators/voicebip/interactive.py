"""Meta's interactive object as far as Voicebip's page goes: quick reply buttons, or a list to scroll."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

LONGEST_ID = {"button": 256, "list": 200}


def interactive_problem(value: Any) -> str | None:
    """What is wrong with an interactive object, the first thing found, or None."""
    if not isinstance(value, dict) or value.get("type") not in ("button", "list"):
        return "must be an object of type button or list"
    return next(_problems(value), None)


def _problems(value: dict[str, Any]) -> Iterator[str]:
    kind = value["type"]
    yield from _unknown(value, {"type", "header", "body", "footer", "action"}, "interactive")
    yield from _texts(value.get("body"), "body", {"text"}, 1024 if kind == "button" else 4096)
    if "footer" in value:
        yield from _texts(value["footer"], "footer", {"text"}, 60)
    if "header" in value:
        yield from _header(value["header"])
    action = value.get("action")
    if not isinstance(action, dict):
        yield "action must be an object"
    elif kind == "button":
        yield from _buttons(action)
    else:
        yield from _list(action)


def _header(header: Any) -> Iterator[str]:
    if not isinstance(header, dict) or header.get("type") != "text":
        yield "header must be of type text"
        return
    yield from _texts({key: header[key] for key in header if key != "type"}, "header", {"text"}, 60)


def _buttons(action: dict[str, Any]) -> Iterator[str]:
    yield from _unknown(action, {"buttons"}, "action")
    buttons = action.get("buttons")
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= 3:
        yield "action.buttons must be 1 to 3 buttons"
        return
    titles = []
    for button in buttons:
        if not isinstance(button, dict) or button.keys() != {"type", "reply"} or button["type"] != "reply":
            yield "a button must be of type reply"
            return
        yield from _titled(button["reply"], "button", 20, LONGEST_ID["button"])
        titles.append(button["reply"].get("title"))
    if len(set(titles)) < len(titles):
        yield "button titles must differ"


def _list(action: dict[str, Any]) -> Iterator[str]:
    yield from _unknown(action, {"button", "sections"}, "action")
    yield from _length(action.get("button"), "action.button", 1, 20)
    sections = action.get("sections")
    if not isinstance(sections, list) or not 1 <= len(sections) <= 10:
        yield "action.sections must be 1 to 10 sections"
        return
    ids: list[Any] = []
    for section in sections:
        rows = section.get("rows") if isinstance(section, dict) else None
        if not isinstance(rows, list) or not rows:
            yield "a section must have rows"
            return
        yield from _unknown(section, {"title", "rows"}, "section")
        if "title" in section or len(sections) > 1:
            yield from _length(section.get("title"), "section title", 1, 24)
        for row in rows:
            yield from _titled(row, "row", 24, LONGEST_ID["list"], {"description"})
            ids.append(row["id"])
    if len(ids) > 10:
        yield "a list has at most 10 rows"
    if len(set(ids)) < len(ids):
        yield "row ids must differ"


def _titled(
    value: Any, what: str, longest_title: int, longest_id: int, more: set[str] | None = None
) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"a {what} must be an object"
        return
    yield from _unknown(value, {"id", "title", *(more or ())}, what)
    yield from _length(value.get("title"), f"{what} title", 1, longest_title)
    yield from _length(value.get("id"), f"{what} id", 1, longest_id)
    if "description" in value:
        yield from _length(value["description"], f"{what} description", 1, 72)


def _texts(value: Any, what: str, known: set[str], most: int) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{what} must be an object"
        return
    yield from _unknown(value, known, what)
    yield from _length(value.get("text"), f"{what}.text", 1, most)


def _unknown(value: dict[str, Any], known: set[str], what: str) -> Iterator[str]:
    for name in value.keys() - known:
        yield f"{name} is not a field of {what}"


def _length(value: Any, what: str, least: int, most: int) -> Iterator[str]:
    if not isinstance(value, str) or not least <= len(value.strip()) <= len(value) <= most:
        yield f"{what} must be a string of {least} to {most} characters"
