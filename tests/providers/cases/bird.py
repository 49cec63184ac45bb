"""Bird: the requests, answers, statuses, failure codes and webhooks of its Channels API documents.

The numbers of the documents are theirs; those of our own cases cannot belong to anybody.
"""

from __future__ import annotations

from typing import Any

from campaigns.message.content import (
    Button,
    Content,
    Location,
    Media,
    Menu,
    MessageType,
    Parameter,
    Row,
    Section,
    Template,
    TemplateButton,
)
from campaigns.outcomes import Accepted, FailureKind, Refused
from campaigns.states import JobState
from tests.providers.cases.bird_examples import EXAMPLES
from tests.providers.cases.bird_webhooks import CHANNEL, CONNECTOR, ID, STATUSES, TO, WEBHOOKS
from tests.providers.contract import SECRET, SECRET_PLACE, Reads, Sends, Table

WORKSPACE = "0a5c7a3e-1111-4c7e-9d4b-5d2f1c000001"
URL = f"https://api.bird.com/workspaces/{WORKSPACE}/channels/{CHANNEL}/messages"
HEADERS = {
    "authorization": f"AccessKey {SECRET}",
    "content-type": "application/json",
    "accept": "application/json",
}
HELLO = Content(MessageType.TEXT, "Hello")


def request(category: str = "marketing", **more: Any) -> dict[str, Any]:
    return {
        "receiver": {"contacts": [{"identifierKey": "phonenumber", "identifierValue": TO}]},
        "meta": {"extraInformation": {"useCase": category}},
        **more,
    }


def sends(why: str, content: Content, more: dict[str, Any] | None = None, **expected: Any) -> Sends:
    return Sends(why, (TO,), content, "POST", URL, HEADERS, request(**expected), more=more or {})


def media(kind: MessageType, url: str, **more: Any) -> Content:
    return Content(kind, media=(Media(url, **more),))


def file_body(content_type: str, url: str, **more: str) -> dict[str, Any]:
    return {"type": "file", "file": {"files": [{"contentType": content_type, "mediaUrl": url, **more}]}}


MENU = Menu("Show options", (Section((Row("a", "One", "The first"), Row("b", "Two"))),), "List title")

SENDS = [
    sends(
        "our reference and the category go along",
        HELLO,
        {"references": ("run.7",), "category": "utility"},
        category="utility",
        reference="run.7",
        body={"type": "text", "text": {"text": "Hello"}},
    ),
    sends(
        "a link button and a preview",
        Content(
            MessageType.TEXT,
            "See https://shop.example",
            buttons=(Button("link", "Shop", url="https://shop.example"),),
            preview_url=True,
        ),
        body={
            "type": "text",
            "text": {
                "text": "See https://shop.example",
                "actions": [{"type": "link", "link": {"text": "Shop", "url": "https://shop.example"}}],
                "metadata": {"whatsapp": {"previewUrl": True}},
            },
        },
    ),
    sends(
        "a sticker is an image",
        media(MessageType.STICKER, "https://shop.example/a.webp"),
        body={"type": "image", "image": {"images": [{"mediaUrl": "https://shop.example/a.webp"}]}},
    ),
    sends(
        "an audio's content type by its ending",
        media(MessageType.AUDIO, "https://shop.example/a.ogg?x=1"),
        body=file_body("audio/ogg", "https://shop.example/a.ogg?x=1"),
    ),
    sends(
        "a document's by its file name",
        media(MessageType.DOCUMENT, "https://shop.example/d/17", filename="Prix été.PDF"),
        body=file_body("application/pdf", "https://shop.example/d/17", filename="Prix été.PDF"),
    ),
    sends(
        "a place without a name",
        Content(MessageType.LOCATION, location=Location(6.37, 2.39)),
        body={"type": "location", "location": {"coordinates": {"latitude": 6.37, "longitude": 2.39}}},
    ),
    sends(
        "a list's button and descriptions",
        Content(MessageType.LIST, "Choose", menu=MENU),
        body={
            "type": "list",
            "list": {
                "title": "List title",
                "text": "Choose",
                "items": [
                    {
                        "actions": [
                            {
                                "type": "postback",
                                "postback": {
                                    "text": "One",
                                    "payload": "a",
                                    "metadata": {"description": {"label": "The first"}},
                                },
                            },
                            {"type": "postback", "postback": {"text": "Two", "payload": "b"}},
                        ]
                    }
                ],
                "metadata": {"button": {"label": "Show options"}},
            },
        },
    ),
    sends(
        "a template in place of a body, its locale with a hyphen",
        Content(MessageType.TEMPLATE, template=Template("spring", "pt_BR", project_id=ID, version="latest")),
        template={"projectId": ID, "version": "latest", "locale": "pt-BR"},
    ),
]

