"""The API as an OpenAPI 3.1 document, made from its operations."""

from __future__ import annotations

import re
from typing import Any, Final

from web.api.app import OPERATIONS, PREFIX
from web.api.operations import JSON, REPEAT, Nothing, Operation
from web.api.problems import MEDIA_TYPE

VERSION: Final = "1"
_EVERYWHERE: Final = {
    401: "No key, or one that is not in force",
    403: "The key's scope does not allow it",
    500: "A fault of Drumbeat",
    503: "The database or the provider does not answer",
}
_MEANING: Final = {
    400: "The Idempotency-Key cannot be used",
    404: "There is no such campaign, person or report",
    409: "A guard stops it, or the same call is under way",
    413: "The body is too large",
    415: "The body is no JSON",
    422: "The input cannot be used, or the Idempotency-Key was used for another call",
    502: "The provider refuses the account",
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
        },
    }


def _operation(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": _identifier(operation),
        "summary": operation.summary,
        "description": f"Needs the scope `{operation.scope}`.",
        "parameters": [*_path_parameters(operation), *_query_parameters(operation)],
        "responses": _responses(operation),
    }
    if operation.repeatable:
        made["parameters"].append(_repeat_parameter())
    if operation.body is not None:
        schema = operation.body.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas[operation.body.__name__] = schema
        made["requestBody"] = {
            "required": any(field.is_required() for field in operation.body.model_fields.values()),
            "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{operation.body.__name__}"}}},
        }
        if operation.body is Nothing:
            made["requestBody"]["required"] = False
    return made


def _identifier(operation: Operation) -> str:
    return "_".join([operation.method.lower(), *re.findall(r"[a-z]+", operation.path)])


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", operation.path)
    ]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "in": "query",
            "required": False,
            "description": each.description,
            "schema": dict(each.schema),
        }
        for each in operation.query
    ]


def _repeat_parameter() -> dict[str, Any]:
    return {
        "name": REPEAT,
        "in": "header",
        "required": False,
        "description": "The same call with the same key is done once, and gets the same answer for 24 hours.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
    }


def _responses(operation: Operation) -> dict[str, Any]:
    statuses = {*_EVERYWHERE, *operation.problems, *((422,) if operation.query else ())}
    if operation.body is not None:
        statuses |= {413, 415, 422}
    if operation.repeatable:
        statuses |= {400, 409, 422, 502}
    answers: dict[str, Any] = {
        str(operation.status): {
            "description": "Done",
            "content": {JSON: {"schema": {"type": "object"}}},
        }
    }
    if operation.tagged:
        answers["304"] = {"description": "Unchanged since the ETag of If-None-Match"}
    for status in sorted(statuses):
        answers[str(status)] = {
            "description": (_EVERYWHERE | _MEANING)[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    return answers


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
        },
    }
