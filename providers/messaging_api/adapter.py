"""The Messaging API: a business's WhatsApp inbox. Texts into conversations, templates by key, statuses by polling.

From its one public page; the vendor is not named there, so the address has no default. Both sends take an
`Idempotency-Key`. What the page leaves open is interpreted as in docs/reference/providers.md.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, Final
from urllib.parse import quote

import orjson

from campaigns.errors import AccountError, NotFound, Unavailable, UsageError
from campaigns.message.content import Content, MessageType, Template
from campaigns.outcomes import Accepted, FailureKind, Refused, Result
from campaigns.states import JobState
from providers.adapter import AdapterDefaults, Call
from providers.events import Report
from providers.http.client import JSON_HEADERS, Answer, Http, Reply
from providers.http.failures import REFUSALS, general_refusal, unanswered
from providers.http.request import Request, Url
from providers.messaging_api.capabilities import CAPABILITIES
from providers.messaging_api.conversations import (
    CONVERSATIONS,
    Conversation,
    Message,
    conversation_with,
    list_conversations,
    messages_of,
    parse_message,
)
from providers.messaging_api.settings import MessagingApiAccount, MessagingApiSender
from providers.settings import AccountSettings, SenderSettings
from providers.values import WINDOW

TEMPLATES: Final = "/v1/messaging/messages/template"

STATUSES: Final = {
    "queued": JobState.ACCEPTED,
    "pending": JobState.ACCEPTED,
    "sent": JobState.SENT,
    "delivered": JobState.DELIVERED,
    "read": JobState.READ,
    "failed": JobState.FAILED,
}
"""`sent` and `delivered` are documented; the others are WhatsApp's status names, assumed to mean the same."""

REFUSAL_PATTERNS: Final = (
    (re.compile(r"opt(ed)?[\s_-]*out|unsubscribed", re.I), FailureKind.OPTED_OUT),
    (re.compile(r"balance|insufficient|credit|payment|subscription", re.I), FailureKind.CAMPAIGN),
    (re.compile(r"business_whatsapp_number|whatsapp number", re.I), FailureKind.LANE),
)
"""The kind of a refusal, by its text: no error codes are documented. The first match applies."""
OF_A_TEXT: Final = ((re.compile(r"\bwindow\b|24[\s-]*h|template", re.I), FailureKind.USE_TEMPLATE),)
OF_A_TEMPLATE: Final = ((re.compile(r"template|variable|placeholder", re.I), FailureKind.CAMPAIGN),)


LONGEST_TEXT: Final = 4096
_AT_ONCE: Final = 20
"""How many reports are passed on together."""


class MessagingApi(AdapterDefaults):
    name: ClassVar = "messaging_api"
    capabilities: ClassVar = CAPABILITIES
    account_settings: ClassVar[type[AccountSettings]] = MessagingApiAccount

    def __init__(self, account: MessagingApiAccount) -> None:
        self._account = account

    def __repr__(self) -> str:
        return f"MessagingApi({self._account.base_url!r})"

    def credentials(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._account.api_key.reveal()}"}

    def unsendable(self, content: Content) -> str | None:
        if content.reply_to or content.preview_url or content.buttons or content.media:
            return "The Messaging API sends texts and templates only: no media, buttons, replies or link previews."
        if content.type is MessageType.TEMPLATE:
            return _unsendable_template(content.template)
        if content.type is not MessageType.TEXT:
            return f"The Messaging API does not send {content.type}."
        if not 1 <= len(content.text or "") <= LONGEST_TEXT:
            return f"content.text must have 1 to {LONGEST_TEXT:,} characters."
        return None

    async def prepare(self, http: Http, call: Call) -> Call | Refused:
        """A text is sent into the person's conversation; if there is none, only a template can start one."""
        if call.content.type is not MessageType.TEXT:
            return call
        try:
            found = await conversation_with(http, call.to[0])
        except Unavailable as error:
            return Refused(FailureKind.NOT_SENT, "no_conversations", str(error))
        except (AccountError, NotFound) as error:
            return Refused(FailureKind.CAMPAIGN, "no_conversations", str(error))
        if found is None:
            return Refused(
                FailureKind.USE_TEMPLATE,
                "no_conversation",
                "There is no conversation yet; only a template can start one.",
            )
        return _in_conversation(call, found)

    def build(self, call: Call) -> Request:
        if call.content.template is not None:
            return self._post(TEMPLATES, _template_fields(call, call.content.template), _key(call))
        [conversation] = call.conversations
        path = f"{CONVERSATIONS}/{quote(conversation, safe='')}/messages"
        return self._post(path, {"text": call.content.text}, _key(call))

    def read(self, reply: Reply, call: Call) -> list[Result]:
        """A 409 answers an idempotency key that was used before: the message was already sent, so it is never a
        refusal."""
        if not isinstance(reply, Answer):
            return [unanswered(reply)] * len(call.to)
        if not reply.ok and reply.status != 409:
            return [_refusal(reply, call.content)] * len(call.to)
        body = reply.json()
        message = parse_message(body.get("data") if isinstance(body, dict) else None)
        if message is None:
            text = "The answer has no message id." if reply.ok else reply.text
            return [Refused(FailureKind.UNKNOWN, str(reply.status), text)] * len(call.to)
        return [_accepted(message)] * len(call.to)

    async def poll(
        self, http: Http, sender: SenderSettings, ids: Sequence[str], since: datetime, until: datetime
    ) -> AsyncIterator[list[Report]]:
        """Reads the conversations that we wrote to in that time; there is no call for one message."""
        missing = set(ids)
        reports: list[Report] = []
        for conversation in await list_conversations(http):
            if not missing:
                break
            if conversation.last_outbound_at is not None and conversation.last_outbound_at < since:
                continue
            ours = [each for each in await messages_of(http, conversation.id) if each.id in missing]
            missing -= {message.id for message in ours}
            reports += map(_report, ours)
            if len(reports) >= _AT_ONCE:
                yield reports
                reports = []
        if reports:
            yield reports

    async def window(self, http: Http, sender: SenderSettings, phone: str) -> datetime | None:
        found = await conversation_with(http, phone)
        return None if found is None or found.last_inbound_at is None else found.last_inbound_at + WINDOW

    async def check(self, http: Http) -> str:
        await list_conversations(http, search="drumbeat")  # no need to fetch a whole inbox
        return "The Messaging API accepts the key and lets it read conversations."

    def _post(self, path: str, body: dict[str, Any], key: dict[str, str]) -> Request:
        url = Url(self._account.base_url + path)
        return Request("POST", url, {**JSON_HEADERS, **key}, orjson.dumps(body))


