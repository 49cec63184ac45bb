"""What becomes of a message that was well-formed: refused, taken, held, and reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from emulators import outcomes
from emulators.base import Clock
from emulators.cloud_api import Draft
from emulators.cloud_values import MetaRefusal
from emulators.ledger import Entry, Ledger, digest
from emulators.meta import events
from emulators.meta.errors import refused
from emulators.meta.events import Sender, Sent
from emulators.meta.numbers import Numbers
from emulators.meta.people import People
from emulators.meta.standing import Standing
from emulators.meta.templates import Template, Templates
from emulators.settings import Settings
from emulators.spellings import as_whatsapp
from emulators.webhooks import Deliveries

SENDERS = (
    Sender("106540352242922", "447700900970", "Shop"),
    Sender("106540352242923", "447700900971", "Service"),
)
"""The second is for campaigns with several senders."""
RECIPIENT_CODES = (131026, 131047, 131050)
"""What Meta may also say by webhook, after it took the message."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that was taken, and the template that it goes by."""

    sent: Sent
    template: Template | None
    plan: outcomes.Plan


class Account:
    """The account: its numbers, its templates, and everything sent since the start."""

    def __init__(self, settings: Settings, ledger: Ledger, deliveries: Deliveries, clock: Clock) -> None:
        self._settings, self._ledger = settings, ledger
        self._deliveries, self._clock = deliveries, clock
        self.senders = {sender.id: sender for sender in SENDERS}
        self.templates, self.people = Templates(), People()
        self.late, self._standing = False, Standing()
        self.numbers = Numbers({sender.id: (sender.number, sender.name) for sender in SENDERS})
        self._held: dict[str, Taken] = {}
        self._is_template: set[str] = set()
        self._refusal: tuple[int, int | None] | None = None

    def send(self, sender: Sender, draft: Draft, request_number: int, *, lite: bool = False) -> str:
        """Take a message, record it in the ledger and report it in time; its id. `lite`: through the Marketing
        Messages API. Raises MetaRefusal."""
        now = self._clock()
        self._check_sender(sender, draft)
        template = self.templates.named(draft.body["template"]) if draft.template else None
        if draft.by_user_id and template is not None and template.category == "AUTHENTICATION":
            raise refused(131062)
        failure = self._failure(sender, draft, template, now)
        person = as_whatsapp(draft.to)
        self.people.pace(person, sender.id, now)
        category = template.category.lower() if template else "service"
        if lite and category != "marketing":
            raise refused(134100, f"The template is {category}.")
        category += "_lite" if lite else ""
        sent = Sent(events.wamid(person), sender, person, draft.type, category, draft.reference)
        taken = Taken(sent, template, self._plan(draft, failure, now))
        self._ledger.record([_entry(taken, draft, now, request_number)])
        if template is not None:
            self._is_template.add(sent.wamid)
        if failure is not None:
            self._send_update(now + self._settings.sent_after, sent.status("failed", now, failure))
        elif template is not None and template.held:
            self._held[sent.wamid] = taken
        else:
            self._report(taken)
        return sent.wamid

    def held(self, message_id: str) -> bool | None:
        """Whether a template message is held; None for free form, of which Meta does not say it."""
        return message_id in self._held if message_id in self._is_template else None

    def hear(self, person: str, to: Sender, text: str, user_id: str | None, now: float) -> None:
        """A person writes to a number of ours."""
        person = as_whatsapp(person)
        for name in (person, user_id) if user_id else (person,):
            self.people.wrote(name, to.id, now)
        self._send_update(now, events.inbound(to, person, text, now, user_id=user_id))

    def put_template(self, values: Mapping[str, Any]) -> Template:
        """Add or change a template; Meta sends an event, and what was held for it is sent or dropped."""
        now = self._clock()
        after, updates = events.change_template(self.templates, values, now)
        for body in updates:
            self._send_update(now, body)
        if after.status != "APPROVED" or not after.held:
            self._release(after, now)
        return after

    def put_number(self, sender: Sender, values: Mapping[str, Any]) -> None:
        """Change a number, or how many people the business may write to in a day."""
        now = self._clock()
        for body in self.numbers.put(sender.id, values, now):
            self._send_update(now, body)

    def change(self, value: dict[str, Any]) -> None:
        """An event of the account. Raises Refusal for one that there is not."""
        self._standing.change(value)
        now = self._clock()
        self._send_update(now, events.account_update(value, now))

    def refuse_next(self, code: int | None, times: int | None) -> None:
        """Refuse the next sends with `code`, `times` of them or all."""
        self._refusal = None if code is None else (code, times)

    def _check_sender(self, sender: Sender, draft: Draft) -> None:
        if self._refusal is not None:
            code, times = self._refusal
            left = None if times is None else times - 1
            self._refusal = None if left == 0 else (code, left)
            raise refused(code)
        self._standing.check(draft, self._clock())
        if (status := self.numbers.sends(sender.id)) is not None:
            raise refused(133010, f"The number is {status}.")
        if draft.to == sender.number:
            raise refused(131021)

    def _failure(self, sender: Sender, draft: Draft, template: Template | None, now: float) -> int | None:
        """The code that the message will fail with by webhook. Raises MetaRefusal where it fails in the answer."""
        try:
            if outcomes.is_refused(draft.to):
                raise refused(131026)
            self.people.check(as_whatsapp(draft.to), sender.id, template, now)
        except MetaRefusal as refusal:
            if self.late and refusal.code in RECIPIENT_CODES:
                return refusal.code
            raise
        return None

    def _plan(self, draft: Draft, failure: int | None, now: float) -> outcomes.Plan:
        if failure is None:
            return outcomes.plan(draft.to, now, self._settings)
        return outcomes.Plan(f"failed_{failure}", failed_at=now + self._settings.sent_after)

    def _release(self, template: Template, now: float) -> None:
        for message_id, taken in list(self._held.items()):
            used = taken.template
            if used is None or (used.name, used.language) != (template.name, template.language):
                continue
            del self._held[message_id]
            if template.status == "APPROVED":
                self._report(Taken(taken.sent, template, outcomes.plan(taken.sent.to, now, self._settings)))
            else:
                self._send_update(now, taken.sent.status("failed", now, 132015))

    def _report(self, taken: Taken) -> None:
        for at, body in taken.sent.statuses(taken.plan):
            self._send_update(at, body)

    def _send_update(self, at: float, body: bytes) -> None:
        self._deliveries.later(at - self._clock(), body)


def _entry(taken: Taken, draft: Draft, now: float, request_number: int) -> Entry:
    sent = taken.sent
    return Entry(
        id=sent.wamid,
        provider="meta",
        account=events.WABA_ID,
        session=sent.sender.id,
        to=draft.to,
        type=sent.type,
        content=draft.text,
        media_url=draft.media_url,
        digest=digest(sent.type, orjson.dumps(draft.body, option=orjson.OPT_SORT_KEYS).decode()),
        accepted_at=now,
        left_at=now,
        call=sent.wamid,
        request=request_number,
        outcome=taken.plan.outcome,
    )
