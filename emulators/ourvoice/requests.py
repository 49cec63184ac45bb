"""What a client may ask of Our Voice: strict readers of the send body and of the list query."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from starlette.datastructures import QueryParams

from emulators.base import Errors, Refusal, is_url
from emulators.outcomes import is_refused

TYPES = ("text", "image", "video", "audio", "document")
STATUSES = ("queued", "sent", "delivered", "read", "failed", "scheduled")
DIRECTIONS = ("incoming", "outgoing")
SEND_FIELDS = ("whatsapp_session_id", "to_number", "type", "content", "media_url", "delay_between")
SINGLE_FILTERS = {"filter[from_number]", "filter[status]", "filter[direction]", "filter[type]"}
QUERY_FIELDS = {"session_id", "time_from", "time_to", "limit", "page", *SINGLE_FILTERS}
NUMBER_FILTERS = ("filter[to_number][]", "filter[to_number]")

DEFAULT_DELAY = 500
DEFAULT_LIMIT = 10
MAX_LIMIT = 1000

# International format: no trunk zero in front, 7 to 15 digits.
NUMBER = re.compile(r"\+?[1-9][0-9]{6,14}")


@dataclass(frozen=True, slots=True)
class Order:
    """A valid send request. `numbers` are digits only, `delay_between` is in milliseconds."""

    session_id: str
    numbers: list[str]
    type: str
    content: str | None
    media_url: str | None
    delay_between: int


@dataclass(frozen=True, slots=True)
class Query:
    """A valid list request. Times are unix seconds, both ends included."""

    numbers: frozenset[str] = frozenset()
    from_number: str | None = None
    status: str | None = None
    direction: str | None = None
    type: str | None = None
    session: str | None = None
    time_from: float | None = None
    time_to: float | None = None
    limit: int = DEFAULT_LIMIT
    page: int = 1


class _Complaints(defaultdict[str, list[str]]):
    def __init__(self) -> None:
        super().__init__(list)

    def raise_if_any(self) -> None:
        if self:
            raise invalid(self)


def invalid(errors: Errors) -> Refusal:
    """The 422 that Laravel makes of field errors."""
    texts = [text for texts in errors.values() for text in texts]
    more = len(texts) - 1
    suffix = f" (and {more} more error{'s' if more > 1 else ''})" if more else ""
    return Refusal(422, texts[0] + suffix, errors)


def parse_order(body: Any) -> Order:
    """A send request's body. Raises `Refusal` 422 naming every wrong field."""
    if not isinstance(body, dict):
        raise invalid({"body": ["The body must be a JSON object."]})
    errors = _Complaints()
    for unknown in body.keys() - set(SEND_FIELDS):
        errors[unknown].append(f"The {unknown} field is not known.")
    _check_session(body, errors)
    _check_numbers(body, errors)
    _check_content(body, errors)
    _check_delay(body, errors)
    errors.raise_if_any()
    return Order(
        session_id=body["whatsapp_session_id"],
        numbers=[number.removeprefix("+") for number in body["to_number"]],
        type=body["type"],
        content=body.get("content"),
        media_url=body.get("media_url"),
        delay_between=body.get("delay_between", DEFAULT_DELAY),
    )


def parse_query(params: QueryParams) -> Query:
    """A list request's query string. Raises `Refusal` 422 naming every wrong parameter."""
    errors = _Complaints()
    single = _single_values(params, errors)
    query = Query(
        numbers=frozenset(_filter_numbers(params, errors)),
        from_number=_number(single, errors),
        status=_choice(single, "filter[status]", STATUSES, errors),
        direction=_choice(single, "filter[direction]", DIRECTIONS, errors),
        type=_choice(single, "filter[type]", TYPES, errors),
        session=single.get("session_id"),
        time_from=_moment(single, "time_from", errors),
        time_to=_moment(single, "time_to", errors),
        limit=_count(single, "limit", DEFAULT_LIMIT, MAX_LIMIT, errors),
        page=_count(single, "page", 1, None, errors),
    )
    errors.raise_if_any()
    return query


def _check_session(body: Mapping[str, Any], errors: _Complaints) -> None:
    session = body.get("whatsapp_session_id")
    if session is None:
        errors["whatsapp_session_id"].append("The whatsapp_session_id field is required.")
    elif not isinstance(session, str) or not _is_uuid(session):
        errors["whatsapp_session_id"].append("The whatsapp_session_id field must be a valid UUID.")


