"""The API as an OpenAPI 3.1 document, made from its operations."""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Final, get_type_hints

from pydantic import TypeAdapter

from web.api.app import OPERATIONS, PREFIX
from web.api.operations import JSON, REPEAT, Again, Operation
from web.api.problems import MEDIA_TYPE

VERSION: Final = "1"
_EVERYWHERE: Final = {
    401: "No key, or one that is not in force",
    403: "The key's scope does not allow it",
    422: "The input cannot be used, or the Idempotency-Key was used for another call",
    429: "The key has no calls left in this minute; Retry-After has the seconds",
    500: "A fault of Drumbeat",
    503: "The database or the provider does not answer",
    507: "The server's disk is full",
}
_MEANING: Final = {
    400: "The Idempotency-Key cannot be used",
    404: "There is no such campaign, person, account or file",
    409: "A guard stops it, or the same call is under way",
    412: "It was changed after the ETag of If-Match",
    413: "The body is too large",
    415: "The body has another media type",
    502: "The provider refuses the account",
}
_AGAIN: Final = {
    Again.MARKED: "Cut off at any moment and called again with the same key, it is done once. If its answer was lost, "
    'the answer is what it is about and `"done": "before"`.',
    Again.SAME: "Cut off and called again, it goes on where it stopped; what is done already stays as it is.",
    Again.UNKNOWN: "Cut off and called again, it is not done again: look first whether it was done.",
}
_REF: Final = "#/components/schemas/{model}"
_BEFORE: Final = "DoneBefore"
_BYTES: Final = {"type": "string", "format": "binary"}
_NUMBER: Final = {"schema": {"type": "integer"}}
_HEADERS: Final[dict[str, Any]] = {
    "X-Request-Id": {"description": "What the log calls this call", "schema": {"type": "string"}},
    "RateLimit-Limit": {"description": "Calls of the key in a minute", **_NUMBER},
    "RateLimit-Remaining": {"description": "Calls that are left in it", **_NUMBER},
    "RateLimit-Reset": {"description": "Seconds until it ends", **_NUMBER},
}


def document() -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {"Problem": _problem_schema()}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Drumbeat",
            "version": VERSION,
            "description": "What the command line can do, in its names and shapes.",
        },
        "servers": [{"url": PREFIX}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "drumbeat key create"}
            },
            "schemas": schemas,
            "headers": _HEADERS,
        },
    }


def _operation(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": identifier(operation),
        "summary": operation.summary,
        "description": _description(operation),
        "tags": [_room(operation)],
        "parameters": [*_path_parameters(operation), *_query_parameters(operation), *_headers(operation)],
        "responses": _responses(operation, schemas),
    }
    if operation.body is not None:
        schema = operation.body.model_json_schema(ref_template=_REF)
        schemas[operation.body.__name__] = schema
        made["requestBody"] = {
            "required": any(field.is_required() for field in operation.body.model_fields.values()),
            "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{operation.body.__name__}"}}},
        }
    if operation.file is not None:
        content = {
            media: {"schema": {"type": "string", "format": "binary"}} for media in operation.file.media
        }
        made["requestBody"] = {
            "required": True,
            "description": f"{operation.file.description} At most {operation.file.most >> 20} MB.",
            "content": content,
        }
    return made


def identifier(operation: Operation) -> str:
    return "_".join([operation.method.lower(), *re.findall(r"[a-z]+", operation.path)])


def _room(operation: Operation) -> str:
    return operation.path.split("/")[1]


def _description(operation: Operation) -> str:
    parts = [f"Needs the scope `{operation.scope}`."]
    if operation.command:
        parts.append(f"As `drumbeat {operation.command}`.")
    if operation.repeatable:
        parts.append(_AGAIN[operation.again])
    return " ".join(parts)


_PERSON: Final = "A number, such as +447700900010, or a user id as user:ACCOUNT/ID."


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            **({"description": _PERSON} if name == "phone" else {}),
            "schema": {"type": "string", "minLength": 1},
        }
        for name in re.findall(r"{(\w+)}", operation.path)
    ]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "in": "query",
            "required": each.required,
            "description": each.description,
            "schema": dict(each.schema),
        }
        for each in operation.query
    ]


def _headers(operation: Operation) -> list[dict[str, Any]]:
    found = []
    if operation.repeatable:
        text = "The same call with the same key is done once, and gets the same answer for 24 hours."
        key = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"}
        found.append(_header(REPEAT, text, key))
    if operation.tagged:
        found.append(_header("If-None-Match", "The ETag that you have: 304 if it is still that."))
    if operation.compares:
        found.append(_header("If-Match", "The ETag that you have seen: 412 if it was changed since."))
    return found


def _header(name: str, description: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    shape = schema or {"type": "string"}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": shape}


def _responses(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS}
    if operation.tagged:
        headers["ETag"] = {"schema": {"type": "string"}}  # type: ignore[dict-item]
    answer = _answer(operation, schemas)
    content = {media: {"schema": answer if media == JSON else dict(_BYTES)} for media in operation.media}
    answers: dict[str, Any] = {
        str(operation.status): {"description": "Done", "headers": headers, "content": content}
    }
    if operation.tagged:
        answers["304"] = {"description": "Unchanged since the ETag of If-None-Match"}
    for status in sorted(statuses(operation)):
        answers[str(status)] = {
            "description": (_EVERYWHERE | _MEANING)[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    return answers


def statuses(operation: Operation) -> set[int]:
    """Those of problems."""
    found = {*_EVERYWHERE, *operation.problems}
    if "{" in operation.path:
        found.add(404)
    if operation.body is not None or operation.file is not None:
        found |= {413, 415}
    if operation.repeatable:
        found |= {400, 409, 502}
    if operation.method != "GET" and not operation.compares:
        found.add(400)
    return found


def _answer(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema of what the operation's handler returns, by its annotation; those of its parts are put into `schemas`.
    Empty where the annotation names no type."""
    handle: Any = operation.handle.func if isinstance(operation.handle, partial) else operation.handle
    returned = get_type_hints(handle)["return"]
    if returned is Any:
        return {}
    made = TypeAdapter(returned).json_schema(mode="serialization", ref_template=_REF)
    for name, part in {**made.pop("$defs", {}), returned.__name__: made}.items():
        if schemas.setdefault(name, part) != part:
            raise TypeError(f"two types of the API's answers are named {name}")
    answer = {"$ref": _REF.format(model=returned.__name__)}
    if not operation.repeatable or operation.again is not Again.MARKED:
        return answer
    schemas[_BEFORE] = _before_schema()
    return {"anyOf": [answer, {"$ref": _REF.format(model=_BEFORE)}]}


def _before_schema() -> dict[str, Any]:
    """The answer to a call that was done before, and whose own answer was lost: what it is about, and this."""
    return {"type": "object", "required": ["done"], "properties": {"done": {"const": "before"}}}


def _problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail", "instance", "request_id"],
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "instance": text,
            "request_id": text,
            "hint": text,
            "errors": {"type": "array", "items": {"type": "object"}},
            "report": {"type": "object"},
        },
    }
