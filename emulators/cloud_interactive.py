"""The `interactive` object of Meta's messages, read strictly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from emulators.cloud_values import (
    LONGEST,
    address,
    list_of,
    medium_place,
    names_of,
    object_of,
    text_of,
    wrong,
)

MOST_BUTTONS, MOST_SECTIONS, MOST_ROWS = 3, 10, 10
LONGEST_BUTTON, LONGEST_HEADER, LONGEST_FOOTER = 20, 60, 60
LONGEST_ROW, LONGEST_DESCRIPTION, LONGEST_ROW_ID = 24, 72, 200
MOST_PRODUCTS = 30


def read_interactive(value: Any, kind: str) -> tuple[str | None, None]:
    known = {"type", "header", "body", "footer", "action"}
    shown = str(object_of(value, kind).get("type"))
    needed = {"type", "action"} | ({"body"} if shown != "product" else set())
    needed |= {"header"} if shown == "product_list" else set()
    interactive = names_of(value, needed, known - NOT_WITH.get(shown, set()), kind)
    check = ACTIONS.get(shown)
    if check is None:
        raise wrong("interactive['type']", f"must be one of {', '.join(ACTIONS)}")
    longest = LONGEST["body"] if interactive["type"] == "list" else LONGEST["caption"]
    if "header" in interactive:
        of_text = interactive["type"] in ("list", "product_list")
        _check_header(object_of(interactive["header"], "header"), of_list=of_text)
    if "footer" in interactive:
        footer = names_of(object_of(interactive["footer"], "footer"), {"text"}, {"text"}, "footer")
        text_of(footer["text"], "interactive['footer']['text']", LONGEST_FOOTER)
    check(object_of(interactive["action"], "action"))
    if "body" not in interactive:
        return None, None
    body = names_of(object_of(interactive["body"], "body"), {"text"}, {"text"}, "body")
    return text_of(body["text"], "interactive['body']['text']", longest), None


def _check_header(header: dict[str, Any], *, of_list: bool) -> None:
    kind = header.get("type")
    if kind != "text" and (of_list or kind not in ("image", "video", "document")):
        raise wrong("interactive['header']['type']", "does not fit")
    names_of(header, {"type", kind}, {"type", kind}, "header")
    if kind == "text":
        text_of(header["text"], "interactive['header']['text']", LONGEST_HEADER)
    else:
        allowed = {"id", "link"} | ({"filename"} if kind == "document" else set())
        medium_place(names_of(object_of(header[kind], kind), set(), allowed, "header"), kind)


def _check_buttons(action: dict[str, Any]) -> None:
    buttons = names_of(action, {"buttons"}, {"buttons"}, "action")["buttons"]
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= MOST_BUTTONS:
        raise wrong("action['buttons']", f"must hold 1 to {MOST_BUTTONS} buttons")
    titles = []
    for button in buttons:
        found = names_of(object_of(button, "button"), {"type", "reply"}, {"type", "reply"}, "button")
        if found["type"] != "reply":
            raise wrong("button['type']", "must be reply")
        reply = names_of(object_of(found["reply"], "reply"), {"id", "title"}, {"id", "title"}, "reply")
        text_of(reply["id"], "reply['id']", 256)
        titles.append(text_of(reply["title"], "reply['title']", LONGEST_BUTTON))
    if len(set(titles)) < len(titles):
        raise wrong("action['buttons']", "must have titles of their own")


def _check_list(action: dict[str, Any]) -> None:
    names_of(action, {"button", "sections"}, {"button", "sections"}, "action")
    text_of(action["button"], "action['button']", LONGEST_BUTTON)
    sections, rows = action["sections"], []
    if not isinstance(sections, list) or not 1 <= len(sections) <= MOST_SECTIONS:
        raise wrong("action['sections']", f"must hold 1 to {MOST_SECTIONS} sections")
    for section in sections:
        found = names_of(object_of(section, "section"), {"rows"}, {"title", "rows"}, "section")
        rows += list_of(found["rows"], "section['rows']")
        if "title" in section or len(sections) > 1:
            text_of(section.get("title"), "section['title']", LONGEST_ROW)
    if not 1 <= len(rows) <= MOST_ROWS:
        raise wrong("action['sections']", f"must hold 1 to {MOST_ROWS} rows")
    for row in rows:
        names_of(object_of(row, "row"), {"id", "title"}, {"id", "title", "description"}, "row")
        text_of(row["id"], "row['id']", LONGEST_ROW_ID)
        text_of(row["title"], "row['title']", LONGEST_ROW)
        text_of(row.get("description", "-"), "row['description']", LONGEST_DESCRIPTION)


def _check_link(action: dict[str, Any]) -> None:
    if names_of(action, {"name", "parameters"}, {"name", "parameters"}, "action")["name"] != "cta_url":
        raise wrong("action['name']", "must be cta_url")
    found = object_of(action["parameters"], "parameters")
    names_of(found, {"display_text", "url"}, {"display_text", "url"}, "parameters")
    text_of(found["display_text"], "parameters['display_text']", LONGEST_BUTTON)
    address(found["url"], "parameters['url']")


def _check_location_request(action: dict[str, Any]) -> None:
    if names_of(action, {"name"}, {"name"}, "action")["name"] != "send_location":
        raise wrong("action['name']", "must be send_location")


def _check_flow(action: dict[str, Any]) -> None:
    if names_of(action, {"name", "parameters"}, {"name", "parameters"}, "action")["name"] != "flow":
        raise wrong("action['name']", "must be flow")
    needed = {"flow_message_version", "flow_cta"}
    optional = {"flow_id", "flow_name", "flow_token", "flow_action", "flow_action_payload", "mode"}
    found = names_of(object_of(action["parameters"], "parameters"), needed, needed | optional, "parameters")
    if ("flow_id" in found) == ("flow_name" in found):
        raise wrong("parameters", "needs one of flow_id and flow_name")
    if found["flow_message_version"] != "3" or found.get("mode", "published") not in ("published", "draft"):
        raise wrong("parameters", "flow_message_version must be 3, mode published or draft")
    text_of(found["flow_cta"], "parameters['flow_cta']", LONGEST_BUTTON)
    for name in ("flow_id", "flow_name", "flow_token"):
        if name in found:
            text_of(found[name], f"parameters['{name}']")
    does, payload = found.get("flow_action", "navigate"), found.get("flow_action_payload")
    if does not in ("navigate", "data_exchange") or (does == "navigate") != (payload is not None):
        raise wrong("parameters['flow_action']", "is navigate with its payload, or data_exchange")
    if payload is not None:
        shown = names_of(object_of(payload, "payload"), {"screen"}, {"screen", "data"}, "payload")
        text_of(shown["screen"], "payload['screen']")
        if "data" in shown and not object_of(shown["data"], "payload['data']"):
            raise wrong("payload['data']", "must not be empty")


def _check_product(action: dict[str, Any]) -> None:
    names = {"catalog_id", "product_retailer_id"}
    for name, value in names_of(action, names, names, "action").items():
        text_of(value, f"action['{name}']")


def _check_products(action: dict[str, Any]) -> None:
    names_of(action, {"catalog_id", "sections"}, {"catalog_id", "sections"}, "action")
    text_of(action["catalog_id"], "action['catalog_id']")
    check_sections(action["sections"])


def check_sections(given: Any) -> None:
    sections, items = list_of(given, "action['sections']"), []
    for section in sections:
        found = names_of(
            object_of(section, "section"), {"product_items"}, {"title", "product_items"}, "section"
        )
        items += list_of(found["product_items"], "section['product_items']")
        if "title" in section or len(sections) > 1:
            text_of(section.get("title"), "section['title']", LONGEST_ROW)
    if len(sections) > MOST_SECTIONS or len(items) > MOST_PRODUCTS:
        raise wrong(
            "action['sections']", f"must hold at most {MOST_SECTIONS} sections of {MOST_PRODUCTS} products"
        )
    for item in items:
        name = "product_retailer_id"
        text_of(names_of(object_of(item, "item"), {name}, {name}, "item")[name], name)


def _check_catalog(action: dict[str, Any]) -> None:
    if names_of(action, {"name"}, {"name", "parameters"}, "action")["name"] != "catalog_message":
        raise wrong("action['name']", "must be catalog_message")
    name = "thumbnail_product_retailer_id"
    if "parameters" in action:
        text_of(
            names_of(object_of(action["parameters"], "parameters"), {name}, {name}, "parameters")[name], name
        )


NOT_WITH: Mapping[str, set[str]] = {
    "location_request_message": {"header", "footer"},
    "product": {"header"},
    "catalog_message": {"header"},
}
"""Parts that a type of interactive message does not have."""
ACTIONS: Mapping[str, Callable[[dict[str, Any]], None]] = {
    "button": _check_buttons,
    "list": _check_list,
    "cta_url": _check_link,
    "location_request_message": _check_location_request,
    "flow": _check_flow,
    "product": _check_product,
    "product_list": _check_products,
    "catalog_message": _check_catalog,
}
