"""Every JSON example of the five documents that the project was made from, in their order.

A request is made by a campaign file (`examples` of the provider's table), an answer is read (`answers`), a webhook is
understood (`hears` of the provider's table). `note` says what of an example is broken, and the reading taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["request", "answer", "webhook"]


@dataclass(frozen=True)
class Listed:
    kind: Kind
    heading: str
    note: str = ""


def request(heading: str, note: str = "") -> Listed:
    return Listed("request", heading, note)


PLACEHOLDER: Final = "{...} is no JSON: it stands for the bodies and templates shown below it"
ADDRESS: Final = "written mediaURL; sent as mediaUrl, as in every other example"
BRACES: Final = "begins with two braces; read as one"

DOCUMENTS: Final[Mapping[str, Sequence[Listed]]] = {
    "Voicebip: WhatsApp": (
        request("Send a Message"),
        request("Send a Template Message"),
        Listed("webhook", "Inbound Messages"),
    ),
    "Bird: Sending messages": (
        request("Send a message: Request", "[{}] is a contact left out; ours is named by its phone number"),
        Listed("answer", "Send a message: Response"),
        request("Body", f"{PLACEHOLDER}; identifierKey is added, as on Bird's current page"),
        request("Template", f"{PLACEHOLDER}; identifierKey is added, as on Bird's current page"),
        Listed("answer", "Get channel details for a contact: Response"),
        request("Outbound messages", f"{PLACEHOLDER}; identifierKey is added, as on Bird's current page"),
        request("Text Message"),
        request("Text message with reply buttons"),
        request("Text message with postback actions"),
        request("Text message with reply and postback actions"),
        request("Single image message"),
        request("Single image message with text"),
        request("Multiple image message"),
        request("Single image message with postback actions"),
        request("Single image message with label and reply actions", ADDRESS),
        request("Single image message with label, postback and reply actions", ADDRESS),
        request("Multiple images message with labels and postback actions"),
        request("Multiple images message with reply actions", BRACES),
        request("Multiple images message with labels, postback and reply actions", BRACES),
        request("Single file message"),
        request("Single file message with postback and reply actions", "the postback has no payload"),
        request("Multiple files message"),
        request("Multiple files message with filename"),
        request("Multiple files message with two postback actions and a reply action"),
        request("Location"),
        request("List message without sections"),
        request(
            "List message with sections",
            "the document ends in its first section; completed from Bird's own page on lists",
        ),
    ),
    "Kapso: Send a new WhatsApp message": (
        request(
            "Request",
            "one object with the fields of every message type, which nobody can send; each type sends its own."
            ' "<string>" where an address must be and latitude 123 are other values here',
        ),
        Listed("answer", "Response", "shown twice; every text in it is the placeholder <string>"),
    ),
    "Our Voice: WhatsApp": (
        Listed("answer", "Create a new session: Response (201)"),
        Listed("answer", "Get the QR code of a session: Response (200)"),
        request("Send a new message: Request", "numbers that end in XXXX are whole ones here"),
        Listed("answer", "Send a new message: Response (201), text"),
        request("Send a new message: Example, send an image", "numbers that end in XXXX are whole ones here"),
    ),
    "Messaging API: Messaging": (
        Listed("answer", "List conversations"),
        Listed("answer", "Get a conversation"),
        request("Send a text message"),
        Listed("answer", "Send a text message"),
        request("Send a template"),
    ),
}
