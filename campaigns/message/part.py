"""The base of every table of the campaign file."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

M = TypeVar("M", bound=BaseModel)


class Part(BaseModel):
    """A table of the campaign file: unknown keys are errors, and values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Unmet:
    """Stands for a table's model, of a module that is not imported before a file has such a table."""

    def __init__(self, module: str, name: str) -> None:
        self._place = module, name

    @property
    def model(self) -> type[BaseModel]:
        module, name = self._place
        found: type[BaseModel] = getattr(import_module(module), name)
        return found


class _Met:
    def __get_pydantic_core_schema__(
        self, model: type[BaseModel] | Unmet, _: GetCoreSchemaHandler
    ) -> CoreSchema:
        def validated(value: Any, info: ValidationInfo) -> BaseModel:
            met = model.model if isinstance(model, Unmet) else model
            return met.model_validate(value, context=info.context)

        return core_schema.with_info_plain_validator_function(validated)


WhenMet = Annotated[M, _Met()]
"""A table that few files have: what checks it is built when one is met; with `Unmet`, its model too. For the content's
dozen that takes longer than for the rest of the file."""
