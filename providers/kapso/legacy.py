"""Kapso's legacy API: messages are sent into conversations, `https://app.kapso.ai/api/v1`.

A free-form message is sent to the conversation that `prepare` found,
`POST /whatsapp_conversations/{id}/whatsapp_messages`. A template, or a message to a person without a conversation, is
sent with `POST /whatsapp_messages`, which according to its document finds or starts a conversation.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from campaigns.errors import AccountError, NotFound, Unavailable
from campaigns.message.content import Content, MessageType
from campaigns.outcomes import Accepted, FailureKind, Refused, Result
from campaigns.phones.spellings import canonical, spellings
from campaigns.states import JobState
from providers.adapter import Call, Doubt, Found, Lookup, Unseen
from providers.events import Report
from providers.http.client import JSON_HEADERS, Answer, Http, Params, Reply
from providers.http.failures import unanswered
from providers.http.request import Request, Url
from providers.kapso.answers import REFUSALS, refusal_in
from providers.kapso.legacy_body import given, message_of, unsendable_here
from providers.kapso.settings import sender_id
from providers.kapso.webhooks import report_of, state_of
from providers.meta.message_body import unsendable
from providers.settings import SenderSettings
from providers.values import WINDOW, first_text, moment, phone, same_text, table, tables

MESSAGES: Final = "/whatsapp_messages"
CONVERSATIONS: Final = "/whatsapp_conversations"
CONFIGS: Final = "/whatsapp_configs"
PAGE: Final = 100
"""The page size limit of lists."""
MOST_PAGES: Final = 50
CLOCK_SLACK: Final = timedelta(minutes=2)

REFUSAL_PATTERNS: Final = (
    (
        re.compile(r"24.hour|re-?engagement|window (is |has )?(closed|expired)", re.I),
        FailureKind.USE_TEMPLATE,
    ),
    (re.compile(r"whatsapp.?config|configuration", re.I), FailureKind.LANE),
    (re.compile(r"template", re.I), FailureKind.CAMPAIGN),
)
"""The kind of a refusal without one of Meta's codes, by its text. The first match applies."""


