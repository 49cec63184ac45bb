"""Our Voice: a gateway of QR-linked WhatsApp sessions. Text and media, batches, receipts by polling.

From its public API document (WhatsApp page and error page), and by inference where that is silent: see
docs/reference/providers.md. There are no templates, no 24-hour window and no webhooks for WhatsApp.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import ClassVar, Final

import orjson

from campaigns.errors import NotFound, UsageError
from campaigns.message.content import Content, MessageType
from campaigns.money.costs import Money
from campaigns.outcomes import Accepted, FailureKind, Refused, Result
from campaigns.phones.spellings import spellings
from campaigns.states import JobState
from campaigns.untrusted import read_amount
from providers.adapter import Absent, AdapterDefaults, Balance, Call, Doubt, Found, Lookup, Unseen
from providers.events import Report
from providers.http.client import JSON_HEADERS, Answer, Http, Reply
from providers.http.failures import REFUSALS as COMMON_REFUSALS
from providers.http.failures import general_refusal, unanswered
from providers.http.request import Request, Url
from providers.ourvoice.api import (
    MESSAGES,
    CannotPage,
    Message,
    MessageFilter,
    Sessions,
    digits,
    list_messages,
    messages_in,
    show_message,
)
from providers.ourvoice.capabilities import CAPABILITIES
from providers.ourvoice.settings import OurVoiceAccount, OurVoiceSender
from providers.polling import one_by_one
from providers.settings import AccountSettings, SenderSettings
from providers.values import same_text

STATUSES: Final = {
    "scheduled": JobState.ACCEPTED,
    "queued": JobState.ACCEPTED,
    "sent": JobState.SENT,
    "delivered": JobState.DELIVERED,
    "read": JobState.READ,
    "failed": JobState.FAILED,
}

REFUSAL_PATTERNS: Final = (
    (re.compile(r"balance|insufficient|credit|funds|payment", re.I), FailureKind.CAMPAIGN),
    (re.compile(r"session|not connected|disconnected", re.I), FailureKind.LANE),
)
"""The kind of a refusal, by its text: only HTTP statuses are documented. The first match applies."""

REFUSALS: Final = {**COMMON_REFUSALS, 404: FailureKind.LANE}

SESSION_ADVICE: Final = {
    "pending": "scan its QR code with `drumbeat session qr`",
    "disconnected": "connect it again with `drumbeat session reconnect`",
    "banned": "WhatsApp has banned the number; use another one",
    "failed": "connect it again with `drumbeat session reconnect`, or create a new one",
}

CLOCK_SLACK: Final = timedelta(minutes=2)
"""Tolerated difference between Our Voice's clock and ours when a list is requested for a period."""
LOOK_BACK: Final = timedelta(minutes=15)
_SUBSCRIBER: Final = 8
"""How many digits at a number's end count as the subscriber number."""


