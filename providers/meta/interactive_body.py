"""The `interactive` object of Meta's messages: buttons, one link, a list, a request for a location, a flow, products, a
catalog.

Shapes and limits: Meta's pages on interactive messages, on sharing products and on sending flows, as of 2026.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from campaigns.message.content import Button, Content, MessageType, ProductSection
from providers.meta.parts import known, medium, too_long, unfit

BODY, BUTTONS, BUTTON_TITLE, BUTTON_ID = 1024, 3, 20, 256
MENU_BODY, MENU_BUTTON, SECTIONS, SECTION_TITLE = 4096, 20, 10, 24
ROWS, ROW_TITLE, ROW_DESCRIPTION, ROW_ID = 10, 24, 72, 200
HEADER, FOOTER, PRODUCTS, FLOW_BUTTON = 60, 60, 30, 20
FLOW_VERSION: Final = "3"


def interactive(content: Content) -> dict[str, Any]:
    """With its header, body and footer, as far as it has them."""
    kind, action = ACTIONS.get(content.type, _buttons)(content)
    parts = known(
        header=_text_header(content) or _media_header(content),
        body={"text": content.text} if content.text else None,
        footer={"text": content.footer} if content.footer else None,
    )
    return {"type": kind, **parts, "action": action}


def button_id(button: Button) -> str:
    """What comes back when a reply or postback button is pressed."""
    return button.payload or button.id or button.text


def _buttons(content: Content) -> tuple[str, dict[str, Any]]:
    """Reply buttons, or one link (`cta_url`)."""
    links = [button for button in content.buttons if button.type == "link"]
    if links:
        parameters = {"display_text": links[0].text, "url": links[0].url}
        return "cta_url", {"name": "cta_url", "parameters": parameters}
    buttons = [{"type": "reply", "reply": {"id": button_id(b), "title": b.text}} for b in content.buttons]
    return "button", {"buttons": buttons}


def _list(content: Content) -> tuple[str, dict[str, Any]]:
    menu = content.menu
    if menu is None:
        raise ValueError("a list message without its list")
    sections = [
        known(
            title=section.title,
            rows=[known(id=row.id, title=row.title, description=row.description) for row in section.rows],
        )
        for section in menu.sections
    ]
    return "list", {"button": menu.button, "sections": sections}


def _location_request(content: Content) -> tuple[str, dict[str, Any]]:
    return "location_request_message", {"name": "send_location"}


def _flow(content: Content) -> tuple[str, dict[str, Any]]:
    flow = content.flow
    if flow is None:
        raise ValueError("a flow message without its flow")
    data = {each.name: each.text for each in flow.data}
    screen = known(screen=flow.screen, data=data or None) or None
    parameters = known(
        flow_message_version=FLOW_VERSION,
        flow_token=flow.token,
        flow_id=flow.id,
        flow_name=flow.name,
        flow_cta=flow.button,
        mode="draft" if flow.draft else None,
        flow_action="navigate" if screen else "data_exchange",
        flow_action_payload=screen,
    )
    return "flow", {"name": "flow", "parameters": parameters}


def _product(content: Content) -> tuple[str, dict[str, Any]]:
    product = content.product
    if product is None:
        raise ValueError("a product message without its product")
    return "product", {"catalog_id": product.catalog_id, "product_retailer_id": product.id}


def _products(content: Content) -> tuple[str, dict[str, Any]]:
    products = content.products
    if products is None:
        raise ValueError("a message of products without them")
    sections = [
        known(title=section.title, product_items=[{"product_retailer_id": sku} for sku in section.products])
        for section in products.sections
    ]
    return "product_list", {"catalog_id": products.catalog_id, "sections": sections}


def _catalog(content: Content) -> tuple[str, dict[str, Any]]:
    thumbnail = content.catalog.thumbnail if content.catalog else None
    parameters = {"thumbnail_product_retailer_id": thumbnail} if thumbnail else None
    return "catalog_message", known(name="catalog_message", parameters=parameters)


ACTIONS: Final[dict[MessageType, Callable[[Content], tuple[str, dict[str, Any]]]]] = {
    MessageType.LIST: _list,
    MessageType.LOCATION_REQUEST: _location_request,
    MessageType.FLOW: _flow,
    MessageType.PRODUCT: _product,
    MessageType.PRODUCTS: _products,
    MessageType.CATALOG: _catalog,
}
"""The types of messages with an action of their own: Meta's type of it, and the action."""


