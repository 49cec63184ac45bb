"""The request examples of Bird's page "Sending messages" (WhatsApp), each as a campaign file's [content].

What is broken in them, and the reading taken, is said in `examples`.
"""

from __future__ import annotations

from typing import Any

from tests.providers.cases.bird_images import PAGE, SEVERAL_IMAGES, SINGLE_IMAGES, body, postback, reply
from tests.providers.contract import Example

VIDEO = "https://www.messagebird.com/videos/video.mp4"
PDF = "https://www.messagebird.com/documents/file-sample_150kB.pdf"

CONTACTS = {"contacts": [{"identifierKey": "phonenumber", "identifierValue": "+31612345678"}]}
RECEIVERS = [
    Example(PAGE, "Send a message: Request", 'text = "Hello"', CONTACTS, "receiver"),
    Example(PAGE, "Body", 'text = "Hello"', CONTACTS, "receiver"),
    Example(
        PAGE,
        "Template",
        'template = { name = "welcome", project_id = "ce6a2fd6-b2fa-4f5a-a2cd-f3bd15883318" }',
        CONTACTS,
        "receiver",
        template=True,
    ),
    Example(PAGE, "Outbound messages", 'text = "Hello"', CONTACTS, "receiver"),
]

TEXTS = [
    body("Text Message", 'text = "Single text message"', "text", {"text": "Single text message"}),
    body(
        "Text message with reply buttons",
        """
        text = "Single text message with reply actions"
        buttons = [{ type = "reply", text = "Reply action 1" }, { type = "reply", text = "Reply action 2" }]
        """,
        "text",
        {
            "text": "Single text message with reply actions",
            "actions": [reply("Reply action 1"), reply("Reply action 2")],
        },
    ),
    body(
        "Text message with postback actions",
        """
        text = "Single text message with postback actions"
        buttons = [
            { type = "postback", text = "Postback action 1", payload = "postback-payload-1" },
            { type = "postback", text = "Postback action 2", payload = "postback-payload-2" },
        ]
        """,
        "text",
        {
            "text": "Single text message with postback actions",
            "actions": [
                postback("Postback action 1", "postback-payload-1"),
                postback("Postback action 2", "postback-payload-2"),
            ],
        },
    ),
    body(
        "Text message with reply and postback actions",
        """
        text = "Single text message with reply and postback actions"
        buttons = [
            { type = "postback", text = "Postback action 1", payload = "postback-payload-1" },
            { type = "reply", text = "Reply action 1" },
        ]
        """,
        "text",
        {
            "text": "Single text message with reply and postback actions",
            "actions": [postback("Postback action 1", "postback-payload-1"), reply("Reply action 1")],
        },
    ),
]

VIDEO_FILE = {"contentType": "video/mp4", "mediaUrl": VIDEO}
PDF_FILE = {"contentType": "application/pdf", "mediaUrl": PDF}
TWO_FILES = f"""
text = "Multiple files message"
[[files]]
url = "{VIDEO}"
content_type = "video/mp4"
[[files]]
url = "{PDF}"
content_type = "application/pdf"
"""
NAMED = 'filename = "passport.pdf"\n'

FILES = [
    body(
        "Single file message",
        f'video = {{ url = "{VIDEO}", content_type = "video/mp4" }}\ntext = "Single file message"',
        "file",
        {"text": "Single file message", "files": [VIDEO_FILE]},
    ),
    body(
        "Single file message with postback and reply actions",
        f"""
        video = {{ url = "{VIDEO}", content_type = "video/mp4" }}
        text = "Single file message"
        buttons = [{{ type = "postback", text = "Postback action" }}, {{ type = "reply", text = "Reply action" }}]
        """,
        "file",
        {
            "text": "Single file message",
            "files": [VIDEO_FILE],
            "actions": [postback("Postback action"), reply("Reply action")],
        },
    ),
    body(
        "Multiple files message",
        TWO_FILES,
        "file",
        {"text": "Multiple files message", "files": [VIDEO_FILE, PDF_FILE]},
    ),
    body(
        "Multiple files message with filename",
        TWO_FILES + NAMED,
        "file",
        {
            "text": "Multiple files message",
            "files": [VIDEO_FILE, PDF_FILE | {"filename": "passport.pdf"}],
        },
    ),
    body(
        "Multiple files message with two postback actions and a reply action",
        """
        buttons = [
            { type = "postback", text = "Postback action 1", payload = "postback-payload-1" },
            { type = "postback", text = "Postback action 2", payload = "postback-payload-2" },
            { type = "reply", text = "Reply action" },
        ]
        """
        + TWO_FILES
        + NAMED,
        "file",
        {
            "text": "Multiple files message",
            "files": [VIDEO_FILE, PDF_FILE | {"filename": "passport.pdf"}],
            "actions": [
                postback("Postback action 1", "postback-payload-1"),
                postback("Postback action 2", "postback-payload-2"),
                reply("Reply action"),
            ],
        },
    ),
]

