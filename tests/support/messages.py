"""A message of every type, and texts that its reader sees."""

from __future__ import annotations

from typing import Final

from campaigns.message.content import (
    Button,
    Catalog,
    Contact,
    ContactPhone,
    Content,
    Flow,
    Location,
    Media,
    Menu,
    MessageType,
    Parameter,
    Products,
    ProductSection,
    Reaction,
    Row,
    Section,
    Template,
)

_FILE: Final = Media("https://files.example/a.bin", filename="a.bin", alt="a picture")
BUTTONS: Final = (
    Button("reply", "Yes"),
    Button("postback", "More", payload="more"),
    Button("link", "Shop", url="https://shop.example/x"),
    Button("reply", "Never"),
)
MENU: Final = Menu("Choose", (Section((Row("a", "Morning", "before noon"),), "Today"),), "Times")

EXAMPLES: Final[dict[str, tuple[Content, tuple[str, ...]]]] = {
    "text": (
        Content(MessageType.TEXT, "Hello *you*", reply_to="wamid.1", header="Top", footer="Bottom", buttons=BUTTONS),
        ("Hello you", "Top", "Bottom", "Yes", "Shop", "Never"),
    ),
    **{
        kind.value: (Content(kind, text, (_FILE,)), ("a.bin", "https://files.example/a.bin", text or ""))
        for kind, text in (
            (MessageType.IMAGE, "Look"),
            (MessageType.VIDEO, "Look"),
            (MessageType.DOCUMENT, "Read"),
            (MessageType.AUDIO, None),
            (MessageType.STICKER, None),
        )
    },
    "voice": (Content(MessageType.AUDIO, None, (Media("https://files.example/v.ogg", voice=True),)), ("v.ogg",)),
    "files": (Content(MessageType.FILES, "Two", (_FILE, Media(id="77"))), ("Two", "file 77")),
    "location": (
        Content(MessageType.LOCATION, location=Location(6.3703, 2.3912, "Shop", "Rue 1")),
        ("Shop, Rue 1", "6.3703, 2.3912"),
    ),
    "contacts": (
        Content(MessageType.CONTACTS, contacts=(Contact("Ana Silva", phones=(ContactPhone("+22997000000"),)),)),
        ("Ana Silva",),
    ),
    "reaction": (Content(MessageType.REACTION, reaction=Reaction("wamid.1", "👍")), ("👍",)),
    "list": (Content(MessageType.LIST, "When?", menu=MENU), ("Times", "When?", "Choose", "Morning")),
    "location_request": (Content(MessageType.LOCATION_REQUEST, "Where?"), ("Where?", "Send location")),
    "flow": (Content(MessageType.FLOW, "Book", flow=Flow("Open", id="77")), ("Book", "Open")),
    "products": (
        Content(
            MessageType.PRODUCTS, "New", products=Products("c1", "Shoes", (ProductSection(("p1", "p2"), "Red"),))
        ),
        ("Shoes", "New", "Red", "p1, p2", "View items"),
    ),
    "catalog": (Content(MessageType.CATALOG, "All", catalog=Catalog()), ("All", "View catalog")),
    "template": (
        Content(MessageType.TEMPLATE, template=Template("sale", "en", (Parameter("Ana"),))),
        ("sale (en)",),
    ),
}  # fmt: skip
