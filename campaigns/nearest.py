"""Which known name was probably meant by one that is not known."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], *, least: float = 0.6) -> str | None:
    """The most similar one; None where none is similar by at least that share, 0 to 1."""
    return next(iter(similar(name, known, most=1, least=least)), None)


def similar(name: str, known: Iterable[str], *, most: int, least: float) -> list[str]:
    """The most similar ones first."""
    from difflib import get_close_matches  # not loaded where every name is known

    return get_close_matches(name, list(known), n=most, cutoff=least)
