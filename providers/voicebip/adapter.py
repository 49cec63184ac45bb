"""Voicebip: WhatsApp text, media, interactive messages and templates; statuses and inbound messages by webhook.

From its WhatsApp page, its error, authentication, usage and webhook pages, and by inference where they are silent:
see docs/reference/providers.md. It has no batches, no reference of ours, no lookup and no polling.
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar, Final

import orjson

from campaigns.errors import Unavailable, UsageError
from campaigns.message.content import Content, MessageType, Template
from campaigns.money.costs import Money, plain
from campaigns.outcomes import Accepted, FailureKind, Refused, Result
from campaigns.states import JobState
from providers.adapter import AdapterDefaults, Balance, Call
from providers.events import Event, WebhookRequest
from providers.http.client import JSON_HEADERS, Answer, Http, Reply
from providers.http.failures import REFUSALS as COMMON_REFUSALS
from providers.http.failures import general_refusal, unanswered
from providers.http.request import Request, Url
from providers.meta.codes import kind_of_reported
from providers.meta.interactive_body import interactive
from providers.meta.message_body import unsendable as unsendable_at_meta
from providers.settings import AccountSettings, reveal_key
from providers.voicebip.capabilities import CAPABILITIES, MEDIA, TYPES
from providers.voicebip.settings import VoicebipAccount, VoicebipSender
from providers.voicebip.webhooks import STATUSES, events_in, is_signed

MESSAGES: Final = "/v1/messages"
TEMPLATES: Final = "/v1/messages/template"
USAGE: Final = "/v1/usage"

CAPTIONED: Final = frozenset({MessageType.IMAGE, MessageType.DOCUMENT})
"""The document lists `media_caption` for these, and `media_url` alone for audio and video."""
CODES: Final = {
    "UNAUTHENTICATED": FailureKind.CAMPAIGN,
    "PERMISSION_DENIED": FailureKind.CAMPAIGN,
    "RATE_LIMITED": FailureKind.THROTTLED,
    "QUOTA_EXCEEDED": FailureKind.CAMPAIGN,
    "WORKSPACE_BLOCKED": FailureKind.CAMPAIGN,
    "INSUFFICIENT_BALANCE": FailureKind.CAMPAIGN,
    "CALL_WINDOW_RESTRICTED": FailureKind.RECIPIENT,
    "ALREADY_EXISTS": FailureKind.UNKNOWN,
}
"""What an `error_code` means on its own. NOT_FOUND and INVALID_ARGUMENT need the text or the HTTP status."""

REFUSAL_PATTERNS: Final = (
    (re.compile(r"opt(ed)?[\s_-]*out|unsubscribed", re.I), FailureKind.OPTED_OUT),
    (re.compile(r"\bwindow|_window|24[\s-]*h", re.I), FailureKind.USE_TEMPLATE),
    (re.compile(r"template", re.I), FailureKind.CAMPAIGN),
    (re.compile(r"\bagent|from_number", re.I), FailureKind.LANE),
)
"""The kind of any other 4xx, by its code and text: these codes are not public. The first match applies."""

REFUSALS: Final = {**COMMON_REFUSALS, 404: FailureKind.LANE, 409: FailureKind.UNKNOWN}

LONGEST_TEXT: Final = 4096
LONGEST_CAPTION: Final = 1024
TEST_KEY: Final = "pk_test_"


class Voicebip(AdapterDefaults):
    name: ClassVar = "voicebip"
    capabilities: ClassVar = CAPABILITIES
    account_settings: ClassVar[type[AccountSettings]] = VoicebipAccount

    def __init__(self, account: VoicebipAccount) -> None:
        self._account = account
        self._messages_url = Url(account.base_url + MESSAGES)
        self._templates_url = Url(account.base_url + TEMPLATES)

    def __repr__(self) -> str:
        return f"Voicebip({self._account.base_url!r})"

    def credentials(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._account.api_key.reveal()}"}

    def unsendable(self, content: Content) -> str | None:
        if content.reply_to or content.preview_url:
            return "Voicebip has no replies and no link previews; remove reply_to and preview_url."
        if content.type is MessageType.TEMPLATE:
            return _unsendable_template(content.template)
        if content.type in MEDIA:
            return _unsendable_media(content)
        if content.type not in TYPES:
            return f"Voicebip does not send {content.type}."
        if content.menu or content.buttons:
            return _unsendable_interactive(content)
        if not 1 <= len(content.text or "") <= LONGEST_TEXT:
            return f"content.text must have 1 to {LONGEST_TEXT:,} characters."
        return None

    def build(self, call: Call) -> Request:
        if call.content.template is not None:
            return _post(self._templates_url, _addressed(call) | _template_fields(call.content.template))
        body = {"channel": "whatsapp"} | _addressed(call) | _message_fields(call.content)
        return _post(self._messages_url, body)

    def read(self, reply: Reply, call: Call) -> list[Result]:
        if not isinstance(reply, Answer):
            return [unanswered(reply)] * len(call.to)
        if reply.ok:
            return [_accepted(reply)] * len(call.to)
        refused = _refusal(reply)
        if refused.kind is FailureKind.USE_TEMPLATE and call.content.type is MessageType.TEMPLATE:
            refused = replace(refused, kind=FailureKind.MESSAGE)
        return [refused] * len(call.to)

    async def check(self, http: Http) -> str:
        used = _used(await http.get(USAGE))
        key = self._account.api_key.reveal()
        if key.startswith(TEST_KEY):
            return f"Voicebip accepts the key. It is a test key: messages are only simulated. {used}"
        return f"Voicebip accepts the key. {used}"

    async def balance(self, http: Http) -> Balance:
        used = _used(await http.get(USAGE))
        raise UsageError(f"Voicebip reports usage, not the remaining balance. {used}")

    def failure_kind(self, code: str) -> FailureKind | None:
        """Voicebip's own codes, else Meta's: what is behind it passes them on."""
        return CODES.get(code) or kind_of_reported(code)

    def verify(self, request: WebhookRequest) -> bool:
        return is_signed(request, reveal_key(self._account.webhook_secret, "webhook_secret"))

    def parse_webhook(self, request: WebhookRequest) -> list[Event]:
        return events_in(request)


def _addressed(call: Call) -> dict[str, Any]:
    if not isinstance(call.sender, VoicebipSender):
        raise UsageError(f"The sender {call.sender.name} has no agent_id.")
    return {"agent_id": call.sender.agent_id, "from_number": call.sender.number, "to_number": call.to[0]}


def _message_fields(content: Content) -> dict[str, Any]:
    if content.menu or content.buttons:
        return {"message_type": "interactive", "interactive": interactive(content)}
    if content.type is MessageType.TEXT:
        return {"message_type": "text", "body": content.text}
    fields = {"message_type": content.type.value, "media_url": content.media_url}
    return fields | ({"media_caption": content.text} if content.text else {})


def _template_fields(template: Template) -> dict[str, Any]:
    return {
        "template_name": template.name,
        "language_code": template.language,
        "parameters": [parameter.text for parameter in template.parameters],
    }


def _post(url: Url, body: dict[str, Any]) -> Request:
    return Request("POST", url, JSON_HEADERS, orjson.dumps(body))


def _unsendable_media(content: Content) -> str | None:
    if content.buttons:
        return f"Voicebip sends buttons with a text only; remove content.buttons or the {content.type}."
    if len(content.media) != 1:
        return f"Voicebip sends one {content.type} in a message."
    if not content.media_url:
        return f"Voicebip accepts the {content.type} only by URL; give its url."
    if content.media[0].filename:
        return "Voicebip sends no filename: the phone shows the end of the URL. Remove the filename."
    if content.text and content.type not in CAPTIONED:
        return f"Voicebip sends no caption with {content.type}; send the text as a message of its own."
    if len(content.text or "") > LONGEST_CAPTION:
        return f"The caption of the {content.type} must have at most {LONGEST_CAPTION:,} characters."
    return None


def _unsendable_interactive(content: Content) -> str | None:
    """Quick reply buttons and lists, as on Voicebip's page, within Meta's limits."""
    if content.menu and content.buttons:
        return "A message has either buttons or a list; remove content.buttons or content.list."
    if any(button.type == "link" for button in content.buttons):
        return "Voicebip sends quick reply buttons only; add the link to content.text."
    return unsendable_at_meta(content)


def _unsendable_template(template: Template | None) -> str | None:
    if template is None or not template.name:
        return "content.template.name must not be empty."
    if template.header or template.buttons:
        return "Voicebip fills only a template's body; remove the template's header and buttons."
    if template.project_id or template.version or template.customer_name:
        return "Voicebip's templates have a name, a language and parameters; remove the other keys."
    if any(parameter.name for parameter in template.parameters):
        return 'Voicebip\'s template parameters are by position; write parameters = ["…", "…"].'
    return None


def _accepted(answer: Answer) -> Result:
    """A success without an id is in doubt. A `failed` in the answer is ignored: the webhook reports it with the
    reason."""
    body = answer.json()
    for found in (body, body.get("data")) if isinstance(body, dict) else ():
        if isinstance(found, dict) and isinstance(found.get("message_id"), str) and found["message_id"]:
            state = STATUSES.get(str(found.get("status")).lower(), JobState.ACCEPTED)
            return Accepted(found["message_id"], JobState.ACCEPTED if state is JobState.FAILED else state)
    return Refused(FailureKind.UNKNOWN, str(answer.status), "The answer has no message id.")


def _refusal(answer: Answer) -> Refused:
    body = answer.json()
    given = body.get("error_code") if isinstance(body, dict) else None
    code = given if isinstance(given, str) and given else str(answer.status)
    general = general_refusal(answer)
    if general is not None:
        return replace(general, code=code)
    text = f"{code} {answer.text}"
    kind = (
        CODES.get(code)
        or next((kind for pattern, kind in REFUSAL_PATTERNS if pattern.search(text)), None)
        or REFUSALS.get(answer.status, FailureKind.CAMPAIGN)
    )
    return Refused(kind, code, answer.text, answer.retry_after)


def _used(answer: Answer) -> str:
    """A sentence about GET /v1/usage; amounts are in the currency's hundredths (kobo)."""
    body = answer.json()
    if not isinstance(body, dict):
        raise Unavailable("Voicebip answered with something that is not its usage.")
    conversations, minor = body.get("whatsapp_conversations"), body.get("total_cost_minor")
    if not isinstance(conversations, int) or not isinstance(minor, int):
        return "Its usage is unknown."
    cost = Money(Decimal(minor) / 100, str(body.get("currency") or "NGN"))
    return (
        f"Used so far: {conversations:,} WhatsApp conversations; {plain(cost.amount)} {cost.currency} in all."
    )
