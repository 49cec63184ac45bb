"""From the form of the message step to the keys of the campaign file. What the form does not show stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from campaigns.message.content import MessageType
from web.pages.draft_fields import (
    Changes,
    Fields,
    Form,
    boxes,
    long_text_of,
    merged,
    number_of,
    scalars,
    table_changes,
    table_rows,
    text_of,
    with_one_place,
)
from web.pages.message.action_form import ACTIONS, action_changes
from web.pages.message.template_form import template_changes

Reader = Callable[[str], Any]
KIND: Final = "kind"
SENDER: Final = "sender"
_TABLES: Final = {MessageType.IMAGE: "images"}
"""Types whose key has another name."""
SHOWN: Final = frozenset(
    {
        MessageType.TEXT,
        MessageType.IMAGE,
        MessageType.VIDEO,
        MessageType.AUDIO,
        MessageType.DOCUMENT,
        MessageType.STICKER,
        MessageType.FILES,
        MessageType.LOCATION,
        MessageType.CONTACTS,
        MessageType.REACTION,
        MessageType.LIST,
        MessageType.TEMPLATE,
        *ACTIONS,
    }
)
"""The types that the form has fields for; any other is written in the campaign file, and stays as it is."""
_TEXTED: Final = frozenset(
    {
        MessageType.TEXT,
        MessageType.IMAGE,
        MessageType.VIDEO,
        MessageType.DOCUMENT,
        MessageType.FILES,
        MessageType.LIST,
        *ACTIONS,
    }
)
_BUTTONED: Final = _TEXTED - ACTIONS - {MessageType.LIST}
_HEADED: Final = {
    "content.header": frozenset({MessageType.TEXT, MessageType.FLOW}),
    "content.footer": _TEXTED - {MessageType.LOCATION_REQUEST},
    "content.preview_url": frozenset({MessageType.TEXT}),
}
_BUTTON: Final[dict[str, Reader]] = dict.fromkeys(("type", "text", "id", "payload", "url"), text_of)
_BELONGS: Final = {"reply": "id", "postback": "payload", "link": "url"}
_FILE: Final[dict[str, Reader]] = dict.fromkeys(
    ("url", "id", "file", "alt", "filename", "content_type"), text_of
)
_PLACE: Final[dict[str, Reader]] = {
    "latitude": number_of,
    "longitude": number_of,
    "name": text_of,
    "address": text_of,
}
_LIST_ROW: Final[dict[str, Reader]] = dict.fromkeys(("section", "title", "description", "id"), text_of)
_CONTACT: Final = ("formatted_name", "first_name", "last_name")
_TOP: Final[dict[str, Reader]] = {"category": text_of}
_OTHER: Final[dict[str, Reader]] = dict.fromkeys(
    ("content.reply_to", "content.prefer", "content.closed_window"), text_of
)
_WINNER: Final[dict[str, Reader]] = {
    "winner.by": text_of,
    "winner.after": text_of,
    "winner.test_percent": number_of,
    "winner.minimum": number_of,
    "winner.tie": text_of,
}


DEFAULTS: Final = {
    "category": "marketing",
    "content.prefer": "free",
    "content.closed_window": "skip",
    "winner.tie": "first",
}
"""What the choices show where the file has nothing."""


def without_unfinished(changes: Changes) -> Changes:
    """Without the file that is still to be uploaded, and with the kinds that it will take the place of."""
    kinds = {_key(kind) for kind in MessageType if kind not in (MessageType.TEXT, MessageType.TEMPLATE)}
    blank = ([{"url": ""}], {"url": ""})
    return {
        key: value
        for key, value in changes.items()
        if value not in blank and not (key in kinds and value is None)
    }


def kind_of(fields: Fields) -> MessageType:
    """The type of the free-form message that the campaign file has; a template alone is one too."""
    for kind in MessageType:
        if kind not in (MessageType.TEXT, MessageType.TEMPLATE) and fields.raw(_key(kind)) not in (
            None,
            [],
            False,
        ):
            return kind
    has_text = fields.raw("content.text") is not None
    return MessageType.TEMPLATE if fields.raw("content.template") and not has_text else MessageType.TEXT


def changes_of(form: Form, data: Mapping[str, Any]) -> Changes:
    """What the form changes in the campaign file that has these data."""
    old = Fields(data)
    kind = MessageType(form[KIND]) if form.get(KIND) in set(MessageType) else kind_of(old)
    changes: Changes = {
        **_senders(form, old),
        **scalars(form, _TOP | _OTHER, old, DEFAULTS),
        **_variants(form, old),
    }
    changes |= boxes(form, {"content.literal_placeholders": False}, old)
    changes |= _kind_changes(form, kind, old)
    changes |= template_changes(form, old)
    changes |= _defaults(form, old)
    return changes


def _key(kind: MessageType) -> str:
    return f"content.{_TABLES.get(kind, kind.value)}"


def _senders(form: Form, old: Fields) -> Changes:
    """Each box is named after its account and sender."""
    if f"has-{SENDER}" not in form:
        return {}
    chosen = [name.removeprefix(f"{SENDER}:") for name in form if name.startswith(f"{SENDER}:")]
    if set(chosen) == set(lanes_of(old)):
        return {}
    if not chosen:
        return {"provider": None, "senders": None}
    account = min(lane.partition("/")[0] for lane in chosen)
    return {
        "provider": account,
        "senders": [lane.partition("/")[2] for lane in chosen if lane.startswith(f"{account}/")],
    }


def lanes_of(fields: Fields) -> list[str]:
    """The senders that the file names, as account/sender."""
    senders = fields.raw("senders")
    named = senders if isinstance(senders, list) else []
    return [f"{fields.text('provider')}/{sender}" for sender in named]


def chosen_accounts(form: Form) -> set[str]:
    return {
        name.removeprefix(f"{SENDER}:").partition("/")[0] for name in form if name.startswith(f"{SENDER}:")
    }


def _kind_changes(form: Form, kind: MessageType, old: Fields) -> Changes:
    """The keys of this type; those of every other type go, for a message has one."""
    if kind not in SHOWN:
        return {}
    changes: Changes = {
        _key(other): None
        for other in MessageType
        if other not in (kind, MessageType.TEXT, MessageType.TEMPLATE) and old.raw(_key(other)) is not None
    }
    if "content.text" in form or kind not in _TEXTED:
        changes |= (
            scalars(form, {"content.text": long_text_of}, old) if kind in _TEXTED else {"content.text": None}
        )
    changes |= _buttons(form, kind, old)
    for key, kinds in _HEADED.items():
        if kind not in kinds and old.raw(key) is not None:
            changes[key] = None
    shown = {key: text_of for key in ("content.header", "content.footer") if kind in _HEADED[key]}
    changes |= scalars(form, shown, old)
    if kind is MessageType.TEXT:
        changes |= boxes(form, {"content.preview_url": False}, old)
    return {**changes, **_own_table(form, kind, old)}


def _own_table(form: Form, kind: MessageType, old: Fields) -> Changes:
    """The key that only this type has. What it needs stays there where it is blank, to be asked for at its field."""
    key = _key(kind)
    match kind:
        case MessageType.IMAGE | MessageType.FILES if f"{key}[0].url" in form:
            rows = [with_one_place(row) for row in table_rows(form, key, _FILE, old)]
            return {key: rows or [{"url": ""}]}
        case MessageType.VIDEO | MessageType.AUDIO | MessageType.DOCUMENT | MessageType.STICKER:
            return _file(form, key, old)
        case MessageType.LOCATION:
            return table_changes(form, key, _PLACE, old)
        case MessageType.REACTION:
            return table_changes(form, key, {"message_id": str.strip, "emoji": str.strip}, old)
        case MessageType.CONTACTS if f"{key}[0].formatted_name" in form:
            return {key: _contacts(form, old) or [{"formatted_name": ""}]}
        case MessageType.LIST:
            return _list(form, old)
    return action_changes(form, kind, old)


def _buttons(form: Form, kind: MessageType, old: Fields) -> Changes:
    key = "content.buttons"
    if kind not in _BUTTONED:
        return {key: None} if old.raw(key) is not None else {}
    if f"{key}[0].text" not in form:
        return {}
    rows = table_rows(form, key, _BUTTON, old, silent=("type",), needs=("text",))
    return {key: [_button(row) for row in rows] or None}


def _button(row: dict[str, Any]) -> dict[str, Any]:
    """Without the fields of another type, which the form hides."""
    own = _BELONGS.get(row.get("type", ""))
    return {name: value for name, value in row.items() if name == own or name not in _BELONGS.values()}


def _file(form: Form, key: str, old: Fields) -> Changes:
    changes = table_changes(form, key, _FILE, old)
    if key not in changes:
        return {}
    table = changes[key] = with_one_place(changes[key])
    if not any(table.get(place) for place in ("url", "id", "file")):
        table["url"] = ""
    if f"has-{key}.voice" in form:
        if f"{key}.voice" in form:
            table["voice"] = True
        elif table.get("voice"):
            del table["voice"]
    return changes


def _contacts(form: Form, old: Fields) -> list[dict[str, Any]]:
    fields: dict[str, Reader] = dict.fromkeys(
        (*_CONTACT, "phone", "phone_type", "email", "email_type"), text_of
    )
    rows = []
    for row in table_rows(form, "content.contacts", fields, old):
        phone, email = row.pop("phone", None), row.pop("email", None)
        kinds = row.pop("phone_type", None), row.pop("email_type", None)
        row["phones"] = _first(row.get("phones"), {"phone": phone, "type": kinds[0]}, "phone")
        row["emails"] = _first(row.get("emails"), {"email": email, "type": kinds[1]}, "email")
        rows.append({name: value for name, value in row.items() if value})
    return rows


def _first(kept: Any, given: dict[str, Any], needed: str) -> list[dict[str, Any]]:
    """A list of which the form shows the first."""
    rest = kept[1:] if isinstance(kept, list) else []
    return [merged({}, given), *rest] if given[needed] else rest


def _list(form: Form, old: Fields) -> Changes:
    key = "content.list"
    changes = table_changes(form, key, {"title": text_of, "button": str.strip, "alt": text_of}, old)
    if f"{key}.row[0].title" not in form:
        return changes
    sections: list[dict[str, Any]] = []
    shown = Fields({"content": {"list": {"row": list_rows(old)}}})
    for row in table_rows(form, f"{key}.row", _LIST_ROW, shown, needs=("title",)):
        heading = row.pop("section", None)
        if not sections or sections[-1].get("title") != heading:
            sections.append(merged({}, {"title": heading, "rows": []}))
        sections[-1]["rows"].append({"id": row.get("title", ""), **row})
    table = changes.get(key) or {}
    return {key: {**table, "sections": sections or [{"rows": [{"id": "", "title": ""}]}]}}


def rows_of_sections(fields: Fields) -> list[list[dict[str, Any]]]:
    """The options of each section, each with the title of its section."""
    sections = fields.raw("content.list.sections")
    found: list[list[dict[str, Any]]] = []
    for section in sections if isinstance(sections, list) else ():
        table = section if isinstance(section, dict) else {}
        title = {"section": table["title"]} if table.get("title") else {}
        rows = table.get("rows")
        found.append(
            [{**row, **title} for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        )
    return found


def list_rows(fields: Fields) -> list[dict[str, Any]]:
    """All of them, as the one table that the page shows."""
    return [row for rows in rows_of_sections(fields) for row in rows]


def _defaults(form: Form, old: Fields) -> Changes:
    """Each default has its own field, named by its place; a second one has the variable's name."""
    changes: Changes = {}
    place = 0
    while (name := form.get(f"default[{place}].name")) is not None:
        given = form.get(f"default[{place}].text", "")
        loc = ("content", "defaults", name)
        if given != old.text(loc):
            changes[loc] = given or None
        place += 1
    return changes


def _variants(form: Form, old: Fields) -> Changes:
    if "variants[0].name" not in form:
        return {}
    fields: dict[str, Reader] = {"name": text_of, "share": number_of, "text": long_text_of}
    variants = old.raw("variants")
    shown = Fields(
        {
            "variants": [
                {**row, "text": old.text(f"variants[{place}].content.text")} if isinstance(row, dict) else row
                for place, row in enumerate(variants if isinstance(variants, list) else ())
            ]
        }
    )
    rows = []
    for row in table_rows(form, "variants", fields, shown):
        text = row.pop("text", None) or None
        kept = row.get("content")
        content = merged(kept if isinstance(kept, dict) else {}, {"text": text})
        rows.append({**row, "content": content})
    if not rows:
        return {name: None for name in ("variants", "winner") if old.raw(name) is not None}
    if form.get("winner.by", "") == "":
        return {"variants": rows, **({"winner": None} if old.raw("winner") is not None else {})}
    return {"variants": rows, **scalars(form, _WINNER, old, DEFAULTS)}