ACCEPTED: dict[str, Any] = {
    "id": ID,
    "channelId": ID,
    "sender": CONNECTOR,
    "receiver": CONNECTOR,
    "meta": {
        "referral": {
            "source": "text",
            "title": "text",
            "text": "text",
            "group": "text",
            "metadata": {
                "source_id": "text",
                "source_url": "text",
                "media_url": "text",
                "tracking_id": "text",
            },
        },
        "order": {
            "products": [
                {
                    "externalCatalogId": "text",
                    "externalProductId": "text",
                    "price": {"currencyCode": "text"},
                }
            ]
        },
        "referredProduct": {"externalCatalogId": "text", "externalProductId": "text"},
        "email": {"subject": "text"},
    },
    "reference": "text",
    "parts": [{"platformReference": "text"}],
    "status": "accepted",
    "reason": "text",
    "direction": "incoming",
    "replyTo": {"id": "text", "type": "message"},
    "lastStatusAt": "2024-04-24T14:45:09.682Z",
    "createdAt": "2024-04-24T14:45:09.682Z",
    "updatedAt": "2024-04-24T14:45:09.682Z",
    "details": "text",
    "failure": {"source": {"code": "text", "name": "text"}},
    "body": {
        "type": "text",
        "text": {
            "text": "text",
            "attachments": [{"mediaUrl": "https://example.com", "filename": "text", "inline": False}],
            "actions": [{"type": "link", "link": {"text": "text", "url": "https://example.com"}}],
            "metadata": {"subject": "text"},
        },
    },
}
"""The document's response, whole."""


def refused(status: int, code: str, message: str, kind: FailureKind, **more: Any) -> Reads:
    body = {"code": code, "message": message, **more}
    return Reads(f"{status} {code}", status, body, [Refused(kind, code or str(status), message)], (TO,))


NO_MESSAGE = [Refused(FailureKind.UNKNOWN, "202", "The answer has no message id.")]

READS = [
    Reads("the document's response", 202, ACCEPTED, [Accepted(ID)], (TO,)),
    *[
        Reads(f"taken as {status}", 202, ACCEPTED | {"status": status}, [Accepted(ID, state)], (TO,))
        for status, state in {
            "processing": JobState.ACCEPTED,
            "scheduled": JobState.ACCEPTED,
            "sent": JobState.SENT,
            "delivered": JobState.DELIVERED,
            "deleted": JobState.ACCEPTED,
            "pondering": JobState.ACCEPTED,
        }.items()
    ],
    *[
        Reads(
            f"{status} at once: the reason comes later",
            202,
            ACCEPTED | {"status": status},
            [Accepted(ID)],
            (TO,),
        )
        for status in ("sending_failed", "delivery_failed", "rejected", "skipped")
    ],
    Reads("an answer without an id", 202, ACCEPTED | {"id": None}, NO_MESSAGE, (TO,)),
    Reads("not JSON", 202, b"<html>", NO_MESSAGE, (TO,)),
    Reads("a list", 202, [ACCEPTED], NO_MESSAGE, (TO,)),
    refused(400, "InvalidRequest", "The request did not pass validation", FailureKind.MESSAGE),
    refused(402, "InsufficientBalance", "Not enough balance.", FailureKind.CAMPAIGN),
    refused(404, "NotFound", "The requested resource does not exist: channel not found", FailureKind.LANE),
    refused(
        409,
        "Conflict",
        "Creating the message was not possible because of conflicting conditions",
        FailureKind.RECIPIENT,
    ),
    refused(405, "", "Method not allowed", FailureKind.CAMPAIGN),
    Reads(
        "a validation error names its fields",
        422,
        {
            "code": "InvalidPayload",
            "message": "One or more fields are invalid.",
            "details": {"receiver.contacts.0": ["is not a phone number", "more"], "body": "odd"},
        },
        [
            Refused(
                FailureKind.MESSAGE,
                "InvalidPayload",
                "One or more fields are invalid.; receiver.contacts.0: is not a phone number; body: odd",
            )
        ],
        (TO,),
    ),
    Reads("an error that is no JSON", 422, b"no", [Refused(FailureKind.MESSAGE, "422", "no")], (TO,)),
    Reads(
        "429: not processed, by the document",
        429,
        {"code": "TooManyRequests", "message": "Slow down"},
        [Refused(FailureKind.THROTTLED, "429", "Slow down", 2.0)],
        (TO,),
        {"Retry-After": "2"},
    ),
    *[
        Reads(
            f"{status}: it may have been taken",
            status,
            {"code": "ServerError", "message": "Sorry"},
            [Refused(FailureKind.UNKNOWN, str(status), "Sorry")],
            (TO,),
        )
        for status in (500, 502, 503, 504)
    ],
]

