"""The `template` object of Meta's messages, read strictly."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from emulators.cloud_interactive import check_sections
from emulators.cloud_values import MEDIA, list_of, names_of, object_of, read_medium, text_of, texts, wrong

COMPONENTS = ("header", "body", "button")
SUB_TYPES = {
    "url": "text",
    "quick_reply": "payload",
    "copy_code": "coupon_code",
    "flow": "action",
    "catalog": "action",
    "mpm": "action",
}
"""The types of a template's buttons, in either case, and the type of their parameter."""
WITHOUT_PARAMETERS = ("flow", "catalog")
"""Buttons that may leave their parameters out."""
IN_ACTION = {"thumbnail_product_retailer_id", "flow_token", "flow_action_data"}
LONGEST_COUPON, CARDS = 15, range(2, 11)
OF_CARDS = ("url", "quick_reply")
PARAMETERS: Mapping[str, set[str]] = {
    "text": {"parameter_name"},
    **{
        kind: set()
        for kind in (
            *("payload", "image", "video", "document", "location", "currency", "date_time"),
            *("coupon_code", "action", "product"),
        )
    },
}
"""The types of a template's parameters, and what they may have beside the value under the type's own name."""


def read_template(value: Any, kind: str) -> tuple[str, None]:
    template = names_of(
        object_of(value, kind), {"name", "language"}, {"name", "language", "components"}, kind
    )
    language = names_of(object_of(template["language"], "language"), {"code"}, {"code", "policy"}, "language")
    text_of(language["code"], "template['language']['code']")
    components = template.get("components", [])
    for component in list_of(components, "template['components']") if components != [] else ():
        check = PARTS.get(str(object_of(component, "component").get("type")), _check_component)
        check(component)
    return text_of(template["name"], "template['name']"), None


def _check_component(component: dict[str, Any]) -> None:
    if component.get("type") not in COMPONENTS:
        raise wrong("component['type']", f"must be one of {', '.join(COMPONENTS)}")
    if component["type"] == "button":
        _check_button(component)
        return
    parameters = names_of(component, {"type", "parameters"}, {"type", "parameters"}, "component")[
        "parameters"
    ]
    for parameter in list_of(parameters, "component['parameters']") if parameters != [] else ():
        _check_parameter(object_of(parameter, "parameter"), in_header=component["type"] == "header")


def _check_button(button: dict[str, Any], sub_types: Collection[str] = tuple(SUB_TYPES)) -> None:
    names = {"type", "sub_type", "index", "parameters"}
    kind = str(button.get("sub_type")).lower()
    needed = names - {"parameters"} if kind in WITHOUT_PARAMETERS else names
    names_of(button, needed, names, "component")
    if kind not in sub_types:
        raise wrong("component['sub_type']", f"must be one of {', '.join(sub_types)}")
    if not text_of(button["index"], "component['index']").isdecimal():
        raise wrong("component['index']", "must be a number")
    given = button.get("parameters", [])
    for parameter in list_of(given, "component['parameters']") if given != [] else ():
        if kind == "mpm":
            _check_products(object_of(parameter, "parameter"))
            continue
        if sub_types is OF_CARDS and object_of(parameter, "parameter").get("type") != SUB_TYPES[kind]:
            raise wrong("parameter['type']", f"must be {SUB_TYPES[kind]} of a {kind} button")
        _check_parameter(object_of(parameter, "parameter"), in_header=False)


def _check_products(parameter: dict[str, Any]) -> None:
    """What the button of a multi-product template opens."""
    named = names_of(parameter, {"type", "action"}, {"type", "action"}, "parameter")
    if named["type"] != "action":
        raise wrong("parameter['type']", "must be action of a mpm button")
    needed = {"thumbnail_product_retailer_id", "sections"}
    action = names_of(object_of(named["action"], "action"), needed, needed, "action")
    text_of(action["thumbnail_product_retailer_id"], "thumbnail_product_retailer_id")
    check_sections(action["sections"])


def _check_offer(component: dict[str, Any]) -> None:
    names_of(component, {"type", "parameters"}, {"type", "parameters"}, "component")
    for parameter in list_of(component["parameters"], "component['parameters']"):
        kind = "limited_time_offer"
        offer = names_of(object_of(parameter, kind), {"type", kind}, {"type", kind}, "parameter")[kind]
        if parameter["type"] != kind:
            raise wrong("parameter['type']", f"must be {kind}")
        time = names_of(object_of(offer, kind), {"expiration_time_ms"}, {"expiration_time_ms"}, kind)
        if type(time["expiration_time_ms"]) is not int or time["expiration_time_ms"] <= 0:
            raise wrong(
                "limited_time_offer['expiration_time_ms']", "must be a UNIX timestamp in milliseconds"
            )


def _check_carousel(component: dict[str, Any]) -> None:
    cards = list_of(names_of(component, {"type", "cards"}, {"type", "cards"}, "component")["cards"], "cards")
    if len(cards) not in CARDS:
        raise wrong("cards", f"must hold {CARDS[0]} to {CARDS[-1]} cards")
    shapes = set()
    for place, card in enumerate(cards):
        parts = names_of(
            object_of(card, "card"), {"card_index", "components"}, {"card_index", "components"}, "card"
        )
        if parts["card_index"] != place:
            raise wrong("card['card_index']", f"must be {place}")
        components = list_of(parts["components"], "card['components']")
        for each in components:
            if object_of(each, "component").get("type") == "button":
                _check_button(each, OF_CARDS)
            else:
                _check_component(each)
        shapes.add(tuple((each["type"], each.get("sub_type")) for each in components))
        if components[0]["type"] != "header":
            raise wrong("card['components']", "must begin with a header")
    if len(shapes) > 1:
        raise wrong("cards", "must have the same components")


def _check_parameter(parameter: dict[str, Any], *, in_header: bool) -> None:
    kind = parameter.get("type")
    if not isinstance(kind, str) or kind not in PARAMETERS:
        raise wrong("parameter['type']", f"must be one of {', '.join(PARAMETERS)}")
    names_of(parameter, {"type", kind}, {"type", kind, *PARAMETERS[kind]}, "parameter")
    if kind == "coupon_code":
        code = text_of(parameter[kind], "coupon_code", LONGEST_COUPON)
        if not (code.isascii() and code.isalnum()):
            raise wrong("coupon_code", "must be alphanumeric")
    elif kind == "action":
        action = names_of(object_of(parameter[kind], kind), set(), IN_ACTION, kind)
        for name, value in action.items():
            object_of(value, name) if name == "flow_action_data" else text_of(value, name)
    if kind in ("text", "payload"):
        texts({name: value for name, value in parameter.items() if name != "type"}, "parameter")
    elif kind == "product":
        if not in_header:
            raise wrong("parameter['type']", "may be product in the header alone")
        needed = {"product_retailer_id", "catalog_id"}
        texts(names_of(object_of(parameter[kind], kind), needed, needed, kind), kind)
    elif in_header and kind in MEDIA:
        read_medium(parameter[kind], kind)


PARTS: Mapping[str, Callable[[dict[str, Any]], None]] = {
    "limited_time_offer": _check_offer,
    "carousel": _check_carousel,
}
"""Components of another form than a header's, a body's or a button's."""
