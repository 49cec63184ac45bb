"""An account's message templates, `GET /{business_account_id}/message_templates`, at Meta and through Kapso.

From Meta's reference of the list and of template components as of December 2025; Kapso passes it on unchanged. It is
paged by cursor. A page says by `next` that there is another, which a proxy may leave out: then a full page does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from campaigns.errors import Unavailable
from campaigns.message.provider_templates import (
    MOST_BUTTONS,
    MOST_CARDS,
    ButtonPart,
    HeaderPart,
    ProviderTemplate,
    TemplateParts,
)
from campaigns.untrusted import LONGEST_NAME, clean
from providers.http.client import Http
from providers.values import first_text, table, tables

FIELDS: Final = "name,language,status,category,previous_category,quality_score,rejected_reason,components"
NO_BUSINESS_ACCOUNT: Final = "business_account_id, the id of the WhatsApp business account, is not set."
PAGE: Final = 100
MOST_PAGES: Final = 200
"""An account may have 6,000 templates, each in several languages."""
_NONE: Final = ("", "NONE")
"""What `rejected_reason` is where there is none."""
_UNKNOWN: Final = ("", "UNKNOWN")
"""What the quality score is before there is one."""


async def read_templates(
    http: Http, path: str, query: Sequence[tuple[str, str]] = ()
) -> list[ProviderTemplate]:
    """All templates below the business account's path; one that is listed twice counts as listed last. Raises
    Unavailable, also where the list does not end, AccountError, NotFound."""
    found: dict[tuple[str, str], ProviderTemplate] = {}
    seen: set[str] = set()
    after: str | None = None
    for _ in range(MOST_PAGES):
        cursor = [] if after is None else [("after", after)]
        answer = await http.get(f"{path}/message_templates", [*query, ("limit", str(PAGE)), *cursor])
        page = answer.json()
        if not isinstance(page, dict) or not isinstance(page.get("data"), list):
            raise Unavailable("The provider's list of templates cannot be read.")
        found.update(
            ((each.name, each.language), each) for each in map(_template, tables(page["data"])) if each
        )
        after = _next_cursor(page)
        if after is None:
            return list(found.values())
        if after in seen:
            break
        seen.add(after)
    raise Unavailable("The provider's list of templates does not end.")


def _next_cursor(page: dict[str, Any]) -> str | None:
    paging = table(page.get("paging"))
    after = first_text(table(paging.get("cursors")).get("after"))
    more = bool(paging.get("next")) or len(page["data"]) >= PAGE
    return after if more and page["data"] else None


def _template(listed: dict[str, Any]) -> ProviderTemplate | None:
    name, language, status = (first_text(listed.get(key)) for key in ("name", "language", "status"))
    if name is None or language is None or status is None:
        return None
    quality = first_text(table(listed.get("quality_score")).get("score"))
    reason = first_text(listed.get("rejected_reason"))
    return ProviderTemplate(
        name,
        language,
        status.upper(),
        (first_text(listed.get("category")) or "").lower(),
        _parts(tables(listed.get("components"))),
        previous_category=(first_text(listed.get("previous_category")) or "").lower() or None,
        quality=None if quality in _UNKNOWN else quality,
        reason=None if reason in _NONE else reason,
    )


def _parts(components: list[dict[str, Any]]) -> TemplateParts:
    by_kind = {_kind(each): each for each in components}
    header, buttons = by_kind.get("header"), by_kind.get("buttons", {})
    known = ("header", "body", "footer", "buttons")
    return TemplateParts(
        header=None if header is None else HeaderPart(_kind(header, "format"), _text(header)),
        body=_text(by_kind.get("body", {})),
        footer=_text(by_kind.get("footer", {})),
        buttons=tuple(_buttons(tables(buttons.get("buttons"))[:MOST_BUTTONS])),
        others=tuple(clean(kind, LONGEST_NAME) for kind in by_kind if kind not in known)[:MOST_BUTTONS],
        cards=tuple(_cards(tables(by_kind.get("carousel", {}).get("cards"))[:MOST_CARDS])),
    )


def _cards(listed: list[dict[str, Any]]) -> Iterator[TemplateParts]:
    """A card has no cards of its own."""
    for each in listed:
        components = tables(each.get("components"))
        yield _parts([part for part in components if _kind(part) != "carousel"])


def _buttons(listed: list[dict[str, Any]]) -> Iterator[ButtonPart]:
    for each in listed:
        yield ButtonPart(_kind(each), _text(each), first_text(each.get("url")) or "")


def _kind(part: dict[str, Any], key: str = "type") -> str:
    return (first_text(part.get(key)) or "").lower()


def _text(part: dict[str, Any]) -> str:
    return first_text(part.get("text")) or ""
