"""Bird: WhatsApp through its Channels API.

From its page on sending WhatsApp messages and those it leads to (statuses, failure codes, webhook signatures);
other sources and our interpretations are listed in docs/reference/providers.md.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

import orjson

from campaigns.errors import NotFound, Unavailable, UsageError
from campaigns.message.content import Content, MessageType
from campaigns.outcomes import Accepted, FailureKind, Refused, Result
from campaigns.phones.spellings import canonical, spellings
from campaigns.states import JobState
from providers.adapter import Absent, AdapterDefaults, Call, Doubt, Found, Lookup, Unseen
from providers.bird.body import problem, written
from providers.bird.capabilities import CAPABILITIES
from providers.bird.messages import (
    Contact,
    Message,
    list_messages,
    parse_message,
    show_message,
)
from providers.bird.settings import BirdAccount, BirdSender
from providers.events import Event, Inbound, NotUnderstood, Report, UserId, WebhookRequest
from providers.http.client import JSON_HEADERS, Answer, Http, Reply
from providers.http.failures import REFUSALS as COMMON_REFUSALS
from providers.http.failures import general_refusal, unanswered
from providers.http.request import Request, Url
from providers.meta.codes import kind_of_reported
from providers.polling import one_by_one
from providers.settings import AccountSettings, SenderSettings, reveal_key
from providers.values import WINDOW, first_text, moment, table

STATUSES: Final = {
    "accepted": JobState.ACCEPTED,
    "processing": JobState.ACCEPTED,
    "scheduled": JobState.ACCEPTED,
    "sent": JobState.SENT,
    "delivered": JobState.DELIVERED,
    "read": JobState.READ,
    "sending_failed": JobState.FAILED,
    "delivery_failed": JobState.FAILED,
    "rejected": JobState.FAILED,
    "skipped": JobState.FAILED,
}
"""`deleted` changes nothing: a message keeps its outcome when it is deleted."""

INTERACTIONS: Final = {"read": JobState.READ, "opened": JobState.READ}
"""A person's interactions with a message: at Bird these are not statuses, but separate events."""

REFUSALS: Final = {**COMMON_REFUSALS, 404: FailureKind.LANE, 409: FailureKind.RECIPIENT}

CLOCK_SLACK: Final = timedelta(minutes=2)
"""Tolerated difference between Bird's clock and ours."""


class Bird(AdapterDefaults):
    name: ClassVar = "bird"
    capabilities: ClassVar = CAPABILITIES
    account_settings: ClassVar[type[AccountSettings]] = BirdAccount

    def __init__(self, account: BirdAccount) -> None:
        self._account = account
        self._urls = {
            sender.channel_id: Url(account.base_url + self._messages(sender)) for sender in account.senders
        }

    def __repr__(self) -> str:
        return f"Bird({self._account.base_url!r})"

    def credentials(self) -> dict[str, str]:
        return {"Authorization": f"AccessKey {self._account.api_key.reveal()}"}

    def unsendable(self, content: Content) -> str | None:
        return problem(content)

    def build(self, call: Call) -> Request:
        receiver = [{"identifierKey": "phonenumber", "identifierValue": number} for number in call.to]
        body: dict[str, Any] = {
            "receiver": {"contacts": receiver},
            "meta": {"extraInformation": {"useCase": call.category}},
        }
        if call.references:
            body["reference"] = call.references[0]
        if self._account.cap_frequency and call.category == "marketing":
            body["capFrequency"] = True
        content = orjson.dumps(body | written(call.content))
        return Request("POST", self._urls[_channel(call.sender)], JSON_HEADERS, content)

    def read(self, reply: Reply, call: Call) -> list[Result]:
        """A 2xx with a message id means accepted; a failure in the same answer is reported again later, with its
        reason."""
        if not isinstance(reply, Answer):
            return [unanswered(reply)]
        message = parse_message(reply.json()) if reply.ok else None
        if message is None:
            return [_refusal(reply)]
        state = STATUSES.get(message.status, JobState.ACCEPTED)
        return [Accepted(message.id, JobState.ACCEPTED if state is JobState.FAILED else state)]

    async def poll(
        self, http: Http, sender: SenderSettings, ids: Sequence[str], since: datetime, until: datetime
    ) -> AsyncIterator[list[Report]]:
        """One call for each message: Bird's list cannot be filtered by ids or time."""
        path = self._messages(sender)

        async def ask(message_id: str) -> Report:
            return _report(await show_message(http, path, message_id))

        async for reports in one_by_one(ids, ask):
            yield reports

    async def look_up(self, http: Http, sender: SenderSettings, doubt: Doubt) -> Lookup:
        """Find our reference in the list of the person's messages; of several, the newest of the same form."""
        if doubt.reference is None:
            raise Unavailable("A message without our reference cannot be identified in Bird's list.")
        async with aclosing(self._with(http, sender, doubt.to)) as messages:
            candidates = [message async for message in messages if _may_be_the_one(message, doubt)]
        found = [message for message in candidates if _is_the_one(message, doubt)]
        if not found:
            return Unseen() if candidates else Absent()
        earliest = datetime.min.replace(tzinfo=UTC)
        return Found(_report(max(found, key=lambda message: message.created_at or earliest)))

    async def sender_problem(self, http: Http, sender: SenderSettings) -> str | None:
        try:
            await http.get(self._messages(sender), [("limit", "1")])
        except NotFound as error:
            return f"Bird has no channel with this id for {sender.name}: {error}"
        return None

    async def check(self, http: Http) -> str:
        if not self._account.senders:
            raise UsageError("The account has no senders.", hint="Add a channel_id as a sender.")
        problems = [await self.sender_problem(http, sender) for sender in self._account.senders]
        known = problems.count(None)
        return f"Bird accepts the key; {known} of {len(problems)} channels answer."

    def failure_kind(self, code: str) -> FailureKind | None:
        return kind_of_reported(code)

    async def window(self, http: Http, sender: SenderSettings, phone: str) -> datetime | None:
        """Bird shows it by contact id, which every message with the person names. No message: closed."""
        contact = await self._contact(http, sender, phone)
        if contact is None:
            return None
        path = f"/workspaces/{self._account.workspace_id}/channels/{_channel(sender)}/contacts/{contact}"
        try:
            answer = await http.get(path, [("contactIdentifierValue", phone)])
        except NotFound:
            return None
        body = answer.json()
        if not isinstance(body, dict) or "serviceWindowExpireAt" not in body:
            raise Unavailable("Bird's answer does not include the window.")
        if body.get("isPermanentSession") is True and answer.at is not None:
            return answer.at + WINDOW
        return moment(body["serviceWindowExpireAt"])

    def verify(self, request: WebhookRequest) -> bool:
        """By `messagebird-signature`. Bird repeats a webhook for a day with its first timestamp, so old ones are
        valid."""
        stated = request.headers.get("messagebird-signature", "")
        if not stated:
            return False
        secret = reveal_key(self._account.webhook_secret, "webhook_secret")
        timestamp = request.headers.get("messagebird-request-timestamp", "")
        signed = f"{timestamp}\n{request.url}\n".encode() + hashlib.sha256(request.body).digest()
        digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
        return hmac.compare_digest(base64.b64encode(digest), stated.encode())

    def parse_webhook(self, request: WebhookRequest) -> list[Event]:
        envelope = table(request.json())
        payload = table(envelope.get("payload"))
        match envelope.get("event"):
            case "whatsapp.outbound":
                message = parse_message(payload)
                return [] if message is None else [_report(message)]
            case "whatsapp.inbound":
                return _inbound(payload)
            case "whatsapp.interaction":
                return _interaction(payload)
            case str(event):
                return [NotUnderstood(f"event {event}")]
        return []

    def _messages(self, sender: SenderSettings) -> str:
        return f"/workspaces/{self._account.workspace_id}/channels/{_channel(sender)}/messages"

    async def _contact(self, http: Http, sender: SenderSettings, phone: str) -> str | None:
        async with aclosing(self._with(http, sender, phone)) as messages:
            async for message in messages:
                if message.contact.id and message.contact == Contact(message.contact.id, canonical(phone)):
                    return message.contact.id
        return None

    async def _with(self, http: Http, sender: SenderSettings, phone: str) -> AsyncGenerator[Message]:
        """The channel's messages with the person, whichever way Bird spells the number."""
        for spelling in spellings(phone):
            async with aclosing(list_messages(http, self._messages(sender), spelling)) as pages:
                async for page in pages:
                    for message in page:
                        yield message


