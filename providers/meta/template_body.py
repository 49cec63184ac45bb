"""The `template` object of Meta's messages: header, body, buttons, a carousel's cards, the end of an offer.

Shapes and limits: Meta's pages on template messages, and on authentication, coupon code, catalog, limited-time offer,
media card carousel, single- and
multi-product, and flow templates, as of November 2025. A button's one-time password (copy code, one-tap and
zero-tap alike) goes as a `url` button, and again as the body's only parameter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from campaigns.message.content import (
    Card,
    Content,
    Parameter,
    ProductSection,
    Template,
    TemplateButton,
    TemplateHeader,
)
from providers.meta.interactive_body import broken_sections
from providers.meta.parts import known, medium, place_of, too_long, unfit
from providers.values import moment

TEMPLATE_NAME: Final = 512
CODE: Final = 15
"""Characters of a one-time password and of a coupon's code."""
CARDS: Final = range(2, 11)
CARD_TEXT: Final = 160
_NOT_IN_PARAMETERS: Final = re.compile(r"[\n\r\t]| {5}")
_COUPON: Final = re.compile(r"[A-Za-z0-9]+")
_SUB_TYPES: Final = {"code": "url", "catalog": "CATALOG", "products": "mpm"}
"""What Meta calls a button's type, where it is not what we call it."""


def template_of(content: Content) -> dict[str, Any]:
    template = content.template
    if template is None:
        raise ValueError("a template message without its template")
    components = [
        *_header(template.header),
        *_body(template.parameters),
        *_offer(template),
        *_buttons(template.buttons),
        *_carousel(template),
    ]
    return {
        "name": template.name,
        "language": {"code": template_language(template)},
        **({"components": components} if components else {}),
    }


def template_language(template: Template) -> str:
    """As Meta writes it: `en_US`, never `en-US`."""
    return template.language.replace("-", "_")


def _header(header: TemplateHeader | None) -> Iterable[dict[str, Any]]:
    if header is None:
        return
    parameter = known(type="text", parameter_name=header.name, text=header.text)
    for kind in ("image", "video", "document"):
        media = getattr(header, kind)
        if media is not None:
            parameter = {"type": kind, kind: medium(media, named=kind == "document")}
    if header.location is not None:
        parameter = {"type": "location", "location": place_of(header.location)}
    if header.product is not None:
        product = {"product_retailer_id": header.product.id, "catalog_id": header.product.catalog_id}
        parameter = {"type": "product", "product": product}
    yield {"type": "header", "parameters": [parameter]}


def _body(given: Iterable[Parameter]) -> Iterable[dict[str, Any]]:
    parameters = [
        {"type": "text", "text": each.text}
        if each.name is None
        else {"type": "text", "parameter_name": each.name, "text": each.text}
        for each in given
    ]
    if parameters:
        yield {"type": "body", "parameters": parameters}


def _offer(template: Template) -> Iterable[dict[str, Any]]:
    ends = _time(template.offer_ends)
    if ends is not None:
        offer = {"expiration_time_ms": round(ends.timestamp() * 1000)}
        parameter = {"type": "limited_time_offer", "limited_time_offer": offer}
        yield {"type": "limited_time_offer", "parameters": [parameter]}


def _buttons(buttons: Iterable[TemplateButton]) -> Iterable[dict[str, Any]]:
    for button in buttons:
        parameters = _filled(button)
        yield {
            "type": "button",
            "sub_type": _SUB_TYPES.get(button.type, button.type),
            "index": str(button.index),
            **({"parameters": parameters} if parameters else {}),
        }


def _filled(button: TemplateButton) -> list[dict[str, Any]]:
    """The button's parameters; none for a catalog that shows its first product."""
    match button.type:
        case "quick_reply":
            return [{"type": "payload", "payload": button.parameter}]
        case "url" | "code":
            return [{"type": "text", "text": button.parameter}]
        case "copy_code":
            return [{"type": "coupon_code", "coupon_code": button.parameter}]
        case "catalog":
            action = known(thumbnail_product_retailer_id=button.parameter or None)
        case "products":
            sections = [_section(section) for section in button.sections]
            action = {"thumbnail_product_retailer_id": button.parameter, "sections": sections}
        case "flow":
            data = {each.name: each.text for each in button.data}
            action = known(flow_token=button.parameter or None, flow_action_data=data or None)
    return [{"type": "action", "action": action}] if action else []


def _section(section: ProductSection) -> dict[str, Any]:
    items = [{"product_retailer_id": product} for product in section.products]
    return known(title=section.title, product_items=items)