class OurVoice(AdapterDefaults):
    name: ClassVar = "ourvoice"
    capabilities: ClassVar = CAPABILITIES
    account_settings: ClassVar[type[AccountSettings]] = OurVoiceAccount

    def __init__(self, account: OurVoiceAccount) -> None:
        self._account = account
        self._messages_url = Url(account.base_url + MESSAGES)

    @property
    def sessions(self) -> Sessions:
        return Sessions()

    def __repr__(self) -> str:
        return f"OurVoice({self._account.base_url!r})"

    def credentials(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._account.api_key.reveal()}"}

    def unsendable(self, content: Content) -> str | None:
        if content.buttons or content.reply_to or content.preview_url or len(content.media) > 1:
            return "Our Voice sends a text or one media file: no buttons, replies, previews or several media files."
        if content.type is MessageType.TEXT:
            return None if content.text else "A text message needs a text."
        if not content.media_url:
            return f"The {content.type} needs a public URL."
        if content.type is MessageType.AUDIO and content.text:
            return (
                "Our Voice sends no caption with audio; remove the text, or send it as a message of its own."
            )
        return None

    def build(self, call: Call) -> Request:
        body: dict[str, object] = {
            "whatsapp_session_id": _session_id(call.sender),
            "to_number": [digits(number) for number in call.to],
            "type": call.content.type.value,
        }
        if call.content.media_url is not None:
            body["media_url"] = call.content.media_url
        if call.content.text is not None:
            body["content"] = call.content.text
        if len(call.to) > 1:
            body["delay_between"] = round(call.gap / timedelta(milliseconds=1))
        return Request("POST", self._messages_url, JSON_HEADERS, orjson.dumps(body))

    def read(self, reply: Reply, call: Call) -> list[Result]:
        """A message listed in the answer was accepted, whatever the status; otherwise all recipients are refused."""
        if not isinstance(reply, Answer):
            return [unanswered(reply)] * len(call.to)
        taken = [message for message in messages_in(reply.json()) or () if message.to_number]
        if taken:
            return self._match(taken, call, reply.status)
        return [_refusal(reply, alone=len(call.to) == 1)] * len(call.to)

    def balance_in(self, answer: Answer) -> Balance | None:
        body = answer.json()
        data = body.get("data") if isinstance(body, dict) else None
        if not isinstance(data, dict):
            return None
        amount = read_amount(data.get("new_balance"))
        if amount is None:
            return None
        left = data.get("remaining_messages")
        return Balance(Money(amount, self._account.currency), left if isinstance(left, int) else None)

    async def poll(
        self, http: Http, sender: SenderSettings, ids: Sequence[str], since: datetime, until: datetime
    ) -> AsyncIterator[list[Report]]:
        """By list as long as that needs fewer calls than by id; messages that the list does not show, by id."""
        missing = dict.fromkeys(ids)
        async for page in self._listed(http, sender, missing, since, until):
            yield page

        async def ask(message_id: str) -> Report:
            return self._report(await show_message(http, message_id))

        async for portion in one_by_one(list(missing), ask):
            yield portion

    async def look_up(self, http: Http, sender: SenderSettings, doubt: Doubt) -> Lookup:
        """Our Voice stores no reference of ours, so sender, recipient, time and content must match. A message shown
        with other content may be ours, shortened or without its content."""
        earliest = doubt.intent_at - LOOK_BACK
        wanted = MessageFilter(
            to_numbers=spellings(doubt.to),
            direction="outgoing",
            session_id=_session_id(sender),
            time_from=earliest,
        )
        candidates: list[Message] = []
        async for page in list_messages(http, wanted):
            candidates += [message for message in page if _may_be_the_one(message, doubt, earliest)]
        found = [message for message in candidates if message.id and _shows(message, doubt.content)]
        if not found:
            return Unseen() if candidates else Absent()
        return Found(
            self._report(min(found, key=lambda message: (message.created_at or earliest, message.id)))
        )

    async def sender_problem(self, http: Http, sender: SenderSettings) -> str | None:
        try:
            session = await self.sessions.show(http, _session_id(sender))
        except NotFound:
            return f"Our Voice has no session with this id for {sender.name}; see `drumbeat session list`."
        if session.status == "connected":
            return None
        reason = f" ({session.reason})" if session.reason else ""
        advice = SESSION_ADVICE.get(session.status, "see `drumbeat session show`")
        return f"The session of {sender.name} is {session.status}{reason}: {advice}."

    async def check(self, http: Http) -> str:
        sessions = await self.sessions.list_all(http)
        connected = sum(session.status == "connected" for session in sessions)
        return f"Our Voice accepts the key; {connected} of {len(sessions)} sessions are connected."

    async def balance(self, http: Http) -> Balance:
        raise UsageError(
            "Our Voice has no call for the balance.",
            hint="It is in the answer to every send: send something, then look again.",
        )

    def _match(self, taken: list[Message], call: Call, status: int) -> list[Result]:
        """Each recipient's message, in any order: by the number, else by the number's last digits."""
        missing = Refused(FailureKind.UNKNOWN, str(status), "The answer does not mention this recipient.")
        numbers = [digits(number) for number in call.to]
        results: list[Result] = [missing] * len(numbers)
        left = {message.id: message for message in taken}
        for ending in (_whole, _subscriber):
            if left and missing in results:
                by_number = _by_number(left.values(), ending)
                for place, number in enumerate(numbers):
                    if results[place] is missing and by_number[ending(number)]:
                        message = by_number[ending(number)].pop(0)
                        results[place] = self._accepted(left.pop(message.id))
        return results

    def _accepted(self, message: Message) -> Accepted:
        """A `failed` in the answer is ignored: the poll reports it with the reason."""
        state = STATUSES.get(message.status.lower(), JobState.ACCEPTED)
        return Accepted(
            message.id, JobState.ACCEPTED if state is JobState.FAILED else state, self._cost(message)
        )

    async def _listed(
        self, http: Http, sender: SenderSettings, missing: dict[str, None], since: datetime, until: datetime
    ) -> AsyncIterator[list[Report]]:
        """Pages of the list; removes the messages shown from `missing`."""
        wanted = MessageFilter(
            direction="outgoing",
            session_id=_session_id(sender),
            time_from=since - CLOCK_SLACK,
            time_to=until + CLOCK_SLACK,
        )
        asked = 0
        async with aclosing(list_messages(http, wanted)) as pages:
            while asked < len(missing):
                try:
                    page = await anext(pages, None)
                except CannotPage:
                    return
                if page is None:
                    return
                asked += 1
                ours = [message for message in page if message.id in missing]
                for message in ours:
                    missing.pop(message.id, None)  # a page may show one twice
                if ours:
                    yield [self._report(message) for message in ours]

    def _report(self, message: Message) -> Report:
        times = {
            JobState.SENT: message.sent_at,
            JobState.DELIVERED: message.delivered_at,
            JobState.READ: message.read_at,
        }
        state = STATUSES.get(message.status.lower())
        return Report(
            message_id=message.id,
            status=message.status,
            state=state,
            at=(times.get(state) if state else None) or message.updated_at,
            reason=message.reason,
            cost=self._cost(message),
            times=tuple((stage, moment) for stage, moment in times.items() if moment is not None),
        )

    def _cost(self, message: Message) -> Money | None:
        return None if message.cost is None else Money(message.cost, self._account.currency)


