"""Cloud API's requests, from Meta's message reference, and the table of all its cases."""

from __future__ import annotations

from typing import Any

from campaigns.message.content import (
    Button,
    Contact,
    ContactEmail,
    ContactPhone,
    Content,
    Location,
    Media,
    Menu,
    MessageType,
    Parameter,
    Reaction,
    Row,
    Section,
    Template,
    TemplateButton,
    TemplateHeader,
)
from campaigns.states import JobState
from tests.providers.cases.meta_answers import READS, TO, WAMID
from tests.providers.cases.meta_inbound import INBOUND
from tests.providers.cases.meta_messages import EXAMPLES, NEW, REFUSED
from tests.providers.cases.meta_webhooks import WEBHOOKS
from tests.providers.contract import SECRET, SECRET_PLACE, Example, Sends, Table

T = MessageType
URL = "https://graph.facebook.com/v24.0/106540352242922/messages"
HEADERS = {"authorization": f"Bearer {SECRET}", "content-type": "application/json"}
PICTURE = "https://www.example.com/a.png"
UPLOADED = "1037543291543636"


def sends(why: str, content: Content, message: dict[str, Any], **more: Any) -> Sends:
    envelope = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": TO[0], **message}
    return Sends(why, TO, content, "POST", URL, HEADERS, envelope, more=more)


def of(kind: str, value: Any) -> dict[str, Any]:
    return {"type": kind, kind: value}


def pressed(kind: str, **value: Any) -> dict[str, Any]:
    return of("interactive", {"type": kind, **value})


CARD = Contact(
    "Ada Lovelace",
    "Ada",
    "Lovelace",
    (ContactPhone("+16505551234", "WORK"),),
    (ContactEmail("ada@example.com", "WORK"),),
)
MENU = Menu(
    "Options", (Section((Row("a", "First", "The first one"), Row("b", "Second")), "Section"),), "Title"
)
TEMPLATE = Template(
    "spring_sale",
    "en_US",
    (Parameter("Ada"), Parameter("SPRING")),
    TemplateHeader(image=Media(PICTURE)),
    (TemplateButton(0, "url", "promo"), TemplateButton(1, "quick_reply", "STOP")),
)

