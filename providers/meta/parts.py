"""What the bodies of Meta's messages share: media, places, and limits of length as sentences that name the field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from campaigns.message.content import Location, Media


def known(**fields: Any) -> dict[str, Any]:
    """The fields that are set."""
    return {name: value for name, value in fields.items() if value is not None}


def medium(media: Media, *, named: bool) -> dict[str, Any]:
    return known(id=media.id, link=media.url, filename=media.filename if named else None)


def place_of(location: Location) -> dict[str, Any]:
    return known(
        latitude=location.latitude,
        longitude=location.longitude,
        name=location.name,
        address=location.address,
    )


def unfit(field: str, text: str, most: int) -> Iterator[str]:
    if not text.strip():
        yield f"{field} is empty."
    yield from too_long(field, text, most)


def too_long(field: str, text: str, most: int) -> Iterator[str]:
    if len(text) > most:
        yield f"{field} has {len(text):,} characters; the limit is {most:,}."
