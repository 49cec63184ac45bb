"""The base of every table of the campaign file."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

M = TypeVar("M", bound=BaseModel)


class Part(BaseModel):
    """A table of the campaign file: unknown keys are errors, and values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class _Met:
    def __get_pydantic_core_schema__(self, model: type[M], _: GetCoreSchemaHandler) -> CoreSchema:
        def validated(value: Any, info: ValidationInfo) -> M:
            return model.model_validate(value, context=info.context)

        return core_schema.with_info_plain_validator_function(validated)


WhenMet = Annotated[M, _Met()]
"""A table that few files have: what checks it is built when one is met. Of the content's dozen that takes longer than
the rest of the file's."""
