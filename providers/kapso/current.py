"""Kapso's current API: Meta's Cloud API under Kapso's URL and key, with additional lists.

`https://api.kapso.ai/meta/whatsapp/v24.0`: bodies, answers and errors are Meta's, unchanged.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import orjson

from campaigns.errors import NotFound, UsageError
from campaigns.message.content import Content
from campaigns.outcomes import FailureKind, Refused, Result
from campaigns.phones.spellings import canonical, spellings
from campaigns.spec.media_files import MediaFile
from providers.adapter import Call, Uploaded
from providers.events import Report
from providers.http.client import JSON_HEADERS, Answer, Http, Reply
from providers.http.request import Request, Url
from providers.kapso.answers import REFUSALS, refusal_in
from providers.kapso.settings import sender_id
from providers.kapso.webhooks import report_of
from providers.meta.answers import read_send
from providers.meta.media import upload
from providers.meta.message_body import envelope, unsendable
from providers.polling import one_by_one
from providers.settings import SenderSettings
from providers.values import WINDOW, first_text, moment, phone, table, tables

FIELDS: Final = "kapso(direction,status,processing_status,statuses)"


class CurrentApi:
    """The calls of the current API."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    def unsendable(self, content: Content) -> str | None:
        return unsendable(content)

    async def prepare(self, http: Http, call: Call) -> Call | Refused:
        return call

    def build(self, call: Call) -> Request:
        url = Url(f"{self._base_url}/{_number(call.sender)}/messages")
        return Request("POST", url, JSON_HEADERS, orjson.dumps(envelope(call)))

    def read(self, reply: Reply, call: Call) -> list[Result]:
        return [_read(reply)]

    async def upload(self, http: Http, sender: SenderSettings, file: MediaFile) -> Uploaded | Refused:
        return await upload(http, _number(sender), file, _read)

    async def poll(
        self, http: Http, sender: SenderSettings, ids: Sequence[str], since: datetime
    ) -> AsyncIterator[list[Report]]:
        async for reports in one_by_one(ids, partial(self._report, http, sender)):
            yield reports

    async def window(self, http: Http, sender: SenderSettings, number: str) -> datetime | None:
        """24 hours after `last_inbound_at` of the person's conversations with this sender."""
        inbound = [
            at
            for spelling in spellings(number)
            for each in await self._conversations(http, sender, spelling)
            if phone(each.get("phone_number")) == canonical(number)
            and (at := moment(table(each.get("kapso")).get("last_inbound_at")))
        ]
        return max(inbound) + WINDOW if inbound else None

    async def _conversations(self, http: Http, sender: SenderSettings, number: str) -> list[dict[str, Any]]:
        query = [("phone_number", number), ("limit", "100"), ("fields", "kapso(last_inbound_at)")]
        answer = await http.get(f"/{_number(sender)}/conversations", query)
        return tables(table(answer.json()).get("data"))

    async def sender_problem(self, http: Http, sender: SenderSettings) -> str | None:
        try:
            await http.get(f"/{_number(sender)}")
        except NotFound:
            return f"Kapso has no phone number with this id for {sender.name}: check phone_number_id."
        return None

    async def check(self, http: Http, senders: Sequence[SenderSettings]) -> str:
        if not senders:
            raise UsageError(
                "The account has no senders, so Kapso cannot be checked.",
                hint="Add a sender with its phone_number_id, then check again.",
            )
        answer = await http.get(f"/{_number(senders[0])}")
        shown = first_text(table(answer.json()).get("display_phone_number")) or _number(senders[0])
        return f"Kapso accepts the key; {senders[0].name} is {shown}."

    async def _report(self, http: Http, sender: SenderSettings, message_id: str) -> Report | None:
        """None for a message without a status. Raises NotFound if Kapso does not know it."""
        path = f"/{_number(sender)}/messages/{quote(message_id, safe='')}"
        message = table((await http.get(path, [("fields", FIELDS)])).json())
        status = first_text(table(message.get("kapso")).get("status"))
        return report_of(message_id, status, message) if status else None


def _read(reply: Reply) -> Result:
    if not isinstance(reply, Answer) or reply.ok:
        return read_send(reply)
    by_status = REFUSALS.get(reply.status, FailureKind.CAMPAIGN)
    return refusal_in(reply) or Refused(by_status, str(reply.status), reply.text)


def _number(sender: SenderSettings) -> str:
    return sender_id(sender, "current")
