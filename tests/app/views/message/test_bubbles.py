"""Every type of message as a phone shows it."""

from __future__ import annotations

from app.views.message.bubbles import Bubble, bubble_of
from campaigns.message.content import (
    Card,
    Content,
    Media,
    MessageType,
    Parameter,
    Template,
    TemplateButton,
    TemplateHeader,
)
from campaigns.message.marks import Text, Value, marked_value, visible_text
from campaigns.message.provider_templates import ButtonPart, HeaderPart, ProviderTemplate, TemplateParts
from tests.support.cases import each
from tests.support.messages import EXAMPLES

SALE = ProviderTemplate(
    "sale",
    "en",
    "APPROVED",
    "marketing",
    TemplateParts(
        HeaderPart("text", "Hi {{1}}"),
        "*{{1}}*, {{2}} off",
        "Stop with STOP",
        (
            ButtonPart("url", "Shop", "https://shop.example/{{1}}"),
            ButtonPart("phone_number", "Call"),
            ButtonPart("copy_code", "Copy"),
            ButtonPart("quick_reply", "No"),
        ),
    ),
)


def flat(bubble: Bubble) -> str:
    """All that is read in the bubble."""
    inlines = [bubble.header, bubble.footer, *(button.text for button in bubble.buttons)]
    inlines += [tile.title for tile in bubble.tiles] + [card.name for card in bubble.cards]
    if bubble.options:
        inlines.append(bubble.options.button)
        inlines += [row.title for section in bubble.options.sections for row in section.rows]
    texts = ["".join(part.text for part in inline if isinstance(part, Text)) for inline in inlines]
    return "\n".join([*texts, visible_text(bubble.body), *(tile.detail for tile in bubble.tiles)])


@each("name", EXAMPLES)
def test_each_type_shows_its_parts(name: str) -> None:
    content, expected = EXAMPLES[name]
    bubble = bubble_of(content)
    assert bubble.kind is content.type
    for text in expected:
        assert text in flat(bubble) + (bubble.emoji or "") + (bubble.template or "")


def test_a_known_template_shows_its_text_filled_in() -> None:
    message = Template(
        "sale",
        "en",
        (Parameter(marked_value("Ana", Value.FILLED)),),
        TemplateHeader(text="Ana"),
        (TemplateButton(0, "url", marked_value("x1", Value.FILLED)),),
    )
    bubble = bubble_of(Content(MessageType.TEMPLATE, template=message), SALE)
    assert bubble.template == "sale (en)"
    assert bubble.header == (Text("Hi Ana"),)
    assert visible_text(bubble.body) == "Ana, {{2}} off"
    assert Text("{{2}}", Value.BLANK) in bubble.body[0].parts  # type: ignore[union-attr]
    assert [(action.kind, action.detail) for action in bubble.buttons] == [
        ("link", "https://shop.example/x1"),
        ("call", ""),
        ("copy", ""),
        ("reply", ""),
    ]


def test_an_unknown_template_shows_what_it_is_filled_with() -> None:
    message = Template("sale", "en", (Parameter("Ana"), Parameter("5", "percent")))
    bubble = bubble_of(Content(MessageType.TEMPLATE, template=message))
    assert bubble.parameters == (("1", (Text("Ana"),)), ("percent", (Text("5"),)))


def test_the_picture_of_a_template_that_needs_one_is_shown_before_it_is_given() -> None:
    known = ProviderTemplate("p", "en", "APPROVED", "utility", TemplateParts(HeaderPart("image"), "Hi"))
    missing = bubble_of(Content(MessageType.TEMPLATE, template=Template("p", "en")), known)
    given = Template("p", "en", header=TemplateHeader(image=Media("https://x.example/a.png")))
    there = bubble_of(Content(MessageType.TEMPLATE, template=given), known)
    assert [(tile.kind, tile.detail) for tile in (*missing.tiles, *there.tiles)] == [
        ("image", ""),
        ("image", "https://x.example/a.png"),
    ]


CARDS = (
    Card(
        TemplateHeader(image=Media("https://x.example/lemon.png")),
        (Parameter(marked_value("15OFF", Value.FILLED)),),
        (TemplateButton(1, "url", "lemon"),),
    ),
    Card(TemplateHeader(video=Media("https://x.example/lime.mp4"))),
)


def test_the_cards_of_a_carousel_are_filled_in_as_the_template_has_them() -> None:
    buttons = (ButtonPart("quick_reply", "More"), ButtonPart("url", "Buy", "https://shop.example/{{1}}"))
    card = TemplateParts(HeaderPart("image"), "Use *{{1}}*", buttons=buttons)
    parts = TemplateParts(body="Our newest:", others=("carousel",), cards=(card, card, card))
    known = ProviderTemplate("fruit", "en", "APPROVED", "marketing", parts)
    bubble = bubble_of(Content(MessageType.TEMPLATE, template=Template("fruit", "en", cards=CARDS)), known)
    assert [[tile.detail or tile.kind for tile in slide.tiles] for slide in bubble.slides] == [
        ["https://x.example/lemon.png"],
        ["https://x.example/lime.mp4"],
        ["image"],
    ]
    assert [visible_text(slide.body) for slide in bubble.slides] == ["Use 15OFF", "Use {{1}}", "Use {{1}}"]
    assert [(each.kind, each.detail) for each in bubble.slides[0].buttons] == [
        ("reply", ""),
        ("link", "https://shop.example/lemon"),
    ]


def test_the_cards_of_an_unknown_template_show_what_they_are_filled_with() -> None:
    bubble = bubble_of(Content(MessageType.TEMPLATE, template=Template("fruit", "en", cards=CARDS)))
    assert [slide.parameters for slide in bubble.slides] == [(("1", (Text("15OFF", Value.FILLED),)),), ()]
    assert [(each.text, each.detail) for each in bubble.slides[0].buttons] == [((Text("Button 2"),), "lemon")]
