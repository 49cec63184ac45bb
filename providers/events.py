"""What a provider reports: statuses, inbound messages, windows, preferences, notices; and the webhook they come in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

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


@dataclass(frozen=True, slots=True)
class Billed:
    """The category that a message is charged as, and the person it went to, E.164 with the plus."""

    category: str
    phone: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a provider says later about a message it took. `state` is None where we do not know its word."""

    message_id: str
    status: str
    state: JobState | None
    at: datetime | None = None
    reason: str | None = None
    cost: Money | None = None
    times: tuple[tuple[JobState, datetime], ...] = ()
    """When each earlier stage was reached, where the provider tells."""
    code: str | None = None
    """The provider's own code of a failure."""
    reference: str | None = None
    """The name that we gave the message, where the provider echoes it."""
    billed: Billed | None = None
    """What it is charged as, where the provider names that and no amount."""

    def __post_init__(self) -> None:
        names = dict.fromkeys(("message_id", "status", "code", "reference"), LONGEST_NAME)
        clean_fields(self, **names, reason=LONGEST_TEXT)
        object.__setattr__(self, "at", moment_or_none(self.at))
        object.__setattr__(self, "cost", bounded(self.cost))
        if self.times:
            known = tuple((state, at) for state, at in self.times if moment_or_none(at))
            object.__setattr__(self, "times", known)


@dataclass(frozen=True, slots=True)
class Inbound:
    """A person wrote or called: their window is open for 24 hours from `at`."""

    phone: str
    """E.164 with the plus."""
    at: datetime | None
    """None: the provider does not say when."""
    number: str | None = None
    """Our number or the provider's id of our sender that it came to, where told."""
    message_id: str | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        clean_fields(self, number=LONGEST_NAME, message_id=LONGEST_NAME, text=LONGEST_TEXT)
        object.__setattr__(self, "at", moment_or_none(self.at))


@dataclass(frozen=True, slots=True)
class WindowUntil:
    """The provider says until when a person's window is open."""

    phone: str
    until: datetime
    number: str | None = None

    def __post_init__(self) -> None:
        clean_fields(self, number=LONGEST_NAME)


@dataclass(frozen=True, slots=True)
class Preference:
    """A person stopped or resumed messages at the provider."""

    phone: str
    action: Literal["out", "in"]
    scope: Literal["marketing", "all"]
    at: datetime | None
    """None: the provider does not say when."""
    evidence: str

    def __post_init__(self) -> None:
        clean_fields(self, evidence=LONGEST_TEXT)
        object.__setattr__(self, "at", moment_or_none(self.at))


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about our templates, numbers or account, in the provider's words; kept and shown."""

    kind: str
    subject: str
    text: str
    at: datetime | None = None
    effect: Effect | None = None
    """What it means for sending; None: nothing."""
    language: str | None = None
    """Of the template that it is about; None: all of its languages."""

    def __post_init__(self) -> None:
        names = dict.fromkeys(("kind", "subject", "language"), LONGEST_NAME)
        clean_fields(self, **names, text=LONGEST_TEXT)
        object.__setattr__(self, "at", moment_or_none(self.at))


class Effect(StrEnum):
    """What a notice means for sending."""

    TEMPLATE_STOPPED = "template_stopped"
    """The template that is the subject may not be sent."""
    TEMPLATE_BACK = "template_back"
    """It may be sent again."""
    ACCOUNT_STOPPED = "account_stopped"
    """None of the account's numbers may send."""
    ACCOUNT_BACK = "account_back"
    """They may send again."""
    TEMPLATES_RESTRICTED = "templates_restricted"
    """The account may send no templates for a while."""
    FREE_FORM_RESTRICTED = "free_form_restricted"
    """The account may send nothing but templates for a while."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of a webhook that could not be read, while its other parts could."""

    reason: str

    def __post_init__(self) -> None:
        clean_fields(self, reason=LONGEST_NAME)


Event = Report | Inbound | WindowUntil | Preference | Notice | Unread


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A webhook as it arrived: signatures are over exactly these bytes."""

    url: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    received_at: datetime

    def json(self) -> Any:
        """The parsed body, or None where it is not JSON."""
        return read_json(self.body)