def _text_header(content: Content) -> dict[str, Any] | None:
    titled = content.menu or content.products
    text = titled.title if titled else content.header
    return {"type": "text", "text": text} if text else None


def _media_header(content: Content) -> dict[str, Any] | None:
    if not content.media:
        return None
    kind = content.type.value
    return {"type": kind, kind: medium(content.media[0], named=content.type is MessageType.DOCUMENT)}


def broken_interactive(content: Content) -> Iterator[str]:
    """Which of Meta's limits buttons, list, flow or products exceed."""
    yield from _broken_buttons(content)
    yield from _broken_menu(content)
    yield from _broken_flow(content)
    yield from _broken_products(content)


def _broken_buttons(content: Content) -> Iterator[str]:
    if not content.buttons:
        return
    if content.type not in {MessageType.TEXT, MessageType.IMAGE, MessageType.VIDEO, MessageType.DOCUMENT}:
        yield f"content.buttons: {content.type} cannot have buttons."
    links = [button for button in content.buttons if button.type == "link"]
    if links and len(content.buttons) > 1:
        yield "content.buttons: a link button must be the only button."
    if len(content.buttons) > BUTTONS:
        yield f"content.buttons: at most {BUTTONS}."
    titles = [button.text for button in content.buttons]
    if len(set(titles)) < len(titles):
        yield "content.buttons: their texts must differ."
    for place, button in enumerate(content.buttons):
        yield from unfit(f"content.buttons[{place}].text", button.text, BUTTON_TITLE)
        yield from too_long(f"content.buttons[{place}].id", button_id(button), BUTTON_ID)


def _broken_menu(content: Content) -> Iterator[str]:
    menu = content.menu
    if menu is None:
        return
    rows = [row for section in menu.sections for row in section.rows]
    if len(menu.sections) > SECTIONS:
        yield f"content.list.sections: at most {SECTIONS}."
    if len(rows) > ROWS:
        yield f"content.list: at most {ROWS} rows in all."
    if len({row.id for row in rows}) < len(rows):
        yield "content.list: the ids of rows must differ."
    if len(menu.sections) > 1 and not all(section.title for section in menu.sections):
        yield "content.list.sections: several sections need titles."
    for field, most, needed, texts in (
        ("title", HEADER, False, [menu.title]),
        ("button", MENU_BUTTON, True, [menu.button]),
        ("sections.title", SECTION_TITLE, False, [section.title for section in menu.sections]),
        ("rows.title", ROW_TITLE, True, [row.title for row in rows]),
        ("rows.id", ROW_ID, True, [row.id for row in rows]),
        ("rows.description", ROW_DESCRIPTION, False, [row.description for row in rows]),
    ):
        check = unfit if needed else too_long
        for text in texts:
            yield from check(f"content.list.{field}", text or "", most)


def _broken_flow(content: Content) -> Iterator[str]:
    flow = content.flow
    if flow is None:
        return
    yield from unfit("content.flow.button", flow.button, FLOW_BUTTON)
    for name in ("id", "name", "token", "screen"):
        value = getattr(flow, name)
        if value is not None and not value.strip():
            yield f"content.flow.{name} is empty."


def _broken_products(content: Content) -> Iterator[str]:
    if content.product is not None and not (
        content.product.catalog_id.strip() and content.product.id.strip()
    ):
        yield "content.product: catalog_id or id is empty."
    if content.catalog is not None and content.catalog.thumbnail is not None:
        yield from unfit("content.catalog.thumbnail", content.catalog.thumbnail, ROW_ID)
    products = content.products
    if products is None:
        return
    yield from unfit("content.products.title", products.title, HEADER)
    if not products.catalog_id.strip():
        yield "content.products: catalog_id or a product is empty."
    yield from broken_sections("content.products", products.sections)


def broken_sections(key: str, sections: Sequence[ProductSection]) -> Iterator[str]:
    """Which limits the sections of products exceed."""
    skus = [sku for section in sections for sku in section.products]
    if not all(sku.strip() for sku in skus):
        yield f"{key}: catalog_id or a product is empty."
    if len(skus) > PRODUCTS:
        yield f"{key}: at most {PRODUCTS} products in all."
    if len(sections) > SECTIONS:
        yield f"{key}.sections: at most {SECTIONS}."
    if len(sections) > 1 and not all(section.title for section in sections):
        yield f"{key}.sections: several sections need titles."
    for section in sections:
        yield from too_long(f"{key}.sections.title", section.title or "", SECTION_TITLE)
