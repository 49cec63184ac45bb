"""Parts of [content] that open something inside the chat: a flow, products, a catalog."""

from __future__ import annotations

from typing import Self

from pydantic import Field, StrictBool, model_validator

from campaigns.message.part import Part


class FlowSpec(Part):
    """A WhatsApp Flow: a form that opens inside the chat."""

    button: str = Field(description="what opens it")
    id: str | None = Field(default=None, description="its id at Meta")
    name: str | None = Field(default=None, description="in place of the id: its name")
    token: str | None = Field(default=None, description="what comes back with the person's answers")
    screen: str | None = Field(
        default=None, description="the first screen; without it, the flow's endpoint chooses"
    )
    data: dict[str, str] = Field(default={}, description="values for the first screen")
    draft: StrictBool = Field(default=False, description="send a flow that is not published, to test it")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.id is None) == (self.name is None):
            raise ValueError("give either the flow's id or its name")
        if self.data and self.screen is None:
            raise ValueError("data needs the screen that it is for")
        return self


class ProductSpec(Part):
    catalog_id: str = Field(description="the id of the catalog that is connected to the account")
    id: str = Field(description="the product's SKU in the catalog (its content id)")


class ProductSectionSpec(Part):
    title: str | None = Field(default=None, description="the heading; needed where there are several")
    products: list[str] = Field(min_length=1, description="the products' SKUs")


class ProductsSpec(Part):
    catalog_id: str = Field(description="the id of the catalog that is connected to the account")
    title: str = Field(description="the heading above the text")
    sections: list[ProductSectionSpec] = Field(min_length=1, description="[{ title, products }]")


class CatalogSpec(Part):
    thumbnail: str | None = Field(
        default=None, description="the SKU of the product whose picture is shown; default: the first"
    )
