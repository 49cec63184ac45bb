"""The account's templates, and the check of a template message against the one that it names."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from emulators.base import Refusal
from emulators.meta.errors import refused

STATUSES = {
    "APPROVED": None,
    "PAUSED": 132015,
    "DISABLED": 132016,
    "LOCKED": 132016,
    **dict.fromkeys(("ARCHIVED", "DELETED", "IN_APPEAL", "PENDING", "PENDING_DELETION", "REJECTED"), 132001),
}
"""Each status, and the code with which a message is refused that names such a template."""
EVENTS = ("FLAGGED", "UNFLAGGED")
"""Events that change no status."""
UNFIT = re.compile(r"[\n\r\t]| {5,}")
"""What a parameter must not hold."""
CATEGORIES = ("MARKETING", "UTILITY", "AUTHENTICATION")
HEADERS = ("TEXT", "IMAGE", "VIDEO", "DOCUMENT", "LOCATION", "PRODUCT")
BUTTONS = {
    "url": "text",
    "quick_reply": "payload",
    "copy_code": "coupon_code",
    "catalog": "action",
    "flow": "action",
    "mpm": "action",
    "spm": "",
}
"""Each kind of button and the type of its parameter."""
NEEDED = ("url", "copy_code", "mpm")
"""The kinds that every message must fill."""
BARE = ("catalog", "flow")
"""The kinds that may be named without a parameter."""

SHOWN_BUTTONS = {
    "url": {"type": "URL", "text": "Visit the shop", "url": "https://shop.example/{{1}}"},
    "quick_reply": {"type": "QUICK_REPLY", "text": "Stop promotions"},
    "copy_code": {"type": "COPY_CODE", "text": "Copy offer code", "example": ["25OFF"]},
    "catalog": {"type": "CATALOG", "text": "View catalog"},
    "mpm": {"type": "MPM", "text": "View items"},
    "spm": {"type": "SPM", "text": "View"},
    "flow": {"type": "FLOW", "text": "Book", "flow_id": "1", "flow_action": "NAVIGATE"},
}
"""Each kind of button as the list shows it."""
FIELDS = (
    *("name", "language", "category", "status", "rejected_reason", "previous_category", "parameter_format"),
    *("id", "quality_score", "components"),
)
DEFAULT_FIELDS = (
    "name",
    "parameter_format",
    "components",
    "language",
    "status",
    "category",
    "id",
    "previous_category",
)
"""What the list shows where no fields are asked for."""
FILTERS = ("name", "language", "status", "category")
PAGE, LONGEST_PAGE = 25, 1000


@dataclass(frozen=True, slots=True)
class Template:
    """One template in one language. `parameters`: how many, or the names of named ones."""

    name: str
    language: str
    category: str = "MARKETING"
    status: str = "APPROVED"
    parameters: int | tuple[str, ...] = 0
    header: str | None = None
    """What its header needs: one of HEADERS, TEXT being one variable."""
    buttons: tuple[str, ...] = ()
    """The kinds of its buttons, in their order."""
    held: bool = False
    """Whether Meta holds its messages for an assessment of quality."""
    text: str = ""
    """The body; default: a sentence with its parameters."""
    cards: int = 0
    """How many cards its carousel has; 0: it has none."""
    offer: bool = False
    """Whether it is a limited-time offer."""
    previous_category: str | None = None
    rejected_reason: str = "NONE"

    def __post_init__(self) -> None:
        for value, known in (
            (self.status, STATUSES),
            (self.category, CATEGORIES),
            (self.header or "TEXT", HEADERS),
        ):
            if value not in known:
                raise Refusal(422, f"{value} must be one of {', '.join(known)}.")
        if any(button not in BUTTONS for button in self.buttons):
            raise Refusal(422, f"buttons are of {', '.join(BUTTONS)}.")

    def view(self, template_id: str) -> dict[str, Any]:
        """Everything that the account's list can show of the template."""
        names = ("name", "language", "category", "status", "rejected_reason")
        shown: dict[str, Any] = {name: getattr(self, name) for name in names}
        if self.previous_category is not None:
            shown["previous_category"] = self.previous_category
        shown["parameter_format"] = "NAMED" if isinstance(self.parameters, tuple) else "POSITIONAL"
        quality = {"score": "UNKNOWN", "date": 1_700_000_000}
        return {**shown, "id": template_id, "quality_score": quality, "components": list(self._components())}

    def _components(self) -> Iterator[dict[str, Any]]:
        names = self.parameters if isinstance(self.parameters, tuple) else range(1, self.parameters + 1)
        if self.header == "TEXT":
            title = "{{title}}" if isinstance(self.parameters, tuple) else "{{1}}"
            yield {"type": "HEADER", "format": "TEXT", "text": f"News for {title}"}
        elif self.header is not None:
            yield {"type": "HEADER", "format": self.header}
        text = self.text or f"Hello {', '.join(f'{{{{{name}}}}}' for name in names)}!"
        yield {"type": "BODY", "text": text}
        if self.offer:
            ends = {"text": "Expiring offer!", "has_expiration": True}
            yield {"type": "LIMITED_TIME_OFFER", "limited_time_offer": ends}
        if self.buttons:
            yield {"type": "BUTTONS", "buttons": [SHOWN_BUTTONS[kind] for kind in self.buttons]}
        if self.cards:
            card = {"components": [{"type": "HEADER", "format": "IMAGE"}]}
            yield {"type": "CAROUSEL", "cards": [card] * self.cards}