def _check_numbers(body: Mapping[str, Any], errors: _Complaints) -> None:
    numbers = body.get("to_number")
    if numbers is None or numbers == []:
        errors["to_number"].append("The to_number field is required.")
    elif not isinstance(numbers, list):
        errors["to_number"].append("The to_number field must be an array.")
    else:
        for index, number in enumerate(numbers):
            if problem := _number_problem(number):
                errors[f"to_number.{index}"].append(f"The to_number.{index} field {problem}")


def _number_problem(number: Any) -> str | None:
    if not isinstance(number, str):
        return "must be a string."
    if not NUMBER.fullmatch(number):
        return "must be a phone number in international format, 7 to 15 digits."
    return "is not a number that can receive messages." if is_refused(number) else None


def _check_content(body: Mapping[str, Any], errors: _Complaints) -> None:
    kind = body.get("type")
    if kind is None:
        errors["type"].append("The type field is required.")
    elif kind not in TYPES:
        errors["type"].append(f"The selected type is invalid: it must be one of {', '.join(TYPES)}.")
    elif kind == "text":
        _require_text(body, "content", kind, errors)
        _prohibit(body, "media_url", kind, errors)
    else:
        _require_text(body, "media_url", kind, errors)
        _check_caption(body, kind, errors)
        if "media_url" not in errors and not is_url(body["media_url"]):
            errors["media_url"].append("The media_url field must be a valid URL (http or https).")


def _check_caption(body: Mapping[str, Any], kind: str, errors: _Complaints) -> None:
    if kind == "audio":
        _prohibit(body, "content", kind, errors)
    elif "content" in body and not isinstance(body["content"], str):
        errors["content"].append("The content field must be a string.")


def _require_text(body: Mapping[str, Any], name: str, kind: str, errors: _Complaints) -> None:
    value = body.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        errors[name].append(f"The {name} field is required when type is {kind}.")
    elif not isinstance(value, str):
        errors[name].append(f"The {name} field must be a string.")


def _prohibit(body: Mapping[str, Any], name: str, kind: str, errors: _Complaints) -> None:
    if name in body:
        errors[name].append(f"The {name} field is not allowed when type is {kind}.")


def _check_delay(body: Mapping[str, Any], errors: _Complaints) -> None:
    if "delay_between" not in body:
        return
    delay = body["delay_between"]
    # bool is an int to Python, but not to the provider.
    if not isinstance(delay, int) or isinstance(delay, bool):
        errors["delay_between"].append("The delay_between field must be an integer.")
    elif delay < 0:
        errors["delay_between"].append("The delay_between field must be at least 0.")


def _single_values(params: QueryParams, errors: _Complaints) -> dict[str, str]:
    for unknown in sorted(set(params) - QUERY_FIELDS - set(NUMBER_FILTERS)):
        errors[unknown].append(f"The {unknown} parameter is not known.")
    for name in params:
        if not name.endswith("[]") and len(params.getlist(name)) > 1:
            # PHP would silently keep the last of them.
            errors[name].append(f"The {name} parameter is given more than once.")
    return {name: params[name] for name in QUERY_FIELDS & set(params)}


def _filter_numbers(params: QueryParams, errors: _Complaints) -> list[str]:
    found = []
    for name in NUMBER_FILTERS:
        for value in params.getlist(name):
            if not NUMBER.fullmatch(value):
                errors[name].append(f"The {name} parameter must be a phone number in international format.")
            found.append(value.removeprefix("+"))
    return found


def _number(single: Mapping[str, str], errors: _Complaints) -> str | None:
    value = single.get("filter[from_number]")
    if value is not None and not NUMBER.fullmatch(value):
        errors["filter[from_number]"].append("The filter[from_number] parameter must be a phone number.")
    return None if value is None else value.removeprefix("+")


def _choice(
    single: Mapping[str, str], name: str, allowed: Collection[str], errors: _Complaints
) -> str | None:
    value = single.get(name)
    if value is not None and value not in allowed:
        errors[name].append(f"The {name} parameter must be one of {', '.join(allowed)}.")
    return value


def _moment(single: Mapping[str, str], name: str, errors: _Complaints) -> float | None:
    if (value := single.get(name)) is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        errors[name].append(f"The {name} parameter must be an ISO 8601 date and time.")
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _count(single: Mapping[str, str], name: str, default: int, most: int | None, errors: _Complaints) -> int:
    value = single.get(name, str(default))
    if not re.fullmatch("[0-9]{1,9}", value) or int(value) < 1 or (most and int(value) > most):
        errors[name].append(
            f"The {name} parameter must be a whole number from 1" + (f" to {most}." if most else ".")
        )
        return default
    return int(value)


def _is_uuid(value: str) -> bool:
    try:
        return str(UUID(value)) == value.lower()
    except ValueError:
        return False
