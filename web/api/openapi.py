"""The API as an OpenAPI 3.1 document, made from its operations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from web.api.app import OPERATIONS, PREFIX
from web.api.operations import JSON, REPEAT, Again, Operation
from web.api.problems import MEDIA_TYPE
from web.api.schemas import REF, DoneBefore, Problem, answer_of, schemas_of

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
    400: "The Idempotency-Key cannot be used, or a condition such as If-None-Match is not looked at",
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
_BYTES: Final = {"type": "string", "format": "binary"}
_NUMBER: Final = {"schema": {"type": "integer"}}
_HEADERS: Final[dict[str, Any]] = {
    "X-Request-Id": {"description": "What the log calls this call", "schema": {"type": "string"}},
    "RateLimit-Limit": {"description": "Calls of the key in a minute", **_NUMBER},
    "RateLimit-Remaining": {"description": "Calls that are left in it", **_NUMBER},
    "RateLimit-Reset": {"description": "Seconds until it ends", **_NUMBER},
    "Retry-After": {"description": "Seconds after which the same call may succeed", **_NUMBER},
    "ETag": {
        "description": "Changes with the answer; for If-None-Match and If-Match",
        "schema": {"type": "string"},
    },
}
_ALWAYS: Final = [name for name in _HEADERS if name not in ("Retry-After", "ETag")]


@cache
def document() -> Mapping[str, Any]:
    """The whole document."""
    answered = [operation for operation in OPERATIONS if answer_of(operation) is not None]
    (*answers, _, _), schemas = schemas_of([*map(answer_of, answered), Problem, DoneBefore])
    by_id = dict(zip(map(identifier, answered), answers, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        made = _operation(operation, by_id.get(identifier(operation)), schemas)
        paths.setdefault(operation.path, {})[operation.method.lower()] = made
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


def _operation(
    operation: Operation, answer: Mapping[str, Any] | None, schemas: dict[str, Any]
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": identifier(operation),
        "summary": operation.summary,
        "description": _description(operation),
        "tags": [_room(operation)],
        "parameters": [*_path_parameters(operation), *_query_parameters(operation), *_headers(operation)],
        "responses": _responses(operation, answer),
    }
    if operation.body is not None:
        name = operation.body.__name__
        schema = operation.body.model_json_schema(ref_template=REF)
        if schemas.setdefault(name, schema) != schema:
            raise TypeError(f"an answer and a body are both named {name}")
        made["requestBody"] = {
            "required": any(field.is_required() for field in operation.body.model_fields.values()),
            "content": {JSON: {"schema": {"$ref": REF.format(model=name)}}},
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


_PATH: Final = {
    "phone": "A number, such as +447700900010, or a user id as user:ACCOUNT/ID.",
    "id": "The session's id at the gateway.",
    "account": "The account's name in the settings.",
    "file": "The end of the address that `rejects_file` gives.",
}
_NAME: Final = {
    "campaigns": "The campaign's name.",
    "templates": "The template's name.",
    "rates": "The card's name.",
}


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATH.get(name) or _NAME[_room(operation)],
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


def _responses(operation: Operation, answer: Mapping[str, Any] | None) -> dict[str, Any]:
    headers = _headers_of(*_ALWAYS, *(["ETag"] if operation.tagged else []))
    if answer is not None and operation.repeatable and operation.again is Again.MARKED:
        answer = {"anyOf": [answer, {"$ref": REF.format(model=DoneBefore.__name__)}]}
    content = {media: {"schema": answer if media == JSON else dict(_BYTES)} for media in operation.media}
    answers: dict[str, Any] = {
        str(operation.status): {"description": "Done", "headers": headers, "content": content}
    }
    if operation.tagged:
        unchanged = "Unchanged since the ETag of If-None-Match"
        answers["304"] = {"description": unchanged, "headers": _headers_of(*_ALWAYS, "ETag")}
    for status in sorted(statuses(operation)):
        waits = status == 429 or (status == 409 and operation.repeatable)
        answers[str(status)] = {
            "description": (_EVERYWHERE | _MEANING)[status],
            "headers": _headers_of("X-Request-Id", *(["Retry-After"] if waits else [])),
            "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(model=Problem.__name__)}}},
        }
    return answers


def _headers_of(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def statuses(operation: Operation) -> set[int]:
    """Those of problems."""
    found = {*_EVERYWHERE, *operation.problems}
    if "{" in operation.path:
        found.add(404)
    if operation.body is not None or operation.file is not None:
        found |= {413, 415}
    if operation.repeatable:
        found |= {409, 502}
    if operation.method != "GET":
        found.add(400)
    return found
