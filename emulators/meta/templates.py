"""The account's templates, and the check of a template message against the one that it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from emulators.base import Refusal
from emulators.meta.errors import refused

STATUSES = ("APPROVED", "PAUSED", "DISABLED", "PENDING", "REJECTED")
CATEGORIES = ("MARKETING", "UTILITY", "AUTHENTICATION")
HEADERS = ("TEXT", "IMAGE", "VIDEO", "DOCUMENT", "LOCATION")
BUTTONS = {"url": "text", "quick_reply": "payload"}
"""Each kind of button and the type of its parameter."""


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
        """The template as the account's list shows it."""
        shown = {name: getattr(self, name) for name in ("name", "language", "category", "status")}
        return {**shown, "id": template_id}


READY = (
    Template("hello_world", "en_US", "UTILITY"),
    Template("spring_sale", "en", parameters=1),
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
        except TypeError as error:
            raise Refusal(422, str(error)) from None
        self._all[key] = after
        return before, after

    def views(self) -> list[dict[str, Any]]:
        """All, as the account's list shows them."""
        return [each.view(str(1000 + number)) for number, each in enumerate(self._all.values())]

    def named(self, message: Mapping[str, Any]) -> Template:
        """The approved template that a message names, checked against it. Raises MetaRefusal."""
        name, language = str(message["name"]), str(message["language"]["code"])
        template = self._all.get((name, language))
        if template is None or template.status in ("PENDING", "REJECTED"):
            raise refused(132001, f"template name ({name}) does not exist in {language}")
        if template.status != "APPROVED":
            code = 132015 if template.status == "PAUSED" else 132016
            raise refused(code, f"template name ({name}) is {template.status.lower()}")
        _check(template, message.get("components", []))
        return template


def _check(template: Template, components: Sequence[Mapping[str, Any]]) -> None:
    kinds = [component["type"] for component in components]
    for kind in ("header", "body"):
        if kinds.count(kind) > 1:
            raise refused(100, f"There is more than one component of type {kind}.")
    _check_header(template, list(_parameters(components, "header")))
    _check_body(template, list(_parameters(components, "body")))
    _check_buttons(template, [component for component in components if component["type"] == "button"])


def _parameters(components: Sequence[Mapping[str, Any]], kind: str) -> Iterator[Mapping[str, Any]]:
    for component in components:
        if component["type"] == kind:
            yield from component.get("parameters", [])


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
    indexes = [button.get("index") for button in given]
    if sorted(map(str, indexes)) != [str(place) for place in range(len(template.buttons))]:
        raise refused(132000, "buttons: number of parameters does not match the template")
    for button in given:
        index = button["index"]
        if not isinstance(index, str):
            raise refused(100, "Param template['components']['index'] must be a string.")
        kind = template.buttons[int(index)]
        parameters = button.get("parameters", [])
        if button.get("sub_type") != kind:
            raise refused(132012, f"buttons: expected {kind} at index {index}")
        if [parameter.get("type") for parameter in parameters] != [BUTTONS[kind]]:
            raise refused(132012, f"buttons: {kind} needs one parameter of type {BUTTONS[kind]}")