def _key(call: Call) -> dict[str, str]:
    """A refused text and the template sent after it are two requests, so each has its own key."""
    if not call.references:
        return {}
    form = ".template" if call.content.type is MessageType.TEMPLATE else ""
    return {"Idempotency-Key": call.references[0] + form}


def _in_conversation(call: Call, conversation: Conversation) -> Call:
    return replace(call, conversations=(conversation.id,))


def _template_fields(call: Call, template: Template) -> dict[str, Any]:
    if not isinstance(call.sender, MessagingApiSender):
        raise UsageError(f"The sender {call.sender.name} has no business_whatsapp_number_id.")
    fields: dict[str, Any] = {
        "business_whatsapp_number_id": call.sender.business_whatsapp_number_id,
        "phone": call.to[0],
        "template_key": template.name,
    }
    if template.customer_name:
        fields["customer_name"] = template.customer_name
    if template.parameters:
        fields["variables"] = {parameter.name: parameter.text for parameter in template.parameters}
    return fields


def _unsendable_template(template: Template | None) -> str | None:
    if template is None or not template.name:
        return "content.template.key must not be empty."
    if template.header or template.buttons:
        return (
            "The Messaging API fills a template's variables only; remove the template's header and buttons."
        )
    if template.project_id or template.version:
        return "The Messaging API identifies a template by its key only; remove project_id and version."
    if not all(parameter.name for parameter in template.parameters):
        return 'The Messaging API\'s template variables have names; write parameters = { name = "…" }.'
    return None


def _accepted(message: Message) -> Accepted:
    """A `failed` in the answer is ignored: the poll reports it."""
    state = STATUSES.get(message.status.lower(), JobState.ACCEPTED)
    return Accepted(message.id, JobState.ACCEPTED if state is JobState.FAILED else state)


def _report(message: Message) -> Report:
    """The answer has the time of creation, not of delivery."""
    state = STATUSES.get(message.status.lower())
    at = message.created_at if state is JobState.SENT else None
    return Report(message.id, message.status, state, at)


def _refusal(answer: Answer, content: Content) -> Refused:
    general = general_refusal(answer)
    if general is not None:
        return general
    is_text = content.type is MessageType.TEXT
    patterns = (*REFUSAL_PATTERNS, *(OF_A_TEXT if is_text else OF_A_TEMPLATE))
    about = next((kind for pattern, kind in patterns if pattern.search(answer.text)), None)
    if about is None and answer.status == 404 and is_text:
        about = FailureKind.USE_TEMPLATE  # the conversation no longer exists; a template starts another
    kind = about or REFUSALS.get(answer.status, FailureKind.CAMPAIGN)
    return Refused(kind, str(answer.status), answer.text)
