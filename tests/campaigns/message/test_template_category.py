"""`category = "auto"`: the category of the template, and marketing wherever that is not sure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from campaigns.errors import SpecError
from campaigns.message.provider_templates import ProviderTemplate, TemplateParts
from campaigns.message.template_category import strictest, template_category
from campaigns.message.template_spec import TemplateSpec
from campaigns.spec.campaign_spec import load_spec
from tests.support.cases import each

LISTED = [
    ProviderTemplate(name, language, "APPROVED", category, TemplateParts())
    for name, language, category in (
        ("order", "en_US", "utility"),
        ("order", "fr", "marketing"),
        ("code", "en", "authentication"),
        ("odd", "en", "transactional"),
    )
]


@each(
    ("name", "language", "listed", "category"),
    [
        ("order", "en_US", LISTED, "utility"),
        ("order", "en-US", LISTED, "utility"),
        ("order", "fr", LISTED, "marketing"),
        ("code", "en", LISTED, "authentication"),
        ("order", "de", LISTED, "marketing"),
        ("gone", "en", LISTED, "marketing"),
        ("odd", "en", LISTED, "marketing"),
        ("order", "en_US", [], "marketing"),
        ("order", "{{ language }}", LISTED, "marketing"),
        ("code", "{{ language }}", LISTED, "authentication"),
        ("{{ template }}", "en", LISTED, "authentication"),
    ],
)
def test_the_category_of_a_template(
    name: str, language: str, listed: Sequence[ProviderTemplate], category: str
) -> None:
    assert template_category(TemplateSpec(name=name, language=language), listed) == category


def test_the_strictest_of_several() -> None:
    assert strictest(["utility", "marketing"]) == "marketing"
    assert strictest(["utility", "authentication"]) == "authentication"
    assert strictest(["service"]) == "service"


def test_without_a_template_there_is_none_to_take_it_from(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        'name = "c"\nprovider = "p"\nsenders = ["s"]\ncategory = "auto"\n[content]\ntext = "Hello"\n'
    )
    with pytest.raises(
        SpecError, match=r'c\.toml, line 4: category = "auto" is the category of the template'
    ):
        load_spec(file)