def _channel(sender: SenderSettings) -> str:
    if not isinstance(sender, BirdSender):
        raise UsageError(f"The sender {sender.name} has no channel_id.")
    return sender.channel_id


def _refusal(answer: Answer) -> Refused:
    general = general_refusal(answer)
    if general is not None:
        return general
    if answer.ok:
        return Refused(FailureKind.UNKNOWN, str(answer.status), "The answer has no message id.")
    body = table(answer.json())
    kind = REFUSALS.get(answer.status, FailureKind.CAMPAIGN)
    return Refused(kind, first_text(body.get("code")) or str(answer.status), _words(answer, body))


def _words(answer: Answer, body: dict[str, Any]) -> str:
    """Bird's error message, with each field's message for a validation error."""
    details = [
        f"{name}: {found[0] if isinstance(found, list) and found else found}"
        for name, found in table(body.get("details")).items()
    ]
    return "; ".join([answer.text, *details])[:500]


def _report(message: Message) -> Report:
    return Report(
        message_id=message.id,
        status=message.status,
        state=STATUSES.get(message.status),
        at=message.at,
        reason=message.reason,
        code=message.code,
        reference=message.reference,
    )


def _may_be_the_one(message: Message, doubt: Doubt) -> bool:
    """It belongs to no other job: it has our reference, or was sent at that time without one."""
    if (
        message.incoming
        or message.id in doubt.known_ids
        or message.contact.phone not in (canonical(doubt.to), None)
    ):
        return False
    if message.reference is not None:
        return message.reference == doubt.reference
    return message.created_at is None or message.created_at >= doubt.intent_at - CLOCK_SLACK


def _is_the_one(message: Message, doubt: Doubt) -> bool:
    """A job's free form and its template have the same reference: the form distinguishes them."""
    is_template = doubt.content.type is MessageType.TEMPLATE
    return message.id != "" and message.reference == doubt.reference and message.is_template is is_template


def _inbound(payload: dict[str, Any]) -> list[Event]:
    message = parse_message(payload)
    if message is None or (message.contact.phone is None and message.user_id is None):
        return []
    number, user_id = message.contact.phone, message.user_id
    pair: list[Event] = [UserId(user_id, number)] if user_id and number else []
    return [
        *pair,
        Inbound(
            number, message.created_at, message.channel_id, message.id, message.text, message.payload, user_id
        ),
    ]


def _interaction(payload: dict[str, Any]) -> list[Event]:
    message_id, kind = first_text(payload.get("messageId")), first_text(payload.get("type"))
    if message_id is None or kind is None:
        return []
    return [Report(message_id, kind, INTERACTIONS.get(kind), moment(payload.get("createdAt")))]
