"""The image examples of Bird's page "Sending messages". What is broken in them is said in `examples`."""

from __future__ import annotations

from typing import Any

from tests.providers.contract import Example

PAGE = "Bird: Sending messages"
IMAGE = "https://www.messagebird.com/image.png"
IMAGE_1, IMAGE_2 = "https://www.messagebird.com/image1.png", "https://www.messagebird.com/image2.png"
LABELS = ("Label of first image", "Label of second image")


def reply(text: str) -> dict[str, Any]:
    return {"type": "reply", "reply": {"text": text}}


def postback(text: str, payload: str | None = None) -> dict[str, Any]:
    inner = {"text": text} if payload is None else {"text": text, "payload": payload}
    return {"type": "postback", "postback": inner}


def body(heading: str, content: str, kind: str, inner: dict[str, Any]) -> Example:
    return Example(PAGE, heading, content, {"type": kind, kind: inner}, "body")


def image(url: str, label: str) -> dict[str, Any]:
    return {"altText": label, "mediaUrl": url}


SINGLE_IMAGES = [
    body(
        "Single image message",
        f'images = [{{ url = "{IMAGE}", alt = "{LABELS[0]}" }}]',
        "image",
        {"images": [image(IMAGE, LABELS[0])]},
    ),
    body(
        "Single image message with text",
        f'images = [{{ url = "{IMAGE}", alt = "{LABELS[0]}" }}]\ntext = "Single image message"',
        "image",
        {"images": [image(IMAGE, LABELS[0])], "text": "Single image message"},
    ),
    body(
        "Single image message with postback actions",
        f"""
        images = [{{ url = "{IMAGE}", alt = "Image label" }}]
        text = "Single image message with postback actions"
        buttons = [
            {{ type = "postback", text = "Postback option 1", payload = "postback-payload-1" }},
            {{ type = "postback", text = "Postback option 2", payload = "postback-payload-2" }},
        ]
        """,
        "image",
        {
            "images": [image(IMAGE, "Image label")],
            "text": "Single image message with postback actions",
            "actions": [
                postback("Postback option 1", "postback-payload-1"),
                postback("Postback option 2", "postback-payload-2"),
            ],
        },
    ),
    body(
        "Single image message with label and reply actions",
        f"""
        images = [{{ url = "{IMAGE}", alt = "Image label" }}]
        text = "Single image message with reply actions"
        buttons = [{{ type = "reply", text = "Reply action 1" }}, {{ type = "reply", text = "Reply action 2" }}]
        """,
        "image",
        {
            "text": "Single image message with reply actions",
            "images": [image(IMAGE, "Image label")],
            "actions": [reply("Reply action 1"), reply("Reply action 2")],
        },
    ),
    body(
        "Single image message with label, postback and reply actions",
        f"""
        images = [{{ url = "{IMAGE}", alt = "Image label" }}]
        text = "Single image message with postback and reply actions"
        buttons = [
            {{ type = "postback", text = "Postback action", payload = "postback-payload" }},
            {{ type = "reply", text = "Reply action" }},
        ]
        """,
        "image",
        {
            "text": "Single image message with postback and reply actions",
            "images": [image(IMAGE, "Image label")],
            "actions": [postback("Postback action", "postback-payload"), reply("Reply action")],
        },
    ),
]


def two_images(first: str, labels: tuple[str, str]) -> str:
    return f'images = [{{ url = "{first}", alt = "{labels[0]}" }}, {{ url = "{IMAGE_2}", alt = "{labels[1]}" }}]\n'


OTHER_LABELS = ("First image label", "Second image label")

SEVERAL_IMAGES = [
    body(
        "Multiple image message",
        two_images(IMAGE_1, LABELS) + 'text = "Multiple images message"',
        "image",
        {
            "images": [image(IMAGE_1, LABELS[0]), image(IMAGE_2, LABELS[1])],
            "text": "Multiple images message",
        },
    ),
    body(
        "Multiple images message with labels and postback actions",
        two_images(IMAGE_1, OTHER_LABELS)
        + """
        text = "Multiple images message with postback actions"
        buttons = [
            { type = "postback", text = "Postback action 1", payload = "postback-payload-1" },
            { type = "postback", text = "Postback action 2", payload = "postback-payload-2" },
        ]
        """,
        "image",
        {
            "images": [image(IMAGE_1, OTHER_LABELS[0]), image(IMAGE_2, OTHER_LABELS[1])],
            "text": "Multiple images message with postback actions",
            "actions": [
                postback("Postback action 1", "postback-payload-1"),
                postback("Postback action 2", "postback-payload-2"),
            ],
        },
    ),
    body(
        "Multiple images message with reply actions",
        two_images(IMAGE_1, OTHER_LABELS)
        + """
        text = "Multiple images message with reply actions"
        buttons = [{ type = "reply", text = "Reply action 1" }, { type = "reply", text = "Reply action 2" }]
        """,
        "image",
        {
            "images": [image(IMAGE_1, OTHER_LABELS[0]), image(IMAGE_2, OTHER_LABELS[1])],
            "text": "Multiple images message with reply actions",
            "actions": [reply("Reply action 1"), reply("Reply action 2")],
        },
    ),
    body(
        "Multiple images message with labels, postback and reply actions",
        two_images(IMAGE_2, OTHER_LABELS)
        + """
        text = "Multiple images message with postback and reply actions"
        buttons = [
            { type = "postback", text = "Postback action", payload = "postback-payload" },
            { type = "reply", text = "Reply action" },
        ]
        """,
        "image",
        {
            "images": [image(IMAGE_2, OTHER_LABELS[0]), image(IMAGE_2, OTHER_LABELS[1])],
            "text": "Multiple images message with postback and reply actions",
            "actions": [postback("Postback action", "postback-payload"), reply("Reply action")],
        },
    ),
]
