"""What opens something inside the chat, from the form to the campaign file: a flow, products, a catalog."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from campaigns.message.content import MessageType
from web.pages.draft_fields import (
    MOST_ROWS,
    Changes,
    Fields,
    Form,
    boxes,
    list_of,
    pairs_of,
    table_changes,
    table_rows,
    text_of,
)

ACTIONS: Final = frozenset(
    {
        MessageType.LOCATION_REQUEST,
        MessageType.FLOW,
        MessageType.PRODUCT,
        MessageType.PRODUCTS,
        MessageType.CATALOG,
    }
)
_FLOW: Final[dict[str, Callable[[str], Any]]] = {
    "button": str.strip,
    **dict.fromkeys(("id", "name", "token", "screen"), text_of),
}


def action_changes(form: Form, kind: MessageType, old: Fields) -> Changes:
    """The key of this type; what it needs stays there where it is blank, to be asked for at its field."""
    key = f"content.{kind.value}"
    match kind:
        case MessageType.LOCATION_REQUEST:
            return {} if old.on(key) else {key: True}
        case MessageType.FLOW:
            return _flow(form, key, old)
        case MessageType.PRODUCT:
            return table_changes(form, key, {"catalog_id": str.strip, "id": str.strip}, old)
        case MessageType.PRODUCTS:
            return _products(form, key, old)
        case MessageType.CATALOG:
            return table_changes(form, key, {"thumbnail": text_of}, old)
    return {}


def _flow(form: Form, key: str, old: Fields) -> Changes:
    changes = table_changes(form, key, _FLOW, old)
    if key not in changes:
        return {}
    table = changes[key]
    for name, value in boxes(form, {f"{key}.draft": False}, old).items():
        table.update({"draft": True} if value else {})
        if not value:
            table.pop(str(name).rpartition(".")[2], None)
    if (data := pairs_of(form, f"{key}.data", old.raw(f"{key}.data"))) is not None:
        table["data"] = data
    if not table.get("data"):
        table.pop("data", None)
    return {key: table}


def _products(form: Form, key: str, old: Fields) -> Changes:
    changes = table_changes(form, key, {"catalog_id": str.strip, "title": str.strip}, old)
    if f"{key}.section[0].products" not in form:
        return changes
    raw = old.raw(f"{key}.sections")
    shown = Fields({"content": {"products": {"section": raw if isinstance(raw, list) else []}}})
    rows = table_rows(form, f"{key}.section", {"title": text_of, "products": list_of}, shown)
    sections: list[dict[str, Any]] = [{"products": [], **row} for row in rows[:MOST_ROWS]]
    return {key: {**(changes.get(key) or {}), "sections": sections or [{"products": []}]}}
