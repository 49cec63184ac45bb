"""The events that providers report: statuses, inbound messages, windows, preferences, user ids, notices; and the
webhook request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal

from campaigns.frozen import frozen
from campaigns.money.costs import Money
from campaigns.states import JobState
from campaigns.untrusted import (
    LONGEST_NAME,
    LONGEST_TEXT,
    bounded,
    clean_fields,
    moment_or_none,
    read_json,
)

_TEXTS_OF_REPORT: Final = {
    **dict.fromkeys(("message_id", "status", "code", "reference"), LONGEST_NAME),
    "reason": LONGEST_TEXT,
}


@frozen
class Billed:
    """The category that a message is charged as, and its recipient in E.164 with the plus."""

    category: str
    phone: str | None
    """None: the provider does not name it; it is the number that the message was sent to."""


@frozen
class Report:
    """A provider's report about a message it accepted before. `state` is None for an unknown status."""

    message_id: str
    status: str
    state: JobState | None
    at: datetime | None = None
    reason: str | None = None
    cost: Money | None = None
    times: tuple[tuple[JobState, datetime], ...] = ()
    """When each earlier state was reached, if the provider reports it."""
    code: str | None = None
    """The provider's code of a failure."""
    reference: str | None = None
    """Our reference for the message, if the provider returns it."""
    billed: Billed | None = None
    """What it is charged as, if the provider reports the category but no amount."""

    def __post_init__(self) -> None:
        # One look at all of them together: of a million reports, hardly one needs cleaning.
        whole = f"{self.message_id}{self.status}{self.code}{self.reference}{self.reason}"
        if len(whole) > LONGEST_NAME or not whole.isprintable():
            clean_fields(self, **_TEXTS_OF_REPORT)
        if self.at is not None:
            object.__setattr__(self, "at", moment_or_none(self.at))
        if self.cost is not None:
            object.__setattr__(self, "cost", bounded(self.cost))
        if self.times:
            known = tuple((state, at) for state, at in self.times if moment_or_none(at))
            object.__setattr__(self, "times", known)


class InboundKind(StrEnum):
    """What a person did, and so what it means."""

    MESSAGE = "message"
    """Wrote to us or pressed a button: opens the window."""
    CALL = "call"
    """Called us: opens the window."""
    EDIT = "edit"
    """Changed an earlier message, which is read as it is now; opens nothing."""
    DELETION = "deletion"
    """Deleted an earlier message: its text is forgotten; opens nothing."""
    GROUP = "group"
    """Wrote to a group: opens no window and is no reply; an opt-out counts."""


@frozen
class Inbound:
    """A person wrote or called: with most kinds their window is open for 24 hours from `at`."""

    phone: str | None
    """E.164 with the plus; None: the person is only known by `user_id`."""
    at: datetime | None
    """None: the provider does not say when."""
    number: str | None = None
    """The number or the provider's id of the sender that received it, if given."""
    message_id: str | None = None
    text: str | None = None
    """What they wrote, or the label of the button that they pressed."""
    payload: str | None = None
    """The payload or id of the button that they pressed."""
    user_id: str | None = None
    """The provider's id of the person."""
    answers: str | None = None
    """The provider's id of the message that they answered, if given."""
    kind: InboundKind = InboundKind.MESSAGE
    """Of an edit or a deletion, `message_id` is the earlier message's."""

    def __post_init__(self) -> None:
        names = dict.fromkeys(("number", "message_id", "payload", "user_id", "answers"), LONGEST_NAME)
        clean_fields(self, **names, text=LONGEST_TEXT)
        object.__setattr__(self, "at", moment_or_none(self.at))


@frozen
class WindowUntil:
    """The provider reports until when a person's window is open."""

    phone: str
    until: datetime
    number: str | None = None

    def __post_init__(self) -> None:
        clean_fields(self, number=LONGEST_NAME)


