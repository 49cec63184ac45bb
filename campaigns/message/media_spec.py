"""The media files of [content]: where each is, and what it is called."""

from __future__ import annotations

from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, StrictBool, model_validator

from campaigns.message.part import Part


def _web_address(value: Any) -> Any:
    if isinstance(value, str) and not value.lstrip().startswith(("http://", "https://", "{")):
        raise ValueError("an address starts with https://")
    return value


Url = Annotated[str, BeforeValidator(_web_address)]


FILE_NAME: Final = r"^[^/\\\x00-\x1f{}.][^/\\\x00-\x1f{}]*$"
"""A file beside the campaign file: no folder, no variable, and none that is hidden."""


class FileSpec(Part):
    """Where a media file is: at a URL, already uploaded to the provider, or beside the campaign file."""

    url: Url | None = Field(default=None, description="a public address; may hold variables")
    id: str | None = Field(
        default=None, description="in place of url: the provider's id of a file uploaded to it beforehand"
    )

    file: str | None = Field(
        default=None,
        pattern=FILE_NAME,
        max_length=200,
        description="in place of url: the name of a file beside the campaign file, which is uploaded to the provider",
    )
    digest: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="of file: its SHA-256; set by a load, so that what was loaded is what is sent",
    )

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if sum(each is not None for each in (self.url, self.id, self.file)) != 1:
            raise ValueError(
                "give either its url, its id at the provider, or a file beside the campaign file"
            )
        if self.digest is not None and self.file is None:
            raise ValueError("only a file has a digest")
        return self


class ImageSpec(FileSpec):
    alt: str | None = Field(default=None, description="what the image shows, where the provider takes it")


class MediaSpec(FileSpec):
    caption: str | None = Field(default=None, description="the text below it; content.text says the same")
    filename: str | None = Field(default=None, description="the name that a document has on the phone")
    content_type: str | None = Field(default=None, description="such as application/pdf")


class AudioSpec(MediaSpec):
    voice: StrictBool = Field(default=False, description="show it as a voice message")