LOCATION = body(
    "Location",
    """
    [location]
    latitude = 52.3435942
    longitude = 4.9091077
    name = "MessageBird Amsterdam office"
    address = "Trompenburgstraat 2C, 1079 TX Amsterdam"
    """,
    "location",
    {
        "coordinates": {"latitude": 52.3435942, "longitude": 4.9091077},
        "location": {
            "address": "Trompenburgstraat 2C, 1079 TX Amsterdam",
            "label": "MessageBird Amsterdam office",
        },
    },
)

WORDS: dict[str, Any] = {"title": "List title", "altText": "List alt text", "text": "List text"}
MENU = """
text = "List text"
[list]
title = "List title"
alt = "List alt text"
button = ""
"""


def rows(*numbers: int) -> str:
    return ", ".join(
        f'{{ id = "postback-action-payload-{each}", title = "Postback action {each}" }}' for each in numbers
    )


def row(number: int) -> dict[str, Any]:
    return postback(f"Postback action {number}", f"postback-action-payload-{number}")


LISTS = [
    body(
        "List message without sections",
        MENU + f"sections = [{{ rows = [{rows(1, 2)}] }}]",
        "list",
        WORDS | {"items": [{"actions": [row(1), row(2)]}]},
    ),
    body(
        "List message with sections",
        MENU
        + "sections = ["
        + f'{{ title = "Section 1", rows = [{rows(1, 2)}] }}, {{ title = "Section 2", rows = [{rows(3, 4)}] }}]',
        "list",
        WORDS
        | {
            "items": [
                {"title": "Section 1", "actions": [row(1), row(2)]},
                {"title": "Section 2", "actions": [row(3), row(4)]},
            ]
        },
    ),
]

REPLY = Example(
    "Bird: Replies",
    "Reply to a message",
    'text = "Single text message"\nreply_to = "1e7b70ab-3dcc-48f4-a6f6-63a493f6134c"',
    {"id": "1e7b70ab-3dcc-48f4-a6f6-63a493f6134c", "type": "message"},
    "replyTo",
)

TEMPLATE = Example(
    "Bird: Templates",
    "Text template with variable",
    """
    [template]
    name = "welcome"
    project_id = "ce6a2fd6-b2fa-4f5a-a2cd-f3bd15883318"
    language = "en"
    parameters = { name = "{{ first_name }}" }
    """,
    {
        "projectId": "ce6a2fd6-b2fa-4f5a-a2cd-f3bd15883318",
        "version": "latest",
        "locale": "en",
        "parameters": [{"type": "string", "key": "name", "value": "Robert"}],
    },
    "template",
    vars={"first_name": "Robert"},
    template=True,
)

BUTTON_TEMPLATE = Example(
    "Bird: Templates",
    "Image with a variable in a button",
    """
    [template]
    name = "campaign"
    project_id = "6449eb42-dffb-41c2-81a1-7fd956d2e7a6"
    version = "e0e9190c-c3e7-4026-8fc3-d28a77aa1a52"
    parameters = { name = "Robert", url = "?campaignid=123456" }
    """,
    {
        "projectId": "6449eb42-dffb-41c2-81a1-7fd956d2e7a6",
        "version": "e0e9190c-c3e7-4026-8fc3-d28a77aa1a52",
        "locale": "en",
        "parameters": [
            {"type": "string", "key": "name", "value": "Robert"},
            {"type": "string", "key": "url", "value": "?campaignid=123456"},
        ],
    },
    "template",
    template=True,
)

EXAMPLES = [
    *RECEIVERS,
    *TEXTS,
    *SINGLE_IMAGES,
    *SEVERAL_IMAGES,
    *FILES,
    LOCATION,
    *LISTS,
    REPLY,
    TEMPLATE,
    BUTTON_TEMPLATE,
]
