"""The texts of notifications: the campaign, what happened, what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from campaigns.figures import counted
from campaigns.frozen import frozen
from campaigns.masking import masked
from campaigns.notify_events import NotifyEvent
from campaigns.states import JobState
from storage.notify.deliveries import Delivery

_SETTLE: Final = "drumbeat campaign resolve {name} --in-doubt resend (or give-up)"


@frozen
class Notification:
    """One event in words."""

    uid: str
    event: str
    at: datetime
    title: str
    what: str
    """What happened."""
    command: str
    """What to do."""
    page: str | None = None
    """The address of the page about it."""
    campaign: str | None = None
    run: int | None = None
    phones: Sequence[str] = ()
    """Only for a target that wants phone numbers."""

    @property
    def text(self) -> str:
        """For people, without the title."""
        lines = [self.what, f"What to do: {self.command}"]
        if self.phones:
            lines.insert(1, f"Numbers: {', '.join(self.phones)}")
        if self.page:
            lines.append(f"Page: {self.page}")
        return "\n".join([*filter(None, lines), f"Event {self.uid}, {self.at:%Y-%m-%d %H:%M:%S} UTC"])

    @property
    def body(self) -> bytes:
        """For programs, as JSON."""
        values: dict[str, Any] = {
            "id": self.uid,
            "event": self.event,
            "at": self.at.isoformat().replace("+00:00", "Z"),
            "campaign": self.campaign,
            "run": self.run,
            "title": self.title,
            "what": self.what,
            "command": self.command,
            "page": self.page,
        }
        return orjson.dumps({**values, "phones": list(self.phones)} if self.phones else values)


@frozen
class Facts:
    """What is looked up when an event is put into words."""

    states: Mapping[JobState, int]
    """The messages of its run."""
    phones: Sequence[str] = ()


def notification(delivery: Delivery, facts: Facts, public_url: str | None) -> Notification:
    """The event in words; `public_url`: the address of the pages."""
    title, what, command = _TEXTS[NotifyEvent(delivery.event)](delivery, facts)
    path = f"/campaigns/{delivery.campaign}" if delivery.campaign else "/senders"
    return Notification(
        uid=delivery.uid,
        event=delivery.event,
        at=delivery.at,
        title=title,
        what=what,
        command=command,
        page=f"{public_url.rstrip('/')}{path}" if public_url else None,
        campaign=delivery.campaign,
        run=delivery.run_id,
        phones=facts.phones,
    )


def trial(uid: str, at: datetime) -> Notification:
    """Shows that the way to somebody works."""
    what = "This is a test: notifications of Drumbeat arrive here."
    return Notification(uid, "test", at, "A test by Drumbeat", what, "nothing")


Texts = tuple[str, str, str]
"""The title, what happened, what to do."""


def _finished(one: Delivery, facts: Facts) -> Texts:
    ended = ", ".join(f"{number:,} {state.value}" for state, number in facts.states.items())
    what = f"{counted(sum(facts.states.values()), 'message')}: {ended}." if ended else ""
    return f"{one.campaign} is finished", what, f"drumbeat report delivery {one.campaign}"


def _paused(one: Delivery, _: Facts) -> Texts:
    command = f"drumbeat campaign show {one.campaign}; then drumbeat campaign resume {one.campaign}"
    return f"{one.campaign} is paused", one.detail, command


def _needs_approval(one: Delivery, _: Facts) -> Texts:
    return f"{one.campaign} needs approval", one.detail, f"drumbeat campaign approve {one.campaign}"


def _in_doubt(one: Delivery, _: Facts) -> Texts:
    number = counted(one.amount or 0, "message")
    what = f"Nobody knows whether {number} reached the provider. Nothing is sent again by itself."
    return f"{one.campaign} has messages in doubt", what, _SETTLE.format(name=one.campaign)


def _sender_down(one: Delivery, _: Facts) -> Texts:
    lane = one.about.partition(":")[2]
    command = f"drumbeat provider check {lane.partition('/')[0]}"
    return f"The sender {masked(lane)} is paused", one.detail, command


def _budget(one: Delivery, _: Facts) -> Texts:
    command = f"drumbeat campaign budget {one.campaign} AMOUNT, if it may cost more"
    return f"{one.campaign} has used 80 % of its budget", one.detail, command


def _webhooks_silent(one: Delivery, _: Facts) -> Texts:
    account = one.about.partition(":")[2]
    what = f"Messages were accepted, and no webhook has come since. {one.detail}"
    command = f"see that drumbeat serve or up runs and that the provider has its address /webhooks/{account}"
    return f"No webhooks come from {account}", what, command


def _rejects(one: Delivery, _: Facts) -> Texts:
    command = f"correct the rejected rows and load them again; drumbeat campaign show {one.campaign}"
    return f"Rows of the list of {one.campaign} were rejected", one.detail, command


_TEXTS: Final[Mapping[NotifyEvent, Callable[[Delivery, Facts], Texts]]] = {
    NotifyEvent.FINISHED: _finished,
    NotifyEvent.PAUSED: _paused,
    NotifyEvent.NEEDS_APPROVAL: _needs_approval,
    NotifyEvent.IN_DOUBT: _in_doubt,
    NotifyEvent.SENDER_DOWN: _sender_down,
    NotifyEvent.BUDGET: _budget,
    NotifyEvent.WEBHOOKS_SILENT: _webhooks_silent,
    NotifyEvent.REJECTS: _rejects,
}
