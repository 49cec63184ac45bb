"""Maps the keys of [content] to the fields of a message; every string keeps its key, for error messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

from campaigns.message.content import MessageType
from campaigns.message.content_spec import ContentSpec
from campaigns.message.media_spec import MediaSpec
from campaigns.message.template_spec import CardSpec


class Source(NamedTuple):
    """A string of the campaign file, and its key."""

    key: str
    text: str


def free_form_tree(content: ContentSpec) -> dict[str, Any]:
    """The fields of `campaigns.message.content.Content` for the open window, with a `Source` for each string."""
    kind = content.free_form
    tree: dict[str, Any] = {"type": kind, "preview_url": content.preview_url}
    for name in ("text", "reply_to", "buttons", "location", "contacts", "reaction", "header", "footer"):
        if value := getattr(content, name):
            tree[name] = _sources(value, f"content.{name}")
    if content.list is not None:
        tree["menu"] = _sources(content.list, "content.list")
    for name in ("flow", "product", "products", "catalog"):
        if (value := getattr(content, name)) is not None:
            tree[name] = _sources(value, f"content.{name}")
    media = _media(content, kind)
    if media:
        tree["media"] = [_medium(part, key) for part, key in media]
        captions = [
            Source(f"{key}.caption", part.caption)
            for part, key in media
            if isinstance(part, MediaSpec) and part.caption
        ]
        if captions:
            tree["text"] = captions[0]
    return tree


def template_tree(content: ContentSpec) -> dict[str, Any]:
    """The fields of `campaigns.message.content.Content` for the closed window."""
    template = content.template
    assert template is not None  # noqa: S101
    key = "content.template"
    tree = _sources(template.model_copy(update={"header": None, "cards": []}), key)
    tree["parameters"] = _parameters(template.parameters, f"{key}.parameters")
    if template.header is not None:
        tree["header"] = _header(template.header, f"{key}.header")
    tree["cards"] = [_card(card, f"{key}.cards[{place}]") for place, card in enumerate(template.cards)]
    return {"type": MessageType.TEMPLATE, "template": tree}


def _card(card: CardSpec, key: str) -> dict[str, Any]:
    return {
        "header": _header(card.header, f"{key}.header"),
        "parameters": _parameters(card.parameters, f"{key}.parameters"),
        "buttons": _sources(card.buttons, f"{key}.buttons"),
    }


def _header(header: BaseModel, key: str) -> dict[str, Any]:
    return {
        name: _medium(part, f"{key}.{name}")
        if isinstance(part, MediaSpec)
        else _sources(part, f"{key}.{name}")
        for name, part in header
        if part is not None
    }


def _media(content: ContentSpec, kind: MessageType | None) -> list[tuple[BaseModel, str]]:
    if kind is MessageType.IMAGE:
        return [(image, f"content.images[{place}]") for place, image in enumerate(content.images)]
    if kind is MessageType.FILES:
        return [(file, f"content.files[{place}]") for place, file in enumerate(content.files)]
    part = getattr(content, kind.value, None) if kind else None
    return [(part, f"content.{kind}")] if isinstance(part, MediaSpec) else []


def _medium(part: BaseModel, key: str) -> dict[str, Any]:
    return {
        name: _sources(each, f"{key}.{name}") for name, each in part if each is not None and name != "caption"
    }


def _parameters(parameters: Sequence[str] | Mapping[str, str], key: str) -> list[dict[str, Any]]:
    if isinstance(parameters, Mapping):
        return _named(parameters, key)
    return [{"text": Source(f"{key}[{place}]", text)} for place, text in enumerate(parameters)]


def _named(values: Mapping[str, str], key: str) -> list[dict[str, Any]]:
    return [{"name": name, "text": Source(f"{key}.{name}", text)} for name, text in values.items()]


def _sources(value: Any, key: str) -> Any:
    """The value as plain data, with strings as `Source` and without None values."""
    if isinstance(value, str):
        return Source(key, value)
    if isinstance(value, BaseModel):
        return {name: _sources(each, f"{key}.{name}") for name, each in value if each is not None}
    if isinstance(value, dict):
        return _named(value, key)
    if isinstance(value, (list, tuple)):
        return [_sources(each, f"{key}[{place}]") for place, each in enumerate(value)]
    return value