READY = (
    Template("hello_world", "en_US", "UTILITY"),
    Template(
        "spring_sale", "en", parameters=1, text="Hello {{1}}, the spring sale is on: 20% off everything."
    ),
    Template("order_confirmation", "en", "UTILITY", parameters=1),
    Template("order_shipped", "en", "UTILITY", parameters=("order_id",)),
    Template("spring_photo", "en_US", parameters=2, header="IMAGE", buttons=("url", "quick_reply")),
    Template("store_map", "en", parameters=1, header="LOCATION"),
)


@dataclass
class Templates:
    """All templates, by name and language."""

    _all: dict[tuple[str, str], Template] = field(
        default_factory=lambda: {(each.name, each.language): each for each in READY}
    )

    def put(self, values: Mapping[str, Any]) -> tuple[Template | None, Template]:
        """Add or change a template; what it was and what it is. Raises Refusal for what makes no sense."""
        key = (str(values.get("name")), str(values.get("language", "en")))
        before = self._all.get(key)
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
            if name not in ("name", "language")
        }
        try:
            after = replace(before or Template(*key), **plain)
            if before is not None and before.category != after.category:
                after = replace(after, previous_category=before.category)
        except TypeError as error:
            raise Refusal(422, str(error)) from None
        self._all[key] = after
        return before, after

    def page(self, query: Mapping[str, str], url: str) -> dict[str, Any]:
        """A page of the account's list, at that address. Raises MetaRefusal for a query that Meta does not allow."""
        for name in query.keys() - {"fields", "limit", "after", *FILTERS}:
            raise refused(100, f"The parameter {name} is not known")
        fields = query["fields"].split(",") if "fields" in query else DEFAULT_FIELDS
        for name in fields:
            if name not in FIELDS:
                raise refused(100, f"Tried accessing nonexisting field ({name})")
        limit, start = _limit(query), _start(query)
        views = [each.view(str(1000 + number)) for number, each in enumerate(self._all.values())]
        wanted = [
            each for each in views if all(each[name] == query[name] for name in FILTERS if name in query)
        ]
        data = wanted[start : start + limit]
        shown = [{name: each[name] for name in (*fields, "id") if name in each} for each in data]
        return {"data": shown, **_paging(url, start, len(data), len(wanted))}

    def named(self, message: Mapping[str, Any]) -> Template:
        """The approved template that a message names, checked against it. Raises MetaRefusal."""
        name, language = str(message["name"]), str(message["language"]["code"])
        template = self._all.get((name, language))
        code = 132001 if template is None else STATUSES[template.status]
        if template is None or code == 132001:
            raise refused(132001, f"template name ({name}) does not exist in {language}")
        if code is not None:
            raise refused(code, f"template name ({name}) is {template.status.lower()}")
        _check(template, message.get("components", []))
        return template


def _check(template: Template, components: Sequence[Mapping[str, Any]]) -> None:
    kinds = [component["type"] for component in components]
    cards = [len(component["cards"]) for component in components if component["type"] == "carousel"]
    if sum(cards) != template.cards or ("limited_time_offer" in kinds) != template.offer:
        raise refused(132012, "The carousel or the offer does not match the template")
    for kind in ("header", "body"):
        if kinds.count(kind) > 1:
            raise refused(100, f"There is more than one component of type {kind}.")
    _check_header(template, list(_parameters(components, "header")))
    _check_body(template, list(_parameters(components, "body")))
    _check_buttons(template, [component for component in components if component["type"] == "button"])
    for kind in ("header", "body", "button"):
        _check_text(list(_parameters(components, kind)))


