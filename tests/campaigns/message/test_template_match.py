"""A campaign is compared with the template that it names: every way in which it may not fit is named at its key."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.message.content_spec import ContentSpec
from campaigns.message.provider_templates import (
    ButtonPart,
    HeaderPart,
    ProviderTemplate,
    TemplateParts,
    filled_lines,
    placeholders,
)
from campaigns.message.template_match import UNSENDABLE, find_template, mismatches, too_long
from campaigns.message.template_spec import TemplateSpec
from campaigns.message.templates import Renderer
from tests.support.cases import each


def known(
    name: str = "sale",
    language: str = "en_US",
    status: str = "APPROVED",
    category: str = "marketing",
    **parts: Any,
) -> ProviderTemplate:
    return ProviderTemplate(name, language, status, category, TemplateParts(**{"body": "Hi {{1}}!", **parts}))


def spec(**keys: Any) -> TemplateSpec:
    return TemplateSpec.model_validate({"name": "sale", "language": "en_US", "parameters": ["Ada"], **keys})


def found(template: ProviderTemplate, category: str = "marketing", **keys: Any) -> list[tuple[str, str]]:
    return [(each.key, each.text) for each in mismatches(spec(**keys), category, [template])]


LINK = ButtonPart("url", "Shop", "https://x.example/{{1}}")
FIXED = ButtonPart("url", "Shop", "https://x.example/")
STOP = ButtonPart("quick_reply", "Stop")
URL = {"index": 0, "type": "url", "parameter": "a"}
REPLY = {"index": 0, "type": "quick_reply", "parameter": "a"}
PHOTO = {"image": {"url": "https://x.example/a.png"}}
T, P, H, B = (
    "content.template",
    "content.template.parameters",
    "content.template.header",
    "content.template.buttons",
)


@each(
    ("parts", "keys"),
    [
        ({}, {}),
        ({}, {"language": "en-US"}),
        ({"body": "Hi"}, {"parameters": []}),
        ({"body": "{{1}} and {{2}} and {{1}}"}, {"parameters": ["a", "b"]}),
        ({"body": "{{who}}"}, {"parameters": {"who": "a"}}),
        ({"header": HeaderPart("text", "News")}, {}),
        ({"header": HeaderPart("text", "News for {{1}}")}, {"header": {"text": "a"}}),
        (
            {"header": HeaderPart("text", "For {{who}}"), "body": "{{x}}"},
            {"header": {"text": "a", "name": "who"}, "parameters": {"x": "b"}},
        ),
        ({"header": HeaderPart("image")}, {"header": PHOTO}),
        ({"buttons": (STOP, FIXED)}, {}),
        ({"buttons": (STOP,)}, {"buttons": [REPLY]}),
        ({"buttons": (LINK, STOP)}, {"buttons": [URL]}),
        ({"buttons": (ButtonPart("otp", "Copy"),)}, {"buttons": [URL]}),
        ({"buttons": (ButtonPart("phone_number", "Call"),), "others": ("call_permission_request",)}, {}),
    ],
)
def test_what_fits_is_not_refused(parts: dict[str, Any], keys: dict[str, Any]) -> None:
    assert found(known(**parts), **keys) == []


@each(
    ("parts", "keys", "key", "text"),
    [
        ({}, {"parameters": []}, P, "there are 0, but sale (en_US) needs 1 value: {{1}}."),
        ({"body": "Hi"}, {}, P, "there are 1, but sale (en_US) needs none."),
        ({}, {"parameters": ["a", "b"]}, P, "there are 2, but sale (en_US) needs 1 value: {{1}}."),
        (
            {},
            {"parameters": {"who": "a"}},
            P,
            "they are named, but the placeholders of sale (en_US) are numbered",
        ),
        (
            {"body": "{{who}}"},
            {},
            P,
            "they are a list, but the placeholders of sale (en_US) have names: {{who}}.",
        ),
        ({"body": "{{who}}"}, {"parameters": {"x": "a", "who": "b"}}, f"{P}.x", "has no placeholder x"),
        ({"body": "{{who}} {{x}}"}, {"parameters": {"x": "a"}}, P, "who is missing"),
        (
            {"header": HeaderPart("image")},
            {},
            H,
            "it is missing, but the header of sale (en_US) needs image.",
        ),
        ({"header": HeaderPart("image")}, {"header": {"text": "a"}}, H, "it has text, but"),
        (
            {"header": HeaderPart("text", "{{1}}")},
            {},
            H,
            "it is missing, but the header of sale (en_US) needs text.",
        ),
        ({"header": HeaderPart("text", "News")}, {"header": {"text": "a"}}, H, "takes nothing"),
        ({}, {"header": PHOTO}, H, "takes nothing"),
        ({"header": HeaderPart("text", "{{who}}")}, {"header": {"text": "a"}}, f"{H}.name", "is named who"),
        (
            {"header": HeaderPart("text", "{{1}}")},
            {"header": {"text": "a", "name": "x"}},
            f"{H}.name",
            "has no name",
        ),
        ({"buttons": (LINK,)}, {}, B, "button 0 of sale (en_US), 'Shop', needs the end of its address"),
        ({"buttons": (ButtonPart("otp", "Copy"),)}, {}, B, "the one-time password"),
        ({"buttons": (LINK,)}, {"buttons": [REPLY]}, f"{B}[0].type", "is of type url"),
        ({"buttons": (STOP,)}, {"buttons": [URL]}, f"{B}[0].type", "is of type quick_reply"),
        ({"buttons": (FIXED,)}, {"buttons": [URL]}, f"{B}[0]", "takes nothing"),
        ({}, {"buttons": [REPLY]}, f"{B}[0].index", "has 0 buttons"),
        ({"buttons": (ButtonPart("copy_code", "Copy"),)}, {}, B, "needs the coupon's code"),
        ({"buttons": (ButtonPart("mpm", "View"),)}, {}, f"{T}.buttons", "needs the products that it opens"),
        (
            {"buttons": (ButtonPart("spm", "View"),)},
            {"buttons": [{"index": 0, "type": "catalog"}]},
            f"{T}.buttons[0]",
            "takes nothing",
        ),
        ({"header": HeaderPart("product")}, {}, f"{T}.header", "needs product"),
        (
            {"buttons": (ButtonPart("catalog", "View"),)},
            {"buttons": [URL]},
            f"{B}[0].type",
            "of type catalog",
        ),
        ({}, {"offer_ends": "2026-12-24T18:00Z"}, f"{T}.offer_ends", "has no limited time offer"),
        ({"others": ("carousel",)}, {}, f"{T}.cards", "has a carousel"),
        ({"others": ("limited_time_offer",)}, {}, f"{T}.offer_ends", "has a limited time offer"),
    ],
)
def test_what_does_not_fit_is_named_at_its_key(
    parts: dict[str, Any], keys: dict[str, Any], key: str, text: str
) -> None:
    [(at, why)] = found(known(**parts), **keys)
    assert at == key
    assert text in why


@each("status", [*UNSENDABLE, "APPROVED", "FLAGGED", "SOMETHING_NEW"])
def test_a_template_that_is_not_sent_now_is_refused(status: str) -> None:
    wanted = [f"{T}.name"] if status in UNSENDABLE else []
    assert [key for key, _ in found(known(status=status))] == wanted


def test_the_category_is_the_templates() -> None:
    [each] = mismatches(spec(), "utility", [known()])
    hint = 'Write category = "marketing" or "auto", or name another template.'
    assert (each.key, each.hint) == ("category", hint)
    assert found(known(category="transactional"), "utility") == []
    assert found(known(), "auto") == []


def test_an_unknown_name_and_a_missing_language_are_named() -> None:
    templates = [known(), known(language="fr"), known("sales_2")]
    [each] = mismatches(spec(language="de"), "marketing", templates)
    assert (each.key, each.text) == (f"{T}.language", "sale is not there in de, only in en_US, fr.")
    [each] = mismatches(spec(name="sales2"), "marketing", templates)
    assert (each.key, each.hint) == (f"{T}.name", "Did you mean sales_2?")
    assert find_template(templates, "sale", "en_us") is None  # the provider would refuse it


def message(
    parts: dict[str, Any], vars: dict[str, str] | None = None, **keys: Any
) -> tuple[Any, ProviderTemplate]:
    template = {"name": "sale", "language": "en_US", **keys}
    content = Renderer(ContentSpec.model_validate({"template": template})).render(vars or {}, template=True)
    return content, known(**parts)


@pytest.mark.parametrize(
    ("parts", "keys", "problem"),
    [
        (
            {"footer": "x"},
            {"parameters": ["a" * 1025]},
            "content.template.parameters[0] (number 1) has 1,025",
        ),
        ({"footer": "x"}, {"parameters": ["a" * 1024]}, None),
        ({}, {"parameters": ["a" * 1025]}, None),
        ({}, {"parameters": ["a" * 32_769]}, "content.template.parameters[0] (number 1) has 32,769"),
        (
            {"body": "{{x}}", "footer": "x"},
            {"parameters": {"x": "a" * 1025}},
            "content.template.parameters.x has",
        ),
        (
            {"header": HeaderPart("text", "{{1}}")},
            {"header": {"text": "a" * 61}},
            "content.template.header.text has 61",
        ),
        ({"buttons": (LINK,)}, {"buttons": [{**URL, "parameter": "a" * 1983}]}, "as an address, has 2,001"),
        ({"buttons": (LINK,)}, {"buttons": [{**URL, "parameter": "a" * 1982}]}, None),
    ],
)
def test_lengths(parts: dict[str, Any], keys: dict[str, Any], problem: str | None) -> None:
    content, template = message(parts, **keys)
    why = too_long(content, [known("other"), template])
    assert too_long(content, []) is None
    assert (why is None) if problem is None else problem in str(why)


def test_the_text_is_filled_in() -> None:
    parts = {
        "header": HeaderPart("text", "For {{1}}"),
        "body": "Hi {{1}}, {{ 2 }}% off.\nUntil {{3}}",
        "footer": "The shop",
        "buttons": (LINK, STOP),
    }
    content, template = message(
        parts, parameters=["Ada", "20"], header={"text": "you"}, buttons=[{**URL, "parameter": "sale?u=7"}]
    )
    assert list(filled_lines(template.parts, content.template)) == [
        "For you",
        "Hi Ada, 20% off.\nUntil {{3}}",
        "The shop",
        "[ Shop ]  https://x.example/sale?u=7",
        "[ Stop ]",
    ]


def test_placeholders_come_in_their_order() -> None:
    assert placeholders("{{10}} {{2}} {{ 1 }} {{2}}") == ["1", "2", "10"]
    assert placeholders("{{b}} {{a}} {single} {{two words}}") == ["b", "a"]
