"""`category = "auto"`: messages have the category of the template that they are made from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from campaigns.message.provider_templates import ProviderTemplate, same_language

if TYPE_CHECKING:
    from campaigns.message.template_spec import TemplateSpec

AUTO: Final = "auto"
STRICTEST_FIRST: Final = ("marketing", "authentication", "utility")
"""The categories of templates. Marketing has the most rules."""


def template_category(template: TemplateSpec | None, templates: Sequence[ProviderTemplate]) -> str:
    """The category of what is made from the template: marketing if the account's templates do not show it, and where a
    row names the template or its language, the strictest that may come of it."""
    if template is None:
        return STRICTEST_FIRST[0]
    found = {each.category for each in templates if _may_be(each, template)}
    return strictest(found & {*STRICTEST_FIRST} or STRICTEST_FIRST)


def strictest(categories: Iterable[str]) -> str:
    """The one of the categories that has the most rules."""
    return min(categories, key=lambda category: (*STRICTEST_FIRST, category).index(category))


def _may_be(listed: ProviderTemplate, named: TemplateSpec) -> bool:
    right_name = "{" in named.name or listed.name == named.name
    return right_name and ("{" in named.language or same_language(listed.language, named.language))
