"""One person's story in a campaign: the message itself, what became of it, and everything that happened, with the waits
between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from app.views.message.bubbles import Bubble, bubble_of
from app.views.messages import SOURCES
from app.views.people.people import name_of
from app.views.people.recipient_timeline import recipient_timeline
from app.wiring.settings import Settings
from campaigns.errors import SpecError
from campaigns.frozen import frozen
from campaigns.message.content import Content, read_content
from campaigns.message.template_match import template_of
from campaigns.message.templates import renderers_of
from campaigns.rules.names import Form
from campaigns.states import JobState
from campaigns.time.clock import Now, utc_now
from storage.audience.campaigns import Campaign, require
from storage.audience.templates import find_templates
from storage.database.engine import Connection
from storage.views.sent_message import SentMessage, cells_of, sent_message
from storage.views.timelines import Moment

SHORTEST_WAIT: Final = timedelta(seconds=2)
"""Waits that are shorter are not worth a line."""
_OTHERS: Final = {
    "loaded": ("list", "Read from the list"),
    "rejected": ("rejected", "Row not accepted"),
    "launched": ("list", "Queued"),
    "attempt": ("call", "Call"),
    "answer": ("call", "Answer to call"),
    "waiting": ("pending", "Waits"),
    "reply": ("replied", "They wrote"),
    "opted": ("opt", "Opted"),
}
"""What the first part of an event's name stands for, where it is no state: its kind, and its title."""


@frozen
class Step:
    """One thing that happened, and how long nothing had happened before it."""

    at: datetime
    kind: str
    """A state, or what else it is: what it looks like."""
    title: str
    detail: str
    waited: timedelta | None
    """None: it is the first, or came at once."""
    run: datetime | None


@frozen
class Story:
    """One person in one campaign."""

    campaign: Campaign
    phone: str
    known: Mapping[str, Any]
    """What `drumbeat why --json` has."""
    name: str
    cells: Mapping[str, str]
    """Their row in the list."""
    message: SentMessage | None
    content: Content | None
    """The message as it was sent, or as it would be sent; None: neither is known."""
    bubble: Bubble | None
    """The same as a phone shows it."""
    steps: Sequence[Step]

    @property
    def is_sent(self) -> bool:
        """Whether `content` is what was sent, and not what would be."""
        return self.message is not None and self.message.content is not None

    @property
    def state(self) -> str:
        return str(self.known["state"])


async def person_story(
    connection: Connection, settings: Settings, name: str, phone: str, *, now: Now = utc_now
) -> Story:
    """Raises NotFound if the campaign does not know the phone, InvalidInput if it is none."""
    campaign = await require(connection, name)
    found = await recipient_timeline(connection, settings, name, phone, now=now)
    known = defaultdict[str, Any](lambda: None, found.json)  # before the launch there is no run, and so on
    listed = known["listed_as"] or known["phone"]
    message = await sent_message(connection, campaign.id, listed)
    cells = await cells_of(connection, campaign.id, listed)
    templates = await find_templates(connection, campaign.spec.provider)
    content = _content(campaign, message, cells, known)
    return Story(
        campaign,
        known["phone"],
        known,
        name_of(cells),
        cells,
        message,
        content,
        bubble_of(content, template_of(content, templates)) if content else None,
        _steps(known["timeline"]),
    )


def _content(
    campaign: Campaign, message: SentMessage | None, cells: Mapping[str, str], known: Mapping[str, Any]
) -> Content | None:
    if message is not None and message.content is not None:
        return read_content(message.content)
    if known["state"] == JobState.PENDING and cells:
        variant = known["variant"] or _variant_of(campaign, known["listed_as"] or known["phone"])
        renderer = renderers_of(campaign.spec.contents).get(variant)
        if renderer is None:
            return None
        form = (known["expected"] or {}).get("form") or (
            Form.FREE if renderer.has_free_form else Form.TEMPLATE
        )
        try:
            return renderer.render(cells, template=form == Form.TEMPLATE)
        except SpecError:  # a variable is blank: it is skipped when its turn comes
            return None
    return None


def _variant_of(campaign: Campaign, phone: str) -> str | None:
    """The variant that the person will get; None: there are none, or theirs awaits the winner."""
    split = campaign.spec.split
    return split.variant_of(phone) if split is not None and split.in_test(phone) else None


def _steps(timeline: Sequence[Moment]) -> Sequence[Step]:
    steps: list[Step] = []
    for moment in timeline:
        waited = moment.at - steps[-1].at if steps else timedelta()
        is_wait = waited >= SHORTEST_WAIT
        step = Step(
            moment.at, *_named(moment.event), _detail(moment), waited if is_wait else None, moment.run
        )
        steps.append(step)
    return steps


def _named(event: str) -> tuple[str, str]:
    """Kind and title."""
    first, _, rest = event.partition(" ")
    if first in _OTHERS:
        kind, title = _OTHERS[first]
        return kind, f"{title} {rest}".rstrip()
    if event.startswith("late:"):
        return "late", f"Late report: {event.removeprefix('late:')}"
    if event.startswith("unknown:"):
        return "late", f"Unknown status {event.removeprefix('unknown:')}"
    return event, event.replace("_", " ").capitalize()


def _detail(moment: Moment) -> str:
    source, separator, rest = (moment.detail or "").partition(": ")
    return f"{SOURCES.get(source, source)}{separator}{rest}"
