"""Uploads of media files, `POST /{phone_number_id}/media`, at Meta and through Kapso's current API.

A form with `messaging_product`, `type` and `file`; the answer is `{"id": "4490709327384033"}`. Only the number that
uploaded a file may send it, for 30 days (Meta's Cloud API, Kapso's "Upload media", as of November 2026).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import uuid4

from campaigns.outcomes import FailureKind, Refused, Result
from campaigns.spec.media_files import SUFFIXES, MediaFile
from providers.adapter import Uploaded
from providers.http.client import Answer, Http, Reply
from providers.values import first_text, table

LASTS: Final = timedelta(days=30)
_HARMLESS: Final = (FailureKind.NOT_SENT, FailureKind.THROTTLED, FailureKind.LANE, FailureKind.CAMPAIGN)


async def upload(
    http: Http, number: str, file: MediaFile, read: Callable[[Reply], Result]
) -> Uploaded | Refused:
    """`read`: what the API's answer to a send means, whose refusals are those of an upload too."""
    boundary = uuid4().hex
    reply = await http.post_form(f"/{number}/media", boundary, _form(file, boundary))
    if isinstance(reply, Answer) and reply.ok:
        media_id = first_text(table(reply.json()).get("id"))
        if media_id:
            return Uploaded(media_id, LASTS)
        return Refused(FailureKind.NOT_SENT, "unreadable", f"The upload of {file.name} has no id.")
    refused = read(reply)
    if not isinstance(refused, Refused):
        raise TypeError("an upload is not an accepted message")
    return Refused(_kind(refused.kind), refused.code, f"{file.name} was not uploaded: {refused.text}")


def _kind(kind: FailureKind) -> FailureKind:
    """No message left, so an answer that cannot be trusted is no doubt; and a file that is refused is so for all."""
    if kind is FailureKind.UNKNOWN:
        return FailureKind.NOT_SENT
    return kind if kind in _HARMLESS else FailureKind.CAMPAIGN


def _form(file: MediaFile, boundary: str) -> bytes:
    fields = {"messaging_product": "whatsapp", "type": file.content_type}
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    name = f"file{SUFFIXES[file.content_type]}"
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: {file.content_type}\r\n\r\n"
    )
    return "".join(parts).encode() + file.content + f"\r\n--{boundary}--\r\n".encode()
