"""The template of the message step: chosen from the account's list, with its parameters as columns and texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from campaigns.frozen import frozen
from campaigns.message.provider_templates import ButtonPart, ProviderTemplate, are_named, placeholders
from campaigns.message.template_match import FILLED, MEDIA, find_template
from web.pages.draft_fields import Changes, Fields, Form, merged, number_of, pairs_of, text_of, with_one_place
from web.pages.message.card_form import cards_of

KEY: Final = "content.template"
CHOSEN: Final = "template"
"""The field of the choice from the account's list: NAME and language, with a space between; empty: none."""
MOST: Final = 30
EXTRA: Final = ("project_id", "version", "customer_name", "offer_ends")
_ASKED: Final = ("copy_code", "catalog", "flow")
"""Kinds of buttons of a template that can be filled, beside addresses and one-time passwords."""
_BARE: Final = ("catalog", "flow")
"""Those that need no text."""
_PLACE: Final[dict[str, Callable[[str], Any]]] = {
    "latitude": number_of,
    "longitude": number_of,
    "name": text_of,
    "address": text_of,
}


@frozen
class ParameterField:
    """One placeholder of the body. `name` is empty where placeholders are numbered."""

    name: str
    label: str
    text: str
    key: str


@frozen
class ButtonField:
    index: int
    type: str
    label: str
    text: str
    place: int
    """Among the buttons that the campaign fills in."""


@frozen
class TemplateForm:
    """What the page asks for the chosen template."""

    known: ProviderTemplate | None
    chosen: str
    parameters: Sequence[ParameterField]
    header: str
    """The kind of header that takes something: text, image, video, document, location; empty: none."""
    header_name: str
    buttons: Sequence[ButtonField]
    free: bool
    """Whether its parts are asked for without being known."""


def template_form(fields: Fields, templates: Sequence[ProviderTemplate]) -> TemplateForm:
    name = fields.text(f"{KEY}.name") or fields.text(f"{KEY}.key")
    language = fields.text(f"{KEY}.language", "en")
    known = find_template(templates, name, language) if name else None
    header, header_name = _header_of(known) if known else _given_header(fields)
    return TemplateForm(
        known,
        f"{name} {known.language if known else language}" if name else "",
        _parameter_fields(fields, known, spare=3 if name or not templates else 0),
        header,
        header_name,
        _buttons(fields, known),
        known is None,
    )


def _parameter_fields(fields: Fields, known: ProviderTemplate | None, *, spare: int) -> list[ParameterField]:
    """Those of the known template, else those that are given and some to fill in."""
    given = fields.raw(f"{KEY}.parameters")
    by_name = {str(name): str(text) for name, text in given.items()} if isinstance(given, dict) else {}
    by_place = list(map(str, given)) if isinstance(given, list) else []
    if known is None:
        names = [*(by_name or [""] * len(by_place)), *[""] * spare]
        labels = [name or f"{{{{{place}}}}}" for place, name in enumerate(names, start=1)]
    else:
        wanted = placeholders(known.parts.body)
        names = wanted if are_named(wanted) else [""] * len(wanted)
        labels = [f"{{{{{each}}}}}" for each in wanted]
    found = []
    for place, (name, label) in enumerate(zip(names, labels, strict=True)):
        text = by_name.get(name, "") if name else by_place[place] if place < len(by_place) else ""
        key = f"{KEY}.parameters.{name}" if name else f"{KEY}.parameters[{place}]"
        found.append(ParameterField(name, label, text, key))
    return found


def _given_header(fields: Fields) -> tuple[str, str]:
    kinds = (kind for kind in ("text", *MEDIA) if fields.raw(f"{KEY}.header.{kind}") is not None)
    return next(kinds, ""), fields.text(f"{KEY}.header.name")


def _header_of(known: ProviderTemplate) -> tuple[str, str]:
    part = known.parts.header
    if part is None:
        return "", ""
    found = placeholders(part.text)
    if part.kind == "text":
        return ("text", found[0] if are_named(found) else "") if found else ("", "")
    return (part.kind, "") if part.kind in MEDIA else ("", "")


