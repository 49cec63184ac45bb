"""Parts of [content] that a free-form message has besides files: buttons, a place, contact cards, a list of rows."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from campaigns.message.media_spec import Url
from campaigns.message.part import Part

Number = float | str
"""A number, or a text with a variable that renders to one."""


class ButtonSpec(Part):
    type: Literal["reply", "postback", "link"] = Field(description="what pressing it does")
    text: str = Field(description="what the button says")
    id: str | None = Field(default=None, description="reply: what comes back")
    payload: str | None = Field(default=None, description="postback: what comes back")
    url: Url | None = Field(default=None, description="link: where it leads")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        wanted = {"postback": "payload", "link": "url"}.get(self.type)
        for name in ("id", "payload", "url"):
            belongs = name == wanted or (name == "id" and self.type == "reply")
            if getattr(self, name) is not None and not belongs:
                raise ValueError(f"a {self.type} button has no {name}")
        if self.type == "link" and self.url is None:
            raise ValueError("a link button needs its url")
        return self


class LocationSpec(Part):
    latitude: Number = Field(description="degrees north")
    longitude: Number = Field(description="degrees east")
    name: str | None = Field(default=None, description="what is there")
    address: str | None = Field(default=None, description="its address")


class ReactionSpec(Part):
    message_id: str = Field(description="the provider's id of the message")
    emoji: str = Field(description="one emoji")


class PhoneSpec(Part):
    phone: str = Field(description="the number")
    type: str | None = Field(default=None, description="such as WORK")


class EmailSpec(Part):
    email: str = Field(description="the address")
    type: str | None = Field(default=None, description="such as WORK")


class ContactSpec(Part):
    formatted_name: str = Field(description="the name as shown")
    first_name: str | None = Field(default=None, description="the given name")
    last_name: str | None = Field(default=None, description="the family name")
    phones: list[PhoneSpec] = Field(default=[], description="[{ phone, type }]")
    emails: list[EmailSpec] = Field(default=[], description="[{ email, type }]")


class RowSpec(Part):
    id: str = Field(description="what comes back when it is chosen")
    title: str = Field(description="what it says")
    description: str | None = Field(default=None, description="a line below it")


class SectionSpec(Part):
    title: str | None = Field(default=None, description="the heading; needed where there are several")
    rows: list[RowSpec] = Field(min_length=1, description="[{ id, title, description }]")


class ListSpec(Part):
    title: str | None = Field(default=None, description="the heading above the text")
    button: str = Field(description="what opens the list")
    sections: list[SectionSpec] = Field(min_length=1, description="[{ title, rows }]")
    alt: str | None = Field(default=None, description="what the list is, where the provider takes it")
