"""What a client may ask of the Messaging API: strict readers of the two send bodies and of the list query."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from starlette.datastructures import Headers, QueryParams

from emulators.base import Refusal
from emulators.outcomes import is_refused

LONGEST_TEXT = 4096
TEMPLATE_FIELDS = ("business_whatsapp_number_id", "phone", "template_key", "customer_name", "variables")
STATUSES = ("open", "pending_customer")
CHOICES = {"status": STATUSES, "mode": ("ai", "human"), "assigned": ("me", "unassigned")}
PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class TemplateOrder:
    """A valid template request. `phone` has its plus."""

    number_id: str
    phone: str
    key: str
    customer_name: str | None
    variables: Mapping[str, Any]


def parse_text(body: Any) -> str:
    """The text of a send request. Raises `Refusal` 422."""
    fields = _object(body, ("text",))
    text = fields.get("text")
    if not isinstance(text, str) or not 1 <= len(text) <= LONGEST_TEXT:
        raise Refusal(422, f"text must be a string of 1 to {LONGEST_TEXT} characters")
    return text


def parse_template(body: Any) -> TemplateOrder:
    """A template request. Raises `Refusal` 422 naming the field."""
    fields = _object(body, TEMPLATE_FIELDS)
    name, variables = fields.get("customer_name"), fields.get("variables", {})
    if "customer_name" in fields and (not isinstance(name, str) or not name.strip()):
        raise Refusal(422, "customer_name must be a string")
    if not isinstance(variables, dict) or not all(isinstance(each, str) for each in variables.values()):
        raise Refusal(422, "variables must be an object of strings")
    return TemplateOrder(
        number_id=_uuid(fields.get("business_whatsapp_number_id")),
        phone=_phone(fields.get("phone")),
        key=_filled(fields, "template_key"),
        customer_name=name,
        variables=variables,
    )


def parse_query(params: QueryParams) -> dict[str, str]:
    """The filters of the list. Raises `Refusal` 422 for one that is not documented."""
    for name, value in params.multi_items():
        if name not in (*CHOICES, "search"):
            raise Refusal(422, f"{name} is not a query parameter")
        if name in CHOICES and value not in CHOICES[name]:
            raise Refusal(422, f"{name} must be one of {', '.join(CHOICES[name])}")
    return dict(params)


def parse_key(headers: Headers) -> str | None:
    """The Idempotency-Key, None where there is none. Raises `Refusal` 422 for one that cannot be."""
    key = headers.get("idempotency-key")
    if key is not None and not KEY.fullmatch(key):
        raise Refusal(422, "Idempotency-Key must be 1 to 255 visible characters")
    return key


def _object(body: Any, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Refusal(422, "the body must be a JSON object")
    for name in body:
        if name not in known:
            raise Refusal(422, f"property {name} should not exist")
    return body


def _filled(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Refusal(422, f"{name} must be a string and not empty")
    return value


def _uuid(value: Any) -> str:
    try:
        return str(UUID(value))
    except (TypeError, ValueError, AttributeError):
        raise Refusal(422, "business_whatsapp_number_id must be a UUID") from None


def _phone(value: Any) -> str:
    if not isinstance(value, str) or not PHONE.fullmatch(value):
        raise Refusal(422, "phone must be a phone number in E.164")
    if is_refused(value):
        raise Refusal(422, "phone cannot receive messages")
    return value