def _buttons(fields: Fields, known: ProviderTemplate | None) -> list[ButtonField]:
    raw = fields.raw(f"{KEY}.buttons")
    given = [row for row in raw if isinstance(row, dict)] if isinstance(raw, list) else []
    if known is None:
        rows = [
            (row.get("index", ""), str(row.get("type", "url")), "", str(row.get("parameter", "")))
            for row in given
        ]
        rows += [("", "url", "", "")]
    else:
        texts = {row.get("index"): row for row in given}
        rows = [
            (
                index,
                str(texts.get(index, {}).get("type", _type_of(part))),
                part.text,
                str(texts.get(index, {}).get("parameter", "")),
            )
            for index, part in enumerate(known.parts.buttons)
            if part.needs_text or index in texts or part.kind in _ASKED
        ]
    return [ButtonField(*row, place) for place, row in enumerate(rows)]


def _type_of(part: ButtonPart) -> str:
    """The type of what the campaign fills into a button."""
    if part.needs_text:
        return "code" if part.kind == "otp" else "url"
    return FILLED.get(part.kind, "quick_reply")


def template_changes(form: Form, old: Fields) -> Changes:
    """What the form changes in [content.template]."""
    if CHOSEN not in form and f"{KEY}.name" not in form:
        return {}
    name, _, language = form.get(CHOSEN, "").rpartition(" ")
    name = name or form.get(f"{KEY}.name", "").strip()
    language = language or form.get(f"{KEY}.language", "").strip()
    kept = old.raw(KEY)
    before = kept if isinstance(kept, dict) else {}
    if not name:
        return {KEY: None} if before else {}
    table = dict(before)
    table["key" if "key" in before and "name" not in before else "name"] = name
    if language and language != before.get("language", "en"):
        table["language"] = language
    elif not language:
        table.pop("language", None)
    return {
        KEY: merged(
            table,
            {
                "parameters": _parameters(form, before),
                "header": _header(form, before),
                "buttons": _given_buttons(form, before),
                "cards": cards_of(form, before),
                **{key: text_of(form[f"{KEY}.{key}"]) for key in EXTRA if f"{KEY}.{key}" in form},
            },
        )
    }


def _parameters(form: Form, before: dict[str, Any]) -> Any:
    rows = []
    for place in range(MOST):
        text = form.get(f"parameter[{place}].text")
        if text is None:
            break
        rows.append((form.get(f"parameter[{place}].name", "").strip(), text))
    if not rows:
        return before.get("parameters")
    if any(name for name, _ in rows):
        return {name: text for name, text in rows if name and text} or None
    while rows and not rows[-1][1].strip():
        rows.pop()
    return [text for _, text in rows] or None


def _header(form: Form, before: dict[str, Any]) -> Any:
    kind = form.get("header-kind")
    if kind is None:
        return before.get("header")
    if kind not in ("text", *MEDIA):
        header = before.get("header")
        unshown = isinstance(header, dict) and not header.keys() & {"text", *MEDIA}
        return header if unshown else None
    at = f"{KEY}.header"
    if kind == "text":
        text = form.get(f"{at}.text", "")
        return merged({"text": text}, {"name": text_of(form.get(f"{at}.name", ""))}) if text else None
    header = before.get("header")
    old = header.get(kind) if isinstance(header, dict) else None
    readers = _PLACE if kind == "location" else dict.fromkeys(("url", "id", "file", "filename"), text_of)
    given = {
        name: read(form[f"{at}.{kind}.{name}"])
        for name, read in readers.items()
        if f"{at}.{kind}.{name}" in form
    }
    table = with_one_place(merged(old if isinstance(old, dict) else {}, given))
    return {kind: table} if table else None


def _given_buttons(form: Form, before: dict[str, Any]) -> Any:
    if "template-button[0].index" not in form:
        return before.get("buttons")
    raw = before.get("buttons")
    old = {row.get("index"): row for row in raw if isinstance(row, dict)} if isinstance(raw, list) else {}
    is_free = "template-buttons-listed" not in form
    rows = []
    for place in range(MOST):
        at = f"template-button[{place}]"
        index, text = number_of(form.get(f"{at}.index", "")), form.get(f"{at}.parameter", "")
        kept = old.get(index, {})
        data = pairs_of(form, f"{at}.data", kept.get("data"))
        named = is_free and index is not None and form.get(f"{at}.type") in _BARE
        if not (text.strip() or data or named or (kept and "parameter" not in kept)):
            continue
        given = {
            "index": index,
            "type": form.get(f"{at}.type", "url"),
            "parameter": text if text.strip() else None,
            **({} if data is None else {"data": data or None}),
        }
        rows.append(merged(kept, given))
    return rows or None