def _parameters(components: Sequence[Mapping[str, Any]], kind: str) -> Iterator[Mapping[str, Any]]:
    for component in components:
        if component["type"] == kind:
            yield from component.get("parameters", [])


def _check_text(given: Sequence[Mapping[str, Any]]) -> None:
    """Raise MetaRefusal for a parameter with a character that Meta does not take."""
    for parameter in given:
        if UNFIT.search(str(parameter.get("text", ""))):
            details = "Param text cannot have new-line/tab characters or more than 4 consecutive spaces"
            raise refused(132018, details)


def _check_header(template: Template, given: list[Mapping[str, Any]]) -> None:
    if len(given) != (template.header is not None):
        raise refused(132000, f"header: number of parameters ({len(given)}) does not match the template")
    named = isinstance(template.parameters, tuple)
    for parameter in given:
        kind = str(parameter.get("type"))
        if kind.upper() != template.header or kind not in parameter:
            raise refused(132012, f"header: Format mismatch, expected {template.header}, received {kind}")
        if kind == "text" and ("parameter_name" in parameter) != named:
            raise refused(100, "header: Parameter name is missing or does not match the template")


def _check_body(template: Template, given: list[Mapping[str, Any]]) -> None:
    names = template.parameters if isinstance(template.parameters, tuple) else None
    wanted = len(names) if names is not None else template.parameters
    if len(given) != wanted:
        raise refused(
            132000,
            f"body: number of localizable_params ({len(given)}) does not match the expected ({wanted})",
        )
    if any(parameter.get("type") != "text" for parameter in given):
        raise refused(132012, "body: a parameter is not of type text")
    names_given = [parameter.get("parameter_name") for parameter in given]
    if sorted(map(str, names_given)) != sorted(names if names is not None else ["None"] * len(names_given)):
        raise refused(100, "body: Parameter name is missing or does not match the template")


def _check_buttons(template: Template, given: Sequence[Mapping[str, Any]]) -> None:
    """An address needs its end; a quick reply without a payload sends back its text."""
    indexes = [str(button.get("index")) for button in given]
    needed = {str(place) for place, kind in enumerate(template.buttons) if kind in NEEDED}
    there = {str(place) for place in range(len(template.buttons))}
    if len(set(indexes)) < len(indexes) or not needed <= set(indexes) <= there:
        raise refused(132000, "buttons: number of parameters does not match the template")
    for button in given:
        index = button["index"]
        if not isinstance(index, str):
            raise refused(100, "Param template['components']['index'] must be a string.")
        kind = template.buttons[int(index)]
        parameters = button.get("parameters", [])
        if str(button.get("sub_type")).lower() != kind:
            raise refused(132012, f"buttons: expected {kind} at index {index}")
        if not parameters and kind in BARE:
            continue
        if [parameter.get("type") for parameter in parameters] != [BUTTONS[kind]]:
            raise refused(132012, f"buttons: {kind} needs one parameter of type {BUTTONS[kind]}")


def _limit(query: Mapping[str, str]) -> int:
    limit = query.get("limit", str(PAGE))
    if not limit.isdecimal() or not 1 <= int(limit) <= LONGEST_PAGE:
        raise refused(100, f"The parameter limit must be a number from 1 to {LONGEST_PAGE}")
    return int(limit)


def _start(query: Mapping[str, str]) -> int:
    """The place that a cursor stands for."""
    if "after" not in query:
        return 0
    try:
        return int(b64decode(query["after"], validate=True))
    except ValueError:
        raise refused(100, "Invalid cursors values") from None


def _cursor(place: int) -> str:
    return b64encode(str(place).encode()).decode()


def _paging(url: str, start: int, size: int, total: int) -> dict[str, Any]:
    """A cursor stands on every page that holds something; `next` on those that are not the last."""
    if not size:
        return {}
    after = _cursor(start + size)
    paging: dict[str, Any] = {"cursors": {"before": _cursor(start), "after": after}}
    if start + size < total:
        paging["next"] = f"{url}?after={after}"
    return {"paging": paging}
