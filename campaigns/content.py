"""A message as it goes to one recipient: rendered, with no variable left."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MessageType(StrEnum):
    TEXT = "text"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Content:
    """Two equal contents may go in one call where the provider takes several recipients."""

    type: MessageType
    text: str | None = None
    """The message itself, or the caption of a medium."""
    media_url: str | None = None
    filename: str | None = None
