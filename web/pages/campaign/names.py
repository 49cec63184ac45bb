"""The addresses of one campaign's pages."""

from __future__ import annotations

from urllib.parse import quote, urlencode


def page_of(name: str) -> str:
    return f"/campaigns/{quote(name, safe='')}"


def people_of(name: str, **which: str | None) -> str:
    """Where exactly these people are listed."""
    given = {key: value for key, value in which.items() if value}
    return f"{page_of(name)}/people" + (f"?{urlencode(given)}" if given else "")