LINK = Button("link", "Shop", url="https://shop.example")
ROWS = tuple(Row(str(number), "Row") for number in range(11))
PLACE = Content(MessageType.LOCATION, location=Location(91, 0))


def text(words: str = "Hello", *buttons: Button) -> Content:
    return Content(MessageType.TEXT, words, buttons=buttons)


def listed(menu: Menu) -> Content:
    return Content(MessageType.LIST, "Choose", menu=menu)


def template(**more: Any) -> Content:
    return Content(MessageType.TEMPLATE, template=Template("spring", "en", **more))


UNSENDABLE = [
    text(""),
    text("x" * 4097),
    text("x" * 1025, Button("reply", "Yes")),
    text("Hello", *[Button("reply", each) for each in "abcd"]),
    text("Hello", Button("reply", "x" * 21)),
    text("Hello", Button("reply", "")),
    text("Hello", Button("reply", "Yes", id="yes")),
    text("Hello", LINK, LINK),
    text("Hello", Button("postback", "More", payload="x" * 257)),
    Content(MessageType.IMAGE, "No image"),
    Content(MessageType.IMAGE, "x" * 1025, (Media("https://shop.example/a.png"),)),
    Content(MessageType.IMAGE, None, (Media("https://shop.example/a.png"),), (Button("reply", "Yes"),)),
    Content(MessageType.IMAGE, "Hi", (Media("https://shop.example/a.png"),), preview_url=True),
    media(MessageType.DOCUMENT, "https://shop.example/d/17"),
    Content(MessageType.CONTACTS),
    Content(MessageType.REACTION),
    Content(MessageType.LOCATION),
    PLACE,
    Content(MessageType.LIST, "Choose"),
    listed(Menu("Show", (Section(ROWS),))),
    listed(Menu("Show", (Section(()),))),
    listed(Menu("x" * 21, (Section(ROWS[:1]),))),
    listed(Menu("Show", (Section(ROWS[:1]),), "x" * 61)),
    listed(Menu("Show", (Section(ROWS[:1]), Section(ROWS[1:2])))),
    listed(Menu("Show", (Section(ROWS[:1], "x" * 25),))),
    listed(Menu("Show", (Section((Row("a", "x" * 25),)),))),
    listed(Menu("Show", (Section((Row("a", "Row", "x" * 73),)),))),
    listed(Menu("Show", (Section((Row("", "Row"),)),))),
    listed(Menu("Show", (Section((Row("a", "Row"), Row("a", "Row"))),))),
    Content(MessageType.TEMPLATE),
    template(),
    template(project_id=ID, parameters=(Parameter("Ada"),)),
    template(project_id=ID, buttons=(TemplateButton(0, "url", "x"),)),
]

TABLE = Table(
    name="bird",
    account={
        "workspace_id": WORKSPACE,
        "webhook_secret": SECRET_PLACE,
        "senders": [{"name": "shop", "channel_id": CHANNEL}],
    },
    sends=SENDS,
    reads=READS,
    statuses=STATUSES,
    unsendable=UNSENDABLE,
    webhooks=WEBHOOKS,
    examples=EXAMPLES,
    to=TO,
)
