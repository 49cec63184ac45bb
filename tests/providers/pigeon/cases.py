"""Pigeon Post's document, as data."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime

from campaigns.message.content import Content, MessageType
from campaigns.outcomes import Accepted, FailureKind, Refused
from campaigns.states import JobState
from providers.events import Report
from tests.providers.contract import SECRET, SECRET_PLACE, Example, Reads, Sends, Table, WebhookCase

TO = "+447700900123"
URL = "https://pigeon.example/letters"
HEADERS = {"x-feather": SECRET, "content-type": "application/json"}
LANDED = json.dumps(
    {"letter": "p-1", "state": "landed", "ref": "run.7", "at": "2026-11-20T12:00:00Z"}
).encode()
SIGNED = {"x-pigeon-signature": hmac.new(SECRET.encode(), LANDED, hashlib.sha256).hexdigest()}

TABLE = Table(
    name="pigeon",
    account={
        "base_url": "https://pigeon.example",
        "webhook_secret": SECRET_PLACE,
        "senders": [{"name": "shop", "loft": "north"}],
    },
    sends=[
        Sends(
            "a letter with our reference",
            (TO,),
            Content(MessageType.TEXT, "Hello"),
            "POST",
            URL,
            HEADERS,
            {"loft": "north", "to": TO, "words": "Hello", "ref": "run.7"},
            more={"references": ("run.7",)},
        )
    ],
    reads=[
        Reads("taken", 201, {"letter": "p-1", "state": "taken"}, [Accepted("p-1")], (TO,)),
        Reads(
            "not a person",
            422,
            {"message": "Nobody lives there."},
            [Refused(FailureKind.MESSAGE, "422", "Nobody lives there.")],
            (TO,),
        ),
    ],
    statuses={"flying": JobState.SENT, "landed": JobState.DELIVERED, "lost": JobState.FAILED},
    unsendable=[
        Content(MessageType.TEXT, ""),
        Content(MessageType.TEXT, "x" * 81),
        Content(MessageType.IMAGE),
    ],
    webhooks=[
        WebhookCase(
            "it landed",
            SIGNED,
            LANDED,
            [
                Report(
                    "p-1",
                    "landed",
                    JobState.DELIVERED,
                    datetime(2026, 11, 20, 12, tzinfo=UTC),
                    reference="run.7",
                )
            ],
        )
    ],
    examples=[
        Example(
            "Pigeon Post: Letters",
            "Send a letter",
            'text = "Hello {{ name }}"',
            {"loft": "north", "to": TO, "words": "Hello Ada"},
            vars={"name": "Ada"},
        )
    ],
    to=TO,
)
