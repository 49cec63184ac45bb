"""Media files as Meta's Cloud API takes them, `POST /{number}/media`, which Kapso passes on: strict on form, type and
size; an id is known for 30 days, and only for the number that uploaded the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from emulators.base import Clock
from emulators.cloud_values import MEDIA, MetaRefusal, wrong

LASTS: Final = 30 * 24 * 3600.0
_MEGABYTE: Final = 1 << 20
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
LIMITS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("image/jpeg", "image/png"), 5 * _MEGABYTE),
    **dict.fromkeys(("video/mp4", "video/3gpp"), 16 * _MEGABYTE),
    **dict.fromkeys(("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"), 16 * _MEGABYTE),
    **dict.fromkeys(("text/plain", "application/pdf", "application/msword"), 100 * _MEGABYTE),
    **dict.fromkeys(("application/vnd.ms-excel", "application/vnd.ms-powerpoint"), 100 * _MEGABYTE),
    f"{_OFFICE}wordprocessingml.document": 100 * _MEGABYTE,
    f"{_OFFICE}spreadsheetml.sheet": 100 * _MEGABYTE,
    f"{_OFFICE}presentationml.presentation": 100 * _MEGABYTE,
    "image/webp": 500 << 10,
}
"""Type -> the most bytes, by Meta's page on supported media types."""
FIRST_ID: Final = 4490709327384033


class CloudMedia:
    """The files that the numbers have uploaded."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[tuple[str, str], float] = {}
        self.uploads = 0

    async def upload(self, request: Request, number: str) -> dict[str, str]:
        """Take the file of a form; the answer. Raises MetaRefusal."""
        try:
            async with request.form(max_files=1, max_fields=3) as form:
                return {"id": await self._take(dict(form), number)}
        except MultiPartException as error:
            raise wrong("body", f"cannot be read: {error.message}") from None

    async def _take(self, form: dict[str, Any], number: str) -> str:
        for name in sorted(set(form) - {"messaging_product", "type", "file"}):
            raise wrong(name, "is not known")
        if form.get("messaging_product") != "whatsapp":
            raise MetaRefusal(100, "(#100) The parameter messaging_product is required.", "")
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise MetaRefusal(100, "(#100) The parameter file is required.", "")
        kind = str(file.content_type).partition(";")[0]
        if kind not in LIMITS or form.get("type", kind) != kind:
            known = ", ".join(LIMITS)
            raise wrong("file", f"must be a file with one of the following types: {known}. Received {kind}")
        size = len(await file.read())
        if not 0 < size <= LIMITS[kind]:
            raise MetaRefusal(131053, "Media upload error", f"The file has {size} bytes.")
        self.uploads += 1
        media_id = str(FIRST_ID + self.uploads)
        self.know(media_id, number)
        return media_id

    def know(self, media_id: str, number: str) -> None:
        """The number has uploaded a file under that id now."""
        self._until[number, media_id] = self._clock() + LASTS

    def expire(self) -> None:
        """The ids of all files have expired."""
        self._until.clear()

    def check(self, body: Mapping[str, Any], number: str) -> None:
        """Raise MetaRefusal where a message names a file that the number has not uploaded, or not lately."""
        for kind, media_id in _ids_in(body):
            if self._until.get((number, media_id), 0.0) <= self._clock():
                raise wrong(f"{kind}['id']", "is not a valid whatsapp business account media attachment ID")


def _ids_in(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in MEDIA and isinstance(inner, dict) and "id" in inner:
                yield name, str(inner["id"])
            elif name == "media_id" and inner:
                yield "media", str(inner)
            else:
                yield from _ids_in(inner)
    elif isinstance(value, list):
        for each in value:
            yield from _ids_in(each)