SENDS = [
    sends("text", Content(T.TEXT, "Hello"), of("text", {"preview_url": False, "body": "Hello"})),
    sends(
        "text with a preview",
        Content(T.TEXT, "See https://example.com", preview_url=True),
        of("text", {"preview_url": True, "body": "See https://example.com"}),
    ),
    sends(
        "a reply",
        Content(T.TEXT, "Yes", reply_to=WAMID),
        {**of("text", {"preview_url": False, "body": "Yes"}), "context": {"message_id": WAMID}},
    ),
    sends(
        "our reference",
        Content(T.TEXT, "Hello"),
        {**of("text", {"preview_url": False, "body": "Hello"}), "biz_opaque_callback_data": "run.7"},
        references=("run.7",),
    ),
    sends(
        "image",
        Content(T.IMAGE, "Look", (Media(PICTURE),)),
        of("image", {"link": PICTURE, "caption": "Look"}),
    ),
    sends(
        "an image uploaded beforehand",
        Content(T.IMAGE, "Look", (Media(id=UPLOADED),)),
        of("image", {"id": UPLOADED, "caption": "Look"}),
    ),
    sends(
        "a document uploaded beforehand",
        Content(T.DOCUMENT, None, (Media(id=UPLOADED, filename="a.pdf"),)),
        of("document", {"id": UPLOADED, "filename": "a.pdf"}),
    ),
    sends(
        "a voice message",
        Content(T.AUDIO, None, (Media(id=UPLOADED, voice=True),)),
        of("audio", {"id": UPLOADED, "voice": True}),
    ),
    sends("video", Content(T.VIDEO, None, (Media(PICTURE),)), of("video", {"link": PICTURE})),
    sends("audio", Content(T.AUDIO, None, (Media(PICTURE),)), of("audio", {"link": PICTURE})),
    sends("sticker", Content(T.STICKER, None, (Media(PICTURE),)), of("sticker", {"link": PICTURE})),
    sends(
        "document",
        Content(T.DOCUMENT, "Read", (Media(PICTURE, filename="a.pdf"),)),
        of("document", {"link": PICTURE, "caption": "Read", "filename": "a.pdf"}),
    ),
    sends(
        "location",
        Content(T.LOCATION, location=Location(52.3435942, 4.9091077, "Office", "Trompenburgstraat 2C")),
        of(
            "location",
            {
                "latitude": 52.3435942,
                "longitude": 4.9091077,
                "name": "Office",
                "address": "Trompenburgstraat 2C",
            },
        ),
    ),
    sends(
        "reaction",
        Content(T.REACTION, reaction=Reaction(WAMID, "😀")),
        of("reaction", {"message_id": WAMID, "emoji": "😀"}),
    ),
    sends(
        "contacts",
        Content(T.CONTACTS, contacts=(CARD,)),
        of(
            "contacts",
            [
                {
                    "name": {"formatted_name": "Ada Lovelace", "first_name": "Ada", "last_name": "Lovelace"},
                    "phones": [{"phone": "+16505551234", "type": "WORK"}],
                    "emails": [{"email": "ada@example.com", "type": "WORK"}],
                }
            ],
        ),
    ),
    sends(
        "a contact with a whole name alone: Meta wants one more part of it",
        Content(T.CONTACTS, contacts=(Contact("The shop", phones=(ContactPhone("+16505551234"),)),)),
        of(
            "contacts",
            [
                {
                    "name": {"formatted_name": "The shop", "first_name": "The shop"},
                    "phones": [{"phone": "+16505551234"}],
                }
            ],
        ),
    ),
    sends(
        "reply and postback buttons",
        Content(
            T.TEXT,
            "Choose",
            buttons=(Button("reply", "Yes", id="yes"), Button("postback", "More", payload="more")),
        ),
        pressed(
            "button",
            body={"text": "Choose"},
            action={
                "buttons": [
                    {"type": "reply", "reply": {"id": "yes", "title": "Yes"}},
                    {"type": "reply", "reply": {"id": "more", "title": "More"}},
                ]
            },
        ),
    ),
    sends(
        "buttons below an image",
        Content(T.IMAGE, "Choose", (Media(PICTURE),), (Button("reply", "Yes"),)),
        pressed(
            "button",
            header={"type": "image", "image": {"link": PICTURE}},
            body={"text": "Choose"},
            action={"buttons": [{"type": "reply", "reply": {"id": "Yes", "title": "Yes"}}]},
        ),
    ),
    sends(
        "buttons below an uploaded document, above a footer",
        Content(
            T.DOCUMENT,
            "Choose",
            (Media(id=UPLOADED, filename="a.pdf"),),
            (Button("reply", "Yes"),),
            footer="STOP ends it",
        ),
        pressed(
            "button",
            header={"type": "document", "document": {"id": UPLOADED, "filename": "a.pdf"}},
            body={"text": "Choose"},
            footer={"text": "STOP ends it"},
            action={"buttons": [{"type": "reply", "reply": {"id": "Yes", "title": "Yes"}}]},
        ),
    ),
    sends(
        "buttons between a header and a footer",
        Content(T.TEXT, "Choose", buttons=(Button("reply", "Yes"),), header="Spring", footer="STOP ends it"),
        pressed(
            "button",
            header={"type": "text", "text": "Spring"},
            body={"text": "Choose"},
            footer={"text": "STOP ends it"},
            action={"buttons": [{"type": "reply", "reply": {"id": "Yes", "title": "Yes"}}]},
        ),
    ),
    sends(
        "one link, with header and footer",
        Content(
            T.TEXT,
            "Shop",
            buttons=(Button("link", "Open", url="https://example.com"),),
            header="Spring",
            footer="STOP ends it",
        ),
        pressed(
            "cta_url",
            header={"type": "text", "text": "Spring"},
            body={"text": "Shop"},
            footer={"text": "STOP ends it"},
            action={
                "name": "cta_url",
                "parameters": {"display_text": "Open", "url": "https://example.com"},
            },
        ),
    ),
    sends(
        "list",
        Content(T.LIST, "Pick one", menu=MENU, footer="STOP ends it"),
        pressed(
            "list",
            header={"type": "text", "text": "Title"},
            body={"text": "Pick one"},
            footer={"text": "STOP ends it"},
            action={
                "button": "Options",
                "sections": [
                    {
                        "title": "Section",
                        "rows": [
                            {"id": "a", "title": "First", "description": "The first one"},
                            {"id": "b", "title": "Second"},
                        ],
                    }
                ],
            },
        ),
    ),
    sends(
        "template with header, parameters by place and buttons",
        Content(T.TEMPLATE, template=TEMPLATE),
        of(
            "template",
            {
                "name": "spring_sale",
                "language": {"code": "en_US"},
                "components": [
                    {"type": "header", "parameters": [{"type": "image", "image": {"link": PICTURE}}]},
                    {
                        "type": "body",
                        "parameters": [{"type": "text", "text": "Ada"}, {"type": "text", "text": "SPRING"}],
                    },
                    {
                        "type": "button",
                        "sub_type": "url",
                        "index": "0",
                        "parameters": [{"type": "text", "text": "promo"}],
                    },
                    {
                        "type": "button",
                        "sub_type": "quick_reply",
                        "index": "1",
                        "parameters": [{"type": "payload", "payload": "STOP"}],
                    },
                ],
            },
        ),
    ),
    sends(
        "template with an uploaded header",
        Content(T.TEMPLATE, template=Template("hi", "en", header=TemplateHeader(video=Media(id=UPLOADED)))),
        of(
            "template",
            {
                "name": "hi",
                "language": {"code": "en"},
                "components": [
                    {"type": "header", "parameters": [{"type": "video", "video": {"id": UPLOADED}}]}
                ],
            },
        ),
    ),
    sends(
        "template whose header's text is named",
        Content(T.TEMPLATE, template=Template("hi", "en", header=TemplateHeader("Ada", "first_name"))),
        of(
            "template",
            {
                "name": "hi",
                "language": {"code": "en"},
                "components": [
                    {
                        "type": "header",
                        "parameters": [{"type": "text", "parameter_name": "first_name", "text": "Ada"}],
                    }
                ],
            },
        ),
    ),
    sends(
        "template with named parameters",
        Content(T.TEMPLATE, template=Template("hi", "en", (Parameter("Ada", "first_name"),))),
        of(
            "template",
            {
                "name": "hi",
                "language": {"code": "en"},
                "components": [
                    {
                        "type": "body",
                        "parameters": [{"type": "text", "parameter_name": "first_name", "text": "Ada"}],
                    }
                ],
            },
        ),
    ),
]

