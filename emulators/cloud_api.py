"""A message in the shape of Meta's Cloud API, read strictly: Meta takes it, and Kapso passes it on unchanged."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson

from emulators.cloud_interactive import read_interactive
from emulators.cloud_template import read_template
from emulators.cloud_values import (
    LONGEST,
    MEDIA,
    MetaRefusal,
    list_of,
    names_of,
    object_of,
    read_medium,
    text_of,
    texts,
    wrong,
)
from emulators.spellings import as_whatsapp

NUMBER = re.compile(r"\+?[1-9][0-9]{6,14}")
POLICIES = ("CLOUD_API_FALLBACK", "STRICT")
USER_ID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
ENVELOPE = {
    "messaging_product",
    "recipient_type",
    "to",
    "recipient",
    "type",
    "context",
    "biz_opaque_callback_data",
}
NAMES = {"formatted_name", "first_name", "last_name", "middle_name", "suffix", "prefix"}
CARD: Mapping[str, set[str]] = {"phones": {"phone", "type", "wa_id"}, "emails": {"email", "type"}}


@dataclass(frozen=True, slots=True)
class Draft:
    """A valid send request. `body` is the message with the field names of Meta or of the legacy API."""

    to: str
    """Digits only, or a user id."""
    type: str
    text: str | None
    media_url: str | None
    body: dict[str, Any]
    template: bool = False
    reference: str | None = None

    @property
    def by_user_id(self) -> bool:
        return USER_ID.fullmatch(self.to) is not None

    def contact(self) -> dict[str, str]:
        """How the answer names the person: by what the request had."""
        if self.by_user_id:
            return {"input": self.to, "user_id": self.to}
        return {"input": self.to, "wa_id": as_whatsapp(self.to)}


def error_body(code: int, title: str, details: str = "", subcode: int | None = None) -> bytes:
    """The body of an error answer."""
    error: dict[str, Any] = {"message": f"(#{code}) {title}", "type": "OAuthException", "code": code}
    if details:
        error["error_data"] = {"messaging_product": "whatsapp", "details": details}
    if subcode is not None:
        error["error_subcode"] = subcode
    return orjson.dumps({"error": {**error, "fbtrace_id": uuid4().hex[:23]}})


def parse_marketing(body: Any) -> Draft:
    """The draft of a send through the Marketing Messages API, which takes templates only."""
    envelope = dict(object_of(body, "body"))
    if envelope.get("type") != "template":
        raise MetaRefusal(134100, "Only marketing messages supported", "The message is not a template.")
    policy, shared = (
        envelope.pop("product_policy", POLICIES[0]),
        envelope.pop("message_activity_sharing", True),
    )
    if policy not in POLICIES:
        raise wrong("product_policy", f"must be one of {', '.join(POLICIES)}")
    if not isinstance(shared, bool):
        raise wrong("message_activity_sharing", "must be a boolean")
    return parse_envelope(envelope)


def parse_envelope(body: Any) -> Draft:
    """The draft of a send. Raises MetaRefusal 100 or 131009 for what Meta's document does not allow."""
    envelope = object_of(body, "body")
    kind = envelope.get("type", "text")
    if not isinstance(kind, str) or kind not in READERS:
        raise wrong("type", f"must be one of {', '.join(READERS)}")
    names_of(envelope, {"messaging_product", kind}, ENVELOPE | {kind}, "body")
    if envelope["messaging_product"] != "whatsapp":
        raise wrong("messaging_product", "must be whatsapp")
    if envelope.get("recipient_type", "individual") != "individual":
        raise wrong("recipient_type", "must be individual")
    to = _addressee(envelope)
    if "context" in envelope:
        context = names_of(
            object_of(envelope["context"], "context"), {"message_id"}, {"message_id"}, "context"
        )
        text_of(context["message_id"], "context['message_id']")
    if "biz_opaque_callback_data" in envelope:
        text_of(
            envelope["biz_opaque_callback_data"],
            "biz_opaque_callback_data",
            LONGEST["biz_opaque_callback_data"],
        )
    text, url = READERS[kind](envelope[kind], kind)
    content = {kind: envelope[kind], "context": envelope.get("context")}
    return Draft(
        to.removeprefix("+"),
        kind,
        text,
        url,
        content,
        template=kind == "template",
        reference=envelope.get("biz_opaque_callback_data"),
    )


def _addressee(envelope: dict[str, Any]) -> str:
    """`to` is a phone number, `recipient` a user id; where both stand, the number counts."""
    name = "to" if "to" in envelope or "recipient" not in envelope else "recipient"
    names_of(envelope, {name}, set(envelope), "body")
    pattern, what = (NUMBER, "a phone number") if name == "to" else (USER_ID, "a user id")
    if not isinstance(envelope[name], str) or not pattern.fullmatch(envelope[name]):
        raise wrong(name, f"must be {what}")
    return str(envelope[name])


def _read_text(value: Any, kind: str) -> tuple[str, None]:
    text = names_of(object_of(value, kind), {"body"}, {"body", "preview_url"}, kind)
    if not isinstance(text.get("preview_url", False), bool):
        raise wrong("text['preview_url']", "must be a boolean")
    return text_of(text["body"], "text['body']", LONGEST["body"]), None


def _read_location(value: Any, kind: str) -> tuple[None, None]:
    place = names_of(
        object_of(value, kind), {"latitude", "longitude"}, {"latitude", "longitude", "name", "address"}, kind
    )
    for name, most in (("latitude", 90), ("longitude", 180)):
        try:
            fits = not isinstance(place[name], bool) and -most <= float(place[name]) <= most
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise wrong(f"location['{name}']", f"must be from -{most} to {most}")
    texts({name: place[name] for name in ("name", "address") if name in place}, "location")
    return None, None


def _read_contacts(value: Any, kind: str) -> tuple[None, None]:
    known = {"name", "phones", "emails", "addresses", "org", "urls", "birthday"}
    for contact in list_of(value, kind):
        name = object_of(names_of(object_of(contact, kind), {"name"}, known, kind)["name"], "name")
        texts(names_of(name, {"formatted_name"}, NAMES, "name"), "contacts['name']")
        if len(name) < 2:
            raise wrong("contacts['name']", "needs one more name beside formatted_name")
        for part, allowed in CARD.items():
            for each in list_of(contact[part], part) if part in contact else ():
                texts(names_of(object_of(each, part), set(), allowed, part), f"contacts['{part}']")
    return None, None


def _read_reaction(value: Any, kind: str) -> tuple[str, None]:
    reaction = names_of(object_of(value, kind), {"message_id", "emoji"}, {"message_id", "emoji"}, kind)
    text_of(reaction["message_id"], "reaction['message_id']")
    if not isinstance(reaction["emoji"], str):
        raise wrong("reaction['emoji']", "must be a string")
    return reaction["emoji"], None


READERS: Mapping[str, Callable[[Any, str], tuple[str | None, str | None]]] = {
    "text": _read_text,
    **dict.fromkeys(MEDIA, read_medium),
    "location": _read_location,
    "contacts": _read_contacts,
    "reaction": _read_reaction,
    "interactive": read_interactive,
    "template": read_template,
}
"""For each type, who reads its object: the text and the medium's address that the ledger shows."""
