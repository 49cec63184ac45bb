"""The message templates of the accounts, as their providers listed them last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

from app.wiring.settings import Settings
from campaigns.errors import NotFound
from campaigns.frozen import frozen
from campaigns.message.provider_templates import ProviderTemplate, are_named, placeholders, same_language
from providers.registry import open_adapter
from storage.audience.templates import TemplateList, find_list, find_templates
from storage.database.engine import Connection

if TYPE_CHECKING:
    from app.views.answers.operators import StoredTemplate, TemplatesOfAccount


@frozen
class AccountTemplates:
    """One account's list."""

    state: TemplateList
    templates: Sequence[ProviderTemplate]
    unlisted: str | None
    """Why the account has no list, or None."""

    @property
    def json(self) -> TemplatesOfAccount:
        return {
            "account": self.state.account,
            "fetched_at": self.state.fetched_at,
            "expired_at": self.state.expired_at,
            "problem": self.state.problem,
            "problem_at": self.state.problem_at,
            "unlisted": self.unlisted,
            "templates": [template_json(each) for each in self.templates],
        }


def template_json(template: ProviderTemplate) -> StoredTemplate:
    return cast("StoredTemplate", {**asdict(template), "parameters": parameters_of(template)})


def parameters_of(template: ProviderTemplate) -> list[str]:
    """What a campaign gives for it, as keys of [content.template]."""
    parts = template.parts
    found = placeholders(parts.body)
    given = [f"parameters.{name}" if are_named(found) else f"parameters[{int(name) - 1}]" for name in found]
    if parts.header is not None and parts.header.kind != "text":
        given.insert(0, f"header.{parts.header.kind}")
    elif parts.header is not None and placeholders(parts.header.text):
        given.insert(0, "header.text")
    given += [f"buttons index {place}" for place, each in enumerate(parts.buttons) if each.needs_text]
    return given


async def list_templates(
    connection: Connection, settings: Settings, accounts: Sequence[str]
) -> list[AccountTemplates]:
    """The stored list of each account."""
    return [
        AccountTemplates(
            await find_list(connection, name),
            await find_templates(connection, name),
            open_adapter(settings.account(name)).templates_unlisted(),
        )
        for name in accounts
    ]


async def show_template(
    connection: Connection, account: str, name: str, language: str | None
) -> ProviderTemplate:
    """The stored template; `language` may be omitted where there is one. Raises NotFound."""
    found = await find_templates(connection, account, name)
    chosen = [each for each in found if language is None or same_language(each.language, language)]
    if len(chosen) == 1:
        return chosen[0]
    if found:
        languages = ", ".join(each.language for each in found)
        problem = (
            f"{name} is not there in {language}." if language else f"{name} is there in several languages."
        )
        raise NotFound(problem, hint=f"Its languages: {languages}.")
    state = await find_list(connection, account)
    if state.fetched_at is None:
        raise NotFound(
            f"The templates of {account} have not been read yet.", hint=f"drumbeat template sync {account}"
        )
    raise NotFound(f"{account} has no template {name}.", hint=f"drumbeat template list {account}")
