"""Messages with an action of their own, and templates with codes, coupons, catalogs, flows, offers and cards: each as
Meta's page on it shows the request."""

from __future__ import annotations

from typing import Any

from campaigns.message.content import (
    Card,
    Catalog,
    Content,
    Flow,
    Media,
    MessageType,
    Parameter,
    Product,
    Products,
    ProductSection,
    Template,
    TemplateButton,
    TemplateHeader,
    Value,
)
from tests.providers.contract import Example

T = MessageType
PICTURE = "https://www.example.com/a.png"


def interactive(kind: str, action: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {"type": "interactive", "interactive": {"type": kind, **parts, "action": action}}


def template(name: str, *components: dict[str, Any]) -> dict[str, Any]:
    shown = {"name": name, "language": {"code": "en_US"}, "components": list(components)}
    return {"type": "template", "template": shown}


def body(*texts: str) -> dict[str, Any]:
    return {"type": "body", "parameters": [{"type": "text", "text": text} for text in texts]}


def button(sub_type: str, index: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    filled = {"parameters": list(parameters)} if parameters else {}
    return {"type": "button", "sub_type": sub_type, "index": index, **filled}


def of_template(name: str, *texts: str, **more: Any) -> Content:
    return Content(T.TEMPLATE, template=Template(name, "en_US", tuple(map(Parameter, texts)), **more))


def card(link: str, *buttons: TemplateButton, text: str = "Ten") -> Card:
    return Card(TemplateHeader(image=Media(PICTURE)), (Parameter(text),), buttons)


def shown_card(place: int, link: str) -> dict[str, Any]:
    header = {"type": "header", "parameters": [{"type": "image", "image": {"link": PICTURE}}]}
    parts = [
        header,
        body("Ten"),
        button("quick_reply", "0", {"type": "payload", "payload": "more"}),
        button("url", "1", {"type": "text", "text": link}),
    ]
    return {"card_index": place, "components": parts}


MORE, SHOP = TemplateButton(0, "quick_reply", "more"), TemplateButton(1, "url", "BLUE_ELF")
CARDS = (card("BLUE_ELF", MORE, SHOP), card("BUDDHA", MORE, TemplateButton(1, "url", "BUDDHA")))
FLOW = Flow("Book!", id="1", token="AQAA", screen="BOOKING", data=(Value("name", "Ada"),))
BUNDLES = (
    ProductSection(("2lc20305pt", "nseiw1x3ch"), "Popular Bundles"),
    ProductSection(("n6k6x0y7oe",), "Premium Packages"),
)
TWO = (ProductSection(("a1", "a2"), "Shirts"), ProductSection(("b1",), "Shoes"))

NEW: list[tuple[str, Content, dict[str, Any]]] = [
    (
        "a location request",
        Content(T.LOCATION_REQUEST, "Where are you?"),
        interactive("location_request_message", {"name": "send_location"}, body={"text": "Where are you?"}),
    ),
    (
        "a flow that begins with a screen",
        Content(T.FLOW, "Book a table", flow=FLOW, header="The inn", footer="Any time"),
        interactive(
            "flow",
            {
                "name": "flow",
                "parameters": {
                    "flow_message_version": "3",
                    "flow_token": "AQAA",
                    "flow_id": "1",
                    "flow_cta": "Book!",
                    "flow_action": "navigate",
                    "flow_action_payload": {"screen": "BOOKING", "data": {"name": "Ada"}},
                },
            },
            header={"type": "text", "text": "The inn"},
            body={"text": "Book a table"},
            footer={"text": "Any time"},
        ),
    ),
    (
        "a draft of a flow whose endpoint chooses the screen",
        Content(T.FLOW, "Book a table", flow=Flow("Book!", name="tables", draft=True)),
        interactive(
            "flow",
            {
                "name": "flow",
                "parameters": {
                    "flow_message_version": "3",
                    "flow_name": "tables",
                    "flow_cta": "Book!",
                    "mode": "draft",
                    "flow_action": "data_exchange",
                },
            },
            body={"text": "Book a table"},
        ),
    ),
    (
        "one product",
        Content(T.PRODUCT, "This one?", product=Product("146265584024623", "SKU-1"), footer="In stock"),
        interactive(
            "product",
            {"catalog_id": "146265584024623", "product_retailer_id": "SKU-1"},
            body={"text": "This one?"},
            footer={"text": "In stock"},
        ),
    ),
    (
        "several products",
        Content(T.PRODUCTS, "Look", products=Products("146265584024623", "New", TWO)),
        interactive(
            "product_list",
            {
                "catalog_id": "146265584024623",
                "sections": [
                    {
                        "title": "Shirts",
                        "product_items": [{"product_retailer_id": "a1"}, {"product_retailer_id": "a2"}],
                    },
                    {"title": "Shoes", "product_items": [{"product_retailer_id": "b1"}]},
                ],
            },
            header={"type": "text", "text": "New"},
            body={"text": "Look"},
        ),
    ),
    (
        "the catalog with a product's picture",
        Content(T.CATALOG, "All of it", catalog=Catalog("2lc20305pt"), footer="Best deals"),
        interactive(
            "catalog_message",
            {"name": "catalog_message", "parameters": {"thumbnail_product_retailer_id": "2lc20305pt"}},
            body={"text": "All of it"},
            footer={"text": "Best deals"},
        ),
    ),
    (
        "the catalog",
        Content(T.CATALOG, "All of it", catalog=Catalog()),
        interactive("catalog_message", {"name": "catalog_message"}, body={"text": "All of it"}),
    ),
    (
        "a one-time password stands in the text and on the button",
        of_template("verification_code", "J$FpnYnP", buttons=(TemplateButton(0, "code", "J$FpnYnP"),)),
        template(
            "verification_code", body("J$FpnYnP"), button("url", "0", {"type": "text", "text": "J$FpnYnP"})
        ),
    ),
    (
        "a coupon's code",
        of_template("coupon", "25OFF", "25%", buttons=(TemplateButton(1, "copy_code", "25OFF"),)),
        template(
            "coupon",
            body("25OFF", "25%"),
            button("copy_code", "1", {"type": "coupon_code", "coupon_code": "25OFF"}),
        ),
    ),
    (
        "a catalog's template",
        of_template("intro", "100", buttons=(TemplateButton(0, "catalog", "2lc20305pt"),)),
        template(
            "intro",
            body("100"),
            button(
                "CATALOG",
                "0",
                {"type": "action", "action": {"thumbnail_product_retailer_id": "2lc20305pt"}},
            ),
        ),
    ),
    (
        "a catalog's template with its first product",
        of_template("intro", "100", buttons=(TemplateButton(0, "catalog"),)),
        template("intro", body("100"), button("CATALOG", "0")),
    ),
    (
        "a flow's template",
        of_template("book", "Ada", buttons=(TemplateButton(0, "flow", "AQAA", (Value("name", "Ada"),)),)),
        template(
            "book",
            body("Ada"),
            button(
                "flow",
                "0",
                {"type": "action", "action": {"flow_token": "AQAA", "flow_action_data": {"name": "Ada"}}},
            ),
        ),
    ),
    (
        "a limited-time offer",
        of_template(
            "offer",
            "Pablo",
            buttons=(TemplateButton(0, "copy_code", "CARIBE25"), TemplateButton(1, "url", "n3mtql")),
            offer_ends="2023-10-29T07:00:00+01:00",
        ),
        template(
            "offer",
            body("Pablo"),
            {
                "type": "limited_time_offer",
                "parameters": [
                    {
                        "type": "limited_time_offer",
                        "limited_time_offer": {"expiration_time_ms": 1698559200000},
                    }
                ],
            },
            button("copy_code", "0", {"type": "coupon_code", "coupon_code": "CARIBE25"}),
            button("url", "1", {"type": "text", "text": "n3mtql"}),
        ),
    ),
    (
        "a single-product template",
        Content(
            T.TEMPLATE,
            template=Template(
                "spm_template_named_params",
                "en_US",
                (Parameter("25OFF", "code"), Parameter("25%", "percent")),
                header=TemplateHeader(product=Product("194836987003835", "nqryix03ez")),
            ),
        ),
        template(
            "spm_template_named_params",
            {
                "type": "header",
                "parameters": [
                    {
                        "type": "product",
                        "product": {"product_retailer_id": "nqryix03ez", "catalog_id": "194836987003835"},
                    }
                ],
            },
            {
                "type": "body",
                "parameters": [
                    {"type": "text", "parameter_name": "code", "text": "25OFF"},
                    {"type": "text", "parameter_name": "percent", "text": "25%"},
                ],
            },
        ),
    ),
    (
        "a multi-product template",
        of_template(
            "abandoned_cart",
            "10OFF",
            header=TemplateHeader(text="Pablo"),
            buttons=(TemplateButton(0, "products", "2lc20305pt", sections=BUNDLES),),
        ),
        template(
            "abandoned_cart",
            {"type": "header", "parameters": [{"type": "text", "text": "Pablo"}]},
            body("10OFF"),
            button(
                "mpm",
                "0",
                {
                    "type": "action",
                    "action": {
                        "thumbnail_product_retailer_id": "2lc20305pt",
                        "sections": [
                            {
                                "title": "Popular Bundles",
                                "product_items": [
                                    {"product_retailer_id": "2lc20305pt"},
                                    {"product_retailer_id": "nseiw1x3ch"},
                                ],
                            },
                            {
                                "title": "Premium Packages",
                                "product_items": [{"product_retailer_id": "n6k6x0y7oe"}],
                            },
                        ],
                    },
                },
            ),
        ),
    ),
    (
        "a carousel",
        of_template("cards", "Pablo", cards=CARDS),
        template(
            "cards",
            body("Pablo"),
            {"type": "carousel", "cards": [shown_card(0, "BLUE_ELF"), shown_card(1, "BUDDHA")]},
        ),
    ),
]

REFUSED: list[tuple[Content, str]] = [
    (Content(T.LOCATION_REQUEST, "x" * 1025), "content.text has 1,025 characters"),
    (Content(T.FLOW, "x", flow=Flow("b" * 21, id="1")), "content.flow.button has 21 characters"),
    (Content(T.FLOW, "x", flow=Flow("b", id=" ")), "content.flow.id is empty"),
    (Content(T.PRODUCT, product=Product("1", " ")), "content.product: catalog_id or id is empty"),
    (
        Content(T.PRODUCTS, "x", products=Products("1", "t", (ProductSection(tuple(map(str, range(31)))),))),
        "content.products: at most 30",
    ),
    (
        Content(
            T.PRODUCTS, "x", products=Products("1", "t", (ProductSection(("a",)), ProductSection(("b",))))
        ),
        "several sections need titles",
    ),
    (
        of_template("c", header=TemplateHeader(product=Product("1", " "))),
        "content.template.header.product needs its id and its catalog_id",
    ),
    (
        of_template(
            "c",
            buttons=(
                TemplateButton(0, "products", "p", sections=(ProductSection(tuple(map(str, range(31)))),)),
            ),
        ),
        "content.template.buttons[0]: at most 30",
    ),
    (
        of_template("c", buttons=(TemplateButton(0, "products", " ", sections=TWO),)),
        "buttons[0].parameter is empty",
    ),
    (
        of_template("c", "123456", buttons=(TemplateButton(0, "code", "654321"),)),
        "the same code as its button",
    ),
    (
        of_template("c", "1" * 16, buttons=(TemplateButton(0, "code", "1" * 16),)),
        "content.template.buttons[0].parameter has 16 characters; the limit is 15",
    ),
    (of_template("c", buttons=(TemplateButton(0, "copy_code", "25 %"),)), "only letters and digits"),
    (of_template("c", offer_ends="tomorrow"), "content.template.offer_ends becomes 'tomorrow'"),
    (of_template("c", offer_ends="2026-12-24T18:00"), "which is not a time with its offset"),
    (of_template("c", cards=CARDS[:1]), "a carousel has 2 to 10 cards, not 1"),
    (of_template("c", cards=(CARDS[0], card("x", MORE))), "all cards have the same"),
    (of_template("c", cards=(card("x", text="t" * 161),) * 2), "cards[0].parameters[0] has 161 characters"),
    (of_template("c", cards=(card("x", TemplateButton(0, "flow")),) * 2), "a card has only url and quick"),
]


def _example(page: str, content: str, request: dict[str, Any], **more: Any) -> Example:
    kind = request["type"]
    return Example(page, "Request", content, request[kind], at=kind, template=kind == "template", **more)


BY_WHY = {why: message for why, _, message in NEW}
EXAMPLES = [
    _example(
        "Authentication templates",
        'template = { name = "verification_code", language = "en_US", parameters = ["{{ code }}"], '
        'buttons = [{ index = 0, type = "code", parameter = "{{ code }}" }] }',
        BY_WHY["a one-time password stands in the text and on the button"],
        vars={"code": "J$FpnYnP"},
    ),
    _example(
        "Limited-time offer templates",
        'template = { name = "offer", language = "en_US", parameters = ["Pablo"], offer_ends = "{{ ends }}", '
        'buttons = [{ index = 0, type = "copy_code", parameter = "CARIBE25" }, '
        '{ index = 1, type = "url", parameter = "n3mtql" }] }',
        BY_WHY["a limited-time offer"],
        vars={"ends": "2023-10-29T06:00Z"},
    ),
    _example(
        "Media card carousel templates",
        'template = { name = "cards", language = "en_US", parameters = ["Pablo"], cards = ['
        + ", ".join(
            f'{{ header = {{ image = {{ url = "{PICTURE}" }} }}, parameters = ["Ten"], buttons = ['
            f'{{ index = 0, type = "quick_reply", parameter = "more" }}, '
            f'{{ index = 1, type = "url", parameter = "{end}" }}] }}'
            for end in ("{{ first }}", "BUDDHA")
        )
        + "] }",
        BY_WHY["a carousel"],
        vars={"first": "BLUE_ELF"},
    ),
    _example(
        "Catalog templates",
        'template = { name = "intro", language = "en_US", parameters = ["100"], '
        'buttons = [{ index = 0, type = "catalog" }] }',
        BY_WHY["a catalog's template with its first product"],
    ),
    _example(
        "Sending single-product template messages",
        'template = { name = "spm_template_named_params", language = "en_US", '
        'parameters = { code = "25OFF", percent = "25%" }, '
        'header = { product = { catalog_id = "194836987003835", id = "{{ sku }}" } } }',
        BY_WHY["a single-product template"],
        vars={"sku": "nqryix03ez"},
    ),
    _example(
        "Sending MPM template messages",
        'template = { name = "abandoned_cart", language = "en_US", parameters = ["10OFF"], '
        'header = { text = "Pablo" }, buttons = [{ index = 0, type = "products", parameter = "2lc20305pt", '
        'sections = [{ title = "Popular Bundles", products = ["2lc20305pt", "{{ sku }}"] }, '
        '{ title = "Premium Packages", products = ["n6k6x0y7oe"] }] }] }',
        BY_WHY["a multi-product template"],
        vars={"sku": "nseiw1x3ch"},
    ),
    _example(
        "Sending a Flow: template",
        'template = { name = "book", language = "en_US", parameters = ["Ada"], '
        'buttons = [{ index = 0, type = "flow", parameter = "AQAA", data = { name = "{{ name }}" } }] }',
        BY_WHY["a flow's template"],
        vars={"name": "Ada"},
    ),
    _example(
        "Sending a Flow: message",
        'text = "Book a table"\nheader = "The inn"\nfooter = "Any time"\n'
        'flow = { id = "1", button = "Book!", token = "AQAA", screen = "BOOKING", data = { name = "Ada" } }',
        BY_WHY["a flow that begins with a screen"],
    ),
    _example(
        "Location request messages",
        'text = "Where are you?"\nlocation_request = true',
        BY_WHY["a location request"],
    ),
    _example(
        "Share products: one",
        'text = "This one?"\nfooter = "In stock"\nproduct = { catalog_id = "146265584024623", id = "SKU-1" }',
        BY_WHY["one product"],
    ),
    _example(
        "Share products: several",
        'text = "Look"\nproducts = { catalog_id = "146265584024623", title = "New", sections = ['
        '{ title = "Shirts", products = ["a1", "a2"] }, { title = "Shoes", products = ["b1"] }] }',
        BY_WHY["several products"],
    ),
    _example("Share products: catalog", 'text = "All of it"\ncatalog = {}', BY_WHY["the catalog"]),
]