def _carousel(template: Template) -> Iterable[dict[str, Any]]:
    cards = [
        {
            "card_index": place,
            "components": [*_header(card.header), *_body(card.parameters), *_buttons(card.buttons)],
        }
        for place, card in enumerate(template.cards)
    ]
    if cards:
        yield {"type": "carousel", "cards": cards}


def _time(written: str | None) -> datetime | None:
    """A time with its offset, or Unix seconds."""
    has_offset = written is not None and re.search(r"(Z|[+-]\d\d:?\d\d|^\d+)$", written.strip())
    return moment(written.strip()) if written is not None and has_offset else None


def broken_template(content: Content) -> Iterator[str]:
    """Which of Meta's limits the template's values exceed."""
    template = content.template
    if template is None:
        return
    key = "content.template"
    yield from unfit(f"{key}.name", template.name, TEMPLATE_NAME)
    if not template.language.strip():
        yield f"{key}.language is empty."
    yield from _broken_parameters(f"{key}.parameters", template.parameters)
    if template.header is not None and template.header.text is not None:
        yield from _broken_parameter(f"{key}.header.text", template.header.text)
    product = template.header.product if template.header else None
    if product is not None and not (product.id.strip() and product.catalog_id.strip()):
        yield f"{key}.header.product needs its id and its catalog_id."
    yield from _broken_buttons(f"{key}.buttons", template.buttons)
    for place, button in enumerate(template.buttons):
        yield from broken_sections(f"{key}.buttons[{place}]", button.sections)
    yield from _broken_code(template)
    if template.offer_ends is not None and _time(template.offer_ends) is None:
        yield (
            f"{key}.offer_ends becomes {template.offer_ends!r}, which is not a time with its offset, "
            "such as 2026-12-24T18:00+01:00."
        )
    if template.cards:
        yield from _broken_cards(f"{key}.cards", template.cards)


def _broken_parameters(key: str, parameters: Iterable[Parameter]) -> Iterator[str]:
    for place, parameter in enumerate(parameters):
        name = f".{parameter.name}" if parameter.name else f"[{place}] (number {place + 1})"
        yield from _broken_parameter(f"{key}{name}", parameter.text)


def _broken_buttons(key: str, buttons: Iterable[TemplateButton]) -> Iterator[str]:
    for place, button in enumerate(buttons):
        own = f"{key}[{place}].parameter"
        if button.type in ("url", "code"):
            yield from _broken_parameter(own, button.parameter)
        elif not button.parameter.strip() and button.type not in ("catalog", "flow"):
            yield f"{own} is empty."
        if button.type in ("code", "copy_code"):
            yield from too_long(own, button.parameter, CODE)
        if button.type == "copy_code" and button.parameter and not _COUPON.fullmatch(button.parameter):
            yield f"{own}: a coupon's code has only letters and digits."


def _broken_code(template: Template) -> Iterator[str]:
    """The password of an authentication template stands in its text and on its button."""
    codes = [button.parameter for button in template.buttons if button.type == "code"]
    if codes and [each.text for each in template.parameters] != codes[:1]:
        yield (
            "content.template.parameters: an authentication template has one, the same code as its button of "
            "type code."
        )


def _broken_cards(key: str, cards: tuple[Card, ...]) -> Iterator[str]:
    if len(cards) not in CARDS:
        yield f"{key}: a carousel has {CARDS[0]} to {CARDS[-1]} cards, not {len(cards)}."
    shapes = {
        (len(card.parameters), tuple((button.index, button.type) for button in card.buttons))
        for card in cards
    }
    if len(shapes) > 1:
        yield f"{key}: all cards have the same parameters and buttons."
    for place, card in enumerate(cards):
        yield from _broken_parameters(f"{key}[{place}].parameters", card.parameters)
        yield from _broken_buttons(f"{key}[{place}].buttons", card.buttons)
        for number, parameter in enumerate(card.parameters):
            yield from too_long(f"{key}[{place}].parameters[{number}]", parameter.text, CARD_TEXT)
        for button in card.buttons:
            if button.type not in ("url", "quick_reply"):
                yield f"{key}[{place}].buttons: a card has only url and quick_reply buttons."


def _broken_parameter(key: str, text: str) -> Iterator[str]:
    """Meta's error 132018: a parameter is one line of text without tabs or gaps."""
    if not text.strip():
        yield f"{key} is empty."
    found = _NOT_IN_PARAMETERS.search(text)
    if found:
        what = {"\t": "a tab", " ": "more than four spaces in a row"}.get(found[0][0], "a line break")
        yield f"{key} holds {what}, which Meta refuses in a template's parameter."