@frozen
class FreeEntry:
    """The person came through an advertisement or a page's button: until when messages to them cost nothing."""

    phone: str | None
    until: datetime
    number: str | None = None
    user_id: str | None = None

    def __post_init__(self) -> None:
        clean_fields(self, number=LONGEST_NAME, user_id=LONGEST_NAME)


@frozen
class Preference:
    """A person opted out or back in at the provider."""

    phone: str | None
    """E.164 with the plus; None: the person is only known by `user_id`."""
    action: Literal["out", "in"]
    scope: Literal["marketing", "all"]
    at: datetime | None
    """None: the provider does not say when."""
    evidence: str
    user_id: str | None = None

    def __post_init__(self) -> None:
        clean_fields(self, evidence=LONGEST_TEXT, user_id=LONGEST_NAME)
        object.__setattr__(self, "at", moment_or_none(self.at))


@frozen
class UserId:
    """The provider's id of a person, and their number: other events may name them by the id alone."""

    user_id: str
    phone: str

    def __post_init__(self) -> None:
        clean_fields(self, user_id=LONGEST_NAME)


@frozen
class NumberChange:
    """A person has another number or user id than before. None: not given."""

    old_phone: str | None
    old_user_id: str | None
    phone: str | None
    user_id: str | None

    def __post_init__(self) -> None:
        clean_fields(self, old_user_id=LONGEST_NAME, user_id=LONGEST_NAME)


@frozen
class Notice:
    """News about the account's templates, numbers or the account itself, in the provider's text; stored and shown."""

    kind: str
    subject: str
    text: str
    at: datetime | None = None
    effect: Effect | None = None
    """Its effect on sending; None: none."""
    language: str | None = None
    """Language of the template it is about; None: all languages."""
    value: str | None = None
    """What has changed is this now: the template's status, in capitals, or its category, in lower case; the account's
    messaging limit as a number of people, -1 without one. None: the notice does not say it."""
    undoes: str | None = None
    """The subject of the notice whose effect this one ends, where that is another subject."""

    def __post_init__(self) -> None:
        names = dict.fromkeys(("kind", "subject", "language", "value", "undoes"), LONGEST_NAME)
        clean_fields(self, **names, text=LONGEST_TEXT)
        object.__setattr__(self, "at", moment_or_none(self.at))


class Effect(StrEnum):
    """A notice's effect on sending."""

    TEMPLATE_STOPPED = "template_stopped"
    """The template in question may not be sent."""
    TEMPLATE_BACK = "template_back"
    """The template may be sent again."""
    ACCOUNT_STOPPED = "account_stopped"
    """None of the account's numbers may send."""
    ACCOUNT_BACK = "account_back"
    """The account's numbers may send again."""
    TEMPLATES_RESTRICTED = "templates_restricted"
    """The account may send no templates for a while."""
    FREE_FORM_RESTRICTED = "free_form_restricted"
    """The account may send only templates for a while."""
    CATEGORY_CHANGED = "category_changed"
    """The template has another category now."""
    LIMIT_CHANGED = "limit_changed"
    """The account may reach another number of people in 24 hours now."""


@frozen
class Unread:
    """A part of a webhook that could not be read; its other parts were."""

    reason: str

    def __post_init__(self) -> None:
        clean_fields(self, reason=LONGEST_NAME)


@frozen
class NotUnderstood:
    """A part of a webhook whose meaning is not known here; it is counted by its kind, and the raw webhook is stored."""

    kind: str
    """Such as `field flows`."""

    def __post_init__(self) -> None:
        clean_fields(self, kind=LONGEST_NAME)


Event = (
    Report
    | Inbound
    | WindowUntil
    | FreeEntry
    | Preference
    | UserId
    | NumberChange
    | Notice
    | Unread
    | NotUnderstood
)


@frozen
class WebhookRequest:
    """A webhook as it arrived: signatures are over exactly these bytes."""

    url: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    received_at: datetime

    def json(self) -> Any:
        """The parsed body; None if it is not JSON."""
        return read_json(self.body)
