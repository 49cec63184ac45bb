"""How Meta's Cloud API refuses, and what the bodies of its messages have in common: texts, objects, media."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from emulators.base import is_url

MEDIA_ID = re.compile(r"[0-9]{1,30}")
LONGEST = {"body": 4096, "caption": 1024, "biz_opaque_callback_data": 512}
MEDIA: Mapping[str, set[str]] = {
    "image": {"caption"},
    "video": {"caption"},
    "audio": {"voice"},
    "document": {"caption", "filename"},
    "sticker": set(),
}


class MetaRefusal(Exception):
    """What Meta refuses, with its own code; each API shows it in its way."""

    def __init__(self, code: int, title: str, details: str, status: int = 400) -> None:
        super().__init__(title)
        self.code, self.title, self.details, self.status = code, title, details, status


def wrong(name: str, how: str) -> MetaRefusal:
    """Meta's refusal of a parameter."""
    return MetaRefusal(100, "Invalid parameter", f"Param {name} {how}.")


def read_medium(value: Any, kind: str) -> tuple[str | None, str | None]:
    medium = names_of(object_of(value, kind), set(), {"id", "link", *MEDIA[kind]}, kind)
    url = medium_place(medium, kind)
    if not isinstance(medium.get("voice", False), bool):
        raise wrong(f"{kind}['voice']", "must be a boolean")
    if "caption" in medium:
        text_of(medium["caption"], f"{kind}['caption']", LONGEST["caption"])
    return medium.get("caption"), url


def medium_place(medium: dict[str, Any], kind: str) -> str | None:
    """The address of a medium; None: it is named by the id of an upload. A document may have a filename."""
    if ("id" in medium) == ("link" in medium):
        raise wrong(kind, "needs one of id and link")
    if "id" in medium and not MEDIA_ID.fullmatch(text_of(medium["id"], f"{kind}['id']")):
        raise wrong(f"{kind}['id']", "is not a valid whatsapp business account media attachment ID")
    if "filename" in medium:
        text_of(medium["filename"], f"{kind}['filename']")
    return address(medium["link"], f"{kind}['link']") if "link" in medium else None


def address(value: Any, name: str) -> str:
    if not is_url(url := text_of(value, name)):
        raise wrong(name, "must be a public address")
    return url


def list_of(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise wrong(name, "must be an array with something in it")
    return value


def texts(value: dict[str, Any], where: str) -> None:
    for name, text in value.items():
        text_of(text, f"{where}['{name}']")


def object_of(value: Any, name: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise wrong(name, "must be an object")


def names_of(value: dict[str, Any], needed: set[str], allowed: set[str], where: str) -> dict[str, Any]:
    for name in sorted(needed - set(value)):
        raise MetaRefusal(131008, "Required parameter is missing", f"Param {name} of {where} is missing.")
    for name in sorted(set(value) - allowed):
        raise MetaRefusal(100, "Invalid parameter", f"Unexpected key {name} on param {where}.")
    return value


def text_of(value: Any, name: str, longest: int | None = None) -> str:
    if not isinstance(value, str) or not value.strip():
        raise wrong(name, "must be a string with something in it")
    if longest is not None and len(value) > longest:
        raise MetaRefusal(131009, "Parameter value is not valid", f"{name} is longer than {longest}.")
    return value