def _refusal(answer: Answer, *, alone: bool) -> Refused:
    """The refusal if no message was listed as accepted. A batch refused for one of its recipients is split by the
    engine."""
    general = general_refusal(answer)
    if general is not None:
        return general
    about = next((kind for pattern, kind in REFUSAL_PATTERNS if pattern.search(answer.text)), None)
    if answer.ok:
        return _refused_with_2xx(answer, about)
    kind = about or REFUSALS.get(answer.status, FailureKind.CAMPAIGN)
    if kind is FailureKind.MESSAGE and not alone:
        kind = FailureKind.SPLIT
    return Refused(kind, str(answer.status), answer.text)


def _refused_with_2xx(answer: Answer, about: FailureKind | None) -> Refused:
    """Success without a message is in doubt, unless the body has `"success": false` and why."""
    body = answer.json()
    said_no = isinstance(body, dict) and body.get("success") is False
    if said_no and about is not None:
        return Refused(about, str(answer.status), answer.text)
    return Refused(
        FailureKind.UNKNOWN, str(answer.status), answer.text if said_no else "The answer lists no message."
    )


def _may_be_the_one(message: Message, doubt: Doubt, earliest: datetime) -> bool:
    """Checks every filter again, so that no other message is matched if Our Voice ignores one."""
    return (
        message.id not in doubt.known_ids
        and message.direction in ("outgoing", None)
        and _subscriber(message.to_number) in (_subscriber(digits(doubt.to)), "")
        and (message.created_at is None or message.created_at >= earliest)
    )


def _shows(message: Message, content: Content) -> bool:
    return (
        message.to_number != ""
        and message.type in (content.type.value, None)
        and same_text(message.content, content.text)
        and (message.media_url or None) == (content.media_url or None)
    )


def _whole(number: str) -> str:
    return number


def _subscriber(number: str) -> str:
    """The part that is unchanged when a provider rewrites a number's beginning (a new area prefix, a lost zero)."""
    return number[-_SUBSCRIBER:]


def _by_number(messages: Iterable[Message], ending: Callable[[str], str]) -> defaultdict[str, list[Message]]:
    found: defaultdict[str, list[Message]] = defaultdict(list)
    for message in messages:
        found[ending(message.to_number)].append(message)
    return found


def _session_id(sender: SenderSettings) -> str:
    if not isinstance(sender, OurVoiceSender):
        raise UsageError(f"The sender {sender.name} has no session_id.")
    return sender.session_id
