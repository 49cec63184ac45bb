"""What a client may ask of Bird: strict readers of the send body and of the list query."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import QueryParams

from emulators.base import Refusal
from emulators.bird.shapes import MESSAGE, Wrong
from emulators.outcomes import is_refused

PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
LOCALE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
MAX_LIMIT = 100
QUERY = {"limit", "phonenumber", "pageToken"}


@dataclass(frozen=True, slots=True)
class Order:
    """A valid send request. `number` is digits only; of `body` and `template`, one is None."""

    number: str
    body: dict[str, Any] | None
    template: dict[str, Any] | None
    reference: str | None
    meta: dict[str, Any]
    reply_to: dict[str, Any] | None

    @property
    def type(self) -> str:
        return "template" if self.body is None else str(self.body["type"])

    @property
    def text(self) -> str | None:
        """The message's text or caption, if it has one."""
        return None if self.body is None else self.body[self.body["type"]].get("text")

    @property
    def media_url(self) -> str | None:
        """Where the first image or file is."""
        inner = (self.body or {}).get(self.type, {})
        files: list[dict[str, str]] = inner.get("images") or inner.get("files") or [{}]
        return files[0].get("mediaUrl")


@dataclass(frozen=True, slots=True)
class Query:
    """A valid list request; `after` is how many messages earlier pages have shown."""

    number: str | None
    limit: int
    after: int


def parse_order(body: Any) -> Order:
    """A send request's body. Raises `Refusal` 422 naming every wrong field."""
    wrong: Wrong = {}
    MESSAGE(body, "", wrong)
    if not wrong:
        _check_receiver(body["receiver"].get("contacts") or [], wrong)
        _check_form(body, wrong)
        _check_capping(body, wrong)
    if wrong:
        raise Refusal(422, "One or more fields are invalid.", wrong)
    return Order(
        number=body["receiver"]["contacts"][0]["identifierValue"].removeprefix("+"),
        body=body.get("body"),
        template=body.get("template"),
        reference=body.get("reference"),
        meta=body.get("meta", {}),
        reply_to=body.get("replyTo"),
    )


def parse_query(params: QueryParams) -> Query:
    """A list request's query string. Raises `Refusal` 422 naming every wrong parameter."""
    wrong: Wrong = {name: ["is not allowed"] for name in sorted(set(params) - QUERY)}
    limit, after = params.get("limit", "10"), params.get("pageToken", "0")
    if not limit.isdecimal() or not 1 <= int(limit) <= MAX_LIMIT:
        wrong["limit"] = [f"must be from 1 to {MAX_LIMIT}"]
    if not after.isdecimal():
        wrong["pageToken"] = ["is not one that was given out"]
    number = params.get("phonenumber")
    if number is not None and not PHONE.fullmatch(number):
        # A plus that was not percent-encoded arrives as a blank.
        wrong["phonenumber"] = ["must be a phone number in E.164 format"]
    if wrong:
        raise Refusal(422, "One or more parameters are invalid.", wrong)
    return Query(number and number.removeprefix("+"), int(limit), int(after))


def _check_receiver(contacts: list[dict[str, Any]], wrong: Wrong) -> None:
    path = "receiver.contacts"
    if len(contacts) != 1:
        wrong[path] = ["must name one contact"]
        return
    contact = contacts[0]
    if contact.get("identifierKey", "phonenumber") != "phonenumber":
        wrong[f"{path}.0.identifierKey"] = ["must be phonenumber on this channel"]
    value = contact.get("identifierValue", "")
    if not PHONE.fullmatch(value):
        wrong[f"{path}.0.identifierValue"] = ["must be a phone number in E.164 format"]
    elif is_refused(value):
        wrong[f"{path}.0.identifierValue"] = ["is not a number that can receive messages"]


def _check_form(body: dict[str, Any], wrong: Wrong) -> None:
    template = body.get("template")
    if (body.get("body") is None) is (template is None):
        wrong["body"] = ["exactly one of body and template must be set"]
    elif template is not None:
        for name in ("projectId", "version", "locale"):
            if not template.get(name):
                wrong[f"template.{name}"] = ["is required"]
        if not LOCALE.fullmatch(template.get("locale") or "en"):
            wrong["template.locale"] = ["must be a BCP 47 locale"]


def _check_capping(body: dict[str, Any], wrong: Wrong) -> None:
    use_case = body.get("meta", {}).get("extraInformation", {}).get("useCase")
    if body.get("capFrequency") and use_case != "marketing":
        wrong["capFrequency"] = ["can only be true where meta.extraInformation.useCase is marketing"]
