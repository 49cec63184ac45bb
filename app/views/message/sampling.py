"""The recipients of a preview: the first, one line's, random ones, the longest, or those with most blank cells."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, field
from enum import Enum
from functools import partial
from typing import Any

import orjson

from app.views.message.previews import preview_lines
from app.wiring.settings import Settings
from campaigns.errors import SpecError
from campaigns.frozen import frozen
from campaigns.message.content import Content
from campaigns.message.provider_templates import ProviderTemplate, filled_lines
from campaigns.message.template_match import find_template, named_by_row, template_of, used_templates
from campaigns.message.templates import Renderer, renderers_of
from providers.registry import open_adapter
from storage.audience.campaigns import require
from storage.audience.samples import Sample, all_rows, first_rows, random_rows, rows_on_line
from storage.audience.templates import find_list, find_templates
from storage.database.engine import Connection


class Choice(Enum):
    """How the recipients are chosen; the value is the option's name."""

    FIRST = "first"
    LINE = "line"
    RANDOM = "random"
    LONGEST = "longest"
    MISSING = "missing"


@frozen
class Preview:
    """One recipient's message, in one or both of its forms."""

    line: int
    phone: str
    variant: str | None
    """The campaign's variant; None: it has none."""
    forms: tuple[Content, ...]
    blank: tuple[str, ...]
    """The variables whose cells are blank, so that a default is used."""
    templates: Sequence[ProviderTemplate] = field(default=(), repr=False)
    """Those of the account, as far as they are known."""

    @property
    def length(self) -> int:
        """Characters of the longest form, as it is read."""
        return max((sum(map(len, self.lines(form))) for form in self.forms), default=0)

    def lines(self, form: Content) -> list[str]:
        """The form as it is read, from top to bottom."""
        return preview_lines(form, template_of(form, self.templates))


def preview_json(preview: Preview) -> list[dict[str, Any]]:
    """Each of its messages, as `--json` prints them."""
    about: dict[str, Any] = {
        "line": preview.line,
        "phone": preview.phone,
        "length": preview.length,
        "blank": preview.blank,
        **({"variant": preview.variant} if preview.variant else {}),
    }
    return [
        {
            **about,
            **{key: value for key, value in asdict(content).items() if value},
            **_text(preview, content),
        }
        for content in preview.forms
    ]


def _text(preview: Preview, content: Content) -> dict[str, Any]:
    """The text of a template that is known, filled in."""
    known = template_of(content, preview.templates)
    if known is None or content.template is None:
        return {}
    return {"template_text": "\n".join(filled_lines(known.parts, content.template))}


async def unshown_templates(connection: Connection, settings: Settings, name: str) -> str | None:
    """Why previews of the campaign cannot show the text of its templates, as a sentence, or None. Raises NotFound."""
    spec = (await require(connection, name)).spec
    named = [content.template for content in spec.contents.values() if content.template]
    listed = await find_templates(connection, spec.provider) if named else []
    missing = [
        each.name
        for each in named
        if not named_by_row(each) and find_template(listed, each.name, each.language) is None
    ]
    if not named or (listed and not missing):
        return None
    about = f"The text of {', '.join(dict.fromkeys(missing))} is not known" if missing else "No text is known"
    account = settings.accounts.get(spec.provider)
    if account is not None and (unlisted := open_adapter(account).templates_unlisted()) is not None:
        return f"{about}. {unlisted}"
    known = await find_list(connection, spec.provider)
    if known.fetched_at is not None:
        return f"{about}: the account's list does not have it."
    return f"{about}: the account's templates have not been read. {known.problem or ''}".rstrip()


async def preview_messages(
    connection: Connection,
    name: str,
    choice: Choice,
    number: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
    *,
    templates: Sequence[ProviderTemplate] | None = None,
) -> list[Preview]:
    """`number` recipients, or those of line `number`, each with every variant. `templates`: those of the account; None:
    as stored. Raises NotFound if that line has no recipient, or if there is no such campaign."""
    campaign = await require(connection, name)
    if templates is None:
        listed = await find_templates(connection, campaign.spec.provider)
        templates = used_templates(listed, campaign.spec.contents.values())
    renderers = renderers_of(campaign.spec.contents)
    match choice:
        case Choice.FIRST:
            rows = await first_rows(connection, campaign.id, number)
        case Choice.LINE:
            rows = await rows_on_line(connection, campaign.id, number)
            if not rows:
                from scheduler.actions.testing import no_such_line

                raise no_such_line(campaign.name, number)
        case Choice.RANDOM:
            rows = await random_rows(connection, campaign.id, number, seed)
        case Choice.LONGEST:
            longest = partial(_of_any, renderers, partial(_longest, templates))
            rows = await _most(connection, campaign.id, number, longest, progress)
        case Choice.MISSING:
            blanks = partial(_of_any, renderers, lambda renderer, vars: len(_blank(renderer, vars)))
            rows = await _most(connection, campaign.id, number, blanks, progress)
    return [
        _preview(variant, renderer, row, templates) for row in rows for variant, renderer in renderers.items()
    ]


def _of_any(
    renderers: Mapping[str | None, Renderer],
    measure: Callable[[Renderer, Mapping[str, str]], int],
    vars: Mapping[str, str],
) -> int:
    return max(measure(renderer, vars) for renderer in renderers.values())


async def _most(
    connection: Connection,
    campaign_id: int,
    number: int,
    measure: Callable[[Mapping[str, str]], int],
    progress: Callable[[int], None] | None,
) -> Sequence[Sample]:
    """The rows that measure most, the most first and of equals the earlier; every row is looked at."""
    best: list[tuple[int, int, Sample]] = []
    seen = 0
    async for page in all_rows(connection, campaign_id):
        measured = [(measure(orjson.loads(row.vars)), -row.id, row) for row in page]
        best = heapq.nlargest(number, [*best, *(each for each in measured if each[0])])
        seen += len(page)
        if progress is not None:
            progress(seen)
    return [row for _, _, row in best]


def _preview(
    variant: str | None, renderer: Renderer, row: Sample, templates: Sequence[ProviderTemplate]
) -> Preview:
    vars = orjson.loads(row.vars)
    forms = tuple(renderer.render(vars, template=template) for template in _forms(renderer))
    return Preview(row.line, row.phone, variant, forms, _blank(renderer, vars), templates)


def _forms(renderer: Renderer) -> tuple[bool, ...]:
    return (False, True) if renderer.has_free_form and renderer.has_template else (False,)


def _blank(renderer: Renderer, vars: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(name for name in renderer.names if not vars.get(name)))


def _longest(templates: Sequence[ProviderTemplate], renderer: Renderer, vars: Mapping[str, str]) -> int:
    try:
        forms = [renderer.render(vars, template=template) for template in _forms(renderer)]
        return max(sum(map(len, preview_lines(form, template_of(form, templates)))) for form in forms)
    except SpecError:
        return 0