class LegacyApi:
    """The calls of the legacy API. `alone`: the account has one sender, so every conversation is with it."""

    def __init__(self, base_url: str, *, alone: bool) -> None:
        self._base_url, self._alone = base_url, alone

    def unsendable(self, content: Content) -> str | None:
        return unsendable_here(content) or unsendable(content)

    async def prepare(self, http: Http, call: Call) -> Call | Refused:
        """The call with the person's conversation, if one is found."""
        if call.content.type is MessageType.TEMPLATE:
            return call
        try:
            found = await self._conversation(http, call.sender, call.to[0])
        except AccountError as error:
            return Refused(FailureKind.CAMPAIGN, "account", str(error))
        except (Unavailable, NotFound) as error:
            return Refused(FailureKind.NOT_SENT, "no_conversation", str(error))
        return replace(call, conversations=(found,)) if found else call

    def build(self, call: Call) -> Request:
        message = message_of(call.content)
        if call.conversations:
            url = f"{self._base_url}{CONVERSATIONS}/{quote(call.conversations[0], safe='')}{MESSAGES}"
        else:
            url = f"{self._base_url}{MESSAGES}?{urlencode({'whatsapp_config_id': _config(call.sender)})}"
            message = {"phone_number": call.to[0], **message}
        return Request("POST", Url(url), JSON_HEADERS, orjson.dumps({"message": message}))

    def read(self, reply: Reply, call: Call) -> list[Result]:
        if not isinstance(reply, Answer):
            return [unanswered(reply)]
        data = table(table(reply.json()).get("data"))
        message_id = _name_of(data)
        if reply.ok and message_id:
            return [_accepted(message_id, first_text(data.get("status")))]
        return [_refusal(reply, in_conversation=bool(call.conversations))]

    async def poll(
        self, http: Http, sender: SenderSettings, ids: Sequence[str], since: datetime
    ) -> AsyncIterator[list[Report]]:
        """There is no call by id, so all conversations active since then are read."""
        missing = set(ids)
        active = ("q[last_active_at_gteq]", (since - CLOCK_SLACK).isoformat())
        async for page in self._pages(http, CONVERSATIONS, [active]):
            for conversation in page:
                if not missing:
                    return
                if self._is_with(sender, conversation):
                    reports = await self._reports(http, first_text(conversation.get("id")), missing)
                    missing -= {report.message_id for report in reports}
                    yield reports

    async def look_up(self, http: Http, sender: SenderSettings, doubt: Doubt) -> Lookup:
        """The oldest matching message in the person's conversation. No match proves nothing."""
        conversation = await self._conversation(http, sender, doubt.to)
        if conversation is None:
            return Unseen()
        found = [
            (at, name, message)
            async for page in self._pages(http, _messages_in(conversation))
            for message in page
            if (at := moment(message.get("created_at")))
            and (name := _name_of(message))
            and at >= doubt.intent_at - CLOCK_SLACK
            and _is_the_one(message, doubt)
        ]
        if not found:
            return Unseen()
        _, name, message = min(found, key=lambda each: each[:2])
        return Found(report_of(name, first_text(message.get("status")) or "", message))

    async def window(self, http: Http, sender: SenderSettings, number: str) -> datetime | None:
        """24 hours after the newest inbound message of the person's conversation."""
        conversation = await self._conversation(http, sender, number)
        if conversation is None:
            return None
        newest = [
            at
            async for page in self._pages(http, _messages_in(conversation))
            for message in page
            if message.get("direction") == "inbound" and (at := moment(message.get("created_at")))
        ]
        return max(newest) + WINDOW if newest else None

    async def sender_problem(self, http: Http, sender: SenderSettings) -> str | None:
        try:
            await http.get(f"{CONFIGS}/{quote(_config(sender), safe='')}")
        except NotFound:
            return f"Kapso has no WhatsApp configuration with this id for {sender.name}: check whatsapp_config_id."
        return None

    async def check(self, http: Http, senders: Sequence[SenderSettings]) -> str:
        answer = await http.get(CONFIGS, [("per_page", str(PAGE))])
        there = {config.get("id") for config in tables(table(answer.json()).get("data"))}
        known = sum(_config(sender) in there for sender in senders)
        return f"Kapso accepts the key; {known} of {len(senders)} senders are among its {len(there)} numbers."

    async def _conversation(self, http: Http, sender: SenderSettings, number: str) -> str | None:
        """The id of the person's active conversation with this sender.

        Which parameter filters by number is not documented: if `phone_number` is ignored, a first page
        without the person means that none was found, and the message is sent without a conversation.
        """
        for spelling in spellings(number):
            query = {"phone_number": spelling, "q[status_eq]": "active", "per_page": str(PAGE)}
            answer = await http.call("GET", f"{CONVERSATIONS}?{urlencode(query)}")
            for each in tables(table(answer.json()).get("data")):
                if phone(each.get("phone_number")) == canonical(number) and self._is_with(sender, each):
                    return first_text(each.get("id"))
        return None

    def _is_with(self, sender: SenderSettings, conversation: dict[str, Any]) -> bool:
        """Whether the conversation is with this sender; one that does not say so may be with another of our numbers."""
        config = first_text(conversation.get("whatsapp_config_id"))
        return self._alone if config is None else config == _config(sender)

    async def _reports(self, http: Http, conversation: str | None, missing: set[str]) -> list[Report]:
        if conversation is None:
            return []
        return [
            report_of(name, first_text(message.get("status")) or "", message)
            async for page in self._pages(http, _messages_in(conversation))
            for message in page
            for name in (message.get("whatsapp_message_id"), message.get("id"))
            if isinstance(name, str) and name in missing
        ]

    async def _pages(self, http: Http, path: str, params: Params = ()) -> AsyncIterator[list[dict[str, Any]]]:
        """The pages of a list; empty if the conversation no longer exists."""
        for number in range(1, MOST_PAGES + 1):
            query = [*params, ("page", str(number)), ("per_page", str(PAGE))]
            try:
                body = table((await http.get(path, query)).json())
            except NotFound:
                return
            yield tables(body.get("data"))
            last = table(body.get("meta")).get("total_pages")
            if not isinstance(last, int) or number >= last:
                return


def _config(sender: SenderSettings) -> str:
    return sender_id(sender, "legacy")


def _messages_in(conversation: str) -> str:
    return f"{CONVERSATIONS}/{quote(conversation, safe='')}{MESSAGES}"


def _name_of(message: dict[str, Any]) -> str | None:
    """Meta's id, as in webhooks; Kapso's id while there is none."""
    return first_text(message.get("whatsapp_message_id"), message.get("id"))


def _is_the_one(message: dict[str, Any], doubt: Doubt) -> bool:
    """It is outbound, belongs to no other job, and has every field of ours with the same value."""
    shown = {**table(message.get("message_type_data")), **given(message)}
    return (
        message.get("direction") == "outbound"
        and doubt.known_ids.isdisjoint((message.get("whatsapp_message_id"), message.get("id")))
        and all(_same(shown.get(name), value) for name, value in message_of(doubt.content).items())
    )


def _same(theirs: Any, ours: Any) -> bool:
    both_text = isinstance(theirs, str) and isinstance(ours, str)
    return same_text(theirs, ours) if both_text else bool(theirs == ours)


def _accepted(message_id: str, status: str | None) -> Accepted:
    """A `failed` in the answer is ignored: the webhook reports it with the reason."""
    state = state_of(status or "") or JobState.ACCEPTED
    return Accepted(message_id, JobState.ACCEPTED if state is JobState.FAILED else state)


def _refusal(answer: Answer, *, in_conversation: bool) -> Refused:
    """If the conversation no longer exists, the message is retried; other unexplained refusals are read by their
    text."""
    found = refusal_in(answer)
    if found is not None:
        return found
    if answer.status == 404 and in_conversation:
        return Refused(FailureKind.NOT_SENT, "404", answer.text)
    about = next((kind for pattern, kind in REFUSAL_PATTERNS if pattern.search(answer.text)), None)
    kind = about or REFUSALS.get(answer.status, FailureKind.CAMPAIGN)
    return Refused(kind, str(answer.status), answer.text)
