"""[content.template]: the approved template, and what fills it."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, StrictInt, model_validator

from campaigns.message.action_spec import ProductSectionSpec, ProductSpec
from campaigns.message.free_form_spec import LocationSpec
from campaigns.message.media_spec import MediaSpec
from campaigns.message.part import Part


class TemplateHeaderSpec(Part):
    text: str | None = Field(default=None, description="the header's one variable")
    name: str | None = Field(default=None, description="its name, where the template's variables are named")
    image: MediaSpec | None = Field(default=None, description="{ url }")
    video: MediaSpec | None = Field(default=None, description="{ url }")
    document: MediaSpec | None = Field(default=None, description="{ url, filename }")
    location: LocationSpec | None = Field(default=None, description="{ latitude, longitude, name, address }")
    product: ProductSpec | None = Field(
        default=None, description="{ catalog_id, id }, of a single-product template"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        kinds = type(self).model_fields.keys() - {"name"}
        if sum(getattr(self, name) is not None for name in kinds) != 1:
            raise ValueError("a header is one of text, image, video, document, location, product")
        if self.name is not None and self.text is None:
            raise ValueError("only the variable of a header's text has a name")
        return self


class TemplateButtonSpec(Part):
    index: StrictInt = Field(ge=0, le=9, description="its place among the template's buttons, from 0")
    type: Literal["url", "quick_reply", "code", "copy_code", "catalog", "products", "flow"] = Field(
        description="what kind of button it is; code is the one-time password of an authentication template, "
        "copy_code a coupon's code, products the button of a multi-product template"
    )
    parameter: str = Field(
        default="",
        description="the end of the address, what comes back, the code, the product whose picture a catalog or "
        "products show, or a flow's token",
    )
    data: dict[str, str] = Field(
        default={}, description="flow: values for its first screen, where it takes any"
    )

    sections: list[ProductSectionSpec] = Field(
        default=[], description="products: what it opens, [{ title, products }]"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.sections) != (self.type == "products"):
            raise ValueError("a button of type products has sections, and no other")
        if not self.parameter and self.type not in ("catalog", "flow"):
            raise ValueError(f"a {self.type} button needs its parameter")
        if self.data and self.type != "flow":
            raise ValueError("only a flow button has data")
        return self


class CardHeaderSpec(Part):
    image: MediaSpec | None = Field(default=None, description="{ url }")
    video: MediaSpec | None = Field(default=None, description="{ url }")

    @model_validator(mode="before")
    @classmethod
    def _no_product(cls, data: Any) -> Any:
        if isinstance(data, dict) and "product" in data:
            raise ValueError(
                "cards of products cannot be sent yet; a card shows an image or a video, and several products go "
                "into a template with a button of type products"
            )
        return data

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.image is None) == (self.video is None):
            raise ValueError("a card's header is an image or a video")
        return self


class CardSpec(Part):
    """One card of a template's carousel."""

    header: CardHeaderSpec = Field(description="{ image = { url } } or { video = { url } }")
    parameters: list[str] = Field(default=[], description="of the card's text, by place")
    buttons: list[TemplateButtonSpec] = Field(default=[], description="as a template's buttons")


class TemplateSpec(Part):
    """An approved template, for people whose 24-hour window is closed."""

    name: str = Field(description="the approved name; `key` says the same where the provider has keys")
    language: str = Field(default="en", description="the approved language, such as en or pt_BR")
    parameters: list[str] | dict[str, str] = Field(
        default=[], description="by place, or a table of named ones"
    )
    header: TemplateHeaderSpec | None = Field(default=None, description="what its header shows")
    buttons: list[TemplateButtonSpec] = Field(default=[], description="[{ index, type, parameter }]")
    cards: list[CardSpec] = Field(default=[], description="of a carousel: [{ header, parameters, buttons }]")
    offer_ends: str | None = Field(
        default=None,
        description="when a limited-time offer ends, such as 2026-12-24T18:00+01:00; may hold variables",
    )
    project_id: str | None = Field(default=None, description="Bird")
    version: str | None = Field(default=None, description="Bird")
    customer_name: str | None = Field(
        default=None, description="messaging_api: the name of a contact that the template creates"
    )

    @model_validator(mode="before")
    @classmethod
    def _key_is_name(cls, data: Any) -> Any:
        if isinstance(data, dict) and "key" in data and "name" not in data:
            return {**{key: value for key, value in data.items() if key != "key"}, "name": data["key"]}
        return data
