"""At load: what a row makes of the message must fit the provider's limits, or the row is rejected with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import orjson

from campaigns.errors import SpecError
from campaigns.intake.model import Chunk, Reject, UserIds
from campaigns.message.content import Content
from campaigns.message.content_spec import ContentSpec
from campaigns.message.provider_templates import ProviderTemplate
from campaigns.message.template_match import misfit, named_by_row, too_long
from campaigns.message.templates import Renderer, about_variant, renderers_of
from campaigns.reject_codes import RejectCode
from campaigns.spec.campaign_spec import CampaignSpec
from providers.adapter import Adapter

Unsendable = Callable[[Content], str | None]
"""From a message to why it cannot be sent, or None."""
Refuse = Callable[[str], str | None]
"""From a row's variables, a JSON object, to why its message cannot be sent, or None."""

TRIED_WITH: Final = "1"
SURELY_SHORT: Final = 900
"""Characters: no provider's limit of a message's text is lower (captions and menus: 1,024)."""


def refuse_unsendable(content: ContentSpec, adapter: Adapter) -> Refuse | None:
    """The check that each row needs, or None where no row can make a difference.

    Raises SpecError if the message cannot be sent with any row.
    """
    return _refuse_unsendable(Renderer(content), content, adapter.unsendable, adapter.unsendable)


def _refuse_unsendable(
    renderer: Renderer, content: ContentSpec, unsendable: Unsendable, of_row: Unsendable
) -> Refuse | None:
    """`of_row`: the check of a message with a row's own values."""
    sample = dict.fromkeys(renderer.names, TRIED_WITH)
    _check(renderer, unsendable, sample)
    if not renderer.names:
        return None
    text = content.text or ""
    spare = (SURELY_SHORT - len(text)) // max(1, text.count("{{")) if _varies_only_in_text(content) else 0

    def refuse(vars: str) -> str | None:
        if len(vars) <= spare:
            return None
        return _problem(renderer, of_row, orjson.loads(vars))

    return refuse


def _varies_only_in_text(content: ContentSpec) -> bool:
    constant = content.model_copy(update={"text": "-" if content.text else None})
    return not Renderer(constant, shares_defaults=True).names


def refuse_unsendable_variants(
    contents: Mapping[str | None, ContentSpec],
    adapter: Adapter,
    templates: Sequence[ProviderTemplate] | None = None,
) -> Refuse | None:
    """As `refuse_unsendable`, for every variant: a row must do for whichever it gets. `templates`: those of the account
    that are used; None: they are not known."""

    def unsendable(content: Content) -> str | None:
        return adapter.unsendable(content) or too_long(content, templates or ())

    def of_row(content: Content) -> str | None:
        return misfit(content, templates or ()) or unsendable(content)

    checks: list[tuple[str | None, Refuse]] = []
    for name, renderer in renderers_of(contents).items():
        by_row = templates is not None and named_by_row(contents[name].template)
        with about_variant(name):
            check = _refuse_unsendable(renderer, contents[name], unsendable, of_row if by_row else unsendable)
        checks += [(name, check)] if check else []

    def refuse(vars: str) -> str | None:
        for name, check in checks:
            if (problem := check(vars)) is not None:
                return problem if name is None else f"variant {name}: {problem}"
        return None

    return refuse if checks else None


def user_ids_of(spec: CampaignSpec, adapter: Adapter) -> UserIds:
    """How the campaign's list names people by the provider's user id."""
    return UserIds(spec.provider, _user_ids_unsendable(spec, adapter))


def _user_ids_unsendable(spec: CampaignSpec, adapter: Adapter) -> str | None:
    if not adapter.capabilities.user_ids:
        return f"{adapter.name} cannot send to a user id; the row needs a phone number."
    is_code = any(
        button.type == "code"
        for content in spec.contents.values()
        if content.template
        for button in content.template.buttons
    )
    if spec.category == "authentication" or is_code:
        return "An authentication template cannot be sent to a user id; the row needs a phone number."
    return None


def without_refused(chunk: Chunk, refuse: Refuse) -> Chunk:
    """The chunk with its refused rows among the rejects."""
    refused = {at: reason for at, vars in enumerate(chunk.vars) if (reason := refuse(vars)) is not None}
    if not refused:
        return chunk
    kept = [at for at in range(len(chunk.lines)) if at not in refused]
    rejects = [
        Reject(
            chunk.lines[at], None, RejectCode.NOT_SENDABLE, reason, chunk.raws[at].decode(), chunk.origins[at]
        )
        for at, reason in refused.items()
    ]
    columns = ["lines", "phones", "regions", "buckets", "vars", "raws", "origins"]
    columns += ["recipient_fields"] if chunk.recipient_fields is not None else []
    values: dict[str, Any] = {name: [getattr(chunk, name)[at] for at in kept] for name in columns}
    return replace(
        chunk,
        **values,
        rejects=sorted([*chunk.rejects, *rejects], key=lambda reject: reject.line),
    )


def _check(renderer: Renderer, unsendable: Unsendable, sample: dict[str, str]) -> None:
    """Faults that no row can repair; a text that is wrong only with the sample values is not one."""
    for template in _forms(renderer):
        with suppress(SpecError):
            content = renderer.render(sample, template=template)
            if (problem := unsendable(content)) is not None:
                break
    else:
        return
    raise SpecError(problem, hint="Change [content], or send it through another provider.")


def _problem(renderer: Renderer, unsendable: Unsendable, vars: dict[str, str]) -> str | None:
    for template in _forms(renderer):
        try:
            problem = unsendable(renderer.render(vars, template=template))
        except SpecError as error:
            problem = str(error)
        if problem is not None:
            return problem
    return None


def _forms(renderer: Renderer) -> list[bool]:
    """Which forms there are, as `render` takes them: False for the free form, True for the template."""
    return [
        template for template in (False, True) if (renderer.has_free_form, renderer.has_template)[template]
    ]