TABLE = Table(
    name="meta",
    account={
        "app_secret": SECRET_PLACE,
        "verify_token": SECRET_PLACE,
        "senders": [{"name": "shop", "phone_number_id": "106540352242922"}],
    },
    sends=[*SENDS, *(sends(*row) for row in NEW)],
    reads=READS,
    statuses={
        "sent": JobState.SENT,
        "delivered": JobState.DELIVERED,
        "read": JobState.READ,
        "failed": JobState.FAILED,
    },
    unsendable=[
        *(content for content, _ in REFUSED),
        Content(T.LOCATION, location=Location(91, 0)),
        Content(T.CONTACTS, contacts=(CARD,) * 258),
        Content(T.TEMPLATE, template=Template("", "en")),
        Content(T.TEMPLATE, template=Template("hi", "en", (Parameter(" "),))),
        Content(T.LIST, " ", menu=MENU),
        Content(T.TEXT, "a", buttons=(Button("reply", " "),)),
        Content(T.STICKER, "caption", (Media(PICTURE),)),
        Content(T.AUDIO, None, (Media(PICTURE),), (Button("reply", "a"),)),
        Content(T.LIST, "a", menu=Menu("b", (Section((Row("a", "r"),), "s"), Section((Row("b", "r"),))))),
        Content(T.LIST, "a", menu=Menu("b", (Section((Row("a", "r"), Row("a", "s"))),))),
        Content(T.LIST, "a", menu=Menu("b", (Section((Row("a", "r", "d" * 73),)),))),
        Content(T.LIST, "a", menu=Menu("b", (Section((Row("a", "r"),), "t" * 25),))),
        Content(T.LIST, "a", menu=Menu("b", (Section((Row("a", "r"),)),), "t" * 61)),
        Content(T.TEXT, ""),
        Content(T.IMAGE, "neither address nor id", (Media(),)),
        Content(T.TEXT, "a", buttons=(Button("reply", "a"),), header="h" * 61),
        Content(T.TEXT, "a", buttons=(Button("reply", "a"),), footer="f" * 61),
        Content(T.LIST, "a", menu=MENU, footer="f" * 61),
        Content(T.TEXT, "a" * 4097),
        Content(T.IMAGE, "a" * 1025, (Media(PICTURE),)),
        Content(T.IMAGE, None, (Media(PICTURE), Media(PICTURE))),
        Content(T.AUDIO, "caption", (Media(PICTURE),)),
        Content(T.FILES, "two", (Media(PICTURE), Media(PICTURE))),
        Content(T.TEXT, "a", buttons=tuple(Button("reply", str(n)) for n in range(4))),
        Content(T.TEXT, "a", buttons=(Button("reply", "a" * 21),)),
        Content(T.TEXT, "a", buttons=(Button("reply", "a"), Button("reply", "a"))),
        Content(T.TEXT, "a", buttons=(Button("link", "a", url="https://x"), Button("reply", "b"))),
        Content(T.LIST, "a", menu=Menu("b", (Section(tuple(Row(str(n), "r") for n in range(11))),))),
        Content(T.LIST, "a", menu=Menu("b", (Section((Row("a", "r" * 25),)),))),
        Content(T.LIST, "a", menu=Menu("b" * 21, (Section((Row("a", "r"),)),))),
        Content(T.REACTION, reaction=Reaction("m", "x"), reply_to="m"),
    ],
    webhooks=[*WEBHOOKS, *INBOUND],
    examples=[
        *EXAMPLES,
        Example(
            "Cloud API: Templates",
            "Body parameters by place",
            'template = { name = "order_confirmation", language = "en", parameters = ["{{ order }}"] }',
            {
                "name": "order_confirmation",
                "language": {"code": "en"},
                "components": [{"type": "body", "parameters": [{"type": "text", "text": "ORDER-9182"}]}],
            },
            at="template",
            vars={"order": "ORDER-9182"},
            template=True,
        ),
        Example(
            "Cloud API: Interactive reply buttons messages",
            "Request syntax, with an image of an upload as header and a footer",
            """
            images = [{ id = "2762702990552401" }]
            text = "Hi {{ name }}. Your gardening workshop is on April 9th."
            footer = "Lucky Shrub: Your gateway to succulents!"
            buttons = [{ type = "reply", id = "change-button", text = "Change" }]
            """,
            {
                "type": "button",
                "header": {"type": "image", "image": {"id": "2762702990552401"}},
                "body": {"text": "Hi Pablo. Your gardening workshop is on April 9th."},
                "footer": {"text": "Lucky Shrub: Your gateway to succulents!"},
                "action": {
                    "buttons": [{"type": "reply", "reply": {"id": "change-button", "title": "Change"}}]
                },
            },
            at="interactive",
            vars={"name": "Pablo"},
        ),
        Example(
            "Cloud API: Audio messages",
            "A voice message",
            'audio = { id = "{{ recording }}", voice = true }',
            {"id": "1013859600285441", "voice": True},
            at="audio",
            vars={"recording": "1013859600285441"},
        ),
    ],
)
