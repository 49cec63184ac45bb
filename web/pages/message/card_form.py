"""The cards of a template's carousel, from the form to the campaign file and back."""

from __future__ import annotations

from typing import Any, Final

from campaigns.frozen import frozen
from web.pages.draft_fields import Fields, Form, is_same, merged, number_of, text_of, with_one_place

KEY: Final = "content.template.cards"
MOST: Final = 10
_KINDS: Final = ("image", "video")
_BUTTONS: Final = 3


@frozen
class CardField:
    """One card as the page shows it."""

    place: int
    kind: str
    """image or video."""
    url: str = ""
    id: str = ""
    file: str = ""
    parameters: str = ""
    """One to a line."""
    buttons: tuple[tuple[str, str, str], ...] = ()
    """Index, type and parameter."""

    @property
    def key(self) -> str:
        return f"{KEY}[{self.place}]"


def card_fields(fields: Fields) -> list[CardField]:
    """The cards that there are, and one to fill in."""
    raw = fields.raw(KEY)
    cards = [card if isinstance(card, dict) else {} for card in raw] if isinstance(raw, list) else []
    shown = [_shown(place, card) for place, card in enumerate(cards)]
    spare = range(len(shown), min(MOST, max(2, len(shown) + 1)))
    return [*shown, *(CardField(place, "image", buttons=(("", "quick_reply", ""),)) for place in spare)]


def _shown(place: int, card: dict[str, Any]) -> CardField:
    header = _table(card.get("header"))
    kind = next((each for each in _KINDS if each in header), "image")
    file = _table(header.get(kind))
    parameters = card.get("parameters")
    raw = card.get("buttons")
    buttons = [_table(each) for each in raw] if isinstance(raw, list) else []
    rows = [(str(b.get("index", "")), str(b.get("type", "")), str(b.get("parameter", ""))) for b in buttons]
    return CardField(
        place,
        kind,
        str(file.get("url", "")),
        str(file.get("id", "")),
        str(file.get("file", "")),
        "\n".join(map(str, parameters)) if isinstance(parameters, list) else "",
        tuple([*rows, ("", "quick_reply", "")][: max(len(rows), _BUTTONS)]),
    )


def cards_of(form: Form, before: dict[str, Any]) -> Any:
    """The cards that the form has, those without a picture or a video left out; None: there are none."""
    raw = before.get("cards")
    old = raw if isinstance(raw, list) else []
    if f"{KEY}[0].kind" not in form:
        return raw
    cards = []
    for place in range(MOST):
        at = f"{KEY}[{place}]"
        if not any(form.get(f"{at}.{name}", "").strip() for name in ("url", "id", "file")):
            continue
        cards.append(_card(form, at, _table(old[place]) if place < len(old) else {}, place))
    return cards or None


def _card(form: Form, at: str, kept: dict[str, Any], place: int) -> dict[str, Any]:
    kind = form.get(f"{at}.kind", "image")
    own = _table(_table(kept.get("header")).get(kind))
    file = merged(own, {name: text_of(form.get(f"{at}.{name}", "")) for name in ("url", "id", "file")})
    given = form.get(f"{at}.parameters", "")
    same = is_same(given, _shown(place, kept).parameters)
    lines = [line for line in given.replace("\r\n", "\n").split("\n") if line.strip()]
    parameters = kept.get("parameters") if same else lines or None
    return merged(
        kept,
        {
            "header": {kind: with_one_place(file)},
            "parameters": parameters,
            "buttons": _buttons(form, at, kept),
        },
    )


def _buttons(form: Form, at: str, kept: dict[str, Any]) -> list[dict[str, Any]] | None:
    raw = kept.get("buttons")
    old = {b.get("index"): b for b in map(_table, raw)} if isinstance(raw, list) else {}
    rows = []
    for place in range(MOST):
        text = form.get(f"{at}.button[{place}].index", "")
        if not text.strip():
            continue
        index = number_of(text)
        parameter = form.get(f"{at}.button[{place}].parameter", "")
        given = {"index": index, "type": form.get(f"{at}.button[{place}].type", "url")}
        rows.append(
            merged(old.get(index, {}), {**given, "parameter": parameter if parameter.strip() else None})
        )
    return rows or None


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
