"""The JSON schemas of what the operations answer, made from the types of their handlers."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from types import ModuleType
from typing import Any, Final, Literal, NotRequired, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema
from typing_extensions import TypedDict

from app.views.answers.lists import LoadedList, ProblemPlace
from web.api.operations import FileAnswer, Operation, Versioned

REF: Final = "#/components/schemas/{model}"


class Problem(TypedDict):
    """What went wrong (RFC 9457)."""

    type: str
    """What kind of problem it is: `urn:drumbeat:problem:` and a name that stays the same between versions."""
    title: str
    """That name in words."""
    status: int
    """The HTTP status."""
    detail: str
    """What is wrong, as a sentence."""
    instance: str
    """The address that was called."""
    request_id: str
    """What the log calls this call; the same as X-Request-Id."""
    hint: NotRequired[str]
    """What to do about it."""
    errors: NotRequired[Sequence[ProblemPlace]]
    """Each place that is wrong."""
    report: NotRequired[LoadedList]
    """With too-many-rejects: what was understood of the list, though nothing was loaded."""


class DoneBefore(TypedDict):
    """The answer to a call with an Idempotency-Key that was done before, and whose own answer was lost: what it was
    about, as the address names it."""

    done: Literal["before"]
    """That it was done."""
    campaign: NotRequired[str]
    """The campaign's name."""
    phone: NotRequired[str]
    """The person's number."""
    id: NotRequired[str]
    """The session's id."""
    account: NotRequired[str]
    """The account's name."""


def answer_of(operation: Operation) -> Any:
    """The type of the operation's JSON, by what its handler returns; None: it answers only with files."""
    returned = operation.answer or get_type_hints(operation.handle)["return"]
    if returned is FileAnswer:
        return None
    return get_args(returned)[0] if get_origin(returned) is Versioned else returned


def schemas_of(types: Sequence[Any]) -> tuple[list[JsonSchemaValue], dict[str, JsonSchemaValue]]:
    """The schema of each type, and by their names those that they refer to."""
    adapters = [(place, "serialization", TypeAdapter(kind)) for place, kind in enumerate(types)]
    found, parts = TypeAdapter.json_schemas(
        adapters,  # type: ignore[arg-type]
        ref_template=REF,
        schema_generator=_Described,
    )
    return [found[place, "serialization"] for place in range(len(types))], parts.get("$defs", {})


class _Described(GenerateJsonSchema):
    """Says of each key what it is: the text below its field. A key of a dataclass is always there."""

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        return _described(schema["cls"], super().dataclass_schema(schema))

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        return _described(schema["cls"], super().typed_dict_schema(schema))

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        return {"type": "string", "format": "decimal", "pattern": r"^-?\d+\.\d{2,6}$"}

    def field_is_required(self, field: Any, *args: Any, **named: Any) -> bool:
        return field["type"] == "dataclass-field" or super().field_is_required(field, *args, **named)

    def field_title_should_be_set(self, schema: Any) -> bool:
        """It would only repeat the key."""
        return False


def _described(cls: type, schema: JsonSchemaValue) -> JsonSchemaValue:
    texts = _texts(cls)
    for name, value in schema["properties"].items():
        if name in texts:
            value["description"] = texts[name]
    return schema


def _texts(cls: type) -> dict[str, str]:
    """Field -> the text below it in the class or a base. By the source: a TypedDict does not know its bases."""
    module = sys.modules[cls.__module__]
    node, found = _classes(module)[cls.__name__], dict[str, str]()
    for base in node.bases:
        known = vars(module).get(base.id) if isinstance(base, ast.Name) else None
        found |= _texts(known) if isinstance(known, type) else {}
    return found | dict(_own_texts(node))


def _own_texts(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, below in pairwise(node.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, " ".join(text.split()).replace("None:", "null:")


@cache
def _classes(module: ModuleType) -> Mapping[str, ast.ClassDef]:
    tree = ast.parse(inspect.getsource(module))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
